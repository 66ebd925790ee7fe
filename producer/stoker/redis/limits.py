"""How many connections to Redis one process or event loop has, and how long a call waits for one."""

from dataclasses import dataclass

from ..outages import RedisUnavailable

MAX_CONNECTIONS = 50


@dataclass
class Limits:
    """The limits of a pool, in each process and event loop.

    Attributes:
        where: the URL, without its password.
        connections: the largest number of open connections; further calls wait for a free one.
        wait_s: how long they wait, and how long an answer of Redis may take.
    """

    where: str
    connections: int = MAX_CONNECTIONS
    wait_s: float = 10.0

    def exhausted(self) -> RedisUnavailable:
        """The error of a call that got no connection."""
        return RedisUnavailable(
            f"all {self.connections} connections to Redis at {self.where} were in use for {self.wait_s:g} s: make "
            "fewer calls at once, or raise STOKER_MAX_CONNECTIONS"
        )
