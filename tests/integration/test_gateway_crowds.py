"""Many callers of one gateway at once, beside others who cut their connections, read slowly or stop in the middle."""

import asyncio
import itertools
import json
import logging
import struct
from collections.abc import Iterator
from contextlib import suppress
from socket import SO_LINGER, SOL_SOCKET

import keras
import numpy as np
import pytest

import stoker
from stoker.settings import Settings

from ..conftest import PATIENCE_S, Eventually
from .gateways import Gateway, running_gateway

CALLERS = 64
SHAPES = {"crowd-grey": (28, 28, 1), "crowd-colour": (32, 32, 3)}
_LENGTH = b"\r\ncontent-length: "


@pytest.fixture(scope="module")
def gateway(stack: Settings, eventually: Eventually, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    folder = tmp_path_factory.mktemp("crowds")
    with stoker.Client(settings=stack) as client:
        for name, shape in SHAPES.items():
            layers = [keras.Input(shape, name="x"), keras.layers.Flatten(), keras.layers.Dense(10)]
            keras.Sequential(layers).save(folder / f"{name}.keras")
            client.register(name, folder / f"{name}.keras")
            client.infer(name, np.zeros((1, *shape), np.float32), timeout=PATIENCE_S)
    with running_gateway(stack, eventually) as gateway:
        yield gateway


def request_of(gateway: Gateway, model: str, how: str) -> tuple[bytes, bytes]:
    """The head and the body of a request for one picture."""
    row = np.random.default_rng(0).random((1, *SHAPES[model]), dtype=np.float32)
    tensor = {"name": "x", "shape": row.shape, "datatype": "FP32"}
    head = f"POST /v2/models/{model}/infer HTTP/1.1\r\nHost: localhost\r\n"
    head += f"Authorization: Bearer {gateway.keys.texts['client']}\r\n"
    if how == "json":
        body = json.dumps({"inputs": [{**tensor, "data": row.tolist()}]}).encode()
    else:
        document = {"inputs": [{**tensor, "parameters": {"binary_data_size": row.nbytes}}]}
        start = json.dumps(document | {"parameters": {"binary_data_output": True}}).encode()
        body = start + row.tobytes()
        head += f"Inference-Header-Content-Length: {len(start)}\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode(), body


async def call(gateway: Gateway, head: bytes, body: bytes, times: int) -> None:
    """Call so often by one connection, with bodies in pieces and answers read piece by piece."""
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port, limit=256)
    for number in range(times):
        pieces = [head, body[:1000], body[1000:]] if number % 2 else [head + body]
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0)
        async with asyncio.timeout(PATIENCE_S):
            lines = b""
            while not lines.endswith(b"\r\n\r\n"):
                lines += await reader.readline()
            length = int(lines.lower().partition(_LENGTH)[2].partition(b"\r\n")[0])
            answer = await reader.readexactly(length)
        assert lines.startswith(b"HTTP/1.1 200 "), answer
    writer.close()
    await writer.wait_closed()


async def disturb(gateway: Gateway, head: bytes, body: bytes) -> None:
    """Make connections, and cut each at another place, until this is cancelled."""
    whole = head + body
    ends = (len(head) // 2, len(head), len(head) + len(body) // 2, len(whole), 2 * len(whole))
    for end in itertools.cycle(ends):
        with suppress(OSError):
            _, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
            try:
                # It ends at once, without a word.
                writer.get_extra_info("socket").setsockopt(SOL_SOCKET, SO_LINGER, struct.pack("ii", 1, 0))
                writer.write((2 * whole)[:end])
                await writer.drain()
                await asyncio.sleep(0)
            finally:
                writer.close()
                await writer.wait_closed()


@pytest.mark.parametrize("how", ["json", "binary"])
@pytest.mark.parametrize("model", SHAPES)
def test_each_of_many_callers_is_answered_beside_others_who_cut_their_connections(
    gateway: Gateway, model: str, how: str, caplog: pytest.LogCaptureFixture
) -> None:
    head, body = request_of(gateway, model, how)

    async def crowd() -> None:
        others = [asyncio.create_task(disturb(gateway, head, body)) for _ in range(4)]
        await asyncio.gather(*(call(gateway, head, body, times=4) for _ in range(CALLERS)))
        for other in others:
            other.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    with caplog.at_level(logging.WARNING):
        asyncio.run(crowd())
    # Callers who have gone are no failures of the gateway.
    assert not [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR]
    assert gateway.call("GET", "/healthz", key=None).status == 200
