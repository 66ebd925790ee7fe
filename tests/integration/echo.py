"""The other side of a lane, without TensorFlow: a model "echo" that gives back what it is sent."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import redis

from stoker import lanes
from stoker.errors import StokerError
from stoker.lanes import frames
from stoker.models.manifest import ModelVersion
from stoker.models.signature import Signature, TensorSpec
from stoker.redis.connection import Connection
from stoker.settings import Settings

from ..conftest import PATIENCE_S


def register(redis_url: str) -> None:
    """Put the model's record into the registry."""
    signature = Signature(inputs=(TensorSpec(name="x", dtype="float64"),), outputs=(), task="regression")
    version = ModelVersion(
        name="echo", version=1, created_at=datetime(2026, 1, 1, tzinfo=UTC), signature=signature, metrics={},
        files={}, parameters=0, job="job", data="sample://digits",
    )  # fmt: skip
    with redis.Redis.from_url(redis_url) as client:
        client.sadd("stoker:models", "echo")
        client.hset("stoker:model:echo", "1", version.model_dump_json())
        client.hset("stoker:aliases:echo", "champion", 1)


@contextmanager
def echo_of(redis_url: str) -> Iterator[None]:
    """Answer every request for the model "echo", from a thread, until the end of the block."""
    register(redis_url)
    ended = threading.Event()
    thread = threading.Thread(target=_drain, args=(redis_url, ended))
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _drain(redis_url: str, ended: threading.Event) -> None:
    connection, turn, joined = Connection.open(Settings(), redis_url, patience_s=PATIENCE_S), 0, False
    answers: dict[str, bytes] = {}
    while not ended.is_set():
        joined = joined or connection.run(lanes.join("echo", "echo", PATIENCE_S))
        if not joined:
            ended.wait(0.005)
            continue
        turn += 1
        batch = connection.run(lanes.take("echo", "echo", PATIENCE_S, turn=turn, most=7, answers=answers))
        if batch is None:
            joined, answers = False, {}
            continue
        by_client: dict[str, list[tuple[int, bytes | StokerError, int | None]]] = {}
        for request in filter(None, map(frames.decode_request, batch.requests)):
            by_client.setdefault(request.client, []).append((request.number, request.tensors, None))
        answers = {client: frames.encode_answers(some) for client, some in by_client.items()}
        if not batch.requests:
            connection.run(lanes.await_wake("echo", 0.05))
    connection.close()
