"""Records of models that something else has written to: they are named, and hide none of the others."""

from collections.abc import Iterator

import pytest
import redis

import stoker
from stoker.ledger import registry
from stoker.redis.connection import Connection
from stoker.settings import Settings

from .test_watch import version


@pytest.fixture
def connection(redis_url: str) -> Iterator[Connection]:
    connection = Connection.open(Settings(), redis_url)
    for name in ("bad", "good", "torn"):
        connection.client.sadd("stoker:models", name)
    connection.client.hset("stoker:model:good", "1", version("good").model_dump_json())
    connection.client.hset("stoker:aliases:good", "champion", "1")
    connection.client.hset("stoker:model:torn", "1", version("torn").model_dump_json())
    connection.client.hset("stoker:model:torn", "2", '{"name": "torn"')
    connection.client.hset("stoker:aliases:torn", mapping={"champion": "1", "canary": "many"})
    connection.client.set("stoker:model:bad", "not a hash")
    yield connection
    connection.close()


def test_one_damaged_record_hides_no_other_model(connection: Connection, redis_url: str) -> None:
    with stoker.Client(redis_url) as client:
        assert [found.ref for found in client.models()] == ["good@1", "torn@1"]
        assert client.model("torn").aliases == ("champion",)


def test_what_is_damaged_is_named(connection: Connection) -> None:
    damaged = connection.run(registry.catalogue()).damaged
    assert [one.ref for one in damaged] == ["bad", "torn@2"]
    assert "of another type than a hash" in damaged[0].reason
    assert "the record of a model is damaged" in damaged[1].reason


@pytest.mark.parametrize("ref", ["bad", "torn@2"])
def test_whoever_asks_for_a_damaged_model_gets_a_sentence(connection: Connection, ref: str, redis_url: str) -> None:
    with (
        stoker.Client(redis_url) as client,
        pytest.raises(stoker.ModelNotFound, match="the record of a model is damaged"),
    ):
        client.model(ref)


def test_aliases_that_are_no_hash_hide_nothing(connection: Connection, redis_url: str) -> None:
    with redis.Redis.from_url(redis_url) as raw:
        raw.delete("stoker:aliases:torn")
        raw.set("stoker:aliases:torn", "junk")
    with stoker.Client(redis_url) as client:
        assert [found.ref for found in client.models()] == ["good@1", "torn@1"]
