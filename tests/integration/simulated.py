"""A fleet in simulated time over the ledger's real scripts: only the clock, the workers and what jobs do are played."""

import heapq
import itertools
import json
import math
import random
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeVar, cast

import redis

import stoker
from stoker.client.foreseeing import etas_of
from stoker.events import Epoch
from stoker.fleet.topology import PRIORITIES, lists_of, queue_for, queues_of
from stoker.foresight.eta import Eta
from stoker.kinds import Spec
from stoker.ledger import attempts, intake, presence, upkeep
from stoker.ledger.attempt import Attempt
from stoker.ledger.intake import NewJob
from stoker.redis.calls import Call, drive
from stoker.redis.connection import Connection
from stoker.settings import Settings

T = TypeVar("T")
_CLOCK = "test:clock"
_LEASE_S = 1e6
_ROUND_MS = 20_000
_READ_CLOCK = """
local function simulated(key)
  local ms = tonumber(redis.call('GET', key))
  return { math.floor(ms / 1000), ms % 1000 * 1000 }
end
"""
START_MS = 1_800_000_000_000.0


@dataclass
class Outcome:
    """A job: what was foreseen at its submit, and what came of it, in ms of the simulated clock."""

    eta: Eta | None
    started: float = 0.0
    ended: float = 0.0


class SimulatedFleet:
    """So many slots on a CPU, and jobs that come and are run by them."""

    def __init__(self, redis_url: str, slots: int, seed: int) -> None:
        self.now = START_MS
        self.slots = slots
        self.random = random.Random(seed)
        self.jobs: dict[str, Outcome] = {}
        self.specs: dict[str, Spec] = {}
        self._seconds: dict[str, float] = {}
        self._names = itertools.count()
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._idle = slots
        self._cycle = list(queues_of("cpu"))
        self._connection = Connection.open(Settings(), redis_url)
        self._redis = redis.Redis.from_url(redis_url)
        self._worker = presence.Worker(
            name="cpu-1@here", node="here", device="cpu", slots=slots, most_slots=slots, queues=queues_of("cpu"),
            host="here", pid=1, kinds=("train", "run", "evaluate"), offers=("function:shop.jobs:*",), release=10**6,
        )  # fmt: skip
        self.run(presence.announce(self._worker))

    def run(self, call: Call[T]) -> T:
        """Send a call; its script reads the simulated clock."""
        if call.script is None:
            return self._connection.run(call)
        source = call.script.source.replace("redis.call('TIME')", f"simulated('{_CLOCK}')")
        self._redis.set(_CLOCK, str(int(self.now)))
        return self._connection.run(replace(call, script=replace(call.script, source=_READ_CLOCK + source)))

    def at(self, ms: float, do: Callable[[], None]) -> None:
        """Let something happen at a time."""
        heapq.heappush(self._events, (ms, next(self._names), do))

    def go(self) -> None:
        """Go on until nothing happens any more."""
        looked_at = self.now
        while self._events:
            self.now, _, do = heapq.heappop(self._events)
            do()
            if self.now - looked_at > _ROUND_MS:
                # As the controller does: jobs that have waited for long get another message.
                self.run(upkeep.resend(3))
                looked_at = self.now
            while self._idle and (job_id := self._message()):
                self._claim(job_id)

    def load(self, count: int, per_s: float, foreseen: int) -> None:
        """Let so many mixed jobs of three tenants come, so many a second; of the last ones it is foreseen when."""
        at = self.now
        for number in range(count):
            at += 1000 * self.random.expovariate(per_s)
            spec, seconds = self._drawn()
            asks = number >= count - foreseen
            self.at(at, lambda spec=spec, seconds=seconds, asks=asks: self.submit(spec, seconds, foreseen=asks))  # type: ignore[misc]

    def _drawn(self) -> tuple[Spec, float]:
        """A job and the seconds that it takes: trainings by their epochs, functions whatever their arguments."""
        drawn = self.random
        priority = drawn.choices(("low", "normal", "high"), (1, 6, 1))[0]
        common: dict[str, Any] = {
            "priority": priority,
            "tags": {"tenant": drawn.choices(("red", "blue", "green"), (5, 3, 1))[0]},
        }
        match drawn.choices(("train", "report", "clean", "score"), (25, 30, 25, 20))[0]:
            case "train":
                model, epochs = drawn.choice("abc"), drawn.choice((5, 20, 50))
                train = stoker.Train(model=model, data="sample://digits", epochs=epochs, **common)
                return train, epochs * {"a": 0.3, "b": 1.0, "c": 2.5}[model] * math.exp(drawn.gauss(0, 0.15))
            case "report":
                arguments = {"weeks": drawn.randint(1, 8)}
                return stoker.Run("shop.jobs:report", arguments, **common), 30 * math.exp(drawn.gauss(0, 0.5))
            case "clean":
                return stoker.Run("shop.jobs:clean", **common), 5 * math.exp(drawn.gauss(0, 0.3))
        return stoker.Run("shop.jobs:score", {"model": drawn.choice("xy")}, **common), 12 * math.exp(
            drawn.gauss(0, 0.2)
        )

    def submit(self, spec: Spec, seconds: float, *, foreseen: bool) -> None:
        """Submit a job, and ask when it starts and ends."""
        queue = queue_for(spec.kind, "cpu")
        [job_id] = self.run(intake.submit([NewJob(f"job-{next(self._names)}", spec, queue)]))
        self._seconds[job_id], self.specs[job_id] = seconds, spec
        self.run(presence.announce(self._worker.model_copy(update={"busy": self.slots - self._idle})))
        eta = drive(etas_of([job_id]), self.run)[job_id] if foreseen else None
        self.jobs[job_id] = Outcome(eta)

    def _message(self) -> str | None:
        """What a worker takes: of the highest priority, from its queues in turn, as kombu does."""
        for step in range(len(PRIORITIES)):
            for queue in self._cycle:
                name = lists_of([queue])[step]
                if message := cast(bytes | None, self._redis.rpop(name)):
                    self._cycle.remove(queue)
                    self._cycle.append(queue)
                    return str(json.loads(message)["headers"]["id"])
        return None

    def _claim(self, job_id: str) -> None:
        owner = f"owner-{next(self._names)}"
        attempt = self.run(attempts.claim(job_id, owner, self._worker.name, _LEASE_S, self._worker))
        if not isinstance(attempt, Attempt):
            return
        self._idle -= 1
        self.jobs[job_id].started = self.now
        seconds, spec = self._seconds[job_id], self.specs[job_id]
        for epoch in self._epochs(spec):
            at = self.now + 1000 * seconds * epoch / max(1, getattr(spec, "epochs", 1))
            self.at(at, lambda epoch=epoch: self._report(attempt, spec, epoch))  # type: ignore[misc]
        self.at(self.now + 1000 * seconds, lambda: self._end(attempt))

    def _epochs(self, spec: Spec) -> Iterator[int]:
        yield from range(1, getattr(spec, "epochs", 1), max(1, getattr(spec, "epochs", 1) // 5))

    def _report(self, attempt: Attempt, spec: Spec, epoch: int) -> None:
        event = Epoch(epoch=epoch, epochs=getattr(spec, "epochs", None), metrics={})
        self.run(attempts.report(attempt, _LEASE_S, [event]))

    def _end(self, attempt: Attempt) -> None:
        result = stoker.RunResult(function="shop.jobs:any", seed=1, run_s=1.0)
        self.run(attempts.succeed(attempt, result))
        self.jobs[attempt.job_id].ended = self.now
        self._idle += 1


def held(outcomes: Iterable[Outcome], what: Literal["start", "end"]) -> float:
    """In what share of the jobs the start, or the end, lay where it was foreseen."""
    hits: list[bool] = []
    for outcome in outcomes:
        when = outcome.eta and (outcome.eta.start if what == "start" else outcome.eta.end)
        if when:
            at = (outcome.started if what == "start" else outcome.ended) / 1000
            # The clock counts whole milliseconds.
            hits.append(when.earliest.timestamp() - 2e-3 <= at <= when.latest.timestamp() + 2e-3)
    return sum(hits) / len(hits)
