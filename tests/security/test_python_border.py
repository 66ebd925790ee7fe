"""Callers of Python are told where Redis is, for it is they who said so, and never a password."""

import traceback
from pathlib import Path

import pytest
import redis

import stoker
from stoker.settings import Settings

from ..integration.conftest import free_port

PASSWORD, OTHER = "s3cret-of-the-server", "s3cret-of-the-sentinels"


def told(url: str, tmp_path: Path) -> str:
    """All that a caller sees of an error, with what has caused it."""
    settings = Settings(redis_url=url, home=tmp_path, store_url=str(tmp_path / "store"))
    with stoker.Client(settings=settings) as client, pytest.raises(stoker.StokerError) as failure:
        client.jobs()
    error = failure.value
    assert error.message.isprintable()
    assert "Traceback" not in error.message
    assert ".py" not in error.message
    return "".join(traceback.format_exception(error)) + repr(settings) + repr(error)


@pytest.mark.parametrize(
    "url",
    [
        "redis://somebody:{password}@127.0.0.1:{nobody}/0",
        "rediss://somebody:{password}@127.0.0.1:{port}/0",
        "redis://somebody:{password}@127.0.0.1:{port}/0",
        "redis://:{password}@127.0.0.1:{port}/0",
        "sentinel://somebody:{password}@127.0.0.1:{nobody}/0?master_name=mymaster&sentinel_password={other}",
    ],
)
def test_no_error_with_all_its_causes_shows_a_password(url: str, redis_url: str, tmp_path: Path) -> None:
    with redis.Redis.from_url(redis_url) as server:
        port = server.connection_pool.connection_kwargs["port"]
    written = url.format(password=PASSWORD, other=OTHER, port=port, nobody=free_port())
    shown = told(written, tmp_path)
    assert PASSWORD not in shown
    assert OTHER not in shown
