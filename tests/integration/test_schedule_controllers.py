"""Schedules with controllers that are killed and stopped at will: each time is started once, and none is missed."""

import json
import os
import random
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from multiprocessing import get_context
from multiprocessing.process import BaseProcess
from typing import Any

import pytest
import redis

import stoker
from stoker.ledger import schedules
from stoker.redis.calls import Call
from stoker.redis.connection import Connection
from stoker.settings import Settings
from stoker_workers.controller.schedules import Schedules

from ..conftest import Eventually

START = datetime(2030, 1, 1, tzinfo=UTC)
TRAIN = stoker.Train(model="nightly", data="sample://iris")


@pytest.fixture
def client(redis_url: str) -> Iterator[stoker.Client]:
    with stoker.Client(redis_url) as client:
        yield client


def started(server: redis.Redis, name: str = "nightly") -> list[str]:
    """The times for which jobs were submitted, of each job, in order."""
    times = []
    for key in server.scan_iter("stoker:job:*", count=1000):
        tags = json.loads(str(server.hget(key, "tags")))
        if tags.get("schedule") == name:
            times.append(tags["scheduled"])
    return sorted(times)


def begin(server: redis.Redis, name: str, now: datetime) -> None:
    """Let a schedule begin at another time than now."""
    state = schedules.read_state(str(server.hget("stoker:schedule-states", name)).encode())
    assert state is not None
    moved = state.model_copy(update={"next_at": now + timedelta(minutes=1)})
    server.hset("stoker:schedule-states", name, moved.model_dump_json())


class Killed(Exception):
    """A controller that is no more."""


@dataclass
class World:
    """Controllers whose every call of Redis may be where one is killed, or stopped while others go on."""

    connection: Connection
    random: random.Random
    now: datetime = START
    depth: int = 0
    deaths: int = 0
    stops: int = 0

    def run(self, call: Call[Any], **_: object) -> Any:
        """A call of one of them."""
        chance = self.random.random()
        if chance < 0.05:
            self.deaths += 1
            raise Killed
        if chance < 0.15 and self.depth < 3:
            # It is stopped, and another leads meanwhile.
            self.stops += 1
            self.control(self.random.choice([0, 0, 1, 2]))
        answer = self.connection.run(call)
        if self.random.random() < 0.05:
            # The answer is lost.
            self.deaths += 1
            raise Killed
        return answer

    def control(self, minutes: int) -> None:
        """A round of a controller, and more of them while time goes on."""
        self.depth += 1
        for minute in range(minutes + 1):
            self.now += timedelta(minutes=1 if minute else 0)
            try:
                Schedules(self, lambda: self.now).step()  # type: ignore[arg-type]  # all that it needs of one
            except* Killed:
                pass
        self.depth -= 1


@pytest.mark.parametrize(
    ("catch_up", "length"), [("all", 250), ("latest", 250), pytest.param("all", 1000, marks=pytest.mark.slow)]
)
def test_two_controllers_start_each_time_once_however_they_end(
    redis_url: str, client: stoker.Client, server: redis.Redis, catch_up: Any, length: int
) -> None:
    client.schedule("* * * * *", TRAIN, name="nightly", catch_up=catch_up)
    begin(server, "nightly", START)
    connection = Connection.open(Settings(), redis_url)
    world = World(connection, random.Random(7))
    end = START + timedelta(minutes=length)
    while world.now < end:
        world.now += timedelta(minutes=1)
        for _ in range(2):
            world.control(0)
    # At last one that nobody disturbs.
    Schedules(connection, lambda: world.now).step()

    [status] = client.schedules()
    times = started(server)
    minutes = round((world.now - START).total_seconds() / 60)
    assert len(times) == len(set(times)) == status.started
    assert status.started + status.skipped == minutes >= length
    assert times[-1] == world.now.isoformat()
    assert world.deaths > length / 4
    assert world.stops > length / 4
    # Of what was missed while both were away, one start is made for all.
    assert (status.skipped == 0) == (catch_up == "all")
    assert status.started > minutes / 2


def control(url: str) -> None:
    """What a controller's process does with schedules, by a clock that is in Redis."""
    connection = Connection.open(Settings(), url)
    with redis.Redis.from_url(url) as server:
        controller = Schedules(connection, lambda: datetime.fromtimestamp(float(server.get("clock") or 0), UTC))
        while True:
            controller.step()
            server.blpop(["a tick"], 0.01)


@pytest.mark.slow
def test_two_processes_start_each_time_once_however_they_are_killed(
    redis_url: str, client: stoker.Client, server: redis.Redis, eventually: Eventually
) -> None:
    fork, chance = get_context("fork"), random.Random(11)

    def begun() -> BaseProcess:
        process = fork.Process(target=control, args=(redis_url,), daemon=True)
        process.start()
        return process

    def are_at(moment: datetime) -> bool:
        [status] = client.schedules()
        return status.next_at is not None and status.next_at > moment

    client.schedule("* * * * *", TRAIN, name="nightly", catch_up="all")
    begin(server, "nightly", START)
    controllers, killed = [begun(), begun()], 0
    for minute in range(1, 1001):
        server.set("clock", (START + timedelta(minutes=minute)).timestamp())
        place, what = chance.randrange(2), chance.random()
        if what < 0.1:
            os.kill(controllers[place].pid or 0, signal.SIGKILL)
            controllers[place], killed = begun(), killed + 1
        elif what < 0.3:
            os.kill(controllers[place].pid or 0, signal.SIGSTOP if what < 0.2 else signal.SIGCONT)
        if minute % 50 == 0:
            for each in controllers:
                os.kill(each.pid or 0, signal.SIGCONT)
            eventually(partial(are_at, START + timedelta(minutes=minute)))
    for each in controllers:
        each.kill()
        each.join()
    [status] = client.schedules()
    times = started(server)
    assert (len(times), len(set(times)), status.started, status.skipped) == (1000, 1000, 1000, 0)
    assert killed > 50
