"""Alarms: what happened to models is told once, in order, and what cannot be read hides nothing."""

import asyncio
import json
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest

import stoker
from stoker import testing
from stoker.ledger import alarms
from stoker.redis.connection import Connection
from stoker.settings import Settings

from .. import commands
from .test_model_keeping import register


@pytest.fixture
def connection(redis_url: str) -> Iterator[Connection]:
    with closing(Connection.open(Settings(), redis_url)) as connection:
        yield connection


def test_what_happens_to_models_is_told_in_its_order(connection: Connection, redis_url: str) -> None:
    before = datetime.now(UTC) - timedelta(minutes=1)
    with stoker.Client(redis_url) as client:
        assert client.alarms() == []
        made = register(connection, 1)
        drift = alarms.raise_("drift", "age has moved", model="digits@1", job="a", figures={"distance": 0.5})
        places = [connection.run(drift) for _ in range(2)]
        assert places[0] == places[1], "a repeat, whose first answer was lost"
        connection.client.xadd("stoker:alarms", {"alarm": "junk"})
        connection.client.xadd("stoker:alarms", {"junk": "junk"})
        register(connection, 2)

        first, second, third = client.alarms()
        assert (first.what, first.model, first.job) == ("registered", "digits@1", made.job)
        assert (second.what, second.text, second.figures) == ("drift", "age has moved", {"distance": 0.5})
        assert third.model == "digits@2"
        assert client.alarms(limit=1) == [third]
        assert client.alarms(first.id) == [second, third] == client.alarms(since=first.id, limit=4)
        assert client.alarms(before) == [first, second, third]
        for wrong in ("yesterday", 5, datetime.now()):  # noqa: DTZ005  # one without a zone
            with pytest.raises(stoker.InvalidArgument, match=r"since must|since is|since has"):
                client.alarms(wrong)  # type: ignore[arg-type]

    async def asked() -> list[stoker.Alarm]:
        async with stoker.AsyncClient(redis_url) as other:
            return await other.alarms(first.id, limit=1)

    assert asyncio.run(asked()) == [second]
    shown = commands.run("alarms", "--since", "1h", env={"STOKER_REDIS_URL": redis_url})
    assert [line.split()[-4:] for line in shown.stdout.splitlines()[2:3]] == [["digits@1", "age", "has", "moved"]]


def test_alarms_are_played_in_memory() -> None:
    with testing.Client() as client:
        client.add_model("one")
        client.add_model("two")
        first, second = client.alarms()
        assert (first.what, first.model) == ("registered", "one@1")
        assert client.alarms(first.id) == [second]
        assert client.alarms(limit=1) == [second]
        assert json.loads(second.model_dump_json())["what"] == "registered"
