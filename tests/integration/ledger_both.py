"""The ledger's model and a real server side by side: what every state machine of tests does to both."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import TypeVar, cast

import hypothesis.strategies as st
import pytest
import redis
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import RuleBasedStateMachine, run_state_machine_as_test

import stoker
from stoker.fleet.topology import WorkDevice, queue_for
from stoker.kinds import Spec
from stoker.ledger import attempts, intake
from stoker.ledger.attempt import Attempt
from stoker.ledger.intake import NewJob
from stoker.ledger.replies import Refusal
from stoker.models.manifest import Artifact
from stoker.redis.connection import Connection
from stoker.settings import Settings

from .ledger_model import LedgerModel

T = TypeVar("T")
PAST, FUTURE = datetime(2020, 1, 1, tzinfo=UTC), datetime.now(UTC) + timedelta(days=30)
# Long enough that nothing runs out by itself: the rules let time pass by writing it.
LEASE_S = 3600.0
PICK = st.integers(0, 99)


def some(things: Sequence[T], pick: int) -> T:
    """One of several, by a number that shrinks towards the newest."""
    return things[-1 - pick % len(things)]


class OnServer(RuleBasedStateMachine):
    """A machine whose steps are done to a real server, which is empty at its start and its end."""

    redis_url: str

    def __init__(self) -> None:
        super().__init__()
        self.connection = Connection.open(Settings(), self.redis_url)
        self.redis = redis.Redis.from_url(self.redis_url, decode_responses=True)
        self.redis.flushall()

    def teardown(self) -> None:
        self.redis.flushall()
        self.redis.close()
        self.connection.close()


def run_on_server(machine: type[OnServer], redis_url: str, examples: int) -> None:
    """Let a machine take its steps, in so many courses."""
    run_state_machine_as_test(
        type(machine.__name__, (machine,), {"redis_url": redis_url}),
        settings=settings(
            max_examples=examples,
            stateful_step_count=40,
            derandomize=True,
            # Without shrinking, which takes minutes: add Phase.shrink to see the shortest way to a failure.
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        ),
    )


class BothSides(OnServer):
    """Each method is one step of the model and the same step on the server."""

    def __init__(self) -> None:
        super().__init__()
        self.model = LedgerModel(self._members)
        self.submitted: list[tuple[NewJob, bool]] = []
        self.attempts: list[Attempt] = []
        self.events_sent: dict[str, int] = {}
        self.doomed: list[tuple[str, Artifact]] = []
        self.clock = self.names = 0

    def _members(self, name: str) -> list[str]:
        # By a script, because redis-py makes a set of the answer.
        return cast(list[str], self.redis.eval("return redis.call('SMEMBERS', ARGV[1])", 0, name))

    def _tick(self) -> int:
        """A time long ago, later than the one before."""
        self.clock += 1
        return self.clock

    def _name(self, what: str) -> str:
        self.names += 1
        return f"{what}-{self.names}"

    def _new(
        self,
        kind: str,
        common: dict[str, object],
        after: tuple[str, ...],
        key: str | None,
        device: WorkDevice = "cpu",
    ) -> NewJob:
        fields = common | {"after": after}
        spec: Spec = (
            stoker.Train.model_validate(fields | {"model": "one", "data": "sample://digits"})
            if kind == "train"
            else stoker.Deploy.model_validate(fields | {"model": "one@1", "alias": "live"})
        )
        return NewJob(self._name("job"), spec, queue_for(kind, device), after, key)

    def _submit(self, new: list[NewJob], *, held: bool, in_chunks: bool = False) -> None:
        answer = self.model.submit(new, held=held)
        list_id = self._name("intake")
        if in_chunks:
            self.connection.run(intake.stage(list_id, 1, new))
        call = intake.accept(list_id, new) if in_chunks else intake.submit(new)
        if isinstance(answer, str):
            refusals = {"missing": stoker.JobNotFound, "quota": stoker.Unavailable}
            with pytest.raises(refusals.get(answer, stoker.InvalidJob)):
                self.connection.run(call)
            return
        assert self.connection.run(call) == (True if in_chunks else answer)
        if in_chunks:
            # Its client, and a controller that finds it at the same moment.
            for _ in range(2):
                assert self.connection.run(intake.take_in(list_id)) is False
        self.submitted += [(job, held) for job in new]

    def _take(self, name: str, *, lost: bool) -> None:
        job_id = self.model.lists[name].pop()
        message = self.redis.rpop(name)
        assert json.loads(str(message))["headers"]["id"] == job_id
        if not lost:
            self._claim(job_id, self._name("owner"))

    def _claim(self, job_id: str, owner: str) -> None:
        answer = self.model.claim(job_id, owner)
        claimed = self.connection.run(attempts.claim(job_id, owner, "worker", LEASE_S))
        if isinstance(answer, str):
            assert claimed is Refusal(answer)
            return
        assert isinstance(claimed, Attempt)
        assert (claimed.number, claimed.owner) == (answer, owner)
        assert [artifact.digest for artifact in claimed.checkpoints] == self.model.jobs[job_id].checkpoints
        self.attempts.append(claimed)

    def _hold(self, job_id: str, state: str | None) -> None:
        """Stop the clock of a job that now waits a little after a loss."""
        if state == "WAITING" and self.model.jobs[job_id].due:
            self.redis.zadd("stoker:due", {job_id: FUTURE.timestamp() * 1000})
