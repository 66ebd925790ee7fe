"""`stoker gateway`, and its API keys: `new-key`, `keys`, `revoke`."""

import importlib.util
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer
from pydantic import BaseModel

from ..errors import InvalidArgument, Unavailable
from ..security.keys import SCOPES
from ..settings import Settings
from .keys import Patterns
from .moments import seconds
from .output import AsJson, Styled, draw, print_json, say
from .table import Table

gateway = typer.Typer(
    name="gateway",
    help="Serve Stoker over HTTP, until Ctrl-C or SIGTERM; or make, list and revoke the API keys that come in.\n\n"
    "It listens to this machine only, until STOKER_GATEWAY_HOST says otherwise; without STOKER_GATEWAY_KEYS it takes "
    "the keys of keys/api in the home folder, and one that it makes for itself, and prints.",
    invoke_without_command=True,
)
To = Annotated[
    Path | None,
    typer.Option(
        metavar="PATH",
        help="The folder or .toml file of the API keys. Left out: STOKER_GATEWAY_KEYS, else keys/api in the home "
        "folder.",
        show_default=False,
    ),
]
Most = Annotated[int | None, typer.Option(min=1, help="The most requests in that time.", show_default=False)]


class ListedApiKey(BaseModel):
    """An API key, as `stoker gateway keys --json` prints it."""

    id: str
    name: str
    role: str
    expires: datetime | None
    revoked: datetime | None
    per_minute: int | None
    per_day: int | None
    kinds: tuple[str, ...]
    functions: tuple[str, ...]
    models: tuple[str, ...]
    aliases: tuple[str, ...]
    tenants: tuple[str, ...]
    devices: tuple[str, ...]
    approves: tuple[str, ...]


class NewApiKey(ListedApiKey):
    """An API key that has been made: its text, which is kept nowhere, and where its table is."""

    key: str
    gateway_keys: Path


@gateway.callback()
def run(
    context: typer.Context,
    host: Annotated[
        str | None, typer.Option(help="Where it listens, instead of STOKER_GATEWAY_HOST.", show_default=False)
    ] = None,
    port: Annotated[
        int | None,
        typer.Option(min=1, max=65535, help="On which port, instead of STOKER_GATEWAY_PORT.", show_default=False),
    ] = None,
) -> None:
    """Serve Stoker over HTTP."""
    if context.invoked_subcommand:
        return
    if any(importlib.util.find_spec(package) is None for package in ("fastapi", "uvicorn", "httptools", "uvloop")):
        raise Unavailable("the gateway is not installed here: pip install 'stoker[gateway]'")
    from ..gateway.auth.sessions import LoginLink
    from ..gateway.serve import begin_log, keys_of, server_of

    given = {"gateway_host": host, "gateway_port": port}
    settings = Settings(**{name: value for name, value in given.items() if value is not None})
    ring, made = keys_of(settings)
    begin_log(settings)
    link = LoginLink(made.key) if made else None

    def listens() -> None:
        address = _address(settings)
        say(f"listens on {address}")
        if made and link:
            say("a key for this run: ", (made.text, "bold"))
            say("its console, for whoever opens this first: ", (f"{address}{link.path}", "bold"))

    server_of(settings, ring, link, listens).run()


@gateway.command("new-key")
def new_key(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Whose it is, such as shop.")],
    role: Annotated[
        str,
        typer.Option(
            help="viewer: reads. predictor: predicts. client: both, and submits jobs. operator: also changes what all "
            "share, such as aliases."
        ),
    ] = "client",
    expires: Annotated[str, typer.Option(help="After how long it expires, such as 90d; never for no end.")] = "365d",
    per_minute: Most = None,
    per_day: Most = None,
    kinds: Patterns = "*",
    functions: Patterns = "*",
    models: Patterns = "*",
    aliases: Patterns = "*",
    tenants: Patterns = "*",
    devices: Patterns = "*",
    approves: Annotated[
        str, typer.Option(help="For which roles its owner approves deployments.", show_default="none")
    ] = "",
    to: To = None,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="Print the key and nothing else: KEY=$(stoker gateway new-key me -q).")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Make an API key, and print it: only its digest is kept.

    Its table may be edited; running gateways follow within a second.

        stoker gateway new-key shop --kinds train,evaluate --tenants research --per-minute 600
    """
    from ..gateway.auth.key_files import write_key
    from ..gateway.auth.keys import HOME_KEYS, ROLES

    settings = Settings()
    known = next((known for known in ROLES if known == role), None)
    if known is None:
        raise InvalidArgument(f"--role is {', '.join(ROLES)}; got {role!r}")
    ends = None if expires == "never" else datetime.now(UTC) + timedelta(seconds=seconds("--expires", expires))
    roles = tuple(part.strip() for part in approves.split(",") if part.strip())
    given = dict(zip(SCOPES, (kinds, functions, models, aliases, tenants, devices), strict=True))
    scopes = {scope: tuple(part.strip() for part in text.split(",")) for scope, text in given.items()}
    place = _place(settings, to)
    text, key = write_key(name, place, known, ends, {"per_minute": per_minute, "per_day": per_day}, scopes, roles)
    if as_json:
        fields = key.model_dump(include=set(ListedApiKey.model_fields))
        print_json(NewApiKey(id=key.id, **fields, key=text, gateway_keys=place))
        return
    if quiet:
        say(text)
        return
    say(
        (name, "bold"),
        f" has the key {key.id}, as {'an' if role == 'operator' else 'a'} {role}; it is shown this once:",
    )
    say("  ", (text, "bold"))
    if place == settings.home / HOME_KEYS and settings.gateway_keys is None:
        say("  the gateway of `stoker up` lets it in, for example:")
        say(f'  curl -H "Authorization: Bearer {text}" {_address(settings)}/v1/models')
    say(f"  other gateways that shall let it in set STOKER_GATEWAY_KEYS={place}")


@gateway.command("keys")
def list_keys(to: To = None, as_json: AsJson = False) -> None:
    """List the API keys that come in here, and what each may."""
    from ..gateway.auth.keys import read_keys

    keys = sorted(read_keys(_place(Settings(), to)).values(), key=lambda key: key.name)
    listed = [ListedApiKey(id=key.id, **key.model_dump(include=set(ListedApiKey.model_fields))) for key in keys]
    if as_json:
        print_json(listed)
    else:
        draw(Table(["key", "name", "role", "until", "may"], map(_row, listed), cut=["may"]))


@gateway.command()
def revoke(
    key: Annotated[str, typer.Argument(metavar="KEY", help="Its id, or its name.")],
    to: To = None,
    as_json: AsJson = False,
) -> None:
    """Let an API key in no more; running gateways follow within a second."""
    from ..gateway.auth.key_files import revoke as revoke_key

    revoked = revoke_key(_place(Settings(), to), key)
    if as_json:
        print_json(ListedApiKey(id=revoked.id, **revoked.model_dump(include=set(ListedApiKey.model_fields))))
    else:
        say(f"{revoked.id} ({revoked.name}) is revoked")


def _place(settings: Settings, to: Path | None) -> Path:
    from ..gateway.auth.keys import HOME_KEYS

    return to or settings.gateway_keys or settings.home / HOME_KEYS


def _address(settings: Settings) -> str:
    return f"http://{settings.gateway_host}:{settings.gateway_port}"


def _row(key: ListedApiKey) -> list[Styled]:
    until: Styled = f"{key.expires:%Y-%m-%d}" if key.expires else "no end"
    if key.revoked:
        until = f"revoked {key.revoked:%Y-%m-%d}", "red"
    elif key.expires and key.expires <= datetime.now(UTC):
        until = f"expired {key.expires:%Y-%m-%d}", "red"
    held = [f"{scope} {', '.join(getattr(key, scope))}" for scope in SCOPES if getattr(key, scope) != ("*",)]
    held += [f"approves for {', '.join(key.approves)}"] if key.approves else []
    held += [f"{most} a {name}" for name, most in (("minute", key.per_minute), ("day", key.per_day)) if most]
    return [key.id, key.name, key.role, until, "; ".join(held) or "all"]
