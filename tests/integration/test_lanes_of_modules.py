"""Lanes of versions with classes of an author's own, on a real server: they ring for workers that have the module."""

import threading
import uuid
from collections.abc import Iterator

import pytest

from stoker import lanes
from stoker.errors import Unavailable
from stoker.fleet.topology import KOMBU_SEPARATOR, PRIORITIES, queues_of
from stoker.lanes import LaneRequests, frames
from stoker.lanes.blocking import LaneClient
from stoker.ledger import presence
from stoker.redis.connection import Connection
from stoker.settings import Settings
from stoker_workers.serving.drainer import Unable
from stoker_workers.serving.watch import Watch

from ..conftest import PATIENCE_S
from .conftest import attend
from .test_needs import worker
from .test_watch import Shelf, version

PLAIN, ABLE, OTHER = worker("plain"), worker("able", "module:shop.layers"), worker("other", "module:shop.layers")
# A GPU's worker, and lanes go to the CPU's first.
GPU = ABLE.model_copy(update={"name": "gpu", "device": "gpu", "queues": queues_of("gpu"), "mailbox": "gpu.of.gpu"})


@pytest.fixture
def connection(redis_url: str) -> Iterator[Connection]:
    connection = Connection.open(Settings(), redis_url)
    register(connection, "gated", "shop.layers")
    attend(connection, PLAIN)
    yield connection
    connection.close()


def register(connection: Connection, name: str, *modules: str) -> None:
    made = version(name).model_copy(update={"modules": dict.fromkeys(modules, "shop 1.4")})
    connection.client.hset(f"stoker:model:{name}", "1", made.model_dump_json())
    connection.client.hset(f"stoker:aliases:{name}", "champion", "1")


def put(connection: Connection, ref: str = "gated") -> None:
    request = frames.encode_request(uuid.uuid4(), 0, b"hello")
    assert connection.run(lanes.push([LaneRequests(ref, "cpu.infer", "normal", 100, [(60_000, request)])])) == [None]


def bells(connection: Connection, queue: str) -> int:
    return connection.client.llen(f"{queue}{KOMBU_SEPARATOR}{PRIORITIES['high']}")


def let_time_pass(connection: Connection, ref: str = "gated") -> None:
    """As if the lane's doorbells had been under way for long, and the controller looked."""
    key = f"stoker:bells:{ref}"
    for bell in connection.client.zrange(key, 0, -1):
        connection.client.execute_command("ZADD", key, 1, bell)
    connection.run(lanes.sweep())


@pytest.mark.parametrize("ref", ["gated", "gated@1", "gated@champion", "gated@latest"])
def test_the_doorbell_goes_to_a_worker_that_has_the_module(connection: Connection, ref: str) -> None:
    attend(connection, ABLE)
    put(connection, ref)
    assert (bells(connection, ABLE.mailbox), bells(connection, "cpu.infer")) == (1, 0)
    assert connection.run(lanes.take_doorbell(("cpu.infer", PLAIN.mailbox))) is None
    assert connection.run(lanes.take_doorbell((*ABLE.queues, ABLE.mailbox))) == ref


def test_of_a_version_without_modules_it_goes_to_anybody(connection: Connection) -> None:
    attend(connection, ABLE)
    register(connection, "plain")
    put(connection, "plain")
    assert (bells(connection, ABLE.mailbox), bells(connection, "cpu.infer")) == (0, 1)
    assert connection.run(lanes.servable("plain"))


def test_a_worker_of_another_device_serves_it_if_no_other_can(connection: Connection) -> None:
    attend(connection, GPU)
    put(connection)
    assert bells(connection, GPU.mailbox) == 1


def test_if_nobody_can_anybody_is_to_say_so(connection: Connection) -> None:
    register(connection, "gated", "shop.layers", "shop.losses")
    attend(connection, ABLE)
    put(connection)
    assert bells(connection, "cpu.infer") == 1
    assert not connection.run(lanes.servable("gated"))


def test_a_doorbell_that_is_left_lying_goes_to_another_and_comes_back_to_the_only_one(connection: Connection) -> None:
    attend(connection, ABLE)
    put(connection)
    let_time_pass(connection)
    assert bells(connection, ABLE.mailbox) == 1
    attend(connection, OTHER)
    let_time_pass(connection)
    assert (bells(connection, ABLE.mailbox), bells(connection, OTHER.mailbox)) == (0, 1)


def test_the_mailbox_of_a_worker_that_ends_takes_no_doorbell_along(connection: Connection) -> None:
    attend(connection, ABLE)
    put(connection)
    connection.run(presence.leave(ABLE.name))
    let_time_pass(connection)
    assert bells(connection, "cpu.infer") == 1


def test_a_worker_without_the_module_hands_the_lane_over_or_says_what_is_needed(connection: Connection) -> None:
    """It drains the lane, because nobody could do better at first; then another worker comes."""
    client, stop = LaneClient(connection), threading.Event()
    shelf = Shelf()
    watch = Watch(
        connection, uuid.uuid4().hex, PLAIN.queues, lambda _: Unable("gated@1 needs shop.layers"), stop.is_set
    )
    [refused] = client.send("gated", "cpu.infer", "normal", PATIENCE_S, [b"hello"]).values()
    draining = threading.Thread(target=watch.run, args=("gated",))
    draining.start()
    with pytest.raises(Unavailable, match=r"gated@1 needs shop\.layers"):
        refused.result(timeout=PATIENCE_S)

    attend(connection, ABLE)
    [answered] = client.send("gated", "cpu.infer", "normal", PATIENCE_S, [b"hello"]).values()
    draining.join(PATIENCE_S)
    assert not draining.is_alive(), "it had nothing left to drain"
    assert bells(connection, ABLE.mailbox) == 1
    shelf.loaded.add("gated")
    able = Watch(connection, uuid.uuid4().hex, (*ABLE.queues, ABLE.mailbox), shelf.load, stop.is_set)
    serving = threading.Thread(target=able.run, args=("gated",))
    serving.start()
    assert answered.result(timeout=PATIENCE_S) == b"gated@1 hello"
    stop.set()
    serving.join(PATIENCE_S)
    client.close()
