"""`stoker keys new`, `list`, `revoke`: who may have jobs run, and whose results are believed."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer
from pydantic import BaseModel

from ..errors import InvalidArgument
from ..security.key_files import revoke as revoke_key
from ..security.key_files import write_pair
from ..security.keys import SCOPES, Role, TrustedKey, read_trusted
from ..settings import Settings
from .moments import seconds
from .output import AsJson, Styled, draw, print_json, say
from .table import Table

keys = typer.Typer(
    name="keys",
    help="Make keys, list and revoke them: who may have jobs run, and whose results and models are believed.\n\n"
    "Nothing is signed until STOKER_SIGNING_KEY names a private key, and nothing is refused until "
    "STOKER_TRUSTED_KEYS names the public ones. First give every client, worker and controller a key of its own; "
    "then set STOKER_TRUSTED_KEYS on the workers, the controllers and the clients.",
    no_args_is_help=True,
)
Patterns = Annotated[str, typer.Option(help="Only these, with commas between patterns such as 'shop.*'.")]
To = Annotated[
    Path | None,
    typer.Option(
        metavar="PATH",
        help="The folder or .toml file of the public keys. Left out: STOKER_TRUSTED_KEYS, else keys/trusted in the "
        "home folder.",
        show_default=False,
    ),
]


class ListedKey(BaseModel):
    """A trusted key, as `stoker keys list --json` prints it."""

    id: str
    name: str
    role: Role
    expires: datetime | None
    revoked: datetime | None
    kinds: tuple[str, ...]
    functions: tuple[str, ...]
    models: tuple[str, ...]
    aliases: tuple[str, ...]
    tenants: tuple[str, ...]
    devices: tuple[str, ...]


class NewKey(ListedKey):
    """A key that has been made, and where."""

    signing_key: Path
    trusted_keys: Path


@keys.command()
def new(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Whose it is, such as alice or worker-3.")],
    role: Annotated[
        str,
        typer.Option(
            help="client: signs jobs. worker: signs what jobs make. controller: signs what schedules start. "
            "all: signs all that, for one machine."
        ),
    ] = "client",
    expires: Annotated[str, typer.Option(help="After how long it expires, such as 90d; never for no end.")] = "365d",
    kinds: Patterns = "*",
    functions: Patterns = "*",
    models: Patterns = "*",
    aliases: Patterns = "*",
    tenants: Patterns = "*",
    devices: Patterns = "*",
    to: To = None,
    as_json: AsJson = False,
) -> None:
    """Make a key: a private one, for its owner alone, and a public one for all who shall trust it.

    The private key is keys/NAME.pem in the home folder (STOKER_HOME), with mode 0600; name it in STOKER_SIGNING_KEY.
    The public one is a table in a .toml file, which may be edited: copy it to every worker, controller and client.

        stoker keys new alice --kinds train,evaluate --tenants research --expires 90d
    """
    settings = Settings()
    ends = None if expires == "never" else datetime.now(UTC) + timedelta(seconds=seconds("--expires", expires))
    private, trusted = settings.home / "keys" / f"{name}.pem", _trusted(settings, to)
    given = dict(zip(SCOPES, (kinds, functions, models, aliases, tenants, devices), strict=True))
    scopes = {scope: tuple(part.strip() for part in text.split(",")) for scope, text in given.items()}
    made = write_pair(name, private, trusted, _role(role), ends, scopes)
    if as_json:
        print_json(NewKey(**dict(_listed(made)), signing_key=private, trusted_keys=trusted))
        return
    say((made.name, "bold"), f" has the key {made.id}, as a {made.role}")
    say(f"  its owner sets STOKER_SIGNING_KEY={private}")
    say(f"  who shall trust it sets STOKER_TRUSTED_KEYS={trusted}, with a copy of what is there")


@keys.command("list")
def list_keys(to: To = None, as_json: AsJson = False) -> None:
    """List the keys that are trusted here, and what each may."""
    listed = sorted(read_trusted(_trusted(Settings(), to)).values(), key=lambda key: key.name)
    if as_json:
        print_json([_listed(key) for key in listed])
    else:
        draw(Table(["key", "name", "role", "until", "may"], map(_row, listed), cut=["may"]))


@keys.command()
def revoke(
    key: Annotated[str, typer.Argument(metavar="KEY", help="Its id, or its name.")],
    to: To = None,
    as_json: AsJson = False,
) -> None:
    """Trust a key no more: nothing that it has signed is believed, whenever that was.

    Running workers, controllers and clients follow their own copy of the file: change it, or copy it, everywhere. What
    a worker's key has signed, its models too, is refused from then on.
    """
    revoked = revoke_key(_trusted(Settings(), to), key)
    if as_json:
        print_json(_listed(revoked))
    else:
        say(f"{revoked.id} ({revoked.name}) is revoked: copy the file to every worker, controller and client")


def _trusted(settings: Settings, to: Path | None) -> Path:
    return to or settings.trusted_keys or settings.home / "keys" / "trusted"


def _role(text: str) -> Role:
    match text:
        case "client" | "worker" | "controller" | "all":
            return text
    raise InvalidArgument(f"--role is client, worker, controller or all; got {text!r}")


def _listed(key: TrustedKey) -> ListedKey:
    return ListedKey(id=key.id, **key.model_dump(exclude={"public"}))


def _row(key: TrustedKey) -> list[Styled]:
    until: Styled = f"{key.expires:%Y-%m-%d}" if key.expires else "no end"
    if key.revoked:
        until = f"revoked {key.revoked:%Y-%m-%d}", "red"
    elif key.has_expired(datetime.now(UTC)):
        until = f"expired {key.expires:%Y-%m-%d}", "red"
    held = [f"{scope} {', '.join(getattr(key, scope))}" for scope in SCOPES if getattr(key, scope) != ("*",)]
    return [key.id, key.name, key.role, until, "; ".join(held) or "all"]
