"""What the ledger knows of fleets: their traffic, bounds that were set by hand, and what the autoscaler decided."""

from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import partial

from pydantic import BaseModel, ConfigDict, ValidationError

from ..fleet.bounds import Bounds, Decision
from ..fleet.topology import DEVICES, WorkDevice, queue_for
from ..kinds import KINDS
from ..redis.calls import Call
from .keys import key
from .readable import all_readable, readable
from .scripts import script

# Of how many jobs of a kind and device a look at the traffic reads the record: a random sample where there are more.
_SAMPLE = 200
_DECISIONS_KEPT = 100
# A fleet about which nothing was decided for so long has no controller, or no settings, any more.
DECIDED_WITHIN = timedelta(minutes=5)


class KindTraffic(BaseModel):
    """Jobs of one kind on one device.

    Attributes:
        jobs: how many are QUEUED, or WAITING for a worker that has what they need and is busy.
        queued: how many slots those of them need whose tenants may have more running; a training by several workers
            needs several.
        started: how many attempts ever began.
        service_ms: how long one runs, as a moving mean over those that ended; 0 if none has yet.
        alike: of queued ones that stand for all, what they have in common with others, as JSON that may have been
            written by anyone ("" if unknown), and how many slots these need.
    """

    model_config = ConfigDict(frozen=True)

    jobs: int
    queued: int
    started: int
    service_ms: float
    alike: tuple[tuple[str, int], ...] = ()


class RunningJobs(BaseModel):
    """The jobs that run.

    Attributes:
        count: how many slots they run on.
        seen: of some of them, of all if few, the kind, for how long in ms, and what it has in common with others, as
            JSON that may have been written by anyone; "" if unknown.
    """

    model_config = ConfigDict(frozen=True)

    count: int
    seen: tuple[tuple[str, float, str], ...] = ()


class Traffic(BaseModel):
    """What a fleet has to do at one moment, by the server's clock.

    Attributes:
        oldest_ms: for how long the first of the jobs has been QUEUED whose tenants may have more running.
        widest: slots that one of the jobs needs at once.
        paused: how many jobs are held because their queue or tenant is paused; they count for nothing else.
    """

    model_config = ConfigDict(frozen=True)

    at: float
    oldest_ms: float
    kinds: dict[str, KindTraffic]
    running: RunningJobs
    widest: int = 0
    paused: int = 0


def traffic(device: WorkDevice) -> Call[Traffic]:
    """Look at a fleet's jobs; as `health`, it moves none."""
    queues = {kind: queue_for(kind, device) for kind in KINDS}
    words = [word for pair in queues.items() for word in pair]

    def decode(answer: bytes) -> Traffic:
        # What jobs have in common may have been written by anyone, and need be no UTF-8.
        return Traffic.model_validate_json(answer.decode(errors="replace"))

    return Call((device, _SAMPLE, *words), decode, script("autoscaling"))


def bounds(device: WorkDevice) -> Call[Bounds | None]:
    """What was set by hand for a fleet; None if nothing was."""

    def decode(answer: dict[bytes, bytes]) -> Bounds | None:
        # What something else has written there bounds nothing.
        with suppress(ValidationError):
            return Bounds.model_validate({name.decode(): value for name, value in answer.items()}) if answer else None
        return None

    return Call(("HGETALL", key("fleet", device)), decode)


def set_bounds(device: WorkDevice, new: Bounds) -> Call[None]:
    """Set bounds by hand, beside those set before."""
    words = [word for pair in new.model_dump(exclude_none=True).items() for word in pair]
    return Call(("HSET", key("fleet", device), *words), lambda _: None)


def clear_bounds(device: WorkDevice) -> Call[None]:
    """Let the settings hold again."""
    return Call(("DEL", key("fleet", device)), lambda _: None)


def decided(device: WorkDevice, decision: Decision, *, notable: bool) -> Call[None]:
    """Keep a decision: as the fleet's present one, and, if it is notable, among the newest 100."""
    return Call((device, decision.model_dump_json(), int(notable), _DECISIONS_KEPT), lambda _: None, script("decided"))


def decisions(device: WorkDevice, limit: int = _DECISIONS_KEPT) -> Call[list[Decision]]:
    """The present decision of a fleet and then the notable ones before it, the newest first."""
    return Call(("LRANGE", key("decisions", device), 0, limit - 1), partial(all_readable, Decision))


def reach() -> Call[dict[WorkDevice, int]]:
    """How many slots each fleet may grow to, by nodes that do not run yet too; only those that are scaled."""

    def decode(answer: list[bytes]) -> dict[WorkDevice, int]:
        now_ms, *heads = answer
        since = datetime.fromtimestamp(float(now_ms) / 1000, UTC) - DECIDED_WITHIN
        present = zip(DEVICES, (readable(Decision, head) for head in heads), strict=True)
        return {device: decision.most for device, decision in present if decision and decision.at > since}

    return Call(DEVICES, decode, script("reach"))
