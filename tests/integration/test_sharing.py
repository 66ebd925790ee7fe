"""Queued jobs take turns: rising priorities, tenants that share, quotas; on a real server. The test plays the slots."""

import json
import random
import time
import uuid
from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest
import redis

import stoker
from stoker import JobState
from stoker.kinds import Priority
from stoker.ledger import attempts, intake, monitoring, presence, quotas, records, upkeep
from stoker.ledger.attempt import Attempt
from stoker.ledger.children import await_children
from stoker.ledger.intake import NewJob
from stoker.redis.connection import Connection
from stoker.settings import Settings
from stoker.tenants import Quota

from .conftest import attend
from .ledger_keys import actual

AGEING_S = 600.0
SLOTS = 4
LISTS = [f"cpu.train\x06\x16{step}" for step in (3, 6, 9)]


@pytest.fixture
def connection(redis_url: str) -> Iterator[Connection]:
    connection = Connection.open(Settings(), redis_url)
    yield connection
    connection.close()


@pytest.fixture
def server(redis_url: str) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(redis_url, decode_responses=True) as client:
        yield client


def new_job(tenant: str = "", priority: Priority = "normal") -> NewJob:
    tags = {"tenant": tenant} if tenant else {}
    spec = stoker.Train(model="digits", data="sample://digits", priority=priority, tags=tags)
    return NewJob(str(uuid.uuid4()), spec, "cpu.train")


def submit(connection: Connection, count: int, tenant: str = "", priority: Priority = "normal") -> list[str]:
    return connection.run(intake.submit([new_job(tenant, priority) for _ in range(count)]))


def take(connection: Connection, server: redis.Redis) -> Attempt | None:
    """What a free slot gets: the first message of the most urgent list whose job may start."""
    while popped := next((message for name in LISTS if (message := server.rpop(name))), None):
        job_id = json.loads(str(popped))["headers"]["id"]
        attempt = connection.run(attempts.claim(job_id, str(uuid.uuid4()), "worker", 60))
        if isinstance(attempt, Attempt):
            return attempt
    return None


def end(connection: Connection, attempt: Attempt) -> None:
    connection.run(attempts.fail(attempt, JobState.FAILED, "has done its part"))


def waited(server: redis.Redis, job_id: str, seconds: float) -> None:
    """Let a queued job have waited for so long."""
    server.hset(f"stoker:job:{job_id}", "queued_at", round((time.time() - seconds) * 1000))


def set_quotas(connection: Connection, by_tenant: Mapping[str, Quota] | None = None) -> None:
    connection.run(quotas.set_quotas(by_tenant or {}, AGEING_S))


def slots_are(connection: Connection, slots: int) -> None:
    """Let the controller know of a worker."""
    worker = presence.Worker(
        name="cpu@host",
        node="host",
        device="cpu",
        slots=slots,
        most_slots=slots,
        queues=("cpu.train",),
        host="h",
        pid=1,
    )
    attend(connection, worker)
    connection.run(upkeep.resend(60))


def tenant_of(server: redis.Redis, attempt: Attempt) -> str:
    return str(server.hget(f"stoker:job:{attempt.job_id}", "tenant") or "")


def test_children_count_as_queued_jobs_of_their_tenant_and_are_not_refused(connection: Connection) -> None:
    set_quotas(connection, {"a": Quota(queued=3)})
    spec = stoker.Infer(model="digits@1", data="rows.npz", tags={"tenant": "a"})
    bulk = NewJob(str(uuid.uuid4()), spec, "cpu.batch")
    connection.run(intake.submit([bulk]))
    attempt = connection.run(attempts.claim(bulk.id, "owner", "worker", 60))
    assert isinstance(attempt, Attempt)
    children = [spec.model_copy(update={"rows": (n, n + 1)}) for n in range(8)]
    assert connection.run(await_children(attempt, spec, children))

    [tenant] = connection.run(quotas.tenants())
    assert (tenant.queued, tenant.running) == (9, 0)
    with pytest.raises(stoker.Unavailable, match="tenant 'a' has 9 jobs waiting or queued and may have 3"):
        submit(connection, 1, "a")
    child = connection.run(attempts.claim(f"{bulk.id}-1-0", "other", "worker", 60))
    assert isinstance(child, Attempt)
    connection.run(attempts.fail(child, JobState.FAILED, "bad rows"))
    assert connection.run(quotas.tenants()) == []


def test_quotas_hold_for_any_number_of_tenants(connection: Connection) -> None:
    set_quotas(connection, {f"tenant-{number}": Quota(queued=number) for number in range(5000)})

    submit(connection, 3, "tenant-3")
    with pytest.raises(stoker.Unavailable, match="tenant 'tenant-3' has 3 jobs waiting or queued and may have 3"):
        submit(connection, 1, "tenant-3")


def test_a_low_job_does_not_starve_under_a_stream_of_urgent_ones(connection: Connection, server: redis.Redis) -> None:
    slots_are(connection, SLOTS)
    low = submit(connection, 30, priority="low")
    submit(connection, 100, priority="high")
    begun: list[str] = []
    for turn in range(90):
        attempt = take(connection, server)
        assert attempt
        begun.append(attempt.job_id)
        end(connection, attempt)
        submit(connection, 1, priority="high")
        if turn == 30:
            assert not set(low) & set(begun), "urgent jobs go first at the beginning"
            for job_id in low:
                waited(server, job_id, 2 * AGEING_S + 1)
        connection.run(upkeep.resend(60))
    assert len(set(low) & set(begun)) > 20, "after twice the time they are as urgent as any"


def test_a_job_that_has_waited_a_while_is_rung_for_on_the_next_list(
    connection: Connection, server: redis.Redis
) -> None:
    [job_id] = submit(connection, 1, priority="low")
    for seconds, list_of_it in ((1.0, LISTS[2]), (AGEING_S + 1, LISTS[1]), (2 * AGEING_S + 1, LISTS[0])):
        waited(server, job_id, seconds)
        connection.run(upkeep.resend(60))
        [message] = server.lrange(list_of_it, 0, 0)
        assert json.loads(message)["headers"]["id"] == job_id
    before = server.get("stoker:rings")
    connection.run(upkeep.resend(60))
    assert server.get("stoker:rings") == before, "once is enough"
    assert take(connection, server)
    assert not server.exists("stoker:rung:cpu.train:low")


def test_an_urgent_job_overtakes_a_thousand_normal_ones(connection: Connection, server: redis.Redis) -> None:
    submit(connection, 1000)
    [urgent] = submit(connection, 1, priority="high")
    attempt = take(connection, server)
    assert attempt
    assert attempt.job_id == urgent


def test_a_tenant_with_a_thousand_jobs_and_one_with_ten_share_the_slots_evenly(
    connection: Connection, server: redis.Redis
) -> None:
    slots_are(connection, SLOTS)
    submit(connection, 1000, "big")
    small = submit(connection, 10, "small")
    running = [take(connection, server) for _ in range(SLOTS)]
    order: list[str] = []
    while any(server.hget(f"stoker:job:{job_id}", "state") == "QUEUED" for job_id in small):
        oldest = running.pop(0)
        assert oldest
        end(connection, oldest)
        running.append(take(connection, server))
        order.append(tenant_of(server, running[-1]) if running[-1] else "nobody")
    # What had a message already goes first, two jobs for each slot; then they take turns.
    others = Counter(order)["big"]
    assert len(small) - SLOTS <= others <= len(small) + 2 * SLOTS


def test_twice_the_weight_is_twice_the_share(connection: Connection, server: redis.Redis) -> None:
    set_quotas(connection, {"a": Quota(weight=2)})
    slots_are(connection, SLOTS * 3)
    for tenant in ("a", "b"):
        submit(connection, 200, tenant)
    running = [take(connection, server) for _ in range(SLOTS * 3)]
    chance, shares = random.Random(0), Counter[str]()
    for _ in range(200):
        ended = running.pop(chance.randrange(len(running)))
        assert ended
        end(connection, ended)
        running.append(take(connection, server))
        shares.update(tenant_of(server, attempt) for attempt in running if attempt)
    assert 0.6 < shares["a"] / shares.total() < 0.75


def test_a_tenant_with_all_it_may_run_blocks_nobody(connection: Connection, server: redis.Redis) -> None:
    set_quotas(connection, {"capped": Quota(running=2)})
    submit(connection, 50, "capped")
    submit(connection, 5, "other")
    attempts: list[Attempt] = []
    while attempt := take(connection, server):
        attempts.append(attempt)
    assert Counter(tenant_of(server, attempt) for attempt in attempts) == {"capped": 2, "other": 5}
    [capped] = connection.run(quotas.tenants())[:1]
    assert (capped.name, capped.queued, capped.running) == ("capped", 48, 2)
    [health] = [found for found in connection.run(monitoring.health()).queues if found.queue == "cpu.train"]
    assert (health.jobs, health.over_quota, health.oldest_s) == (48, 48, 0), "more slots would not help them"

    end(connection, next(attempt for attempt in attempts if tenant_of(server, attempt) == "capped"))
    following = take(connection, server)
    assert following
    assert tenant_of(server, following) == "capped"
    assert take(connection, server) is None


def test_a_job_that_ends_makes_room_for_its_tenants_on_every_queue(connection: Connection, server: redis.Redis) -> None:
    set_quotas(connection, {"default": Quota(running=1)})
    submit(connection, 1)
    attempt = take(connection, server)
    assert attempt
    elsewhere = NewJob("elsewhere", new_job().spec, "gpu.train")
    connection.run(intake.submit([elsewhere]))
    assert not server.llen("gpu.train\x06\x166")
    end(connection, attempt)
    assert server.llen("gpu.train\x06\x166") == 1


def test_a_quota_that_is_raised_lets_more_jobs_run_at_once(connection: Connection, server: redis.Redis) -> None:
    set_quotas(connection, {"default": Quota(running=1)})
    submit(connection, 10)
    assert take(connection, server)
    assert take(connection, server) is None
    set_quotas(connection, {"default": Quota(running=3)})
    assert take(connection, server)
    assert take(connection, server)
    assert take(connection, server) is None


def test_jobs_beyond_a_quota_are_refused_all_or_none_however_many_submit_at_once(
    connection: Connection, server: redis.Redis
) -> None:
    set_quotas(connection, {"default": Quota(queued=50)})

    def try_one(_: int) -> int:
        with suppress(stoker.Unavailable):
            return len(submit(connection, 3, "a"))
        return 0

    with ThreadPoolExecutor(8) as pool:
        taken = sum(pool.map(try_one, range(40)))
    assert taken == 48
    assert len(submit(connection, 50, "b")) == 50, "another tenant's quota is its own"
    refusal = "tenant 'a' has 48 jobs waiting or queued and may have 50: nothing was queued"
    with pytest.raises(stoker.Unavailable, match=refusal):
        connection.run(intake.submit([new_job("c"), *(new_job("a") for _ in range(3))]))
    assert {tenant.name for tenant in connection.run(quotas.tenants())} == {"a", "b"}
    assert take(connection, server)
    assert len(submit(connection, 2, "a")) == 2, "a job that runs is not queued any more"


def test_a_repeated_submit_is_not_counted_twice(connection: Connection) -> None:
    set_quotas(connection, {"default": Quota(queued=3)})
    jobs = [new_job() for _ in range(3)]
    for _ in range(2):
        assert connection.run(intake.submit(jobs)) == [job.id for job in jobs]


def test_a_lost_message_is_found_though_the_queue_is_never_empty(connection: Connection, server: redis.Redis) -> None:
    submit(connection, 100)
    lost = json.loads(str(server.rpop(LISTS[1])))["headers"]["id"]
    for _ in range(20):
        attempt = take(connection, server)
        assert attempt
        assert attempt.job_id != lost
        end(connection, attempt)
    assert server.llen(LISTS[1])
    assert connection.run(upkeep.resend(-1)) == [lost]


def test_when_all_jobs_have_ended_nothing_is_left_of_their_turns(connection: Connection, server: redis.Redis) -> None:
    set_quotas(connection, {"a": Quota(running=3)})
    for tenant in ("a", "b", ""):
        ids = submit(connection, 30, tenant)
        for job_id in ids[::7]:
            connection.run(records.cancel(job_id))
    while attempt := take(connection, server):
        end(connection, attempt)
    left = {name for name in actual(server) if not name.startswith(("stoker:job:", "stoker:events:", "celery-"))}
    turns = ("held", "tenants", "rung", "seats", "load", "running", "queued")
    assert not [name for name in left if name.removeprefix("stoker:").split(":")[0] in turns]


def test_a_job_deleted_by_hand_gives_its_seat_back(connection: Connection, server: redis.Redis) -> None:
    set_quotas(connection, {"default": Quota(running=1)})
    submit(connection, 3)
    attempt = take(connection, server)
    assert attempt
    assert take(connection, server) is None
    server.delete(f"stoker:job:{attempt.job_id}")
    connection.run(upkeep.resend(60))
    assert connection.run(quotas.tenants())[0].running == 0
    assert take(connection, server)
