"""Running a gateway: where it listens, and how it ends."""

import gc
import ipaddress
import logging
import socket
from collections.abc import Callable
from dataclasses import dataclass
from types import FrameType

import uvicorn

from ..errors import InvalidSettings
from ..settings import Settings
from .app import make_app
from .auth.keys import HOME_KEYS, ApiKey, KeyRing, new_key
from .auth.sessions import LoginLink
from .door import ANYBODY
from .protocol import HeadBoundProtocol
from .state import State

# How long requests have, once the gateway is to end.
_GRACE_S = 30
_KEEP_ALIVE_S = 30
_BACKLOG = 2048
# After so many new objects garbage is looked for: a request in hand takes some tens.
_OBJECTS = 10_000


class Server(uvicorn.Server):
    """uvicorn's server, which tells the gateway at once that it is to end, so that streams do.

    Args:
        listens: is called once it does.
    """

    def __init__(self, config: uvicorn.Config, state: State, listens: Callable[[], object] | None) -> None:
        super().__init__(config)
        self._state = state
        self._listens = listens

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to listen."""
        await super().startup(sockets)
        # What is here by now stays: to look through it again and again would take a tenth of the time under load. So
        # would to look through the requests in hand every few requests.
        gc.collect()
        gc.freeze()
        gc.set_threshold(_OBJECTS)
        if self.started and self._listens:
            self._listens()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to end; a second signal does not wait."""
        self._state.ending.set()
        super().handle_exit(sig, frame)


@dataclass(frozen=True)
class MadeKey:
    """A key that a gateway has made for itself, with its text."""

    key: ApiKey
    text: str


def server_of(
    settings: Settings, keys: KeyRing, link: LoginLink | None = None, listens: Callable[[], object] | None = None
) -> Server:
    """A gateway with these settings, about to listen.

    Args:
        link: lets whoever started it in to the console, once.
        listens: is called once it does.
    """
    app, state = make_app(settings, keys)
    state.login_link = link

    class Protocol(HeadBoundProtocol):
        most_connections = settings.gateway_connections

    config = uvicorn.Config(
        app,
        host=settings.gateway_host,
        port=settings.gateway_port,
        http=Protocol,
        ws="none",
        loop="uvloop",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        # Whom a proxy calls the caller is believed nowhere.
        proxy_headers=False,
        backlog=_BACKLOG,
        timeout_keep_alive=_KEEP_ALIVE_S,
        timeout_graceful_shutdown=_GRACE_S,
    )
    return Server(config, state, listens)


def keys_of(settings: Settings) -> tuple[KeyRing, MadeKey | None]:
    """The keys that come in; where no setting names them, those of this home, and one for this run, given as well.

    Raises:
        InvalidSettings: the keys cannot be read; or others than this machine could come in, and there are no keys, or
            no names of this host.
    """
    is_public = not _is_loopback(settings.gateway_host)
    if is_public and not settings.gateway_hosts:
        raise InvalidSettings(
            f"gateway_host is {settings.gateway_host}, which other machines reach: say by which names they call it in "
            f'gateway_hosts, such as ["stoker.example.org"], or ["{ANYBODY}"] for any'
        )
    if settings.gateway_keys:
        return KeyRing.read(settings.gateway_keys), None
    if is_public:
        raise InvalidSettings(
            f"gateway_host is {settings.gateway_host}, which other machines reach, and there are no API keys: make one "
            "by `stoker gateway new-key NAME`, and name its file in gateway_keys"
        )
    text, key_id, digest = new_key()
    key = ApiKey(key_id=key_id, name="this-run", digest=digest, role="operator", approves=("*",))
    return KeyRing({key_id: key}, settings.home / HOME_KEYS), MadeKey(key, text)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


def begin_log(settings: Settings) -> None:
    """Log as the settings say; of uvicorn only what goes wrong."""
    settings.log("gateway").begin()
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
