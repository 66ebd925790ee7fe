"""Models that a client has seen: not looked up again for the next job, and yet never an older version than there is."""

import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

import stoker
from stoker.client import submission
from stoker.client.placement import Seen
from stoker.kinds import Spec
from stoker.ledger import intake, records, registry
from stoker.ledger.intake import CHUNK_JOBS, NewJob
from stoker.models.manifest import ModelVersion
from stoker.models.signature import Signature, TensorSpec
from stoker.redis.calls import Call, drive
from stoker.redis.connection import Connection
from stoker.security.signatures import UNSIGNED
from stoker.settings import Settings

DEPLOY = stoker.Deploy(model="digits")
LOOK_UP = registry.resolve_all([]).script


def version(number: int, job: str, *columns: str) -> ModelVersion:
    inputs = (TensorSpec(name="x", dtype="float32", shape=(1,), kind="number", columns=columns),)
    outputs = (TensorSpec(name="y", dtype="float32", shape=(1,)),)
    return ModelVersion(
        name="digits", version=number, created_at=datetime(2026, 1, 1, tzinfo=UTC), metrics={}, files={}, parameters=0,
        job=job, signature=Signature(inputs=inputs, outputs=outputs, task="regression"), data="sample://digits",
    )  # fmt: skip


class Seeing:
    """A client that remembers the models it has seen, beside versions that somebody else changes."""

    def __init__(self, redis_url: str) -> None:
        self.connection = Connection.open(Settings(), redis_url)
        self.raw = self.connection.client
        self.look_ups = 0
        self._seen = Seen()
        self.raw.sadd("stoker:models", "digits")
        self.register(1, "a")
        self.register(2, "b")
        self.move(1)

    def register(self, number: int, job: str, *columns: str) -> None:
        self.raw.hset("stoker:model:digits", str(number), version(number, job, *columns).model_dump_json())

    def move(self, number: int) -> None:
        self.raw.hset("stoker:aliases:digits", "champion", number)

    def submit(self, *specs: Spec, key: str | None = None) -> list[str]:
        def run(call: Call[object]) -> object:
            self.look_ups += call.script == LOOK_UP
            return self.connection.run(call)

        jobs = drive(submission.submit(specs, key, signatures=UNSIGNED, seen=self._seen), run)
        return [job.id for job in jobs]

    def jobs(self) -> int:
        return len(self.connection.run(records.query(None, None, 2 * CHUNK_JOBS)))


@pytest.fixture
def seeing(redis_url: str) -> Iterator[Seeing]:
    seeing = Seeing(redis_url)
    yield seeing
    seeing.connection.close()


def test_a_model_is_looked_up_once_for_jobs_that_follow_each_other(seeing: Seeing) -> None:
    for ref in ("digits", "digits@1", "digits@latest", "digits"):
        for _ in range(3):
            seeing.submit(DEPLOY.model_copy(update={"model": ref}))
    assert (seeing.look_ups, seeing.jobs()) == (3, 12)


@pytest.mark.parametrize("count", [1, CHUNK_JOBS + 1])
def test_a_model_that_is_gone_is_refused_though_it_was_seen(seeing: Seeing, count: int) -> None:
    pinned = DEPLOY.model_copy(update={"model": "digits@2"})
    seeing.submit(pinned)
    seeing.raw.hdel("stoker:model:digits", "2")
    with pytest.raises(stoker.ModelNotFound, match="no model digits@2"):
        seeing.submit(*[pinned] * count)
    assert seeing.jobs() == 1
    assert not list(seeing.raw.scan_iter("stoker:intake*"))


@pytest.mark.parametrize("count", [1, CHUNK_JOBS + 1])
def test_a_job_is_checked_against_the_version_that_its_alias_has_moved_to(seeing: Seeing, count: int) -> None:
    seeing.submit(DEPLOY)
    seeing.move(2)
    seeing.submit(*[DEPLOY] * count)
    assert (seeing.look_ups, seeing.jobs()) == (2, 1 + count)


def test_a_number_that_is_another_models_by_now_is_looked_up_again(seeing: Seeing) -> None:
    seeing.submit(DEPLOY)
    seeing.register(1, "c")
    seeing.submit(DEPLOY)
    assert seeing.look_ups == 2


def test_what_does_not_fit_the_version_that_was_seen_is_held_against_the_one_there_is(
    seeing: Seeing, tmp_path: Path
) -> None:
    for number, column in ((1, "old"), (2, "new")):
        seeing.register(number, column, column)
        (tmp_path / f"{column}.csv").write_text(f"{column},y\n1,2\n")
    on_old, on_new = (stoker.Evaluate(model="digits", data=str(tmp_path / f"{name}.csv")) for name in ("old", "new"))
    seeing.submit(on_old)
    with pytest.raises(stoker.InvalidJob, match="old"):
        seeing.submit(on_new)
    seeing.move(2)
    seeing.submit(on_new)
    with pytest.raises(stoker.InvalidJob, match="new"):
        seeing.submit(on_old)
    assert seeing.jobs() == 2


def test_a_repeat_whose_answer_was_lost_is_the_same_job_though_the_model_has_moved(seeing: Seeing) -> None:
    call = intake.submit([NewJob(str(uuid.uuid4()), DEPLOY, "cpu.batch")], {"digits": version(1, "a")})
    [first] = seeing.connection.run(call)
    seeing.move(2)
    assert seeing.connection.run(call) == [first]
    another = NewJob(str(uuid.uuid4()), DEPLOY, "cpu.batch")
    assert seeing.connection.run(intake.submit([another], {"digits": version(1, "a")})) == []
    assert seeing.jobs() == 1


def test_a_key_leads_to_its_job_though_the_model_has_moved(seeing: Seeing) -> None:
    [first] = seeing.submit(DEPLOY, key="monday")
    seeing.move(2)
    assert seeing.submit(DEPLOY, key="monday") == [first]


def test_a_record_that_somebody_else_has_written_in_another_form_is_looked_up_and_no_submit_goes_on_for_ever(
    seeing: Seeing,
) -> None:
    seeing.raw.hset("stoker:model:digits", "1", version(2, "a").model_dump_json(indent=1))
    for _ in range(3):
        seeing.submit(DEPLOY)
    assert (seeing.look_ups, seeing.jobs()) == (3, 3)
