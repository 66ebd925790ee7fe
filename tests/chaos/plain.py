"""Redis as the checker reads it: plain commands, typed answers, nothing of Stoker's."""

import json
from collections.abc import Iterator
from typing import Any, Self, cast

import redis


class Redis:
    """Reads what is there; also a context manager.

    Raises:
        redis.ConnectionError, redis.TimeoutError: from every method, while the server cannot be reached.
    """

    def __init__(self, url: str) -> None:
        self._client = redis.Redis.from_url(url, decode_responses=True, socket_timeout=5, socket_connect_timeout=5)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def names(self, pattern: str = "*") -> Iterator[str]:
        """The keys that match."""
        return cast(Iterator[str], self._client.scan_iter(pattern, count=1000))

    def exists(self, name: str) -> bool:
        return bool(self._client.exists(name))

    def expires(self, name: str) -> bool:
        """Whether the key ends by itself."""
        return self._client.ttl(name) >= 0

    def text(self, name: str) -> str | None:
        return cast(str | None, self._client.get(name))

    def fields(self, name: str) -> dict[str, str]:
        return cast(dict[str, str], self._client.hgetall(name))

    def listed(self, name: str) -> list[str]:
        return cast(list[str], self._client.lrange(name, 0, -1))

    def members(self, name: str) -> set[str]:
        return cast(set[str], self._client.smembers(name))

    def send(self, *words: str | int) -> object:
        """Any command, and its answer."""
        return self._client.execute_command(*words)

    def scored(self, name: str) -> dict[str, float]:
        return dict(cast(list[tuple[str, float]], self._client.zrange(name, 0, -1, withscores=True)))

    def events(self, job_id: str) -> list[tuple[int, dict[str, Any]]]:
        """A job's events in order, each with its time in ms."""
        entries = cast(list[tuple[str, dict[str, str]]], self._client.xrange(f"stoker:events:{job_id}"))
        return [(int(entry_id.partition("-")[0]), json.loads(fields["event"])) for entry_id, fields in entries]
