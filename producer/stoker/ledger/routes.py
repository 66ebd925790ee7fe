"""Routes: how an alias shares its requests between the version that it points at and another.

    open ──▶ shadow ──▶ 1 % ──▶ 10 % ──▶ … ──▶ promoted: the alias points at the other version
               └──────────┴───────┴──────────▶ closed: all requests go to the version before

An alias has one route at most. It belongs to a job, and holds no longer from the step on in which that ends, however
it ends; the controller takes away what is left of it. It is closed as well when the alias has been moved, when the
version that has the share cannot be loaded or ends its process, and as soon as the first `hard_stop` requests of that
version have all failed. What its versions did is counted for it, in the step in which workers deliver answers; it is
kept with the job's record.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from pydantic import BaseModel, Field

from ..errors import ModelInUse, ModelNotFound
from ..models.manifest import CHAMPION, ModelVersion
from ..redis.calls import Call, Steps
from . import registry
from .keys import key
from .readable import counts
from .scripts import script

HARD_STOP = 20
"""A version whose first requests all fail is given no more, after so many."""


class Route(BaseModel):
    """A route as it stands.

    Attributes:
        model, alias: whose requests are shared.
        job: the id of the job whose route it is.
        before: the number of the version that the alias points at.
        to: the number of the version that gets a share.
        share: of the requests, from 0 to 1; those of a key, and of a number, stay with a growing share.
        shadow: whether that version computes requests again that were answered, and its answers are dropped. Then it
            has no share.
        step: which step of its job's plan this is.
        since: when this step began, by the server's clock.
        ready: whether a worker has loaded that version. Until then it gets no requests.
        hard_stop: after how many requests it is closed if all have failed.
        edges: by output of a number ("" if there is one), the bounds between which predictions are counted.
    """

    model: str
    alias: str
    job: str
    before: int = Field(validation_alias="from")
    to: int
    share: float
    shadow: bool = False
    step: int = 0
    since: datetime = Field(validation_alias="since_ms")
    ready: bool = False
    hard_stop: int = HARD_STOP
    edges: dict[str, tuple[float, ...]] = Field(default_factory=dict)

    @property
    def goes_to(self) -> float:
        """The share that the version has of the answers."""
        return 0.0 if self.shadow else self.share

    @property
    def to_ref(self) -> str:
        """The exact reference of the version that gets a share."""
        return f"{self.model}@{self.to}"


@dataclass(frozen=True)
class Side:
    """What one version did, as far as it was counted.

    Attributes:
        requests: those that it was to answer.
        errors: those that it failed on, not counting those whose inputs were wrong.
        refused: those whose outputs were not finite.
        latency: how many batches, by (rows, µs) of each: as the exponents of the powers of 2 that they reach.
        outputs: by output ("" if there is one), by class or by place among `Route.edges`, how many rows.
        right, wrong: how many of its answers were found so by feedback.
    """

    requests: int = 0
    errors: int = 0
    refused: int = 0
    latency: Mapping[tuple[int, int], int] = field(default_factory=dict)
    outputs: Mapping[str, Mapping[int, int]] = field(default_factory=dict)
    right: int = 0
    wrong: int = 0


@dataclass(frozen=True)
class Evidence:
    """What was counted of a route: of both versions, and of the second one as a shadow.

    Attributes:
        before, to, shadow: see `Side`.
        compared: rows that both versions have computed, the shadow after the other.
        disagreed: those of them with another class, or with numbers that differ by more than 1 %.
        difference_ppm: the sum of the relative differences of their numbers, in millionths.
        how: "promoted" or "closed"; None while the route is open.
        closed: why, in words.
        error: the first error of the second version, in words; None for none.
    """

    before: Side
    to: Side
    shadow: Side
    compared: int = 0
    disagreed: int = 0
    difference_ppm: int = 0
    how: str | None = None
    closed: str | None = None
    error: str | None = None


def open_(
    job: str,
    alias: str,
    to: int,
    share: float,
    *,
    before: int | None = None,
    shadow: bool = False,
    hard_stop: int = HARD_STOP,
) -> Steps[None]:
    """Give a version a share of an alias's requests; again for the same job and version it changes nothing.

    Args:
        job: the id of the job whose route it is, which has not ended and has no other.
        alias: a reference: "digits" for its champion, "digits@live".
        before: the number that the alias must point at; None for any.

    Raises:
        ModelNotFound: there is no such alias or version.
        ModelInUse: the alias has another job's route, or points elsewhere; or the job has ended.
    """
    version: ModelVersion = yield registry.resolve(alias)
    name, _, pick = alias.partition("@")
    pick = pick or CHAMPION
    expected = "" if before is None else before
    answer: list[str] = yield _call("route_open", job, name, pick, to, share, int(shadow), hard_stop, expected)
    match answer:
        case ["route", other]:
            raise ModelInUse(
                f"{name}@{pick} shares its requests already, by job {other}: wait until that has ended, or "
                f"`stoker cancel {other}`"
            )
        case ["job"]:
            raise ModelInUse(
                f"job {job} has ended, or has another route: a job has one, for as long as it has not ended"
            )
        case ["moved", number]:
            raise ModelInUse(
                f"{name}@{pick} points at {number} now, no longer at {before}: deploy {name}@{to} again, to be held "
                f"against {name}@{number}"
            )
        case ["alias"]:
            raise ModelNotFound(f"{name} has no alias {pick!r}: `stoker models list` shows those that there are")
        case ["version"]:
            raise ModelNotFound(
                f"{name}@{to} cannot get a share of the requests to {version.ref}: "
                "it must be another version that there is"
            )


def move(job: str, *, share: float, shadow: bool = False, step: int) -> Call[None]:
    """Give the version of a job's route another share.

    Raises:
        ModelInUse: the route is closed; says why.
    """
    return _fenced("route_move", job, share, int(shadow), step)


def close(job: str, *, promote: bool, why: str) -> Call[None]:
    """End a job's route, and point the alias at its version if it is promoted.

    Args:
        why: the evidence, in words: it is noted among the changes of the model.

    Raises:
        ModelInUse: the route was closed before, for another reason; says why.
    """
    return _fenced("route_close", job, int(promote), why)


def routes(name: str | None = None) -> Call[list[Route]]:
    """The routes of a model, or of all, by model and alias."""

    def decode(answer: list[list[bytes]]) -> list[Route]:
        read = [read_route(model.decode(), alias.decode(), raw) for model, alias, raw in answer]
        return sorted(filter(None, read), key=lambda route: (route.model, route.alias))

    return Call((name or "",), decode, script("route_list"))


def read_route(model: str, alias: str, raw: bytes) -> Route | None:
    """A route from its JSON; None if that is none."""
    try:
        return Route.model_validate({**json.loads(raw), "model": model, "alias": alias})
    except (TypeError, ValueError):  # something else has written there
        return None


def route_of(ref: str, raw: bytes) -> Route | None:
    """The route of the alias that a reference names, from its JSON."""
    model, _, alias = ref.partition("@")
    return read_route(model, alias or CHAMPION, raw)


def evidence(job: str) -> Call[Evidence]:
    """What was counted of a job's route, also after its end; nothing if it had none."""

    def decode(answer: dict[bytes, bytes]) -> Evidence:
        fields = dict(answer)
        said = {name: fields.pop(name.encode(), b"").decode() or None for name in ("how", "closed", "error")}
        return read_evidence(counts(fields), said)

    return Call(("HGETALL", key("evidence", job)), decode)


def sweep() -> Call[int]:
    """Take away what is left of routes whose job has ended; counts them."""
    return Call((), int, script("route_sweep"))


def judge(model: str, number: int, *, right: bool) -> Call[None]:
    """Count what was learned of an answer of a version, for the routes that it is in."""
    return Call((model, number, int(right)), lambda _: None, script("route_judge"))


def read_evidence(counted: Mapping[str, int], said: Mapping[str, str | None] | None = None) -> Evidence:
    """What was counted, from its names.

    Args:
        said: how and why the route was closed, as `Evidence` has it.
    """
    return Evidence(
        _side(counted, "from"),
        _side(counted, "to"),
        _side(counted, "shadow"),
        counted.get("compared", 0),
        counted.get("disagreed", 0),
        counted.get("difference", 0),
        **(said or {}),
    )


def _side(counted: Mapping[str, int], name: str) -> Side:
    latency: dict[tuple[int, int], int] = {}
    outputs: dict[str, dict[int, int]] = {}
    for what, count in counted.items():
        match what.split(" "):
            case [side, "latency", rows, us] if side == name:
                latency[int(rows), int(us)] = count
            case [side, "output", *output, place] if side == name:
                outputs.setdefault(" ".join(output), {})[int(place)] = count
    figures = {what: counted.get(f"{name} {what}", 0) for what in ("requests", "errors", "refused", "right", "wrong")}
    return Side(latency=latency, outputs=outputs, **figures)


def _call(name: str, *words: str | int | float) -> Call[list[str]]:
    return Call(words, lambda answer: [word.decode() for word in answer], script(name))


def _fenced(name: str, job: str, *words: str | int | float) -> Call[None]:
    asked = _call(name, job, *words)

    def decode(answer: list[bytes]) -> None:
        if (said := asked.decode(answer))[0] == "closed":
            raise ModelInUse(f"the route of job {job} is closed: {said[1]}")

    return Call(asked.words, decode, asked.script)
