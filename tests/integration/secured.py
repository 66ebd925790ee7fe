"""A Stoker as a careful operator runs it: all that guards it is switched on.

Redis over TLS, a user of config/users.acl and a key of its own for each party, encrypted artifacts, the audit, and
workers that read and write in named folders alone.
"""

import os
import ssl
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import redis
import trustme

from stoker.local.server import local_server
from stoker.local.subprocesses import Subprocess
from stoker.models.encryption import new_key
from stoker.security.key_files import write_pair
from stoker.security.keys import Role
from stoker.settings import Settings

from .. import preloaded
from ..conftest import PATIENCE_S
from ..tls import terminator, tls_url

ROLES: tuple[Role, ...] = ("client", "controller", "worker")
_USERS = (Path(__file__).parents[2] / "config" / "users.acl").read_text().splitlines()


@contextmanager
def secured(folder: Path, root: Path, **more: Any) -> Iterator[Settings]:
    """A controller and a worker that starts, for the length of a with block; gives the settings of a client.

    Args:
        folder: of theirs; the worker's log is worker/worker.log.
        root: the folder that the worker may read data in, and write exports to.
        more: settings of all parties.
    """
    new_key(folder / "artifacts.key")
    for role in ROLES:
        write_pair(role, folder / f"{role}.pem", folder / "trusted", role, None, {})
    # Who renames a model signs it anew.
    write_pair("operator", folder / "operator.pem", folder / "trusted", "all", None, {})
    with ExitStack() as running:
        urls = running.enter_context(_urls(folder))
        settings = {
            role: Settings(
                redis_url=urls[role],
                home=folder / role,
                store_url=str(folder / "store"),
                signing_key=folder / f"{role}.pem",
                trusted_keys=folder / "trusted",
                encryption_key=str(folder / "artifacts.key"),
                audit=True,
                data_roots=(str(root),),
                export_roots=(str(root),),
                **more,
            )
            for role in ROLES
        }
        (folder / "store").mkdir()
        for role, module in (("controller", "stoker_workers.controller"), ("worker", "stoker_workers.node")):
            environment = os.environ | settings[role].environment()
            (folder / role).mkdir()
            log = folder / role / f"{role}.log"
            child = Subprocess([preloaded.python(), "-m", module], log=log, environment=environment)
            running.callback(child.stop, PATIENCE_S)
        yield settings["client"]


def user_url(client_url: str, user: str) -> str:
    """The URL of another user of the same server."""
    return client_url.replace(f"client:{_PASSWORDS['client']}@", f"{user}:{_PASSWORDS[user]}@")


def denied(folder: Path) -> list[str]:
    """What users tried and may not, since the server began."""
    with redis.Redis.from_url((folder / "admin").read_text()) as admin:
        return [f"{entry['username']}: {entry['reason']} {entry['object']}" for entry in admin.acl_log()]


@contextmanager
def _urls(folder: Path) -> Iterator[dict[str, str]]:
    """A server with its users behind TLS, for the length of a with block; gives the URL of each."""
    authority, context = trustme.CA(), ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.cert_pem.write_to_path(ca_file := folder / "ca.pem")
    authority.issue_cert("localhost").configure_cert(context)
    with local_server(folder / "server") as url, redis.Redis.from_url(url) as admin, terminator(url, context) as port:
        for _, name, *rules in map(str.split, _USERS):
            if name != "default":
                admin.execute_command("ACL", "SETUSER", name, *rules)
        (folder / "admin").write_text(url)
        yield {name: tls_url(url, port, user=f"{name}:{_PASSWORDS[name]}", ssl_ca_certs=ca_file) for name in _PASSWORDS}


_PASSWORDS = {line.split()[1]: line.split(">")[1].split()[0] for line in _USERS if ">" in line}
