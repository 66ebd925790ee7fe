"""What a worker may read as data: its store, buckets, public https, and the folders and URLs that its settings name."""

import ipaddress
import os
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import SplitResult, unquote, urlsplit

from ..errors import InvalidJob

BUCKETS = frozenset({"s3", "s3a", "gs", "gcs", "az", "abfs", "abfss", "adl", "oss"})
"""Schemes that are read with the worker's own credentials, which say what it may."""
SCHEMES = BUCKETS | {"http", "https", "ftp", "sftp", "smb", "hdfs", "webhdfs", "hf"}
"""All that can name data. fsspec's others read through one another, or what is on no file system at all."""

_DEFAULT_PORTS = {"http": 80, "https": 443, "ftp": 21, "sftp": 22, "smb": 445}
_KERNELS = tuple(map(Path, ("/dev", "/proc", "/sys")))
_SHOWN = 200
# Addresses that stand for an IPv4 one, which is then reached through a translator.
_TRANSLATED = ipaddress.IPv6Network("64:ff9b::/96")


class Access:
    """The rule by which one worker opens data.

    Args:
        roots: its setting `data_roots`.
        store: where its artifacts lie.
    """

    def __init__(self, roots: Sequence[str], store: str) -> None:
        named = [*roots, store.removeprefix("file://")]
        self._folders = tuple(Path(os.path.realpath(root)) for root in named if "://" not in root)
        self._urls = tuple(urlsplit(root) for root in named if "://" in root)

    def folder(self, path: Path, ref: str) -> None:
        """Refuse a path that, links followed, is in no folder that may be read. It says nothing of what is there.

        Raises:
            InvalidJob: so it is.
        """
        # Not `Path.resolve`, which raises for links in a circle.
        real = Path(os.path.realpath(path))
        refuse_kernels(path, ref)
        if not any(real.is_relative_to(folder) for folder in self._folders):
            raise refusal(ref)

    def names(self, url: str) -> bool:
        """Whether a URL begins with one that is named; it then may have any address."""
        parts = urlsplit(url)
        return any(_begins_with(parts, root) for root in self._urls)

    def remote(self, ref: str) -> None:
        """Refuse a URL of a scheme that is neither a bucket's nor https, unless it is named.

        Raises:
            InvalidJob: it may not be read, names no host, or tries to leave what it begins with.
        """
        parts = parsed(ref)
        if ".." in unquote(parts.path).split("/"):
            raise InvalidJob(f"{shown(ref)} has '..' in its path; name the file by its plain URL")
        if parts.scheme not in BUCKETS and parts.scheme != "https" and not self.names(ref):
            raise refusal(ref)


def refuse_kernels(path: Path, ref: str) -> None:
    """Refuse what, links followed, is the system's own, such as the variables of a process.

    Raises:
        InvalidJob: so it is.
    """
    if any(Path(os.path.realpath(path)).is_relative_to(kernels) for kernels in _KERNELS):
        raise InvalidJob(f"{shown(ref)} is of the system's own, and no data; name a file of yours")


def is_public(address: str) -> bool:
    """Whether an IP address is one of the internet's, and not of this machine, its network or a translator to them."""
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


def refusal(ref: str) -> InvalidJob:
    """What may not be read, and how to allow it."""
    return InvalidJob(
        f"this worker may not read {shown(ref)}: it reads its store, buckets (s3://, gs://, az://), https:// of public "
        "addresses, and what its setting data_roots names; to allow more, add a folder or the beginning of a URL to "
        "data_roots in the worker's stoker.toml, or to STOKER_DATA_ROOTS"
    )


def checked_root(text: str) -> str:
    """A value of `data_roots`: an absolute folder, or the beginning of a URL.

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


def parsed(url: str) -> SplitResult:
    """A URL in its parts.

    Raises:
        InvalidJob: no host can have the name or the port in it, or there is none where one is needed.
    """
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
        # As whoever looks the name up writes it: its labels have at least one letter each, and at most 63.
        host.encode("idna")
    except ValueError:
        raise _names_no_host(url) from None
    if parts.scheme in ("http", "https", "ftp") and not host:
        raise _names_no_host(url)
    return parts


def _names_no_host(url: str) -> InvalidJob:
    return InvalidJob(f"{shown(url)} names no host; expected a URL such as https://host/file.csv")


def shown(ref: str) -> str:
    """A reference for a message."""
    return ref if len(ref) <= _SHOWN else ref[: _SHOWN - 1] + "…"


def _begins_with(url: SplitResult, root: SplitResult) -> bool:
    """Whether scheme, host and port are the same, and the path is below the root's."""
    if (url.scheme, url.hostname, _port(url)) != (root.scheme, root.hostname, _port(root)):
        return False
    below = root.path.rstrip("/")
    return url.path == below or url.path.startswith(f"{below}/")


def _port(url: SplitResult) -> int | None:
    return url.port or _DEFAULT_PORTS.get(url.scheme)
