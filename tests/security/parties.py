"""A client, a worker and a controller with keys, on a real server; nothing of them is a process of its own."""

from collections.abc import Mapping
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Any

import redis

import stoker
from stoker.kinds import KINDS
from stoker.ledger.presence import Worker
from stoker.redis.connection import Connection
from stoker.security.key_files import write_pair
from stoker.security.keys import Role, TrustedKey
from stoker.settings import Settings
from stoker.version import RELEASE
from stoker_workers.attempt.claim import run_job
from stoker_workers.attempt.ending import Ending
from stoker_workers.attempt.slot import Slot

WORKER = Worker(
    name="cpu-1@here",
    node="here",
    device="cpu",
    slots=1,
    most_slots=1,
    queues=("cpu.infer", "cpu.train", "cpu.batch"),
    host="here",
    pid=1,
    kinds=tuple(KINDS),
    release=RELEASE,
    offers=("function:canary:touch",),
)
QUEUE = "cpu.batch"
Scopes = Mapping[str, tuple[str, ...]]


class TestSlot(Slot):
    """A slot of this process."""

    __test__ = False
    place = 0


class Parties:
    """The three, each with a key of its name; the client's and the controller's settings trust them, too."""

    def __init__(self, folder: Path, redis_url: str) -> None:
        self.folder = folder
        self.redis_url = redis_url
        self.trusted = folder / "trusted"
        self.canary = folder / "executed"
        self.redis = redis.Redis.from_url(redis_url, decode_responses=True)
        self.connection = Connection.open(Settings(), redis_url)
        for role in ("client", "worker", "controller"):
            self.add_key(role, role)

    def add_key(
        self, name: str, role: Role = "client", *, expires: datetime | None = None, scopes: Scopes | None = None
    ) -> TrustedKey:
        """One key more."""
        return write_pair(name, self._private(name), self.trusted, role, expires, scopes or {})

    def settings(self, key: str | None = None, *, trusts: bool = True, **more: Any) -> Settings:
        """Settings with which one of them signs; None signs nothing."""
        keys = {"signing_key": self._private(key) if key else None, "trusted_keys": self.trusted if trusts else None}
        return Settings(redis_url=self.redis_url, home=self.folder / "home", **keys, **more)

    def client(self, key: str | None = "client", *, trusts: bool = True) -> stoker.Client:
        """A client; with None for a key it signs nothing."""
        return stoker.Client(settings=self.settings(key, trusts=trusts))

    def slot(self, key: str | None = "worker", *, trusts: bool = True) -> Slot:
        """A worker's slot."""
        settings = self.settings(key, trusts=trusts, functions=("canary:touch",))
        return TestSlot(settings, self.redis_url, WORKER)

    @property
    def spec(self) -> stoker.Run:
        """A job that leaves the canary's file."""
        return stoker.Run("canary:touch", {"path": str(self.canary)}, device="cpu", tags={"tenant": "research"})

    def submit(self, key: str | None = "client", spec: Any = None) -> str:
        """A job's id."""
        with self.client(key) as client:
            return client.submit(self.spec if spec is None else spec).id

    def run(self, job_id: str, slot: Slot | None = None) -> Ending:
        """Claim the job, and see it to its end."""
        return run_job(slot or self.slot(), job_id, QUEUE)

    def write(self, job_id: str, **fields: str) -> None:
        """What an attacker does who knows the client's password."""
        for name, value in fields.items():
            self.redis.hset(f"stoker:job:{job_id}", name, value)

    def read(self, job_id: str, field: str) -> str:
        """A field of a record."""
        return str(self.redis.hget(f"stoker:job:{job_id}", field))

    def reason(self, job_id: str) -> str:
        """Why a job was refused, of which nothing was executed."""
        with self.client(None) as client:
            status = client.job(job_id).status()
        assert status.state == stoker.JobState.FAILED
        assert not self.canary.exists(), "it was executed"
        assert status.reason
        return status.reason

    def close(self) -> None:
        """Close their connections."""
        with closing(self.redis), closing(self.connection):
            pass

    def _private(self, name: str) -> Path:
        return self.folder / f"{name}.pem"
