"""A predictor's watch over several lanes, on a real server; models here only say their name back."""

import threading
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime

import pytest
import redis

import stoker
from stoker import lanes
from stoker.fleet.topology import KOMBU_SEPARATOR, PRIORITIES, queues_of
from stoker.lanes import LaneRequests, frames
from stoker.lanes.blocking import LaneClient
from stoker.models.manifest import ModelVersion
from stoker.models.signature import Signature
from stoker.redis.connection import Connection
from stoker.settings import Settings
from stoker_workers.serving import drainer
from stoker_workers.serving.model import LoadModel, Model, Response
from stoker_workers.serving.watch import Watch

from ..conftest import PATIENCE_S, Eventually

BELLS = f"cpu.infer{KOMBU_SEPARATOR}{PRIORITIES['high']}"
JOBS = f"cpu.train{KOMBU_SEPARATOR}{PRIORITIES['normal']}"
Ask = Callable[[str], bytes]


class Echo:
    """A model that answers each request with its own name and what came."""

    most = 8
    evicted = False

    def __init__(self, ref: str) -> None:
        self._ref = ref

    def answer(self, requests: Sequence[bytes]) -> Sequence[Response]:
        return [f"{self._ref} {request.decode()}".encode() for request in requests]


class Shelf:
    """The models that are loaded; any other is being loaded until it is put here."""

    def __init__(self, *names: str) -> None:
        self.loaded = set(names)
        self.asked: set[str] = set()

    def load(self, version: ModelVersion) -> Model | None:
        self.asked.add(version.name)
        return Echo(version.ref) if version.name in self.loaded else None


@pytest.fixture
def connection(redis_url: str) -> Iterator[Connection]:
    connection = Connection.open(Settings(), redis_url)
    with redis.Redis.from_url(redis_url) as raw:
        for name in ("hot", "cold"):
            raw.hset(f"stoker:model:{name}", "1", version(name).model_dump_json())
            raw.hset(f"stoker:aliases:{name}", "champion", "1")
    yield connection
    connection.close()


@pytest.fixture
def ask(connection: Connection) -> Iterator[Ask]:
    """Asks a model for something, and gives what it answers."""
    lane_client = LaneClient(connection)

    def one(ref: str) -> bytes:
        [answer] = lane_client.send(ref, "cpu.infer", "normal", PATIENCE_S, [b"hello"]).values()
        return answer.result(timeout=PATIENCE_S)

    yield one
    lane_client.close()


@pytest.fixture
def watching(connection: Connection, redis_url: str) -> Iterator[Callable[[Shelf], threading.Thread]]:
    """Hears the doorbell of the lane "hot", as Celery would, and begins a watch in a thread."""
    stop, begun = threading.Event(), []

    def begin(shelf: Shelf) -> threading.Thread:
        with redis.Redis.from_url(redis_url) as raw:
            assert raw.rpop(BELLS)
        watch = Watch(connection, uuid.uuid4().hex, queues_of("cpu"), shelf.load, stop.is_set)
        begun.append(threading.Thread(target=watch.run, args=("hot",)))
        begun[-1].start()
        return begun[-1]

    yield begin
    stop.set()
    for thread in begun:
        thread.join()


def version(name: str) -> ModelVersion:
    signature = Signature(inputs=(), outputs=(), task="regression")
    return ModelVersion(
        name=name, version=1, created_at=datetime(2026, 1, 1, tzinfo=UTC), signature=signature, metrics={}, files={},
        parameters=0, job="job", data="sample://digits",
    )  # fmt: skip


def put(connection: Connection, ref: str) -> None:
    request = frames.encode_request(uuid.uuid4(), 0, b"hello")
    assert connection.run(lanes.push([LaneRequests(ref, "cpu.infer", "normal", 100, [(60_000, request)])])) == [None]


def test_a_cold_model_holds_up_no_hot_one(
    connection: Connection, ask: Ask, watching: Callable[[Shelf], threading.Thread], eventually: Eventually
) -> None:
    """The one slot there is serves a lane; another lane rings whose model takes long to load."""
    put(connection, "hot")
    shelf = Shelf("hot")
    watching(shelf)
    assert ask("hot") == b"hot@1 hello"
    cold: list[bytes] = []
    waiting = threading.Thread(target=lambda: cold.append(ask("cold")))
    waiting.start()
    eventually(lambda: "cold" in shelf.asked)
    for _ in range(100):
        assert ask("hot") == b"hot@1 hello"
    assert not cold
    shelf.loaded.add("cold")
    waiting.join(timeout=PATIENCE_S)
    assert cold == [b"cold@1 hello"]


def test_an_idle_watch_that_has_the_model_is_woken_instead_of_ringing(
    connection: Connection, ask: Ask, watching: Callable[[Shelf], threading.Thread], redis_url: str
) -> None:
    put(connection, "hot")
    watching(Shelf("hot", "cold"))
    assert ask("cold") == b"cold@1 hello", "its doorbell is taken on by the watch"
    with redis.Redis.from_url(redis_url) as raw:
        rung = raw.get("stoker:rings")
        for ref in ("hot", "cold") * 20:
            assert ask(ref) == f"{ref}@1 hello".encode()
        assert raw.get("stoker:rings") == rung


def test_a_watch_makes_way_for_a_job_and_hands_its_lanes_on(
    connection: Connection, ask: Ask, watching: Callable[[Shelf], threading.Thread], redis_url: str
) -> None:
    put(connection, "hot")
    slot = watching(Shelf("hot"))
    ask("hot")
    with redis.Redis.from_url(redis_url) as raw:
        raw.lpush(JOBS, "a job")
        slot.join(timeout=PATIENCE_S)
        assert not slot.is_alive()
        before = raw.llen(BELLS)
        put(connection, "hot")
        assert raw.llen(BELLS) == before + 1


def test_as_many_slots_make_way_as_messages_wait_and_more_if_they_wait_on(
    connection: Connection, redis_url: str, eventually: Eventually
) -> None:
    crowded = lanes.make_way(queues_of("cpu"))
    assert not connection.run(crowded)
    with redis.Redis.from_url(redis_url) as raw, raw.pipeline() as at_once:
        raw.lpush(JOBS, "one", "two")
        for _ in range(4):
            at_once.execute_command(*crowded.command(connection.caller))
        assert [crowded.decode(answer) for answer in at_once.execute()] == [True, True, False, False]
    eventually(lambda: connection.run(crowded))


def test_a_doorbell_is_taken_on_once_and_only_from_a_queue_that_is_served(
    connection: Connection, redis_url: str
) -> None:
    put(connection, "cold")
    assert connection.run(lanes.take_doorbell(queues_of("gpu"))) is None
    assert connection.run(lanes.take_doorbell(queues_of("cpu"))) == "cold"
    assert connection.run(lanes.take_doorbell(queues_of("cpu"))) is None
    with redis.Redis.from_url(redis_url) as raw:
        assert raw.llen(BELLS) == 0


def test_all_lanes_of_a_process_that_died_go_back_at_once(connection: Connection, redis_url: str) -> None:
    for number, ref in enumerate(("hot", "cold")):
        put(connection, ref)
        name = lanes.drainer_name("dead", number)
        assert connection.run(lanes.join(ref, name, 60))
        assert connection.run(lanes.take(ref, name, 60, turn=1, most=5, answers={}))
    connection.run(lanes.abandon("dead"))
    census = connection.run(lanes.counts())
    assert (census.waiting, census.taken, census.drainers) == (2, 0, 0)
    with redis.Redis.from_url(redis_url) as raw:
        assert raw.llen(BELLS) == 4


def test_a_model_that_cannot_be_loaded_is_the_answer(connection: Connection, ask: Ask) -> None:
    def load(_: ModelVersion) -> stoker.StokerError:
        return stoker.InvalidJob("no file")

    stop = threading.Event()
    put(connection, "hot")
    slot = threading.Thread(target=Watch(connection, "w", queues_of("cpu"), load, stop.is_set).run, args=("hot",))
    slot.start()
    with pytest.raises(stoker.InvalidJob, match="no file"):
        ask("hot")
    stop.set()
    slot.join()


@contextmanager
def watched(connection: Connection, load: LoadModel) -> Iterator[None]:
    """The doorbell of the lane "hot" is heard and the lane drained, for the length of a with block."""
    stop = threading.Event()
    assert connection.client.rpop(BELLS)
    watch = Watch(connection, uuid.uuid4().hex, queues_of("cpu"), load, stop.is_set)
    slot = threading.Thread(target=watch.run, args=("hot",))
    slot.start()
    try:
        yield
    finally:
        stop.set()
        slot.join(timeout=PATIENCE_S)


def test_callers_wait_while_the_store_is_away_for_a_moment(connection: Connection, ask: Ask) -> None:
    asked: list[ModelVersion] = []

    def load(version: ModelVersion) -> Model:
        asked.append(version)
        if len(asked) < 3:
            raise stoker.Unavailable("the store is away")
        return Echo(version.ref)

    put(connection, "hot")
    with watched(connection, load):
        assert ask("hot") == b"hot@1 hello"


def test_callers_are_told_of_a_store_that_stays_away_and_a_loaded_model_does_not_notice(
    connection: Connection, ask: Ask, monkeypatch: pytest.MonkeyPatch, eventually: Eventually
) -> None:
    monkeypatch.setattr(drainer, "_OUTAGE_S", 0.0)
    away = threading.Event()
    asked: list[ModelVersion] = []

    def load(version: ModelVersion) -> Model:
        asked.append(version)
        if away.is_set():
            raise stoker.Unavailable("the store is away")
        return Echo(version.ref)

    put(connection, "hot")
    with watched(connection, load):
        assert ask("hot") == b"hot@1 hello"
        away.set()
        looks = len(asked)
        eventually(lambda: ask("hot") == b"hot@1 hello" and len(asked) > looks)
    put(connection, "hot")
    with watched(connection, load), pytest.raises(stoker.Unavailable, match="the store is away"):
        ask("hot")


def test_a_model_that_made_room_for_another_is_loaded_again_for_its_next_request(
    connection: Connection, ask: Ask
) -> None:
    loaded: list[Echo] = []

    def load(version: ModelVersion) -> Model:
        loaded.append(Echo(version.ref))
        return loaded[-1]

    put(connection, "hot")
    with watched(connection, load):
        ask("hot")
        loaded[-1].evicted = True
        assert ask("hot") == b"hot@1 hello"
        assert not loaded[-1].evicted


def test_a_drainer_whose_lane_was_taken_from_it_joins_again(
    connection: Connection, ask: Ask, redis_url: str, eventually: Eventually
) -> None:
    """Its process stood still for longer than its lease, and nobody else is there to hear the doorbell."""
    put(connection, "hot")
    with watched(connection, lambda version: Echo(version.ref)), redis.Redis.from_url(redis_url) as raw:
        ask("hot")
        [entry] = raw.zrange("stoker:drainers", 0, -1)
        raw.zadd("stoker:drainers", {entry: 0})
        raw.zadd("stoker:drainers:hot", {entry.split()[0]: 0})
        connection.run(lanes.sweep())
        assert ask("hot") == b"hot@1 hello"
