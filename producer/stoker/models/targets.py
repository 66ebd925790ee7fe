"""Where a worker may write exports: buckets, and what its setting `export_roots` names; never its store."""

import os
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import unquote, urlsplit

from ..errors import InvalidJob
from .access import BUCKETS, SCHEMES, Unsafe, begins_with, checked_root, parsed, refuse_kernels, shown

# What is only read.
_READ_ONLY = frozenset({"http", "https", "hf"})
_ALIASES = {"s3a": "s3", "gcs": "gs", "abfs": "az", "abfss": "az"}


class Targets:
    """A worker's permission to write exports.

    Args:
        roots: its setting `export_roots`.
        store: the location of its artifact store, which nothing but the store writes to.
    """

    def __init__(self, roots: Sequence[str], store: str) -> None:
        self._roots = tuple(roots)
        self._store = store.removeprefix("file://")

    def folder(self, to: str, name: str, version: int) -> str:
        """The folder of an export below a target: an absolute path, or a URL.

        Raises:
            InvalidJob: this worker may not write there.
        """
        to = checked_target(to)
        if "://" in to:
            url = f"{to.rstrip('/')}/{name}/{version}"
            self._require_url(url)
            return url
        path = Path(os.path.realpath(to)) / name / str(version)
        refuse_kernels(path, to)
        # A link in the target's own folders would lead elsewhere.
        real = Path(os.path.realpath(path))
        folders = (Path(os.path.realpath(root)) for root in self._roots if "://" not in root)
        if not any(real.is_relative_to(folder) for folder in folders):
            raise _refusal(to)
        if "://" not in self._store and real.is_relative_to(os.path.realpath(self._store)):
            raise _is_store(to)
        return str(real)

    def _require_url(self, url: str) -> None:
        parts = parsed(url)
        named = any(begins_with(parts, urlsplit(root)) for root in self._roots if "://" in root)
        if parts.scheme not in BUCKETS and not named:
            raise _refusal(url)
        if "://" in self._store and begins_with(urlsplit(_plain(url)), urlsplit(_plain(self._store))):
            raise _is_store(url)


def checked_target(to: str) -> str:
    """Check a target before a job is queued; gives it as a worker finds it.

    Raises:
        InvalidJob: it is no path, and no URL that can be written to.
    """
    if "::" in to or any(not character.isprintable() for character in to):
        raise InvalidJob(f"to={shown(to)} has '::' or unprintable characters in it; give a plain folder or URL")
    scheme, separator, path = to.partition("://")
    if not separator or scheme in ("file", "local"):
        return str(Path(path if separator else to).expanduser().absolute())
    if scheme not in SCHEMES - _READ_ONLY:
        raise InvalidJob(
            f"to={shown(to)} cannot be written to: give a folder of the worker's machine, or the URL of a bucket such "
            "as s3://bucket/models"
        )
    parts = parsed(to)
    if parts.password is not None or ("@" in parts.netloc and scheme not in BUCKETS):
        raise InvalidJob(
            f"to names a user or a password of {parts.hostname}, which everybody who sees the job would read; "
            "leave them out"
        )
    if ".." in unquote(parts.path).split("/") or parts.query or parts.fragment:
        raise InvalidJob(f"to={shown(to)} has '..', '?' or '#' in it; name the folder by its plain URL")
    return to


def checked_target_root(text: str) -> str:
    """Check a value of `export_roots`: an absolute folder, or the beginning of a URL that can be written to.

    Raises:
        ValueError: it is neither.
    """
    if text.partition("://")[0] in _READ_ONLY:
        raise ValueError("exports cannot be written to web servers: expected a folder, or a URL such as s3://bucket/")
    return checked_root(text)


def _plain(url: str) -> str:
    scheme, _, rest = url.partition("://")
    return f"{_ALIASES.get(scheme, scheme)}://{rest}"


def _refusal(to: str) -> Unsafe:
    return Unsafe(
        f"this worker may not write to {shown(to)}: it writes exports to buckets (s3://, gs://, az://) and to what its "
        "setting export_roots names; to allow more, add a folder or the beginning of a URL to export_roots in the "
        "worker's stoker.toml, or to STOKER_EXPORT_ROOTS; or leave `to` out, and the export is among the job's files"
    )


def _is_store(to: str) -> Unsafe:
    return Unsafe(
        f"{shown(to)} is in the artifact store, to which exports are not written by name: leave `to` out, and the "
        "export is among the job's files"
    )
