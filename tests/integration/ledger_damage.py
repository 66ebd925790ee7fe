"""A small ledger with jobs in every state, what something else may write over its keys, and whether it is whole."""

import struct
import uuid
from collections import Counter
from typing import Any, cast

import stoker
from stoker import JobState
from stoker.events import Log
from stoker.ledger import (
    attempts,
    autoscaling,
    celery_results,
    damage,
    intake,
    monitoring,
    presence,
    quotas,
    records,
    sampling,
    upkeep,
)
from stoker.ledger.attempt import Attempt
from stoker.ledger.intake import NewJob
from stoker.ledger.keys import TYPES, key
from stoker.ledger.sampling import Sampling
from stoker.redis.connection import Connection

from .ledger_machine import result_of, version

LEASE_S = 3600.0
_RUNG = "stoker:rung:cpu.train:normal"
FINAL = ("SUCCEEDED", "FAILED", "CANCELLED", "DEAD", "PRUNED")
WORKER = presence.Worker(
    name="w", node="n", device="cpu", slots=2, most_slots=2, queues=("cpu.train",), kinds=("train",), host="h", pid=1
)
# One key of each sort that a name is part of, beside those that all jobs share.
SHARED = [
    *(key(name) for name in TYPES),
    *(key("jobs", "train", state, "cpu") for state in JobState),
    *(key(name, "cpu.train", "normal") for name in ("rung", "tenants")),
    key("held", "cpu.train", "normal", "a"),
    key("gathering", "cpu.train"),
    *(key(name, "one") for name in ("model", "aliases", "notes", "moves", "sampled", "answered", "answered_at")),
    *(key(name, "one@1") for name in ("samples", "outcomes")),
    key("examples", "cpu", "train"),
    key("decisions", "cpu"),
    key("fleet", "cpu"),
    "cpu.train\x06\x166",
]
_SAMPLING = Sampling(share=1.0, window=2, horizon_s=60.0)
WRONG = ("string", "list", "hash", "set", "zset", "stream")


def write(client: Any, name: str, kind: str) -> None:
    """Put a value of a type in a key's place."""
    client.delete(name)
    match kind:
        case "string":
            client.set(name, "x")
        case "list":
            client.rpush(name, "x")
        case "hash":
            client.hset(name, "x", "x")
        case "set":
            client.sadd(name, "x")
        case "zset":
            client.zadd(name, {"x": 1})
        case "stream":
            client.xadd(name, {"x": "x"})


class SmallLedger:
    """Jobs in every state: more of them are queued than have a message."""

    def __init__(self, connection: Connection) -> None:
        self.run = connection.run
        self.client: Any = connection.client
        self.run(presence.announce(WORKER))
        for tenant in "aab" * 8:
            self.submit(tenant=tenant)
        self.running = [self.claim_next() for _ in range(3)]
        self.first = self.running[0].job_id
        self.after = self.submit(after=(self.running[1].job_id,))
        self.later = self.submit(not_before="2999-01-01T00:00:00Z")
        self.succeeded = self.claim_next()
        self.run(attempts.succeed(self.succeeded, result_of("one@1"), [version("one", 1, self.succeeded.job_id)]))
        self.run(attempts.fail(self.claim_next(), JobState.FAILED, "bad data"))
        self.run(records.cancel(self.rung()[0]))
        self.queued = self.in_state("QUEUED")

    def rung(self) -> list[str]:
        """The jobs that have a message."""
        return [str(job_id, "ascii") for job_id in cast(list[bytes], self.client.zrange(_RUNG, 0, -1))]

    def claim_next(self) -> Attempt:
        attempt = self.run(attempts.claim(self.rung()[0], str(uuid.uuid4()), "w", LEASE_S, WORKER))
        assert isinstance(attempt, Attempt), attempt
        return attempt

    def submit(self, tenant: str = "", **fields: object) -> str:
        tags = {"tenant": tenant} if tenant else {}
        spec = stoker.Train.model_validate({"model": "one", "data": "sample://digits", "tags": tags} | fields)
        new = NewJob(str(uuid.uuid4()), spec, "cpu.train", spec.after)
        [job_id] = self.run(intake.submit([new]))
        return job_id

    def work(self) -> None:
        """Let everybody do something: clients, workers, operators and a controller; none may end in an error."""
        self.run(presence.announce(WORKER))
        one, two, three = self.running
        self.run(sampling.take(one, "one@1", _SAMPLING, 0))
        for _ in range(2):
            self.run(sampling.keep(one.job_id, "one@1", struct.pack("<I", 1), {"one@1:a": "c:red"}))
        self.run(sampling.feedback("one", [("one@1:a", "red")]))
        self.run(sampling.take(one, "one@1", _SAMPLING, 0))
        self.run(attempts.report(one, LEASE_S, [Log(line="hello")]))
        self.run(attempts.succeed(one, result_of("one")))
        self.run(attempts.fail(two, JobState.FAILED, "bad data"))
        self.run(attempts.release(three, "lost", "killed"))
        new = self.submit(tenant="a")
        self.submit(after=(new,))
        self.run(records.cancel(new))
        for job_id in self.queued:
            self.run(attempts.claim(job_id, str(uuid.uuid4()), "w", LEASE_S, WORKER))
        for call in (
            *(quotas.set_quotas({}, 600), upkeep.wake(), upkeep.resend(-1), upkeep.fall_back(0), upkeep.expired()),
            upkeep.look([key("leases"), key("due")], [key("queued")]),
            *(upkeep.expire(1000, 3600), quotas.tenants(), records.counts(), records.query(None, None, 10)),
            *(
                autoscaling.traffic("cpu"),
                monitoring.health(),
                presence.workers(),
                autoscaling.reach(),
                presence.want_slots("w", 2),
            ),
            *(celery_results.mirror(), celery_results.pending(), upkeep.lead("c", 60), upkeep.resign("c")),
        ):
            self.run(call)

    def repair(self) -> list[str]:
        """Look at everything until nothing is found any more; gives what was."""
        found: list[str] = []
        for _ in range(5):
            look = self.run(damage.repair(keys=100_000))
            assert look.cursor == "0"
            found += look.damages
            if not look.damages:
                return found
        raise AssertionError(f"never whole: {look.damages}")

    def finish_all(self) -> None:
        """Run every job that can be, to its end."""
        for state in ("WAITING", "QUEUED"):
            for job_id in self.in_state(state):
                self.client.zadd("stoker:due", {job_id: 0}, xx=True)
        self.run(upkeep.wake())
        for _ in range(100):
            if not self.rung():
                break
            self.run(attempts.succeed(self.claim_next(), result_of("one")))
            self.run(upkeep.wake())
        for job_id in self.in_state("RUNNING"):
            owner = self.client.hget(f"stoker:job:{job_id}", "owner").decode()
            self.run(attempts.fail(Attempt(job_id, owner, 1, "", ()), JobState.FAILED, "the end"))

    def records(self) -> dict[str, dict[str, str]]:
        names = list(self.client.scan_iter("stoker:job:*", count=1000))
        with self.client.pipeline(transaction=False) as pipeline:
            for name in names:
                pipeline.hgetall(name)
            return {
                name.decode().rpartition(":")[2]: {k.decode(): v.decode() for k, v in fields.items()}
                for name, fields in zip(names, pipeline.execute(), strict=True)
            }

    def in_state(self, *states: str) -> list[str]:
        return [job_id for job_id, fields in self.records().items() if fields["state"] in states]

    def assert_whole(self) -> None:
        """Every record is where its state says, nothing else is, and every count is right."""
        records = self.records()
        ids = {state: {job_id for job_id, fields in records.items() if fields["state"] == state} for state in JobState}
        queued, running = Counter[str](), Counter[str]()
        for fields in records.values():
            tenant = fields.get("tenant", "")
            queued[tenant] += fields["state"] in ("WAITING", "QUEUED")
            running[tenant] += fields["state"] == "RUNNING"
        for state in JobState:
            assert self._ids(f"stoker:jobs:train:{state}:cpu") == ids[state]
        rung = self._ids(_RUNG)
        held = set[str]().union(*(self._ids(name) for name in self.client.scan_iter("stoker:held:*", count=1000)))
        assert not rung & held
        assert rung | held == ids[JobState.QUEUED]
        assert self._ids("stoker:leases") == ids[JobState.RUNNING]
        assert self._ids("stoker:finished") == set().union(*(ids[JobState(state)] for state in FINAL))
        seats = {job_id.decode(): seat.decode() for job_id, seat in self.client.hgetall("stoker:seats").items()}
        assert set(seats) == rung | ids[JobState.RUNNING]
        assert self._counts("load") == Counter(seats.values())
        assert self._counts("running") == +running
        assert self._counts("queued") == +queued
        for job_id, fields in records.items():
            assert fields["state"] != "RUNNING" or {"owner", "worker", "lease_until", "started_at"} <= fields.keys()
            assert fields["state"] != "SUCCEEDED" or "result" in fields, job_id

    def _ids(self, name: str | bytes) -> set[str]:
        return {job_id.decode() for job_id in self.client.zrange(name, 0, -1)}

    def _counts(self, name: str) -> Counter[str]:
        return Counter({k.decode(): int(v) for k, v in self.client.hgetall(f"stoker:{name}").items()})
