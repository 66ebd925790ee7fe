"""What was used, counted by the scripts; and budgets."""

import asyncio
import json
from datetime import UTC, datetime, timedelta

import pytest

import stoker
from stoker.ledger import attempts, intake, quotas, waits
from stoker.ledger.attempt import Attempt
from stoker.ledger.intake import NewJob
from stoker.ledger.usage import budgets, usage
from stoker.models.manifest import Artifact
from stoker.redis.calls import Call, drive
from stoker.redis.connection import Connection
from stoker.tenants import Budget, Quota

SPEC = stoker.Train(model="digits", data="sample://digits", tags={"tenant": "red"})
HOUR_MS = 3_600_000


def ran(connection: Connection, name: str, spec: stoker.Train = SPEC, *, slots: int = 2, repeats: int = 1) -> None:
    """A job that has run for an hour on so many slots, by its record; its end is reported several times."""
    connection.run(intake.submit([NewJob(name, spec, "cpu.train")]))
    attempt = connection.run(attempts.claim(name, f"{name}-owner", "w", 60))
    assert isinstance(attempt, Attempt)
    key = f"stoker:job:{name}"
    began = connection.run(Call(("HGET", key, "started_at"), int))
    connection.client.hset(key, mapping={"started_at": began - HOUR_MS, "slots": slots})
    file = Artifact(name="a.txt", digest="a" * 64, size=1000)
    result = stoker.RunResult(function="shop.jobs:any", seed=1, run_s=1.0, files={"a": file})
    for _ in range(repeats):
        connection.run(attempts.succeed(attempt, result))


def test_what_attempts_have_used_is_counted_once_whatever_is_repeated(connection: Connection) -> None:
    ran(connection, "one", repeats=3)
    ran(connection, "two", SPEC.model_copy(update={"tags": {}, "model": "other"}), slots=1)
    first, second = drive(usage("tenant", datetime.now(UTC)), connection.run)
    assert (first.name, first.jobs, first.stored_bytes) == ("red", 1, 1000)
    assert first.slot_s == pytest.approx(7200, abs=60)
    assert (second.name, second.jobs) == ("", 1)
    assert second.slot_s == pytest.approx(3600, abs=60)
    assert [each.name for each in drive(usage("model", datetime.now(UTC)), connection.run)] == ["digits", "other"]
    assert [each.name for each in drive(usage("kind", datetime.now(UTC)), connection.run)] == ["train"]
    [day] = connection.run(Call(("KEYS", "stoker:usage:*"), list))
    assert 399 * 86_400 < connection.run(Call(("TTL", day), int)) <= 400 * 86_400


def test_days_are_summed_up_to_the_one_that_was_named(connection: Connection) -> None:
    today = int(datetime.now(UTC).timestamp() // 86_400)
    for ago in (0, 1, 2):
        field = f"slot_ms {json.dumps(['red', 'train', 'digits'])}"
        connection.client.hset(f"stoker:usage:{today - ago}", mapping={field: 1000, "x": "junk", "slot_ms x": 5})
    for days in (0, 1, 2, 50):
        [used] = drive(usage("tenant", datetime.now(UTC) - timedelta(days=days)), connection.run)
        assert used.slot_s == min(days + 1, 3)


def test_a_spent_budget_stops_submits_and_raises_an_alarm_and_what_runs_goes_on(
    connection: Connection, redis_url: str
) -> None:
    stops = {"red": Quota(budget=Budget(slot_hours=3, days=2, after="stop")), "default": Quota(queued=100)}
    connection.run(quotas.set_quotas(stops, 600))
    with stoker.Client(redis_url) as client:
        ran(connection, "one")
        waiting = client.submit(SPEC)
        assert client.alarms() == []
        ran(connection, "two")
        [alarm] = client.alarms()
        assert alarm.what == "budget"
        assert "tenant 'red' has had 4 slot hours in 2 days" in alarm.text
        assert alarm.figures["tenant"] == "red"
        with pytest.raises(stoker.Unavailable, match="had 4 slot hours in 2 days, and its budget is 3"):
            client.submit(SPEC)
        client.submit(SPEC.model_copy(update={"tags": {"tenant": "blue"}}))
        assert waiting.state == "QUEUED"
        [spent] = connection.run(budgets())
        assert (spent.tenant, spent.after, round(spent.spent_ms / HOUR_MS)) == ("red", "stop", 4)
        connection.run(quotas.set_quotas({"red": Quota(budget=Budget(slot_hours=3))}, 600))
        client.submit(SPEC)


def test_both_clients_tell_of_usage(connection: Connection, redis_url: str) -> None:
    ran(connection, "one")

    async def told() -> object:
        async with stoker.AsyncClient(redis_url) as client:
            return await client.usage("tenant", timedelta(days=1))

    with stoker.Client(redis_url) as client:
        assert asyncio.run(told()) == client.usage()
        with pytest.raises(stoker.InvalidArgument, match="tenant, kind or model"):
            client.usage("colour")  # type: ignore[arg-type]
        with pytest.raises(stoker.InvalidArgument, match="datetime"):
            client.usage(since="7d")  # type: ignore[arg-type]
        with pytest.raises(stoker.InvalidArgument, match="no time zone"):
            client.usage(since=datetime(2026, 1, 1))  # noqa: DTZ001  # that is what is refused
        assert client.usage(since=timedelta.max) == client.usage()


def test_each_step_of_a_job_that_waits_has_had_slots(connection: Connection) -> None:
    connection.run(intake.submit([NewJob("one", SPEC, "cpu.train")]))
    for step in ("first", "second"):
        attempt = connection.run(attempts.claim("one", step, "w", 60))
        assert isinstance(attempt, Attempt)
        began = connection.run(Call(("HGET", "stoker:job:one", "started_at"), int))
        connection.client.hset("stoker:job:one", "started_at", began - HOUR_MS)
        connection.run(waits.wait(attempt, "waits"))
        connection.run(waits.wake("one"))
    [used] = drive(usage("tenant", datetime.now(UTC)), connection.run)
    assert (used.name, used.jobs) == ("red", 0)
    assert used.slot_s == pytest.approx(7200, abs=60)
