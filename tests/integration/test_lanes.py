"""The lanes' rules, on a real server: requests go in, batches come out, none is lost, none is answered to nobody."""

import asyncio
import struct
import threading
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TypeVar

import numpy as np
import pytest
import redis

import stoker
from stoker import lanes
from stoker.fleet.topology import served_request_queue
from stoker.kinds import Priority
from stoker.lanes import LaneRequests, frames
from stoker.lanes.aio import AsyncLaneClient
from stoker.lanes.blocking import LaneClient
from stoker.models.manifest import ModelVersion
from stoker.models.signature import Signature, TensorSpec
from stoker.redis.calls import Call
from stoker.redis.connection import AsyncConnection, Connection
from stoker.settings import Settings

from ..conftest import PATIENCE_S, Eventually

T = TypeVar("T")
BELLS = "cpu.infer\x06\x163"
# Of a drainer that is meant to live: longer than the machine may stand still between two lines of a test.
LEASE_S = 600.0


@pytest.fixture
def connection(redis_url: str) -> Iterator[Connection]:
    connection = Connection.open(Settings(), redis_url)
    yield connection
    connection.close()


def put(connection: Connection, *tensors: bytes, priority: Priority = "normal", most: int = 100) -> None:
    client = uuid.uuid4()
    requests = [(60_000, frames.encode_request(client, n, body)) for n, body in enumerate(tensors)]
    lane = LaneRequests("digits", "cpu.infer", priority, most, requests)
    assert connection.run(lanes.push([lane])) == [None]


def taken(batch: lanes.Batch | None) -> list[bytes]:
    assert batch is not None
    requests = [frames.decode_request(request) for request in batch.requests]
    return [request.tensors for request in requests if request]


def take(connection: Connection, turn: int, drainer: str = "d", most: int = 10) -> list[bytes]:
    return taken(connection.run(lanes.take("digits", drainer, LEASE_S, turn=turn, most=most, answers={})))


def bells(redis_url: str) -> int:
    with redis.Redis.from_url(redis_url) as client:
        return int(client.llen(BELLS))


def test_requests_come_out_in_their_order_and_the_urgent_first(connection: Connection) -> None:
    put(connection, b"low", priority="low")
    put(connection, b"one", b"two")
    put(connection, b"urgent", priority="high")
    assert connection.run(lanes.join("digits", "d", LEASE_S))
    assert take(connection, 1, most=3) == [b"urgent", b"one", b"two"]
    assert take(connection, 2) == [b"low"]


def test_one_doorbell_rings_for_any_number_of_requests(connection: Connection, redis_url: str) -> None:
    for n in range(50):
        put(connection, str(n).encode())
    assert bells(redis_url) == 1
    connection.run(lanes.join("digits", "d", LEASE_S))
    put(connection, b"more")
    assert bells(redis_url) == 1, "a lane that is being drained needs no doorbell"


def test_a_deep_lane_wants_more_drainers(connection: Connection, redis_url: str) -> None:
    put(connection, *[b"x"] * 5000, most=10_000)
    put(connection, b"x", most=10_000)
    put(connection, b"x", most=10_000)
    assert bells(redis_url) == 3


def test_a_hot_lane_may_have_as_many_drainers_as_there_are_slots(connection: Connection, redis_url: str) -> None:
    put(connection, *[b"x"] * 20_000, most=20_000)
    with redis.Redis.from_url(redis_url) as client:
        for slots, drainers in ((12, 12), (40, 20)):
            client.hset("stoker:windows", "cpu.infer", 2 * slots)
            for _ in range(25):
                connection.run(lanes.sweep())
            assert bells(redis_url) == drainers
    assert connection.run(lanes.demand()) == {"cpu": 20}


def test_a_lane_is_rung_for_however_long_its_requests_wait(connection: Connection, redis_url: str) -> None:
    put(connection, b"one")
    with redis.Redis.from_url(redis_url) as client:
        client.delete(BELLS, *[name for name in client.scan_iter("stoker:*") if client.ttl(name) >= 0])
        client.delete("stoker:bells:digits")
    connection.run(lanes.sweep())
    assert bells(redis_url) == 1
    connection.run(lanes.join("digits", "d", LEASE_S))
    assert take(connection, 1) == [b"one"]


def test_answers_are_kept_as_long_as_somebody_may_wait_for_them(connection: Connection, redis_url: str) -> None:
    client = uuid.uuid4()
    connection.run(
        lanes.push(
            [LaneRequests("digits", "cpu.infer", "normal", 9, [(60_000, frames.encode_request(client, 0, b"x"))])]
        )
    )
    connection.run(lanes.join("digits", "d", LEASE_S))
    for turn, timeout_ms in enumerate((7_200_000, 1_000, 1_000), 1):
        connection.run(
            lanes.take("digits", "d", LEASE_S, turn=turn, most=1, answers={client.hex: b"told"} if turn > 1 else {})
        )
        pushed = [(timeout_ms, frames.encode_request(client, turn, b"x"))]
        connection.run(lanes.push([LaneRequests("digits", "cpu.infer", "normal", 9, pushed)]))
    connection.run(lanes.take("digits", "d", LEASE_S, turn=4, most=1, answers={client.hex: b"told"}))
    with redis.Redis.from_url(redis_url) as server:
        assert server.llen(f"stoker:answers:{client.hex}") == 3
        assert 7_100_000 < server.pttl(f"stoker:answers:{client.hex}") < 7_300_000


def test_a_deadline_that_is_no_time_holds_nothing_up(connection: Connection, redis_url: str) -> None:
    put(connection, b"one")
    with redis.Redis.from_url(redis_url) as server:
        for deadline in (float("inf"), float("nan"), -1.0):
            server.rpush("stoker:lane:digits:normal", struct.pack("<d", deadline) + b"junk")
    connection.run(lanes.join("digits", "d", LEASE_S))
    connection.run(lanes.take("digits", "d", LEASE_S, turn=1, most=9, answers={}))
    connection.run(lanes.take("digits", "d", LEASE_S, turn=2, most=9, answers={"somebody": b"told"}))
    assert connection.run(lanes.await_answers("somebody", 1)) == b"told"


def test_a_doorbell_that_waits_for_a_slot_is_rung_again_only_once_it_is_gone(
    connection: Connection, redis_url: str
) -> None:
    put(connection, b"one")
    with redis.Redis.from_url(redis_url) as client:
        for rings in (1, 2):
            for _ in range(3):
                [bell] = client.zrange("stoker:bells:digits", 0, -1)
                client.zadd("stoker:bells:digits", {bell: 1})
                connection.run(lanes.sweep())
                assert client.llen(BELLS) == 1
            assert int(client.get("stoker:rings") or 0) == rings
            client.delete(BELLS)
            client.zadd("stoker:bells:digits", {bell: 1})
            connection.run(lanes.sweep())


def test_requests_of_a_lost_drainer_keep_their_priority(connection: Connection, eventually: Eventually) -> None:
    for priority in ("low", "normal", "high"):
        put(connection, f"{priority} 1".encode(), f"{priority} 2".encode(), priority=priority)
    connection.run(lanes.join("digits", "silent", 0.05))
    first = connection.run(lanes.take("digits", "silent", 0.05, turn=1, most=5, answers={}))
    assert taken(first) == [b"high 1", b"high 2", b"normal 1", b"normal 2", b"low 1"]
    eventually(lambda: connection.run(lanes.sweep()) == 5)
    put(connection, b"high 3", priority="high")
    connection.run(lanes.join("digits", "next", LEASE_S))
    assert take(connection, 1, "next") == [
        *(b"high 1", b"high 2", b"high 3"),
        *(b"normal 1", b"normal 2", b"low 1", b"low 2"),
    ]


def test_requests_of_a_lost_drainer_survive_what_something_else_put_in_their_lanes_place(
    connection: Connection, eventually: Eventually, redis_url: str
) -> None:
    put(connection, b"one", b"two")
    connection.run(lanes.join("digits", "silent", 0.05))
    assert taken(connection.run(lanes.take("digits", "silent", 0.05, turn=1, most=5, answers={}))) == [b"one", b"two"]
    with redis.Redis.from_url(redis_url) as client:
        client.set("stoker:lane:digits:normal", "nonsense")
    eventually(lambda: connection.run(lanes.sweep()) == 2)
    connection.run(lanes.join("digits", "next", LEASE_S))
    assert take(connection, 1, "next") == [b"one", b"two"]


def test_a_deep_lane_is_filled_though_the_number_of_slots_is_damaged(connection: Connection, redis_url: str) -> None:
    with redis.Redis.from_url(redis_url) as client:
        client.hset("stoker:windows", "cpu.infer", "nonsense")
    put(connection, *[b"one"] * 1500, most=2000)
    assert bells(redis_url)


def test_a_full_lane_takes_nothing(connection: Connection) -> None:
    put(connection, b"one", b"two", most=3)
    lane = LaneRequests("digits", "cpu.infer", "normal", 3, [(1000, b"three"), (1000, b"four")])
    [refused] = connection.run(lanes.push([lane]))
    assert refused
    assert (refused.first, "2 requests wait, 3 is the limit" in refused.error.message) == (0, True)
    connection.run(lanes.join("digits", "d", LEASE_S))
    assert take(connection, 1) == [b"one", b"two"]


def test_what_a_silent_drainer_had_in_hand_goes_to_the_next_in_its_order(
    connection: Connection, eventually: Eventually, redis_url: str
) -> None:
    put(connection, b"one", b"two", b"three")
    connection.run(lanes.join("digits", "silent", 0.05))
    batch = connection.run(lanes.take("digits", "silent", 0.05, turn=1, most=2, answers={}))
    assert taken(batch) == [b"one", b"two"]
    eventually(lambda: connection.run(lanes.sweep()) == 2)
    assert bells(redis_url) == 2
    connection.run(lanes.join("digits", "next", LEASE_S))
    assert take(connection, 1, "next") == [b"one", b"two", b"three"]


def test_a_drainer_that_was_silent_too_long_delivers_nothing(connection: Connection, eventually: Eventually) -> None:
    put(connection, b"one")
    connection.run(lanes.join("digits", "silent", 0.05))
    connection.run(lanes.take("digits", "silent", 0.05, turn=1, most=2, answers={}))
    eventually(lambda: connection.run(lanes.sweep()) == 1)
    answers = {"somebody": b"late"}
    assert connection.run(lanes.take("digits", "silent", LEASE_S, turn=2, most=2, answers=answers)) is None
    assert connection.run(lanes.await_answers("somebody", 0.01)) is None


def test_a_take_repeated_because_its_answer_was_lost_gives_the_same_batch_and_delivers_once(
    connection: Connection,
) -> None:
    put(connection, b"one", b"two", b"three")
    connection.run(lanes.join("digits", "d", LEASE_S))
    for _ in range(2):
        batch = connection.run(lanes.take("digits", "d", LEASE_S, turn=1, most=2, answers={"somebody": b"told"}))
        assert taken(batch) == [b"one", b"two"]
    assert connection.run(lanes.await_answers("somebody", 1)) == b"told"
    assert connection.run(lanes.await_answers("somebody", 0.01)) is None
    assert take(connection, 2) == [b"three"]


def test_a_drainer_that_leaves_hands_the_rest_to_a_successor(connection: Connection, redis_url: str) -> None:
    put(connection, b"one", b"two")
    connection.run(lanes.join("digits", "d", LEASE_S))
    assert take(connection, 1, most=1) == [b"one"]
    connection.run(lanes.leave("digits", "d"))
    assert bells(redis_url) == 2
    connection.run(lanes.join("digits", "e", LEASE_S))
    assert take(connection, 1, "e") == [b"one", b"two"]


def test_a_drainer_that_ends_before_it_joins_is_replaced_at_once(connection: Connection, redis_url: str) -> None:
    put(connection, b"one")
    connection.run(lanes.leave("digits", "never joined"))
    assert bells(redis_url) == 2


def test_an_idle_drainer_is_woken_by_the_next_request_without_a_message(connection: Connection, redis_url: str) -> None:
    put(connection, b"one")
    connection.run(lanes.join("digits", "d", LEASE_S))
    take(connection, 1)
    assert take(connection, 2) == []
    assert not connection.run(lanes.await_wake("d", 0.01))
    before = bells(redis_url)
    put(connection, b"two")
    assert connection.run(lanes.await_wake("d", LEASE_S))
    assert take(connection, 3) == [b"two"]
    assert bells(redis_url) == before


@pytest.mark.parametrize("end", [lanes.leave("digits", "watch.d"), lanes.abandon("watch")], ids=["leaves", "dies"])
def test_a_lane_leaves_no_key_for_ever_also_where_no_controller_runs(
    connection: Connection, redis_url: str, end: Call[None]
) -> None:
    put(connection, b"one")
    connection.run(lanes.join("digits", "watch.d", LEASE_S))
    take(connection, 1, "watch.d")
    connection.run(lanes.take("digits", "watch.d", LEASE_S, turn=2, most=5, answers={"somebody": b"told"}))
    connection.run(end)
    with redis.Redis.from_url(redis_url) as client:
        lasting = {key for key in client.scan_iter(match="stoker:*") if client.ttl(key) == -1}
    assert lasting == {b"stoker:rings", b"stoker:tallies"}


def test_many_threads_get_each_their_own_answer(connection: Connection, redis_url: str) -> None:
    """The other side is an echo: it gives back what was sent, or an error for what starts with !."""
    lane_client, stop = LaneClient(connection), threading.Event()
    echo = threading.Thread(target=_echo, args=(redis_url, stop))
    echo.start()
    got: dict[int, bytes] = {}

    def ask(n: int) -> None:
        for m in range(20):
            [answer] = lane_client.send("digits", "cpu.infer", "normal", PATIENCE_S, [f"{n}.{m}".encode()]).values()
            got[n * 100 + m] = answer.result(timeout=PATIENCE_S)

    threads = [threading.Thread(target=ask, args=(n,)) for n in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    [refused] = lane_client.send("digits", "cpu.infer", "normal", PATIENCE_S, [b"!bad"]).values()
    with pytest.raises(stoker.InvalidJob, match="bad"):
        refused.result(timeout=PATIENCE_S)
    stop.set()
    echo.join()
    lane_client.close()
    assert got == {n * 100 + m: f"{n}.{m}".encode() for n in range(16) for m in range(20)}


def _echo(redis_url: str, stop: threading.Event) -> None:
    connection, turn = Connection.open(Settings(), redis_url), 0
    answers: dict[str, bytes] = {}
    joined = False
    while not stop.is_set():
        joined = joined or connection.run(lanes.join("digits", "echo", LEASE_S))
        if not joined:
            continue
        turn += 1
        batch = connection.run(lanes.take("digits", "echo", LEASE_S, turn=turn, most=7, answers=answers))
        assert batch is not None
        by_client: dict[str, list[tuple[int, bytes | stoker.StokerError, int | None]]] = {}
        for request in filter(None, map(frames.decode_request, batch.requests)):
            body = request.tensors
            outcome = stoker.InvalidJob(body.decode()) if body.startswith(b"!") else body
            by_client.setdefault(request.client, []).append((request.number, outcome, None))
        answers = {client: frames.encode_answers(some) for client, some in by_client.items()}
        if not batch.requests:
            connection.run(lanes.await_wake("echo", 0.05))
    connection.close()


def test_whoever_finds_a_full_lane_is_told_so_at_once(connection: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stoker.lanes.pending.LANE_HOLDS", 2)
    lane_client = LaneClient(connection)
    lane_client.send("digits", "cpu.infer", "normal", PATIENCE_S, [b"x", b"x"])
    with pytest.raises(stoker.Unavailable, match="the lane of 'digits' is full: 2 requests wait, 2 is the limit"):
        next(iter(lane_client.send("digits", "cpu.infer", "normal", PATIENCE_S, [b"x"]).values())).result(
            timeout=PATIENCE_S
        )
    lane_client.close()


class Confused(AsyncConnection):
    """A connection whose answers to pushes nobody can read."""

    async def run(self, call: Call[T], *, patience_s: float | None = None) -> T:
        if call.script is lanes.script("push"):
            raise ValueError("not a number")
        return await super().run(call, patience_s=patience_s)


def test_who_waits_is_told_where_requests_cannot_be_sent_for_a_reason_that_nobody_foresaw(redis_url: str) -> None:
    async def ask() -> None:
        connection = Confused.open(Settings(), redis_url)
        client = AsyncLaneClient(connection)
        for _ in range(2):
            [answer] = client.send("digits", "cpu.infer", "normal", PATIENCE_S, [b"x"]).values()
            with pytest.raises(stoker.StokerError, match=r"^requests could not be sent: ValueError: not a number$"):
                await asyncio.wait_for(answer, PATIENCE_S)
        await client.close()
        await connection.close()

    asyncio.run(ask())


def test_a_call_that_nobody_answers_ends_when_its_time_is_up(connection: Connection, redis_url: str) -> None:
    signature = Signature(inputs=(TensorSpec(name="x", dtype="float32"),), outputs=(), task="regression")
    version = ModelVersion(
        name="digits", version=1, created_at=datetime(2026, 1, 1, tzinfo=UTC), signature=signature, metrics={},
        files={}, parameters=0, job="job", data="sample://digits",
    )  # fmt: skip
    with redis.Redis.from_url(redis_url) as raw:
        raw.hset("stoker:model:digits", "1", version.model_dump_json())

    async def ask() -> None:
        async with stoker.AsyncClient(redis_url) as client:
            await client.infer_many("digits@1", np.zeros(9_000), timeout=0.05)

    with stoker.Client(redis_url) as client, pytest.raises(stoker.Timeout, match="no answer from 'digits@1' within"):
        client.infer_many("digits@1", np.zeros(9_000), timeout=0.05)
    with pytest.raises(stoker.Timeout, match="no answer from 'digits@1' within"):
        asyncio.run(ask())


def test_requests_ring_where_workers_listen(connection: Connection, redis_url: str) -> None:
    assert served_request_queue([]) == "cpu.infer"
    assert served_request_queue(["gpu.train", "gpu.infer"]) == "gpu.infer"
    assert served_request_queue(["tpu.infer", "gpu.infer", "cpu.infer"]) == "cpu.infer"
