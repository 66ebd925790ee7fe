"""All that a Redis server holds at one moment, as its RDB file: asked for over the network, as a replica asks.

So nothing is needed on the server's machine, and nothing is written there.
"""

import os
import socket
from collections.abc import Callable, Generator
from contextlib import closing
from pathlib import Path
from typing import cast

from redis import Connection as Socket
from redis.exceptions import NoPermissionError, RedisError, ResponseError

from ..errors import InvalidArgument, Unavailable
from ..outages import Dependency, needing
from ..redis.connection import Connection
from ..redis.retries import reason_of

Progress = Callable[[int], None]
"""Learns how many bytes there are."""

# A server that forks tells of itself each second, and one that waits for other replicas, too.
_SILENCE_S = 60.0
_BLOCK_BYTES = 1 << 20
_MARK_BYTES = 40
_LONGEST_HEAD = 1024
_MAGIC = (b"REDIS", b"VALKEY")
# Ends the data; the file's own checksum comes behind it.
_END, _CHECKSUM_BYTES = 0xFF, 8


def take_snapshot(connection: Connection, path: Path, progress: Progress) -> None:
    """Write what the server holds, all of its databases, to a file.

    Raises:
        Unauthorized: this user may not ask for it.
        Unavailable: the server gives none, or breaks off, or the file's disk is full.
    """
    with (
        closing(_blocks(connection)) as blocks,
        needing(Dependency.DISK, f"the folder {path.parent}"),
        path.open("wb") as file,
    ):
        done = 0
        for block in blocks:
            file.write(block)
            done += len(block)
            progress(done)
        file.flush()
        os.fsync(file.fileno())
    check_snapshot(path)


def _blocks(connection: Connection) -> Generator[bytes]:
    pool = connection.client.connection_pool
    try:
        link = pool.get_connection()
        try:
            yield from _payload(_asked(link), connection.where)
        finally:
            # What else the server sends belongs to no call.
            link.disconnect()
            pool.release(link)
    except (RedisError, OSError) as error:
        raise reason_of(error, connection.where) from error


def check_snapshot(path: Path) -> None:
    """See that a file is a whole RDB file.

    Raises:
        InvalidArgument: it is none.
    """
    with path.open("rb") as file:
        start = file.read(len(_MAGIC[-1]))
        file.seek(max(0, path.stat().st_size - _CHECKSUM_BYTES - 1))
        end = file.read(1)
    if not start.startswith(_MAGIC) or end != bytes([_END]):
        raise InvalidArgument(f"{path} is no whole snapshot of a Redis server: take the backup again")


def _asked(link: Socket) -> socket.socket:
    """Ask for a snapshot; gives the socket on which it comes."""
    for wish in (("capa", "eof"), ("rdb-only", "1")):
        link.send_command("REPLCONF", *wish)
        try:
            link.read_response()
        except NoPermissionError:
            raise
        except ResponseError:
            # A server that does not know the wish sends the snapshot all the same, and then goes on sending.
            continue
    link.send_command("SYNC")
    # The parser would take all of it for one answer, and keep it in memory.
    plain = cast("socket.socket", link._sock)  # noqa: SLF001
    plain.settimeout(_SILENCE_S)
    return plain


def _payload(plain: socket.socket, where: str) -> Generator[bytes]:
    head, rest = b"", b""
    while not rest and b"\r\n" not in head:
        # Line feeds alone say that the server still works on it.
        head = (head + _received(plain)).lstrip(b"\n")
        if len(head) > _LONGEST_HEAD and b"\r\n" not in head[:_LONGEST_HEAD]:
            break
    line, _, rest = head.partition(b"\r\n")
    if line.startswith(b"$EOF:"):
        yield from _up_to_mark(plain, rest, line.removeprefix(b"$EOF:"))
    elif line.startswith(b"$") and line[1:].isdigit():
        yield from _of_length(plain, rest, int(line[1:]))
    else:
        said = line[:200].decode(errors="replace")
        if said.startswith("-NOPERM"):
            raise NoPermissionError(said.removeprefix("-"))
        raise Unavailable(
            f"Redis at {where} gives no snapshot: {said}; let its provider take one, or ask the server itself, as the "
            "user operator"
        )


def _of_length(plain: socket.socket, block: bytes, size: int) -> Generator[bytes]:
    while True:
        yield block[:size]
        size -= len(block)
        if size <= 0:
            return
        block = _received(plain)


def _up_to_mark(plain: socket.socket, block: bytes, mark: bytes) -> Generator[bytes]:
    """The bytes before a mark that the server has chosen at random, and ends with."""
    kept = block
    while not kept.endswith(mark):
        yield kept[:-_MARK_BYTES]
        kept = kept[-_MARK_BYTES:] + _received(plain)
    yield kept.removesuffix(mark)


def _received(plain: socket.socket) -> bytes:
    if block := plain.recv(_BLOCK_BYTES):
        return block
    raise OSError("it has closed the connection")
