"""Lanes: inference requests that gather while the model is busy, and are answered a batch at a time.

A request goes into the lane of its model, a few Redis lists. Only one Celery message, the doorbell, is under way for
a lane that nobody drains; the worker that hears it drains the lane: it takes what is there, runs it as one batch,
delivers the answers and takes the next batch in the same step, until the lane stays empty. A drainer that waits for
more is woken by the next request without any message, so that a steady caller never waits for Celery.

What a drainer has taken stays in Redis, under its lease, until it is answered; if it dies, the requests go back to
the front of the lane. A request that is answered twice for it is delivered once: the caller knows its number.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from ..fleet.topology import redis_lists
from ..kinds import Priority
from ..ledger.scripts import basics, iso_now
from ..redis.connection import Call, Script, Word
from .keys import key, lua_table

# The Celery task behind a doorbell; its only argument is the lane.
DRAIN_TASK = "stoker.drain"


@dataclass(frozen=True)
class Pushed:
    """Requests for one lane.

    Attributes:
        queue: the Celery queue of its doorbells.
        most: how many requests the lane may hold.
        requests: of each, the milliseconds until nobody waits for it any more, and its bytes.
    """

    ref: str
    queue: str
    priority: Priority
    most: int
    requests: Sequence[tuple[int, bytes]]


@dataclass(frozen=True)
class Batch:
    """What a drainer has taken.

    Attributes:
        now_ms: the server's clock.
        requests: each with its deadline by that clock in front, as a little-endian double.
    """

    now_ms: int
    requests: list[bytes]


@dataclass(frozen=True)
class Result:
    """An answer as Celery's result backend holds it.

    Attributes:
        status: "SUCCESS" or "FAILURE".
        told: the result or the exception, as JSON.
    """

    result_id: str
    status: str
    told: str


@dataclass(frozen=True)
class Census:
    """All lanes together.

    Attributes:
        lanes: how many hold requests.
        waiting: requests that no drainer has taken yet.
        in_hand: requests that drainers have taken and not answered yet.
    """

    lanes: int
    waiting: int
    drainers: int
    in_hand: int


def push(lanes: Iterable[Pushed]) -> Call[list[int | None]]:
    """Put requests into their lanes; gives of each lane the depth at which it was full, or None where they fitted."""
    words: list[Word] = []
    for lane in lanes:
        words += (lane.ref, lane.queue, lane.priority, lane.most, len(lane.requests))
        for timeout_ms, request in lane.requests:
            words += (timeout_ms, request)

    def decode(answer: list[int]) -> list[int | None]:
        return [-1 - depth if depth < 0 else None for depth in answer]

    return Call(tuple(words), decode, _script("push"))


def demand() -> Call[dict[str, int]]:
    """How many slots the lanes need on each device: drainers that are there, or that the requests which wait want."""

    def decode(answer: list[tuple[bytes, int]]) -> dict[str, int]:
        needed: dict[str, int] = {}
        for queue, drainers in answer:
            device = queue.decode().partition(".")[0]
            needed[device] = needed.get(device, 0) + drainers
        return needed

    return Call((), decode, _script("demand"))


def join(ref: str, drainer: str, lease_s: float) -> Call[bool]:
    """Begin to drain a lane; False if it is empty."""
    return Call((ref, drainer, _ms(lease_s)), bool, _script("join"))


def take(
    ref: str,
    drainer: str,
    lease_s: float,
    *,
    turn: int,
    most: int,
    answers: Mapping[str, bytes],
    results: Sequence[Result] = (),
) -> Call[Batch | None]:
    """Deliver answers by client and results, and take the next batch; None if the lane was taken from this drainer.

    Args:
        turn: another number for each take.
        most: how many requests at most.
    """
    words: list[Word] = [ref, drainer, _ms(lease_s), turn, most, len(answers)]
    for client, told in answers.items():
        words += (client, told)
    if results:
        words.append(iso_now())
    for result in results:
        words += (result.result_id, result.status, result.told)

    def decode(answer: list[int | bytes]) -> Batch | None:
        now, *requests = answer
        if isinstance(now, bytes):
            return None
        return Batch(now, [request for request in requests if isinstance(request, bytes)])

    return Call(tuple(words), decode, _script("take"))


def drainer_name(watch: str, number: int) -> str:
    """The name of one of the drainers in one process, which are woken and abandoned together."""
    return f"{watch}.{number}"


def await_wake(watch: str, wait_s: float) -> Call[list[str]]:
    """Wait until a request comes for an idle drainer of a process; gives its name, or nothing."""
    words = ("BLPOP", key("wake", watch), max(wait_s, 0.01))
    return Call(words, lambda reply: [] if reply is None else [reply[1].decode()])


def woken(watch: str) -> Call[list[str]]:
    """The idle drainers of a process for which requests have come."""
    return Call(("LPOP", key("wake", watch), 100), lambda reply: [name.decode() for name in reply or ()])


def adopt(queues: Sequence[str]) -> Call[str | None]:
    """Take a doorbell that waits for a slot from one of these Celery queues; gives its lane."""
    return Call(tuple(queues), lambda ref: None if ref is None else ref.decode(), _script("adopt"))


def abandon(watch: str) -> Call[None]:
    """Hand on the lanes of a process that has ended."""
    return Call((watch,), lambda _: None, _script("abandon"))


def leave(ref: str, drainer: str) -> Call[None]:
    """Stop draining; what is in hand goes back to the front of the lane."""
    return Call((ref, drainer), lambda _: None, _script("leave"))


def sweep(limit: int = 100) -> Call[int]:
    """Take lanes from silent drainers, and ring for lanes that nobody drains; gives how many requests went back."""
    return Call((limit,), int, _script("sweep"))


def census() -> Call[Census]:
    """Count what is in the lanes and who drains them."""
    return Call((), lambda counts: Census(*counts), _script("census"))


def crowded(queues: Sequence[str]) -> Call[bool]:
    """Whether to make way for a message that waits on these Celery queues; True once for each of them."""
    lists = [name for name in redis_lists() if name.startswith(tuple(queues))]
    return Call(tuple(lists), bool, _script("crowded"))


def await_answers(client: str, wait_s: float) -> Call[bytes | None]:
    """The next answers for a client, or None if none came within `wait_s`."""
    words = ("BLPOP", key("answers", client), max(wait_s, 0.01))
    return Call(words, lambda reply: None if reply is None else bytes(reply[1]))


def wake_reader(client: str) -> Call[None]:
    """Send a client an entry without answers, so that it stops waiting for one."""
    return Call((client,), lambda _: None, _script("wake_reader"))


@cache
def _script(name: str) -> Script:
    folder = files(__package__) / "lua"
    lanes = (folder / "prelude.lua").read_text() + (folder / f"{name}.lua").read_text()
    return Script(basics() + lua_table() + lanes)


def _ms(seconds: float) -> int:
    return round(seconds * 1000)
