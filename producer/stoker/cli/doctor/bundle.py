"""`stoker doctor --bundle FILE`: what somebody else needs to see to help, and nothing that is secret.

There is no spec in it, no row, no result and no reason of a failure: these may quote data. Of jobs it has kind, state
and the types of events; of the logs the newest lines, with secrets taken out.
"""

import json
import os
import platform
import sys
import zipfile
from collections.abc import Iterator
from contextlib import closing
from importlib import metadata
from pathlib import Path

from pydantic import BaseModel
from redis.exceptions import RedisError

from ...errors import InvalidArgument, StokerError
from ...ledger import records
from ...redis.calls import drive
from ...redis.connection import Connection
from ...settings import Settings
from ...version import RELEASE
from .check import System
from .secrets import Secrets, secrets_in

_MOST_JOBS = 50
_MOST_EVENTS = 20
_LOG_BYTES = 1 << 18
_PACKAGES = (
    *("stoker", "celery", "kombu", "redis", "pydantic", "pydantic-settings", "fsspec", "s3fs", "numpy", "tensorflow"),
    *("keras", "h5py", "ai-edge-litert", "onnxruntime", "flower", "pyarrow", "pandas", "scikit-learn", "cryptography"),
)


def write_bundle(path: Path, system: System, report: BaseModel, *, reachable: bool) -> list[str]:
    """Write the bundle; gives the names of what is in it.

    Args:
        report: what `stoker doctor` found.
        reachable: whether Redis answers.

    Raises:
        InvalidArgument: the file is there already, or cannot be written.
    """
    settings = system.settings
    secrets = Secrets(
        secrets_in((settings.redis_url, settings.result_url, settings.store_url, _local(system)), os.environ)
    )
    parts = {
        "doctor.json": report.model_dump_json(indent=2),
        "settings.json": json.dumps(_settings(settings), indent=2),
        "versions.json": json.dumps(_versions(), indent=2),
        "jobs.json": json.dumps(list(_jobs(system)) if reachable else [], indent=2),
        **dict(_logs(settings.home / "logs")),
    }
    try:
        with path.expanduser().open("xb") as file, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as bundle:
            for name, text in parts.items():
                bundle.writestr(name, secrets.hide(text))
    except FileExistsError:
        raise InvalidArgument(f"{path} is there already: name another file") from None
    except OSError as error:
        raise InvalidArgument(f"{path} cannot be written: {error.strerror}; name another file") from None
    return list(parts)


def _local(system: System) -> str | None:
    """The URL of the local server, which no setting names."""
    try:
        return system.url
    except StokerError:
        return None


def _settings(settings: Settings) -> dict[str, dict[str, str]]:
    return {
        name: {"value": settings.shown(name), "origin": settings.origin(name)} for name in type(settings).model_fields
    }


def _versions() -> dict[str, str]:
    found = {"release": str(RELEASE), "python": sys.version, "platform": platform.platform()}
    for name in _PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def _jobs(system: System) -> Iterator[dict[str, object]]:
    """The newest jobs: their kind, state and times, and the types of their newest events."""
    with closing(Connection.open(system.settings, system.url)) as connection:
        try:
            for status in drive(records.search(records.Search(), _MOST_JOBS), connection.run):
                known = status.model_dump(
                    mode="json", include={"id", "kind", "state", "attempt", "queue", "submitted_at"}
                )
                events = connection.run(records.events(status.id, None, limit=_MOST_EVENTS))
                yield known | {"events": [event.type for event in events]}
        except (StokerError, RedisError) as error:
            yield {"could not be asked": type(error).__name__}


def _logs(folder: Path) -> Iterator[tuple[str, str]]:
    for path in sorted(folder.glob("*.log")):
        try:
            with path.open("rb") as log:
                log.seek(max(0, path.stat().st_size - _LOG_BYTES))
                text = log.read().decode(errors="replace")
        except OSError as error:
            text = f"cannot be read: {error.strerror}\n"
        yield f"logs/{path.name}", text
