"""How the parties of a chaos run reach Redis, with a way to cut each of them off.

`Relays` puts a TCP relay before every party on the loopback device and works everywhere. `Namespaces` puts every party
into a network namespace of its own, joined by a bridge and without a way out; it needs root and iproute2.
"""

import asyncio
import contextlib
import os
import shutil
import subprocess
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from ..conftest import PATIENCE_S

PASSWORD = "chaos"
_PORT = 6379
_LARGEST_READ = 65_536


class Network(Protocol):
    """What a chaos run asks of either."""

    words: str

    def server_config(self, server: str) -> str:
        """The lines of a Redis server's configuration that say where it listens."""

    def prefix(self, party: str) -> list[str]:
        """What comes before the party's command."""

    def url(self, party: str, server: str) -> str:
        """The URL of a Redis server that the party is given."""

    def app_url(self, server: str) -> str:
        """The URL of a Redis server for the app, which is never cut off."""

    def cut(self, party: str) -> None:
        """Let nothing through between the party, which may be a server, and others; no connection is closed."""

    def heal(self, party: str) -> None:
        """Let everything through again."""

    def close(self) -> None:
        """Leave nothing behind."""


class Relay:
    """A TCP relay on a free port of the loopback device. What arrives while it is cut arrives late, as TCP does it.

    Args:
        target: a port of this machine, or the path of a Unix socket.
    """

    def __init__(self, target: int | Path) -> None:
        self._target = target
        self._loop = asyncio.new_event_loop()
        self._open = asyncio.Event()
        self._open.set()
        self._server = self._loop.run_until_complete(asyncio.start_server(self._serve, "127.0.0.1", 0))
        self.port: int = self._server.sockets[0].getsockname()[1]
        self._thread = threading.Thread(target=self._loop.run_forever, name=f"relay {self.port}", daemon=True)
        self._thread.start()

    def cut(self) -> None:
        self._loop.call_soon_threadsafe(self._open.clear)

    def heal(self) -> None:
        self._loop.call_soon_threadsafe(self._open.set)

    def close(self) -> None:
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result(timeout=PATIENCE_S)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _end(self) -> None:
        self._server.close()
        pumps = asyncio.all_tasks() - {asyncio.current_task()}
        for pump in pumps:
            pump.cancel()
        await asyncio.gather(*pumps, return_exceptions=True)

    async def _serve(self, near_in: asyncio.StreamReader, near_out: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.CancelledError), contextlib.closing(near_out):
            await self._open.wait()
            far_in, far_out = await (
                asyncio.open_connection("127.0.0.1", self._target)
                if isinstance(self._target, int)
                else asyncio.open_unix_connection(self._target)
            )
            with contextlib.closing(far_out):
                pumps = [asyncio.ensure_future(self._pump(*ends)) for ends in ((near_in, far_out), (far_in, near_out))]
                await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
                for pump in pumps:
                    pump.cancel()
                await asyncio.gather(*pumps, return_exceptions=True)

    async def _pump(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        while data := await source.read(_LARGEST_READ):
            await self._open.wait()
            sink.write(data)
            await sink.drain()


class Relays:
    """A relay between each party and each server.

    Args:
        ports: where the servers listen on the loopback device, by their names.
    """

    words = "cuttable TCP relays on the loopback device"

    def __init__(self, ports: Mapping[str, int]) -> None:
        self._ports = ports
        self._relays: dict[tuple[str, str], Relay] = {}

    def server_config(self, server: str) -> str:
        return f"bind 127.0.0.1\nport {self._ports[server]}"

    def prefix(self, party: str) -> list[str]:  # noqa: ARG002  # every party is where the app is
        return []

    def url(self, party: str, server: str) -> str:
        if (party, server) not in self._relays:
            self._relays[party, server] = Relay(self._ports[server])
        return f"redis://:{PASSWORD}@127.0.0.1:{self._relays[party, server].port}/0"

    def app_url(self, server: str) -> str:
        return f"redis://:{PASSWORD}@127.0.0.1:{self._ports[server]}/0"

    def cut(self, party: str) -> None:
        for relay in self._of(party):
            relay.cut()

    def heal(self, party: str) -> None:
        for relay in self._of(party):
            relay.heal()

    def _of(self, party: str) -> list[Relay]:
        return [relay for ends, relay in self._relays.items() if party in ends]

    def close(self) -> None:
        for relay in self._relays.values():
            relay.close()


class Namespaces:
    """Every party in a namespace of its own, wired to a bridge in another one.

    The app stays outside and reaches the servers by their Unix sockets, which no namespace hides.

    Args:
        name: starts the names of the namespaces; at most four characters, because devices are named so too.
        sockets: where the servers' Unix sockets will be, by their names.
    """

    words = "network namespaces, cut by `ip link set … down`"

    def __init__(self, name: str, sockets: Mapping[str, Path]) -> None:
        self._name = name
        self._sockets = sockets
        self._parties: list[str] = []
        self._switch = f"{name}-switch"
        _ip("netns", "add", self._switch)
        _ip("-n", self._switch, "link", "add", "br0", "type", "bridge")
        _ip("-n", self._switch, "link", "set", "br0", "up")
        for server in sockets:
            self._join(server)
        self._relays = {server: Relay(socket) for server, socket in sockets.items()}

    @staticmethod
    def possible() -> bool:
        """Whether this machine lets us make them."""
        if os.geteuid() != 0 or shutil.which("ip") is None:
            return False
        name = f"probe-{os.getpid()}"
        made = subprocess.run(["ip", "netns", "add", name], capture_output=True)
        if made.returncode == 0:
            _ip("netns", "del", name)
        return made.returncode == 0

    def server_config(self, server: str) -> str:
        listens = f"bind {self._address(server)}\nport {_PORT}\nunixsocket {self._sockets[server]}"
        return f"{listens}\nprotected-mode no"

    def prefix(self, party: str) -> list[str]:
        self._join(party)
        # Not `ip netns exec`, which copies all mounts: a copy of a read-only one would stay so when the disk is mended.
        return ["nsenter", f"--net=/run/netns/{self._name}-{party}", "--"]

    def url(self, party: str, server: str) -> str:
        self._join(party)
        return f"redis://:{PASSWORD}@{self._address(server)}:{_PORT}/0"

    def app_url(self, server: str) -> str:
        return f"redis://:{PASSWORD}@127.0.0.1:{self._relays[server].port}/0"

    def cut(self, party: str) -> None:
        _ip("-n", self._switch, "link", "set", self._port_of(party), "down")

    def heal(self, party: str) -> None:
        _ip("-n", self._switch, "link", "set", self._port_of(party), "up")

    def close(self) -> None:
        for relay in self._relays.values():
            relay.close()
        for party in self._parties:
            _ip("netns", "del", f"{self._name}-{party}")
        _ip("netns", "del", self._switch)

    def _join(self, party: str) -> None:
        if party in self._parties:
            return
        self._parties.append(party)
        namespace, port = f"{self._name}-{party}", self._port_of(party)
        _ip("netns", "add", namespace)
        _ip("-n", namespace, "link", "set", "lo", "up")
        _ip("-n", self._switch, "link", "add", port, "type", "veth", "peer", "name", "eth0", "netns", namespace)
        _ip("-n", self._switch, "link", "set", port, "master", "br0", "up")
        _ip("-n", namespace, "address", "add", f"{self._address(party)}/24", "dev", "eth0")
        _ip("-n", namespace, "link", "set", "eth0", "up")

    def _address(self, party: str) -> str:
        return f"10.77.0.{self._parties.index(party) + 1}"

    def _port_of(self, party: str) -> str:
        return f"port{self._parties.index(party)}"


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, timeout=PATIENCE_S)
