"""Jobs that need what not every worker offers: they go to a worker that has it, and wait for one without cost."""

import json
import uuid
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

import stoker
from stoker import JobState
from stoker.fleet.topology import mailbox_of, queues_of
from stoker.kinds import KINDS, Spec, needs_of
from stoker.kinds.needs import lacking
from stoker.ledger import (
    attempts,
    autoscaling,
    children,
    damage,
    gangs,
    intake,
    monitoring,
    presence,
    quotas,
    records,
    upkeep,
)
from stoker.ledger.attempt import Attempt
from stoker.ledger.intake import NewJob
from stoker.ledger.replies import Refusal
from stoker.outages import Dependency, OngoingOutage
from stoker.redis.connection import Connection
from stoker.settings import Settings
from stoker.tenants import Quota
from stoker.version import RELEASE

from .conftest import attend

QUEUE = "cpu.batch"
NORMAL, HIGH = "\x06\x166", "\x06\x163"
SHOP = "label:image=shop-1.4"
RANK = "function:shop.jobs:rank"
SPEC = stoker.Evaluate(model="digits@1", data="sample://digits", needs={"image": "shop-1.4"})


@pytest.fixture
def connection(redis_url: str) -> Iterator[Connection]:
    connection = Connection.open(Settings(), redis_url)
    yield connection
    connection.close()


def worker(name: str, *offers: str, **fields: Any) -> presence.Worker:
    of_cpu = {"device": "cpu", "queues": queues_of("cpu"), "slots": 1, "most_slots": 1}
    return presence.Worker(
        name=name,
        node="n",
        kinds=tuple(KINDS),
        release=RELEASE,
        host="h",
        pid=1,
        offers=offers,
        **{**of_cpu, "mailbox": mailbox_of("cpu", name), **fields},
    )


PLAIN, ABLE = worker("plain"), worker("able", SHOP)


def submit(connection: Connection, spec: Spec = SPEC, words: str | None = None, queue: str = QUEUE) -> str:
    [job_id] = connection.run(intake.submit([NewJob(str(uuid.uuid4()), spec, queue)]))
    if words is not None:
        connection.client.hset(f"stoker:job:{job_id}", "needs_words", words)
    return job_id


def take(connection: Connection, job_id: str, by: presence.Worker, owner: str | None = None) -> Attempt | Refusal:
    """A worker takes a message for the job, from its mailbox or the queue, and claims."""
    for place in (by.mailbox, QUEUE):
        if place and connection.client.rpop(f"{place}{NORMAL}"):
            break
    return connection.run(attempts.claim(job_id, owner or str(uuid.uuid4()), by.name, 15, by))


def mailed(connection: Connection, to: presence.Worker, step: str = NORMAL) -> int:
    return connection.client.llen(f"{to.mailbox}{step}")


def traces(connection: Connection) -> list[bytes]:
    """Keys of jobs that wait for a worker, or are in a mailbox."""
    names = ("stoker:unserved*", "stoker:needs*", "stoker:posted", "cpu.of.*")
    return [key for name in names for key in connection.client.scan_iter(name)]


def state_and_reason(connection: Connection, job_id: str) -> tuple[JobState, str | None]:
    status = connection.run(records.status(job_id))
    return status.state, status.reason


def age(connection: Connection, job_id: str, field: str, by_ms: int) -> None:
    connection.client.hincrby(f"stoker:job:{job_id}", field, -by_ms)


def test_without_a_worker_that_has_its_label_a_job_waits_at_no_cost_and_says_for_what(connection: Connection) -> None:
    attend(connection, PLAIN)
    job_id = submit(connection)
    assert take(connection, job_id, PLAIN) is Refusal.UNKNOWN
    assert state_and_reason(connection, job_id) == (JobState.WAITING, "no live worker has label image=shop-1.4")
    for _ in range(3):
        assert connection.run(upkeep.wake()) == 0
        assert connection.run(upkeep.resend(-1)) == []
    assert not list(connection.client.scan_iter("cpu.*"))
    assert connection.run(monitoring.unmet()) == [monitoring.Unmet(QUEUE, 1, 0, "has label image=shop-1.4")]
    assert connection.run(records.status(job_id)).attempt == 0


def test_when_such_a_worker_comes_the_job_goes_to_it_and_to_no_other(connection: Connection) -> None:
    attend(connection, PLAIN)
    job_id = submit(connection)
    take(connection, job_id, PLAIN)
    attend(connection, ABLE)
    assert connection.run(upkeep.wake()) == 1
    assert (mailed(connection, ABLE), mailed(connection, PLAIN)) == (1, 0)
    assert state_and_reason(connection, job_id) == (JobState.QUEUED, None)
    attempt = take(connection, job_id, ABLE)
    assert isinstance(attempt, Attempt)
    assert attempt.number == 1
    assert traces(connection) == []


def test_as_long_as_such_a_worker_lives_a_message_that_another_takes_goes_on_to_it_at_once(
    connection: Connection,
) -> None:
    for each in (PLAIN, ABLE):
        attend(connection, each)
    jobs = [submit(connection) for _ in range(3)]
    for job_id in jobs:
        assert take(connection, job_id, PLAIN) is Refusal.UNKNOWN
    # Its one slot is free, and may be busy by the time: what else there is waits beside.
    assert mailed(connection, ABLE) == 1
    assert [connection.run(records.status(job_id)).state for job_id in jobs] == ["QUEUED", "WAITING", "WAITING"]
    assert connection.run(records.status(jobs[1])).reason == "waits for a worker that has label image=shop-1.4"
    assert [each.workers for each in connection.run(monitoring.unmet())] == [1]
    for job_id in jobs:
        assert isinstance(take(connection, job_id, ABLE), Attempt)
        connection.run(upkeep.wake())
    assert traces(connection) == []


def test_messages_in_mailboxes_make_no_others_suspect_of_being_lost(connection: Connection) -> None:
    for each in (PLAIN, ABLE):
        attend(connection, each)
    others = [submit(connection, SPEC.model_copy(update={"needs": {}})) for _ in range(3)]
    mine = submit(connection)
    take(connection, mine, PLAIN)
    assert isinstance(take(connection, mine, ABLE), Attempt)
    # One of theirs was taken in its place above, so that the first in line must be sent again: no other.
    assert connection.client.llen(f"{QUEUE}{NORMAL}") == len(others)
    assert connection.run(upkeep.resend(-1)) == []


@pytest.mark.parametrize(
    ("needs", "offers"),
    [
        ([RANK], [RANK]),
        ([RANK], ["function:shop.jobs:*"]),
        ([RANK], ["function:shop.jobs:*", SHOP]),
        ([RANK, SHOP], [SHOP, "function:shop.jobs:*"]),
        ([RANK], ["function:shop.jobs:ran"]),
        ([RANK], ["function:shop.jobs:rank*x"]),
        ([RANK], ["function:shop.*"]),
        ([RANK], ["module:shop.jobs:rank"]),
        ([RANK], ["function:shop_jobs:*", "function:shop.jobs.:*"]),
        ([RANK, SHOP], [RANK]),
        ([SHOP], ["label:image=shop-1.40", "label:image=shop-1"]),
        (["label:image=a%d.+-[x]"], ["label:image=a%d.+-[x]"]),
        (["label:image=aad"], ["label:image=a.d", "label:image=a%a"]),
        ([SHOP], []),
    ],
)
def test_scripts_and_python_agree_on_what_a_worker_lacks(
    connection: Connection, needs: list[str], offers: list[str]
) -> None:
    able = worker("able", *offers)
    attend(connection, able)
    job_id = submit(connection, words=" ".join(needs))
    claimed = take(connection, job_id, able)
    assert isinstance(claimed, Attempt) is (lacking(needs, offers) == ())
    if missing := lacking(needs, offers):
        reason = connection.run(records.status(job_id)).reason
        assert all(word.partition(":")[2] in str(reason) for word in missing)
        attend(connection, PLAIN)
        assert connection.run(upkeep.wake()) == 0


def test_all_words_must_be_one_workers(connection: Connection) -> None:
    one, other = worker("one", SHOP), worker("other", "function:shop.jobs:*")
    for each in (one, other):
        attend(connection, each)
    job_id = submit(connection, words=f"{RANK} {SHOP}")
    assert take(connection, job_id, one) is Refusal.UNKNOWN
    expected = "no live worker knows kind evaluate and allows function shop.jobs:rank and has label image=shop-1.4"
    assert state_and_reason(connection, job_id) == (JobState.WAITING, expected)
    both = worker("both", SHOP, RANK)
    attend(connection, both)
    assert connection.run(upkeep.wake()) == 1
    assert mailed(connection, both) == 1


@pytest.mark.parametrize(
    "fields",
    [
        {"mailbox": ""},
        {"memory_bytes": 10},
        {"cpus": 1},
        {"outages": (OngoingOutage(of=Dependency.STORE, reason="away", since="2026-01-01T00:00:00Z"),)},
    ],
)
def test_a_worker_that_could_not_run_it_gets_nothing(connection: Connection, fields: Mapping[str, Any]) -> None:
    attend(connection, worker("able", SHOP, **fields))
    job_id = submit(connection, SPEC.model_copy(update={"memory": 100, "cpus": 2}))
    take(connection, job_id, PLAIN)
    assert connection.run(upkeep.wake()) == 0
    attend(connection, worker("better", SHOP, memory_bytes=100, cpus=2))
    assert connection.run(upkeep.wake()) == 1


def test_what_is_in_the_mailbox_of_a_worker_that_ends_goes_to_another(connection: Connection) -> None:
    for each in (PLAIN, ABLE):
        attend(connection, each)
    job_id = submit(connection)
    take(connection, job_id, PLAIN)
    connection.run(presence.leave(ABLE.name))
    assert mailed(connection, ABLE) == 0
    connection.run(upkeep.wake())
    assert state_and_reason(connection, job_id) == (JobState.WAITING, "no live worker has label image=shop-1.4")
    another = worker("another", SHOP)
    attend(connection, another)
    assert connection.run(upkeep.wake()) == 1
    assert isinstance(take(connection, job_id, another), Attempt)
    assert traces(connection) == []


def test_a_message_that_is_lost_from_a_mailbox_is_sent_again(connection: Connection) -> None:
    for each in (PLAIN, ABLE):
        attend(connection, each)
    job_id = submit(connection)
    take(connection, job_id, PLAIN)
    connection.client.rpop(f"{ABLE.mailbox}{NORMAL}")
    connection.run(upkeep.wake())
    # The worker may have it in hand.
    assert mailed(connection, ABLE) == 0
    age(connection, job_id, "rung_at", 5000)
    connection.run(upkeep.wake())
    assert mailed(connection, ABLE) == 1


def test_a_job_in_a_busy_workers_mailbox_goes_to_one_that_is_free_sooner(connection: Connection) -> None:
    busy = worker("busy", SHOP, busy=1)
    for each in (PLAIN, busy):
        attend(connection, each)
    job_id = submit(connection)
    take(connection, job_id, PLAIN)
    assert mailed(connection, busy) == 1
    age(connection, job_id, "rung_at", 5000)
    connection.run(upkeep.wake())
    assert mailed(connection, busy) == 1
    attend(connection, ABLE)
    connection.run(upkeep.wake())
    assert mailed(connection, ABLE) == 1
    assert isinstance(take(connection, job_id, ABLE), Attempt)
    # The message that is left is in vain.
    assert take(connection, job_id, busy) is Refusal.TAKEN
    assert traces(connection) == []


def test_it_goes_to_another_busy_worker_as_well_for_that_may_be_free_sooner(connection: Connection) -> None:
    first, second = worker("first", SHOP, busy=1), worker("second", SHOP, busy=1)
    for each in (PLAIN, first):
        attend(connection, each)
    job_id = submit(connection)
    take(connection, job_id, PLAIN)
    attend(connection, second)
    for _ in range(3):
        age(connection, job_id, "rung_at", 5000)
        connection.run(upkeep.wake())
        assert (mailed(connection, first), mailed(connection, second)) == (1, 1)
    assert isinstance(take(connection, job_id, second), Attempt)


def test_a_worker_without_slots_gets_nothing(connection: Connection) -> None:
    paused = worker("paused", SHOP, slots=0)
    for each in (PLAIN, paused):
        attend(connection, each)
    job_id = submit(connection)
    take(connection, job_id, PLAIN)
    assert connection.run(upkeep.wake()) == 0
    assert mailed(connection, paused) == 0
    assert state_and_reason(connection, job_id) == (
        JobState.WAITING,
        "waits for a worker that has label image=shop-1.4",
    )


def test_those_that_wait_go_by_priority_and_rise_with_time(connection: Connection) -> None:
    attend(connection, PLAIN)
    names = ("low", "normal", "older low", "high", "second normal")
    jobs = {name: submit(connection, SPEC.model_copy(update={"priority": name.split()[-1]})) for name in names}
    # Within the half hour that it has waited, it has risen twice: it comes before a high one that is new.
    age(connection, jobs["older low"], "queued_at", 1_800_000)
    for job_id in jobs.values():
        take(connection, job_id, PLAIN)
    attend(connection, worker("able", SHOP, busy=1))
    order: list[str] = []
    while len(order) < len(jobs):
        connection.run(upkeep.wake())
        [name] = [name for name, job_id in jobs.items() if state_and_reason(connection, job_id)[0] is JobState.QUEUED]
        order.append(name)
        assert isinstance(take(connection, jobs[name], ABLE), Attempt)
        connection.client.delete(f"{ABLE.mailbox}{NORMAL}", f"{ABLE.mailbox}{HIGH}", f"{ABLE.mailbox}\x06\x169")
    assert order == ["older low", "high", "normal", "second normal", "low"]


def test_a_fleet_grows_for_jobs_that_wait_for_its_busy_workers_and_for_no_others(connection: Connection) -> None:
    for each in (PLAIN, worker("able", SHOP, busy=1)):
        attend(connection, each)
    nobodys = SPEC.model_copy(update={"needs": {"image": "shop-2"}})
    for spec in (SPEC, SPEC, SPEC, nobodys, nobodys):
        take(connection, submit(connection, spec), PLAIN)
    waiting = connection.run(records.counts())["evaluate", JobState.WAITING]
    load = connection.run(autoscaling.traffic("cpu")).kinds["evaluate"]
    assert (waiting, load.jobs, load.queued) == (4, 3, 3)
    assert connection.run(autoscaling.traffic("gpu")).kinds["evaluate"].queued == 0


@pytest.mark.parametrize("of", ["record", "list"])
def test_damage_to_one_job_that_waits_or_is_in_a_mailbox_stops_no_other(connection: Connection, of: str) -> None:
    for each in (PLAIN, ABLE):
        attend(connection, each)
    mailed_job, waiting = submit(connection), submit(connection)
    for job_id in (mailed_job, waiting):
        take(connection, job_id, PLAIN)
    if of == "record":
        connection.client.hdel(f"stoker:job:{mailed_job}", "kind")
        connection.client.delete(f"{ABLE.mailbox}{NORMAL}")
    else:
        connection.client.delete("stoker:needs")
        assert isinstance(take(connection, mailed_job, ABLE), Attempt)
    for _ in range(2):
        connection.run(upkeep.wake())
        connection.run(damage.repair(keys=10_000))
    assert isinstance(take(connection, waiting, ABLE), Attempt)


def test_a_job_for_any_device_goes_to_a_cpu_only_if_one_has_what_it_needs(connection: Connection) -> None:
    gpu = worker("gpu", SHOP, device="gpu", queues=queues_of("gpu"), busy=1)
    for each in (PLAIN, gpu):
        attend(connection, each)
    posted, waiting = (submit(connection, queue="gpu.batch") for _ in range(2))
    for job_id in (posted, waiting):
        connection.run(attempts.claim(job_id, str(uuid.uuid4()), "plain gpu", 15, PLAIN))
    assert [state_and_reason(connection, each)[0] for each in (posted, waiting)] == ["QUEUED", "WAITING"]
    assert connection.run(upkeep.fall_back(wait_s=0)) == []
    attend(connection, ABLE)
    assert sorted(connection.run(upkeep.fall_back(wait_s=0))) == sorted((posted, waiting))
    assert isinstance(take(connection, waiting, ABLE), Attempt)


def test_its_priority_rises_in_a_mailbox_too(connection: Connection) -> None:
    for each in (PLAIN, worker("busy", SHOP, busy=1)):
        attend(connection, each)
    job_id = submit(connection)
    take(connection, job_id, PLAIN)
    age(connection, job_id, "queued_at", 10**7)
    for _ in range(3):
        connection.run(upkeep.wake())
        assert mailed(connection, worker("busy"), HIGH) == 1


def test_a_job_in_a_mailbox_can_be_cancelled(connection: Connection) -> None:
    for each in (PLAIN, ABLE):
        attend(connection, each)
    job_id = submit(connection)
    take(connection, job_id, PLAIN)
    connection.run(records.cancel(job_id))
    assert connection.run(records.status(job_id)).state is JobState.CANCELLED
    assert take(connection, job_id, ABLE) is Refusal.TAKEN
    assert traces(connection) == []


def test_a_tenants_quota_holds_for_them_as_for_others(connection: Connection) -> None:
    connection.run(quotas.set_quotas({"blue": Quota(running=1)}, 600))
    for each in (PLAIN, worker("able", SHOP, slots=4)):
        attend(connection, each)
    blue = SPEC.model_copy(update={"tags": {"tenant": "blue"}})
    first, second = submit(connection, blue), submit(connection, blue)
    assert take(connection, first, PLAIN) is Refusal.UNKNOWN
    attempt = take(connection, first, ABLE)
    assert isinstance(attempt, Attempt)
    assert take(connection, second, PLAIN) is Refusal.TAKEN
    for _ in range(3):
        connection.run(upkeep.wake())
        assert mailed(connection, ABLE) == 0
    connection.run(attempts.fail(attempt, JobState.FAILED, "no data"))
    take(connection, second, PLAIN)
    assert isinstance(take(connection, second, ABLE), Attempt)


def test_a_job_whose_further_needs_show_after_the_claim_is_handed_on_without_an_attempt(connection: Connection) -> None:
    for each in (PLAIN, worker("layers", "module:shop.layers", SHOP)):
        attend(connection, each)
    job_id = submit(connection, SPEC.model_copy(update={"max_attempts": 1, "needs": {}}))
    attempt = take(connection, job_id, PLAIN)
    assert isinstance(attempt, Attempt)
    assert connection.run(attempts.await_worker(attempt, ["module:shop.layers"])) is JobState.QUEUED
    assert mailed(connection, worker("layers")) == 1
    # It lost the job by that, and the job gets no second time to who lacks the module.
    assert connection.run(attempts.await_worker(attempt, ["module:shop.layers"])) is None
    assert take(connection, job_id, PLAIN) is Refusal.UNKNOWN
    record = connection.client.hgetall(f"stoker:job:{job_id}")
    assert (record[b"losses"], record[b"needs_words"]) == (b"0", b"module:shop.layers")

    without = take(connection, job_id, worker("layers", "module:shop.layers"))
    assert isinstance(without, Attempt)
    assert connection.run(attempts.await_worker(without, [SHOP, "module:shop.layers"])) is JobState.QUEUED
    assert isinstance(take(connection, job_id, worker("layers", "module:shop.layers", SHOP)), Attempt)


def test_a_worker_that_lacks_what_it_announces_does_not_have_the_job_go_round_for_ever(connection: Connection) -> None:
    attend(connection, ABLE)
    job_id = submit(connection, SPEC.model_copy(update={"max_attempts": 2}))
    for number, state in ((1, JobState.WAITING), (2, JobState.DEAD)):
        attempt = connection.run(attempts.claim(job_id, f"owner {number}", "able", 15, ABLE))
        assert isinstance(attempt, Attempt)
        assert connection.run(attempts.await_worker(attempt, [SHOP])) is state
        connection.client.zadd("stoker:due", {job_id: 0}, xx=True)
        connection.run(upkeep.wake())
    reason = str(connection.run(records.status(job_id)).reason)
    assert f"its worker lacks what it is said to offer: {SHOP}" in reason


@pytest.mark.parametrize(
    "word", ["", "shop", "label:a b", "label:a\nb", "function:shop.*", "kind:train", "x:" + "y" * 9999]
)
def test_what_can_be_no_word_is_refused_before_it_gets_into_a_record(connection: Connection, word: str) -> None:
    attempt = Attempt("id", "owner", 1, "", ())
    with pytest.raises(stoker.InvalidJob, match="no worker can offer"):
        attempts.await_worker(attempt, [word])


@pytest.mark.parametrize(
    ("needs", "told"),
    [
        ({"image": "shop*"}, "a label's value is a letter or digit"),
        ({"image": "shop 1"}, "a label's value is a letter or digit"),
        ({"image": "shop\n"}, "a label's value is a letter or digit"),
        ({"image": "s" * 10_000}, "a label's value is a letter or digit"),
        ({"image": ""}, "a label's value is a letter or digit"),
        ({"image=shop": "x"}, "a label's name is a small letter"),
        ({f"a{n}": "b" for n in range(17)}, "at most 16 items"),
    ],
)
def test_labels_that_no_worker_can_have_are_refused_at_the_door(needs: dict[str, str], told: str) -> None:
    with pytest.raises(stoker.InvalidJob, match="needs") as caught:
        stoker.Evaluate(model="digits@1", data="sample://digits", needs=needs)
    assert told in caught.value.message
    assert len(caught.value.message) < 400


def test_children_need_the_labels_of_their_parent(connection: Connection) -> None:
    job_id = submit(connection)
    attempt = take(connection, job_id, ABLE)
    assert isinstance(attempt, Attempt)
    spec = connection.run(records.spec(job_id))
    child = stoker.Evaluate(model="digits@1", data="sample://digits", needs={"zone": "b"})
    connection.run(children.await_children(attempt, spec, [child]))
    own = connection.run(records.spec(f"{job_id}-1-0"))
    assert own.needs == {"image": "shop-1.4", "zone": "b"}
    assert connection.client.hget(f"stoker:job:{job_id}-1-0", "needs_words") == " ".join(needs_of(own)).encode()


def test_members_of_a_gang_are_asked_where_the_needs_are_met(connection: Connection) -> None:
    chief, second = worker("chief", SHOP), worker("second", SHOP, slots=4)
    for each in (PLAIN, chief, second):
        attend(connection, each)
    spec = stoker.Train(model="wide", data="sample://iris", workers=3, needs={"image": "shop-1.4"})
    job_id = submit(connection, spec, queue="cpu.train")
    attempt = connection.run(attempts.claim(job_id, "owner", "chief", 15, chief))
    assert isinstance(attempt, Attempt)
    assert connection.run(gangs.gather(attempt, "chief:1", 3, 15)).state == "gathering"
    asked = [mailed(connection, each, HIGH) for each in (PLAIN, chief, second)]
    assert asked == [0, 2, 2]
    assert connection.client.llen(f"cpu.train{HIGH}") == 0
    # Once more after a while, but no more than can be of use.
    connection.client.delete("stoker:gang-rung:owner")
    connection.run(gangs.gather(attempt, "chief:1", 3, 15))
    assert [mailed(connection, each, HIGH) for each in (PLAIN, chief, second)] == asked
    # Who has the message all the same sees that it lacks something.
    assert lacking(connection.run(gangs.attempt_of(job_id, "")).needs, PLAIN.offers) == (SHOP,)


def test_what_something_else_has_written_there_hurts_no_script(connection: Connection) -> None:
    attend(connection, ABLE)
    hurt = worker("hurt").model_dump(mode="json")
    junk: list[dict[str, object]] = [
        {"offers": 7},
        {"offers": [7, None, {}, float("nan")]},
        {"mailbox": 7},
        {"kinds": "x"},
        {"outages": 7},
        {"slots": "many"},
    ]
    for number, wrong in enumerate(junk):
        connection.client.hset("stoker:workers", f"hurt{number}", json.dumps({**hurt, **wrong}))
        connection.client.zadd("stoker:workers:seen", {f"hurt{number}": 10**14})
    connection.client.hset("stoker:posted", mapping={"no such job": "able", "": ""})
    connection.client.sadd("stoker:needs", "x", "", "cpu.batch kind:evaluate memory:much")
    job_id = submit(connection)
    take(connection, job_id, PLAIN)
    connection.run(upkeep.wake())
    connection.run(monitoring.unmet())
    assert isinstance(take(connection, job_id, ABLE), Attempt)
    connection.run(upkeep.wake())
    assert traces(connection) == []
