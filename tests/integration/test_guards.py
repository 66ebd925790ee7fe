"""Guards of models: set by who may, held where lanes take requests, counted, and told."""

import asyncio
import json
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import redis

import stoker
from stoker.ledger import alarms, counters, guards, model_changes
from stoker.redis.calls import drive
from stoker.settings import Settings

from .. import commands
from ..conftest import PATIENCE_S, Eventually
from .test_routed_lanes import Served
from .test_routes import Registry

GUARD = stoker.Guard(ranges={"x": (0, 100)})


@pytest.fixture
def client(redis_url: str) -> Iterator[stoker.Client]:
    Registry(redis_url)
    with stoker.Client(redis_url) as client:
        yield client


@pytest.fixture
def served(redis_url: str) -> Iterator[Served]:
    served = Served(Registry(redis_url), redis_url)
    yield served
    served.close()


def test_a_request_that_is_refused_costs_its_neighbours_nothing(served: Served, eventually: Eventually) -> None:
    run = served.models.run
    assert run(guards.put("digits", GUARD))

    def is_refused() -> bool:
        [future] = served.send([101.0])
        return isinstance(future.exception(), stoker.InvalidJob)

    eventually(is_refused)
    futures = served.send([1.0, 500.0, 2.0, -3.0, 3.0] * 20)
    for at, future in enumerate(futures):
        if at % 5 in (1, 3):
            told = str(future.exception())
            value = "500" if at % 5 == 1 else "-3"
            assert f"the guard of digits refuses row 0 (the first row is 0): x is {value}, and may be 0 to 100" in told
        else:
            assert served.answer(future) == (1, at % 5 / 2 + 1)

    def counted() -> guards.Guarded:
        return drive(guards.guarded("digits", 100), run)

    eventually(lambda: counted().counts.get("input", 0) >= 41)
    rows = counted().rows
    assert {row.version for row in rows} == {"digits@1"}
    assert json.loads(rows[0].row)["x"][0] in (500.0, -3.0, 101.0)
    [alarm] = [alarm for alarm in run(alarms.newest(10)) if alarm.what == "guard"]
    assert alarm.model == "digits"

    run(guards.drop("digits"))
    eventually(lambda: served.send([500.0])[0].exception() is None)
    assert counted() == guards.Guarded(model="digits")


def test_an_answer_that_is_none_is_refused(served: Served, eventually: Eventually) -> None:
    signature = stoker.Signature(
        inputs=(stoker.TensorSpec(name="x", shape=(1,), dtype="float64"),),
        outputs=(stoker.TensorSpec(name="y", shape=(1,), dtype="float64"),),
        task="regression",
    )
    connection = served.models.connection.client
    raw = json.loads(connection.hget("stoker:model:digits", "1") or b"")
    connection.hset("stoker:model:digits", "1", json.dumps(raw | {"signature": signature.model_dump(mode="json")}))
    served.models.run(guards.put("digits", stoker.Guard()))
    served.stands[1].compute = lambda rows: np.where(rows > 5, np.nan, rows)

    def is_refused() -> bool:
        good, bad = served.send([1.0, 9.0])
        return good.exception() is None and "not finite" in str(bad.exception())

    eventually(is_refused)
    eventually(lambda: drive(guards.guarded("digits", 1), served.models.run).counts.get("output", 0) > 0)


def test_a_guard_is_set_seen_and_taken_away(client: stoker.Client, tmp_path: Path) -> None:
    assert client.guarded("digits") == stoker.Guarded(model="digits")
    assert client.guard_model("digits", GUARD).guard == GUARD
    with pytest.raises(stoker.InvalidArgument, match=r"digits@1 takes no age of that type.*it takes x"):
        client.guard_model("digits", stoker.Guard(ranges={"age": (0, 1)}))
    with pytest.raises(stoker.InvalidArgument, match="whatever its version"):
        client.guard_model("digits@1", GUARD)
    with pytest.raises(stoker.ModelNotFound):
        client.guard_model("nothing", GUARD)
    (path := tmp_path / "guard.json").write_text('{"ranges": {"x": [null, 7]}, "most_rows": 4}')
    env = {"STOKER_REDIS_URL": client.settings.redis_url or ""}
    told = json.loads(commands.run("models", "guard", "digits", "--set", str(path), "--json", env=env).stdout)
    assert told["guard"]["ranges"] == {"x": [None, 7]}
    path.write_text('{"ranges": {"x": [9, 7]}}')
    wrong = commands.run("models", "guard", "digits", "--set", str(path), env=env)
    assert (wrong.returncode, "write the lower first" in wrong.stderr) == (2, True)
    assert "none refused" in commands.run("models", "guard", "digits", env=env).stdout

    async def asked() -> stoker.Guarded:
        async with stoker.AsyncClient(settings=Settings(redis_url=client.settings.redis_url)) as other:
            await other.guard_model("digits", GUARD)
            return await other.guarded("digits")

    assert asyncio.run(asked()).guard == GUARD
    drive(model_changes.rename("digits", "numerals"), client._run)
    assert (client.guarded("digits").guard, client.guarded("numerals").guard) == (None, GUARD)
    drive(model_changes.remove("numerals"), client._run)
    assert client.guarded("numerals").guard is None


def test_what_is_kept_of_refusals_is_bounded(client: stoker.Client) -> None:
    client.guard_model("digits", GUARD)
    row = guards.RefusedRow(at="2026-01-01T00:00:00Z", version="digits@1", why="so", row="{}")
    for _ in range(12):
        client._run(guards.note("digits", {"input": 100}, [row] * 100))
    raw = client._connection.client
    assert raw.llen("stoker:guard-rows:digits") == guards.MOST_ROWS
    assert int(raw.ttl("stoker:guard-rows:digits")) > 0
    assert client.guarded("digits").counts == {"input": 1200}
    assert len(client.alarms()) == 1


def test_who_asks_too_often_is_refused_until_the_minute_is_over(served: Served, eventually: Eventually) -> None:
    run, server = served.models.run, served.models.connection.client
    run(guards.put("digits", stoker.Guard(most_a_minute=5, outputs=False)))
    futures = served.send([1.0] * 8)
    assert [served.answer(future) for future in futures[:5]] == [(1, 1.0)] * 5
    for future in futures[5:]:
        error = future.exception(PATIENCE_S)
        assert isinstance(error, stoker.TooManyRequests)
        wanted = (
            r"the guard of digits allows 5 requests a minute of each user of Redis: try again in (\d+) s, or send more"
        )
        assert (found := re.match(wanted, error.message))
        assert 0 < int(found[1]) <= 60
    # Another user has a bound of its own; the lane's other names share it.
    assert sorted(server.scan_iter("stoker:asked:*")) == [b"stoker:asked:default:digits"]
    assert 0 < server.pttl("stoker:asked:default:digits") <= 11 * 60_000
    assert run(counters.read_tallies()).guard_refusals["rate"] == 3
    assert [alarm.what for alarm in run(alarms.newest(10))].count("guard") == 1
    # A minute later, by the time that is noted there.
    server.set("stoker:asked:default:digits", "5 1 1")
    assert served.answer(served.send([3.0])[0]) == (1, 3.0)
    # What cannot be read bounds nothing for longer than a minute, and a guard without a bound none.
    server.set("stoker:asked:default:digits", "nonsense")
    assert served.answer(served.send([3.0])[0]) == (1, 3.0)
    run(guards.put("digits", stoker.Guard(categories={"most_a_minute": ("1",)}, outputs=False)))
    assert all(served.answer(future) == (1, 1.0) for future in served.send([1.0] * 20))


def test_each_call_that_sends_requests_is_counted(client: stoker.Client) -> None:
    client.guard_model("digits", stoker.Guard(most_a_minute=1))
    client.infer_later("digits", [[1.0, 2.0]])
    for ask in (client.infer_later, client.infer):
        with pytest.raises(stoker.TooManyRequests, match="try again in"):
            ask("digits", [[1.0, 2.0]])

    async def asked() -> None:
        async with stoker.AsyncClient(settings=Settings(redis_url=client.settings.redis_url)) as other:
            await other.infer("digits", [[1.0, 2.0]])

    with pytest.raises(stoker.TooManyRequests, match="try again in"):
        asyncio.run(asked())


def test_a_guard_that_cannot_be_read_lets_nothing_through(
    served: Served, eventually: Eventually, redis_url: str
) -> None:
    with redis.Redis.from_url(redis_url) as server:
        server.hset("stoker:guards", "digits", '{"ranges":{"x":"no bounds"}}')

    def is_refused() -> bool:
        [future] = served.send([1.0])
        return "the guard of digits cannot be read, so requests are refused" in str(future.exception())

    eventually(is_refused)
    served.models.run(guards.drop("digits"))
    eventually(lambda: served.send([1.0])[0].exception() is None)
