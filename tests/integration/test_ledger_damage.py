"""What something else writes over the ledger's keys: no script ends half done for it, and all of it is mended."""

from collections.abc import Callable, Iterator

import pytest

import stoker
from stoker import JobState
from stoker.ledger import attempts, damage, records, results, upkeep
from stoker.ledger.attempt import Attempt
from stoker.ledger.keys import PREFIX, TYPES
from stoker.redis.connection import Connection
from stoker.settings import Settings
from stoker.status import JobStatus

from .ledger_damage import FINAL, SHARED, WRONG, SmallLedger, write


@pytest.fixture
def connection(redis_url: str) -> Iterator[Connection]:
    connection = Connection.open(Settings(), redis_url)
    yield connection
    connection.close()


@pytest.fixture
def small(connection: Connection, small_window: None) -> SmallLedger:
    return SmallLedger(connection)


def test_a_ledger_that_nobody_has_touched_is_whole_and_stays_as_it_is(small: SmallLedger) -> None:
    small.assert_whole()
    assert small.repair() == []
    small.work()
    assert small.repair() == []
    small.assert_whole()


def test_of_every_key_that_all_jobs_share_it_is_known_which_type_belongs_there() -> None:
    assert set(TYPES) == {name for name, prefix in PREFIX.items() if not prefix.endswith((":", "-"))}


@pytest.mark.usefixtures("small_window")
@pytest.mark.parametrize("name", SHARED)
def test_a_key_with_strange_content_or_of_a_wrong_type_ends_no_script_and_is_mended(
    connection: Connection, name: str
) -> None:
    small = SmallLedger(connection)
    own = small.client.type(name).decode()
    # To a script, all wrong types are alike: each key gets one of them, and each of them comes to several keys.
    wrong = [kind for kind in WRONG if kind != own]
    for kind in {own, wrong[SHARED.index(name) % len(wrong)]} - {"none"}:
        write(connection.client, name, kind)
        small.work()
        small.repair()
        small.assert_whole()
        small.finish_all()
        small.repair()
        assert set(small.in_state(*FINAL)) == set(small.records())
        connection.client.flushall()
        small = SmallLedger(connection)


@pytest.mark.parametrize("name", ["running", "load", "queued", "seats", "windows", "heard", "service", "tallies"])
def test_a_field_of_a_wrong_value_ends_no_script_and_is_mended(small: SmallLedger, name: str) -> None:
    for field in (*small.client.hkeys(f"stoker:{name}"), b"x"):
        small.client.hset(f"stoker:{name}", field, "x")
    small.work()
    small.repair()
    small.assert_whole()


@pytest.mark.parametrize("name", ["rings", "sequence"])
def test_a_number_that_was_set_back_is_set_beyond_all_that_there_were(small: SmallLedger, name: str) -> None:
    for value in ("x", 1):
        small.client.set(f"stoker:{name}", value)
        small.submit(tenant="a")
        small.repair()
        assert int(small.client.get(f"stoker:{name}") or 0) > 10**12
        small.assert_whole()


def running_without(*fields: str) -> Callable[[SmallLedger], str]:
    def harm(small: SmallLedger) -> str:
        job_id = small.running[0].job_id
        small.client.hdel(f"stoker:job:{job_id}", *fields)
        return job_id

    return harm


def out_of(index: str) -> Callable[[SmallLedger], str]:
    def harm(small: SmallLedger) -> str:
        [job_id, *_] = small.client.zrange(index, 0, 0)
        small.client.zrem(index, job_id)
        return str(job_id.decode())

    return harm


def into(index: str) -> Callable[[SmallLedger], str]:
    def harm(small: SmallLedger) -> str:
        small.client.zadd(index, {small.first: 0, small.later: 0, small.succeeded.job_id: 0, "nobody": 0})
        return small.first

    return harm


@pytest.mark.parametrize(
    "harm",
    [
        *(running_without(field) for field in ("lease_until", "owner", "worker", "started_at", "state")),
        running_without("lease_until", "owner", "worker", "started_at"),
        *(out_of(f"stoker:jobs:train:{state}:cpu") for state in ("QUEUED", "RUNNING", "WAITING", "SUCCEEDED")),
        *(out_of(f"stoker:{index}") for index in ("leases", "due", "finished", "rung:cpu.train:normal")),
        out_of("stoker:held:cpu.train:normal:a"),
        *(into(f"stoker:jobs:train:{state}:cpu") for state in ("QUEUED", "RUNNING", "WAITING", "SUCCEEDED")),
        *(into(f"stoker:{index}") for index in ("leases", "due", "finished", "rung:cpu.train:normal")),
        into("stoker:held:cpu.train:normal:a"),
    ],
)
def test_a_record_that_no_script_can_have_left_so_is_mended(
    small: SmallLedger, harm: Callable[[SmallLedger], str]
) -> None:
    harm(small)
    assert small.repair()
    small.assert_whole()
    assert small.run(damage.repairs())
    small.finish_all()
    assert set(small.in_state(*FINAL)) == set(small.records())


def test_a_running_job_without_a_lease_holds_up_no_other(small: SmallLedger) -> None:
    torn, silent, _ = small.running
    small.client.hdel(f"stoker:job:{torn.job_id}", "lease_until")
    small.client.zadd("stoker:leases", {torn.job_id: 1, silent.job_id: 2})
    small.client.hset(f"stoker:job:{silent.job_id}", "lease_until", 2)
    lost = small.run(upkeep.expired())
    assert [small.run(upkeep.reclaim(one)) for one in lost] == ["QUEUED", "QUEUED"]


@pytest.mark.parametrize("end", [JobState.SUCCEEDED, JobState.FAILED])
@pytest.mark.parametrize("field", ["sequence", "queue", "blockers", "max_attempts"])
def test_a_damaged_record_ends_alone_when_the_job_before_it_does(small: SmallLedger, end: JobState, field: str) -> None:
    attempt = small.running[1]
    damaged, sound = (small.submit(after=(attempt.job_id,)) for _ in range(2))
    small.client.hset(f"stoker:job:{damaged}", field, "../x")
    if end is JobState.SUCCEEDED:
        small.run(attempts.succeed(attempt, small_result(small)))
    else:
        small.run(attempts.fail(attempt, JobState.FAILED, "wrong"))
    assert small.run(records.status(damaged)).state is JobState.FAILED
    expected = JobState.QUEUED if end is JobState.SUCCEEDED else JobState.CANCELLED
    assert small.run(records.status(sound)).state is expected
    assert not small.client.exists(f"stoker:after:{attempt.job_id}")


def test_an_attempt_whose_records_place_in_the_order_is_damaged_commits_all_the_same(small: SmallLedger) -> None:
    attempt = small.running[1]
    small.client.hset(f"stoker:job:{attempt.job_id}", "sequence", "x")
    small.run(attempts.succeed(attempt, small_result(small)))
    assert small.run(records.status(attempt.job_id)).state is JobState.SUCCEEDED
    small.repair()
    small.assert_whole()


def test_a_lost_result_is_taken_from_celerys_copy(small: SmallLedger) -> None:
    job_id = small.succeeded.job_id
    before = small.run(results.result(job_id))
    small.client.hdel(f"stoker:job:{job_id}", "result")
    with pytest.raises(stoker.InvalidJob, match="is SUCCEEDED, and its result is missing"):
        small.run(results.result(job_id))
    small.repair()
    assert small.run(results.result(job_id)) == before


def test_a_result_that_is_lost_for_good_fails_the_job_and_says_why(small: SmallLedger) -> None:
    job_id = small.succeeded.job_id
    small.client.hdel(f"stoker:job:{job_id}", "result")
    small.client.delete(f"celery-task-meta-{job_id}")
    small.repair()
    with pytest.raises(stoker.JobFailed, match="its result is lost"):
        small.run(results.result(job_id))
    small.assert_whole()


def test_a_job_that_comes_after_another_still_does_when_that_does_not_know_it(small: SmallLedger) -> None:
    small.client.delete(f"stoker:after:{small.running[1].job_id}")
    assert small.repair()
    small.run(attempts.succeed(small.running[1], small_result(small)))
    assert small.run(records.status(small.after)).state is JobState.QUEUED


def status(small: SmallLedger, job_id: str) -> JobStatus:
    return small.run(records.status(job_id))


def after_two(small: SmallLedger) -> tuple[Attempt, Attempt, str]:
    """Two running jobs, and one that comes after both."""
    one, two = small.running[:2]
    return one, two, small.submit(after=(one.job_id, two.job_id))


def test_a_job_that_succeeded_and_is_forgotten_holds_up_nobody_who_comes_after(small: SmallLedger) -> None:
    one, two, after = after_two(small)
    result = small_result(small)
    small.run(attempts.succeed(one, result))
    small.run(upkeep.expire(0, 3600))
    assert small.client.exists(f"stoker:job:{one.job_id}") == 0
    assert small.repair() == []
    small.run(attempts.succeed(two, result))
    assert status(small, after).state is JobState.QUEUED


@pytest.mark.parametrize("others_are_first", [True, False])
def test_a_job_whose_record_is_lost_cancels_those_that_come_after(small: SmallLedger, others_are_first: bool) -> None:
    one, _, after = after_two(small)
    small.client.delete(f"stoker:job:{one.job_id}")
    if others_are_first:
        # Their records are looked at while it is still noted who comes after it.
        small.client.zrem("stoker:due", after)
        small.run(damage.repair(keys=1))
    small.repair()
    assert (status(small, after).state, status(small, after).reason) == (
        JobState.CANCELLED,
        f"job {one.job_id}, which it comes after, is gone",
    )


@pytest.mark.parametrize("state", ["FAILED", "CANCELLED", "DEAD"])
def test_a_job_that_comes_after_one_that_did_not_succeed_is_cancelled(small: SmallLedger, state: str) -> None:
    one, _, after = after_two(small)
    small.client.delete(f"stoker:after:{one.job_id}")
    small.run(attempts.fail(one, JobState.FAILED, "bad data"))
    small.client.hset(f"stoker:job:{one.job_id}", "state", state)
    small.repair()
    assert status(small, after).reason == f"job {one.job_id}, which it comes after, is {state}"


def test_a_job_that_comes_after_one_in_a_state_of_a_newer_version_is_left_alone(small: SmallLedger) -> None:
    one, _, after = after_two(small)
    small.client.hset(f"stoker:job:{one.job_id}", "state", "PAUSED")
    small.client.delete(f"stoker:after:{one.job_id}")
    before = small.records()[after]
    small.run(damage.repair(keys=100_000))
    assert small.records()[after] == before


def small_result(small: SmallLedger) -> stoker.TrainResult:
    result = small.run(results.result(small.succeeded.job_id))
    assert isinstance(result, stoker.TrainResult)
    return result


@pytest.mark.parametrize("field", ["kind", "queue", "priority", "sequence", "attempt", "max_attempts", "state"])
def test_a_queued_job_that_cannot_be_mended_fails_with_a_reason(small: SmallLedger, field: str) -> None:
    job_id = small.queued[-1]
    small.client.hset(f"stoker:job:{job_id}", field, "../x")
    small.repair()
    with pytest.raises(stoker.JobFailed, match=f"its record is damaged, {field} is wrong"):
        small.run(results.result(job_id))
    small.client.delete(*small.client.keys(f"stoker:jobs:unknown:{JobState.FAILED}:*"), f"stoker:job:{job_id}")
    small.repair()
    small.assert_whole()
    assert small.repair() == []


def test_what_belongs_to_no_record_is_deleted(small: SmallLedger) -> None:
    small.client.delete(f"stoker:job:{small.succeeded.job_id}")
    small.repair()
    left = [name for name in small.client.scan_iter(f"*{small.succeeded.job_id}*") if b"meta" not in name]
    assert left == []


def commands_of(small: SmallLedger, keys: int = 100_000) -> int:
    """How many commands one look takes."""

    def calls() -> int:
        return sum(command["calls"] for command in small.client.info("commandstats").values())

    small.client.config_resetstat()
    small.run(damage.repair(keys=keys))
    return calls()


@pytest.mark.parametrize("fields", [{}, {"not_before": "2999-01-01T00:00:00Z"}], ids=["queued", "waiting"])
def test_a_look_at_what_is_whole_takes_few_commands_a_job(small: SmallLedger, fields: dict[str, str]) -> None:
    before = commands_of(small)
    for _ in range(100):
        small.submit(**fields)
    assert (commands_of(small) - before) / 100 <= 15


def test_a_look_at_damage_goes_over_no_more_keys_than_any_other(small: SmallLedger) -> None:
    for _ in range(200):
        small.submit()
    few = commands_of(small, keys=20)
    small.client.set("stoker:damaged", 1)
    # Of each it looks into more indexes.
    assert commands_of(small, keys=20) <= 5 * few


def test_damage_is_known_until_everything_was_looked_at(small: SmallLedger) -> None:
    small.client.hset("stoker:queued", "nobody", 7)
    [*_, last] = looks(small)
    assert last.is_damaged
    assert [look for look in looks(small) if look.is_damaged] == []


def looks(small: SmallLedger) -> list[damage.Look]:
    """Those that go over everything once, in steps."""
    steps = [small.run(damage.repair("0", 20))]
    while steps[-1].cursor != "0":
        steps.append(small.run(damage.repair(steps[-1].cursor, 20)))
    return steps
