"""Which data a worker may read: its store, buckets, public https, and the folders and URLs in its settings."""

import ipaddress
import os
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from urllib.parse import SplitResult, unquote, urlsplit

from ..errors import InvalidJob
from .encryption import StorePlace

BUCKETS = frozenset({"s3", "s3a", "gs", "gcs", "az", "abfs", "abfss", "adl", "oss"})
"""Schemes that are read with the worker's own credentials, which limit what it may read."""
SCHEMES = BUCKETS | {"http", "https", "ftp", "sftp", "smb", "hdfs", "webhdfs", "hf"}
"""All schemes of data. fsspec's others chain file systems, or are not file systems."""

_DEFAULT_PORTS = {"http": 80, "https": 443, "ftp": 21, "sftp": 22, "smb": 445}
_KERNELS = tuple(map(Path, ("/dev", "/proc", "/sys")))
_SHOWN = 200
# IPv6 addresses that a NAT64 gateway translates to IPv4 ones.
_TRANSLATED = ipaddress.IPv6Network("64:ff9b::/96")


class Unsafe(InvalidJob):
    """What a job names may not be read, or is not what is safe to open; nothing has opened it. The audit notes it."""


class Access:
    """A worker's permission to read data.

    Args:
        roots: its setting `data_roots`.
        store: its artifact store, or where that is.

    Attributes:
        store: the same: all of it may be read, and no other store is for references to uploads.
    """

    def __init__(self, roots: Sequence[str], store: str | StorePlace) -> None:
        self.store = StorePlace(store) if isinstance(store, str) else store
        self._allowed = (*roots, self.store.url.removeprefix("file://"))

    @cached_property
    def _folders(self) -> tuple[Path, ...]:
        return tuple(Path(os.path.realpath(root)) for root in self._allowed if "://" not in root)

    @cached_property
    def _urls(self) -> tuple[SplitResult, ...]:
        return tuple(urlsplit(root) for root in self._allowed if "://" in root)

    def folder(self, path: Path, ref: str) -> None:
        """Check that a path, with links resolved, is in an allowed folder; does not reveal whether it exists.

        Raises:
            InvalidJob: it is not.
        """
        # `Path.resolve` raises for circular links.
        real = Path(os.path.realpath(path))
        refuse_kernels(path, ref)
        if not any(real.is_relative_to(folder) for folder in self._folders):
            raise refusal(ref)

    def names(self, url: str) -> bool:
        """Whether a URL begins with an allowed one; its host then may have any address."""
        parts = urlsplit(url)
        return any(begins_with(parts, root) for root in self._urls)

    def remote(self, ref: str) -> None:
        """Check a URL: it must be of a bucket or https, or begin with an allowed one.

        Raises:
            InvalidJob: it may not be read, has no host, or has '..' in its path.
        """
        parts = parsed(ref)
        if ".." in unquote(parts.path).split("/"):
            raise Unsafe(f"{shown(ref)} has '..' in its path; name the file by its plain URL")
        if parts.scheme not in BUCKETS and parts.scheme != "https" and not self.names(ref):
            raise refusal(ref)


def refuse_kernels(path: Path, ref: str) -> None:
    """Refuse paths that, with links resolved, are in /dev, /proc or /sys.

    Raises:
        InvalidJob: it is such a path.
    """
    if any(Path(os.path.realpath(path)).is_relative_to(kernels) for kernels in _KERNELS):
        raise Unsafe(f"{shown(ref)} is of the system's own, and no data; name a file of yours")


def is_public(address: str) -> bool:
    """Whether an IP address is of the internet, not of this machine or a private network; looks through NAT64."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        inner = ip.ipv4_mapped or ip.sixtofour or (ip.teredo[1] if ip.teredo else None)
        if inner is None and ip in _TRANSLATED:
            inner = ipaddress.IPv4Address(int(ip) & 0xFFFF_FFFF)
        if inner is not None:
            return is_public(str(inner))
        if ip.is_site_local:
            return False
    return ip.is_global and not (ip.is_multicast or ip.is_reserved or ip.is_unspecified)


def refusal(ref: str) -> Unsafe:
    """The error for data that may not be read; says how to allow it."""
    return Unsafe(
        f"this worker may not read {shown(ref)}: it reads its store, buckets (s3://, gs://, az://), https:// of public "
        "addresses, and what its setting data_roots names; to allow more, add a folder or the beginning of a URL to "
        "data_roots in the worker's stoker.toml, or to STOKER_DATA_ROOTS; or upload it, by client.upload or "
        "POST /v1/files"
    )


def checked_root(text: str) -> str:
    """Check a value of `data_roots`: an absolute folder, or the beginning of a URL.

    Raises:
        ValueError: it is neither.
    """
    if "://" not in text:
        if not text.startswith("/"):
            raise ValueError(
                "expected an absolute folder such as /data, or the beginning of a URL such as s3://bucket/"
            )
        return text
    if text.partition("://")[0] not in SCHEMES:
        raise ValueError(f"expected one of {', '.join(f'{scheme}://' for scheme in sorted(SCHEMES))}")
    try:
        parts = parsed(text)
    except InvalidJob as error:
        raise ValueError(error.message) from None
    if not parts.hostname or parts.username is not None or parts.query or parts.fragment:
        raise ValueError("expected scheme, host and path only, such as http://data.internal/sets/")
    return text


def checked_webhook_root(text: str) -> str:
    """Check a value of `webhook_roots`: the beginning of a URL of a web server.

    Raises:
        ValueError: it is none.
    """
    if text.partition("://")[0] not in ("http", "https"):
        raise ValueError("expected the beginning of a URL such as http://ci.internal/hooks/")
    return checked_root(text)


def parsed(url: str) -> SplitResult:
    """Split a URL.

    Raises:
        InvalidJob: its host or port is invalid, or a host is missing.
    """
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
        # As for a DNS lookup: each label has 1 to 63 characters.
        host.encode("idna")
    except ValueError:
        raise _names_no_host(url) from None
    if parts.scheme in ("http", "https", "ftp") and not host:
        raise _names_no_host(url)
    return parts


def _names_no_host(url: str) -> InvalidJob:
    return InvalidJob(f"{shown(url)} names no host; expected a URL such as https://host/file.csv")


def shown(ref: str) -> str:
    """A reference for a message, cut where it is long; what cannot be printed is escaped."""
    ref = ref if ref.isprintable() else repr(ref)[1:-1]
    return ref if len(ref) <= _SHOWN else ref[: _SHOWN - 1] + "…"


def begins_with(url: SplitResult, root: SplitResult) -> bool:
    """Whether scheme, host and port are equal, and the path is at or below the root's."""
    if (url.scheme, url.hostname, _port(url)) != (root.scheme, root.hostname, _port(root)):
        return False
    below = root.path.rstrip("/")
    return url.path == below or url.path.startswith(f"{below}/")


def _port(url: SplitResult) -> int | None:
    return url.port or _DEFAULT_PORTS.get(url.scheme)
