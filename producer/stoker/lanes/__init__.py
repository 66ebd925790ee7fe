"""Lanes: inference requests that queue up while the model is busy, and are answered in batches.

A request goes into the lane of its model, a few Redis lists. For a lane without a drainer there is one Celery message,
the doorbell. The worker that receives it drains the lane: it takes all requests as one batch, computes them, delivers
the answers and takes the next batch in the same round trip, until the lane stays empty. The next request then wakes
the idle drainer without any message, so that a steady caller never waits for Celery.

Requests that a drainer has taken stay in Redis, under its lease, until they are answered; if it dies, they go back to
the front of the lane. A request that is answered twice is delivered once: the caller knows its number.
"""

import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from ..fleet.topology import lists_of
from ..kinds import Priority
from ..ledger.keys import PREFIX as LEDGER_PREFIX
from ..ledger.readable import number
from ..ledger.routes import Route, route_of
from ..ledger.scripts import able, basics, iso_now, routes, waking
from ..redis.calls import Call, Script, Word
from ..redis.linking import linked
from .keys import PREFIX, key
from .refused import Refused, refused

# The Celery task of a doorbell; its only argument is the lane.
DRAIN_TASK = "stoker.drain"


@dataclass(frozen=True)
class LaneRequests:
    """Requests for one lane.

    Attributes:
        queue: the Celery queue of its doorbells.
        most: how many requests the lane may hold.
        requests: the timeout of each in milliseconds, and its bytes.
    """

    ref: str
    queue: str
    priority: Priority
    most: int
    requests: Sequence[tuple[int, bytes]]


@dataclass(frozen=True)
class Batch:
    """The requests that a drainer has taken.

    Attributes:
        now_ms: the server's clock.
        requests: each begins with its deadline by that clock, as a little-endian double.
        points_at: the number of the version that the lane's alias points at; None if the lane has no alias.
        route: that of the alias; None if it has none.
    """

    now_ms: int
    requests: list[bytes]
    points_at: int | None = None
    route: Route | None = None


@dataclass(frozen=True)
class Counted:
    """What was counted of a batch, for the evidence of a route.

    Attributes:
        job: whose route it was.
        counts: by their names in the evidence: see ledger/routes.py.
        news: what the route is to say from now on, where it says nothing yet, as a JSON object; in it `error` is one
            of the new version's, of which the evidence keeps the first.
    """

    job: str
    counts: Mapping[str, int]
    news: str = "{}"


@dataclass(frozen=True)
class CeleryResult:
    """An answer for Celery's result backend.

    Attributes:
        status: "SUCCESS" or "FAILURE".
        payload: the result or the exception, as JSON.
    """

    result_id: str
    status: str
    payload: str


@dataclass(frozen=True)
class LaneCounts:
    """Counts over all lanes.

    Attributes:
        lanes: lanes that hold requests.
        waiting: requests that no drainer has taken yet.
        taken: requests that drainers have taken and not answered yet.
    """

    lanes: int
    waiting: int
    drainers: int
    taken: int


def push(lanes: Iterable[LaneRequests]) -> Call[list[Refused | None]]:
    """Put requests into their lanes; for each lane None, or what it has refused, and why."""
    words: list[Word] = []
    pushed = list(lanes)
    for lane in pushed:
        words += (lane.ref, lane.queue, lane.priority, lane.most, len(lane.requests))
        for timeout_ms, request in lane.requests:
            words += (timeout_ms, request)

    def decode(answer: list[int | list[int]]) -> list[Refused | None]:
        return [refused(lane.ref, lane.most, told) for lane, told in zip(pushed, answer, strict=True)]

    return Call(tuple(words), decode, script("push"))


def demand() -> Call[dict[str, int]]:
    """How many slots the lanes need, by device: their drainers, or as many as the waiting requests need if more."""

    def decode(answer: list[tuple[bytes, int]]) -> dict[str, int]:
        needed: dict[str, int] = {}
        for queue, drainers in answer:
            device = queue.decode().partition(".")[0]
            needed[device] = needed.get(device, 0) + drainers
        return needed

    return Call((), decode, script("demand"))


def join(ref: str, drainer: str, lease_s: float) -> Call[bool]:
    """Become a drainer of a lane; False if it needs none."""
    return Call((ref, drainer, _ms(lease_s)), bool, script("join"))


def take(
    ref: str,
    drainer: str,
    lease_s: float,
    *,
    turn: int,
    most: int,
    answers: Mapping[str, bytes],
    results: Sequence[CeleryResult] = (),
    counted: Counted | None = None,
) -> Call[Batch | None]:
    """Deliver the answers to the last batch and take the next one; None if the drainer has lost the lane.

    Args:
        turn: a new number for each batch: the same number again gives the same batch.
        most: the largest batch.
        answers: encoded, by client.
        results: answers for Celery.
        counted: what was counted of the last batch, if the lane's alias has a route.
    """
    words: list[Word] = [ref, drainer, _ms(lease_s), turn, most, len(answers), len(counted.counts) if counted else -1]
    for client, encoded in answers.items():
        words += (client, encoded)
    if counted:
        words += (counted.job, counted.news)
        for name, count in counted.counts.items():
            words += (name, count)
    if results:
        words.append(iso_now())
    for result in results:
        words += (result.result_id, result.status, result.payload)

    def decode(answer: list[Any]) -> Batch | None:
        if len(answer) == 1:
            return None
        now, points_at, route, requests = answer
        return Batch(now, requests, number(points_at), route_of(ref, route) if route else None)

    return Call(tuple(words), decode, script("take"))


def drainer_name(watch: str, number: int) -> str:
    """The name of a drainer of a watch, whose drainers share a process."""
    return f"{watch}.{number}"


def await_wake(watch: str, wait_s: float) -> Call[list[str]]:
    """Wait for a request to an idle drainer of a watch; gives the drainer's name, or nothing."""
    words = ("BLPOP", key("wake", watch), max(wait_s, 0.01))
    return Call(words, lambda reply: [] if reply is None else [reply[1].decode()])


def woken(watch: str) -> Call[list[str]]:
    """The idle drainers of a watch that have got requests."""
    return Call(("LPOP", key("wake", watch), 100), lambda reply: [name.decode() for name in reply or ()])


def take_doorbell(queues: Sequence[str]) -> Call[str | None]:
    """Take a doorbell that waits for a slot from one of these Celery queues; gives its lane."""
    return Call(tuple(queues), lambda ref: None if ref is None else ref.decode(), script("take_doorbell"))


def abandon(watch: str) -> Call[None]:
    """Release the lanes of a watch whose process has died."""
    return Call((watch,), lambda _: None, script("abandon"))


def leave(ref: str, drainer: str) -> Call[None]:
    """Stop draining; requests that are not answered go back to the front of the lane."""
    return Call((ref, drainer), lambda _: None, script("leave"))


def servable(ref: str) -> Call[bool]:
    """Whether a live worker has all that the version behind a lane needs."""
    return Call((ref,), bool, script("servable"))


def sweep(limit: int = 100) -> Call[int]:
    """Return the requests of drainers whose lease is over, and ring for lanes without one; counts these requests."""
    return Call((limit,), int, script("sweep"))


def counts() -> Call[LaneCounts]:
    """Count lanes, requests and drainers."""
    return Call((), lambda reply: LaneCounts(*reply), script("counts"))


def make_way(queues: Sequence[str]) -> Call[bool]:
    """Whether to free a slot for a message that waits on these Celery queues: True once for each message."""
    return Call(lists_of(queues), bool, script("make_way"))


def await_answers(client: str, wait_s: float) -> Call[bytes | None]:
    """The next answers for a client; None if there are none within `wait_s`."""
    words = ("BLPOP", key("answers", client), max(wait_s, 0.01))
    return Call(words, lambda reply: None if reply is None else bytes(reply[1]))


def wake_reader(client: str) -> Call[None]:
    """Send a client an entry without answers, which ends `await_answers`."""
    return Call((client,), lambda _: None, script("wake_reader"))


# The scripts that are told whose they are.
_NAME_CALLER = ("push",)
# What few of a script's runs call.
_SELDOM = {
    "push": ("bells_of", "place_of_bell", "push_message", "raise_alarm", "slots_of"),
    "take": ("count_for_route", "store_celery_result", "taken_by"),
}
# What scripts use and is none.
_SHARED = {"prelude", "failures"}
_CONSTANTS = {"KEY": LEDGER_PREFIX, "LANE": PREFIX}


def script_names() -> list[str]:
    """The names of all scripts of the lanes."""
    return sorted({file.name.removesuffix(".lua") for file in (files(__package__) / "lua").iterdir()} - _SHARED)


@cache
def script(name: str) -> Script:
    """The script `lua/<name>.lua`, ready to run."""
    # Few of their runs look for such a worker, and what is defined costs each of them time.
    lazily = (
        _in_a_function("able()", able(), "able_workers, roomiest"),
        _in_a_function("routes()", routes(), "open_route, write_route, end_route"),
        _in_a_function("wake(id)", waking(), "wake_waiting(id)"),
    )
    library = "".join((basics(), *lazily, _lua("prelude"), _lua("failures")))
    return Script(linked(_lua(name), library, _CONSTANTS, _SELDOM.get(name, ())), names_caller=name in _NAME_CALLER)


def _in_a_function(head: str, library: str, answer: str) -> str:
    body = linked(f"return {answer}\n", library, _CONSTANTS)
    return f"local function {head}\n{textwrap.indent(body, '  ')}end\n"


def _lua(name: str) -> str:
    return (files(__package__) / "lua" / f"{name}.lua").read_text()


def _ms(seconds: float) -> int:
    return round(seconds * 1000)
