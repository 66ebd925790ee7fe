"""Routes, on a real server: who may open, move and close one, and what ends it."""

import uuid
from datetime import UTC, datetime
from typing import TypeVar

import pytest
import redis

import stoker
from stoker import lanes
from stoker.ledger import alarms, damage, intake, model_changes, model_log, records, registry, routes, upkeep
from stoker.ledger.intake import NewJob
from stoker.models.manifest import ModelVersion
from stoker.models.signature import Signature, TensorSpec
from stoker.redis.calls import Call, Steps, drive
from stoker.redis.connection import Connection
from stoker.settings import Settings

T = TypeVar("T")
FEEDS = ModelVersion(
    name="digits", version=1, created_at=datetime(2026, 1, 1, tzinfo=UTC), metrics={}, files={}, parameters=0, job="a",
    signature=Signature(inputs=(TensorSpec(name="x", dtype="float32", shape=(2,)),), outputs=(), task="regression"),
    data="sample://digits",
)  # fmt: skip


class Registry:
    """Three versions of digits, whose champion is the first, and jobs."""

    def __init__(self, redis_url: str) -> None:
        self.connection = Connection.open(Settings(), redis_url)
        with redis.Redis.from_url(redis_url) as raw:
            raw.sadd("stoker:models", "digits")
            raw.hset("stoker:aliases:digits", "champion", 1)
            for number in (1, 2, 3):
                version = FEEDS.model_copy(update={"version": number})
                raw.hset("stoker:model:digits", str(number), version.model_dump_json())

    def job(self) -> str:
        spec = stoker.Train(model="other", data="sample://digits")
        return self.run(intake.submit([NewJob(str(uuid.uuid4()), spec, "cpu.train", ())]))[0]

    def run(self, call: Call[T]) -> T:
        return self.connection.run(call)

    def do(self, steps: Steps[T]) -> T:
        return drive(steps, self.connection.run)

    def open(self, job: str, to: int = 2, share: float = 0.1, *, shadow: bool = False) -> None:
        self.do(routes.open_(job, "digits", to, share, shadow=shadow))

    def end(self, job: str) -> None:
        self.run(records.cancel(job))

    @property
    def champion(self) -> int:
        return self.run(registry.resolve("digits")).version

    @property
    def changes(self) -> list[tuple[str | None, int | None, str | None]]:
        return [(change.how, change.to, change.why) for change in self.run(model_log.changes("digits"))]


@pytest.fixture
def models(redis_url: str) -> Registry:
    return Registry(redis_url)


def test_a_route_is_opened_once_moved_and_promotes(models: Registry) -> None:
    job = models.job()
    for _ in range(2):  # again, as if the answer had been lost
        models.open(job, shadow=True)
    [route] = models.run(routes.routes("digits"))
    assert (route.model, route.alias, route.job, route.before, route.to) == ("digits", "champion", job, 1, 2)
    assert (route.shadow, route.goes_to, route.step, route.ready) == (True, 0, 0, False)
    for _ in range(2):
        models.run(routes.move(job, share=0.25, step=1))
    [route] = models.run(routes.routes())
    assert (route.goes_to, route.step) == (0.25, 1)
    assert models.champion == 1
    for _ in range(2):
        models.run(routes.close(job, promote=True, why="no worse in 2,000 requests"))
    assert models.champion == 2
    assert models.run(routes.routes()) == []
    evidence = models.run(routes.evidence(job))
    assert (evidence.how, evidence.closed) == ("promoted", "no worse in 2,000 requests")
    assert [alarm.what for alarm in models.run(alarms.newest(9))] == ["promoted"]
    assert [how for how, *_ in models.changes] == [None, "promoted", "moved", "opened"]
    assert models.do(model_changes.roll_back("digits")).version == 1


def test_a_closed_route_leaves_the_alias_and_says_why(models: Registry) -> None:
    job = models.job()
    models.open(job)
    models.run(routes.close(job, promote=False, why="5 % errors against none"))
    assert (models.champion, models.run(routes.routes())) == (1, [])
    assert models.changes[0] == ("closed", 2, "5 % errors against none")
    for call in (routes.move(job, share=1, step=2), routes.close(job, promote=True, why="fine")):
        with pytest.raises(stoker.ModelInUse, match=rf"the route of job {job} is closed: 5 % errors against none"):
            models.run(call)
    models.open(models.job(), to=3)  # the next one


def test_what_may_not_be_opened_is_refused(models: Registry) -> None:
    job, other = models.job(), models.job()
    models.open(job)
    with pytest.raises(stoker.ModelInUse, match=f"by job {job}: wait until that has ended"):
        models.open(other, to=3)
    models.do(model_changes.alias("digits@1", "live"))
    with pytest.raises(stoker.ModelInUse, match="has another route"):
        models.do(routes.open_(job, "digits@live", 2, 0.5))
    with pytest.raises(stoker.ModelNotFound, match="no model digits@missing"):
        models.do(routes.open_(other, "digits@missing", 2, 0.5))
    for number in (1, 9):
        with pytest.raises(stoker.ModelNotFound, match="must be another version"):
            models.do(routes.open_(other, "digits@live", number, 0.5))
    models.end(other)
    with pytest.raises(stoker.ModelInUse, match="has ended"):
        models.do(routes.open_(other, "digits@live", 2, 0.5))


def test_nobody_else_moves_the_alias_or_removes_the_version(models: Registry) -> None:
    job = models.job()
    models.open(job)
    for steps in (
        model_changes.alias("digits@3", "champion"),
        model_changes.drop_alias("digits", "champion"),
        model_changes.roll_back("digits"),
    ):
        with pytest.raises(stoker.ModelInUse, match=f"digits@champion shares its requests .*`stoker cancel {job}`"):
            models.do(steps)
    with pytest.raises(
        stoker.ModelInUse, match=f"digits@2 has a share of the requests to digits@champion, by job {job}"
    ):
        models.do(model_changes.remove("digits@2"))
    assert models.do(model_changes.remove("digits@3")) == ("digits@3",)
    models.end(job)
    assert models.do(model_changes.alias("digits@2", "champion")).version == 2


def test_a_route_ends_with_its_job_and_is_taken_away(models: Registry, redis_url: str) -> None:
    job = models.job()
    models.open(job)
    models.run(routes.judge("digits", 2, right=True))
    models.end(job)
    assert models.run(routes.routes()) == [], "from that moment on"
    assert [models.run(routes.sweep()) for _ in range(2)] == [1, 0]
    how, _, why = models.changes[0]
    assert (how, why) == ("closed", f"job {job}, whose it was, has ended")
    assert models.run(routes.evidence(job)).to.right == 1
    models.run(upkeep.expire(0, 0))
    with redis.Redis.from_url(redis_url) as raw:
        assert not list(raw.scan_iter("stoker:evidence:*")), "it goes with the record"
        assert not raw.exists("stoker:routes")


def test_a_model_takes_its_routes_to_its_new_name(models: Registry) -> None:
    job = models.job()
    models.open(job)
    models.do(model_changes.rename("digits", "figures"))
    [route] = models.run(routes.routes("figures"))
    assert (route.job, route.to_ref) == (job, "figures@2")
    models.run(routes.close(job, promote=True, why="fine"))
    assert models.run(registry.resolve("figures")).version == 2


def test_what_is_judged_is_counted_by_version(models: Registry) -> None:
    job = models.job()
    models.run(routes.judge("digits", 1, right=True))
    models.open(job)
    for number, right in ((1, True), (2, False), (2, True), (2, True), (3, True)):
        models.run(routes.judge("digits", number, right=right))
    evidence = models.run(routes.evidence(job))
    assert [(side.right, side.wrong) for side in (evidence.before, evidence.to)] == [(1, 0), (2, 1)]


def test_damage_costs_no_model(models: Registry, redis_url: str) -> None:
    job = models.job()
    models.open(job)
    with redis.Redis.from_url(redis_url) as raw:
        raw.hset("stoker:routes", "digits live", "junk")
        raw.hset("stoker:routes", "junk", "junk")
        raw.set(f"stoker:evidence:{job}", "junk")
        assert len(models.run(routes.routes())) == 1
        assert models.run(routes.sweep()) == 2
        models.run(routes.judge("digits", 2, right=True))
        raw.delete("stoker:routes")
        raw.set("stoker:routes", "junk")
        assert models.run(damage.repair("0")).damages
    assert models.champion == 1
    assert models.run(routes.routes()) == []
    with pytest.raises(stoker.ModelInUse, match="is closed"):
        models.run(routes.move(job, share=1, step=2))


def test_a_share_of_any_digits_is_the_same_when_it_is_given_again(models: Registry) -> None:
    job = models.job()
    models.open(job, share=0.01)
    for _ in range(3):
        models.run(routes.move(job, share=1 / 3, step=1))
    assert [how for how, *_ in models.changes] == ["moved", "opened"]


def test_more_is_counted_of_a_batch_than_a_script_can_have_as_arguments_of_a_function(models: Registry) -> None:
    job = models.job()
    models.open(job)
    counts = {f"to output  {number}": 1 for number in range(5000)}
    ref = "digits"
    models.run(lanes.push([lanes.LaneRequests(ref, "cpu.infer", "normal", 10, [(1000, b"x")])]))
    assert models.run(lanes.join(ref, "watch.0", 10))
    counted = lanes.Counted(job, counts)
    assert models.run(lanes.take(ref, "watch.0", 10, turn=1, most=1, answers={}, counted=counted))
    assert len(models.run(routes.evidence(job)).to.outputs[""]) == 5000
