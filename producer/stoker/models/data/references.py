"""Data references, and the files that they name."""

import re
from dataclasses import dataclass
from typing import Literal, get_args
from urllib.parse import urlsplit

from ...errors import InvalidJob
from ..access import SCHEMES, parsed, shown
from .files import file_system_of, reading

Format = Literal["npz", "csv", "parquet", "tfrecord"]
FORMATS: tuple[Format, ...] = get_args(Format)
SAMPLES = ("digits", "iris", "wine", "breast_cancer", "diabetes")
GLOB = frozenset("*?[")


@dataclass(frozen=True)
class Location:
    """The files of a data reference.

    Attributes:
        sample: the name of the sample set; None for files.
        format: the format of the files; "npz" for a sample set, which has arrays x and y.
        urls: the files in order, as absolute paths or URLs; empty for a sample set.
    """

    sample: str | None
    format: Format
    urls: tuple[str, ...]


def locate(ref: str) -> Location:
    """Resolve a data reference to its files.

    Raises:
        InvalidJob: the reference is malformed, or names no file.
        DependencyUnavailable: its host is away.
    """
    scheme, path = split(ref)
    if scheme == "sample":
        return Location(sample(path), "npz", ())
    return Location(None, format_of(ref), _expand(ref, scheme))


def split(ref: str) -> tuple[str, str]:
    """Split a reference into its scheme and the rest; a plain path has the scheme "file".

    Raises:
        InvalidJob: the reference is malformed, or its scheme is unknown.
    """
    if not ref.strip() or any(not character.isprintable() for character in ref):
        raise InvalidJob(f"data reference {ref!r} is empty or holds unprintable characters; give a path or a URL")
    scheme, separator, path = ref.partition("://")
    if not separator:
        scheme, path = "file", ref
    # The :: of an IPv6 address, in brackets, is not a chain.
    if "::" in re.sub(r"//\[[^\]/]*\]", "//", ref):
        raise InvalidJob(f"data reference {shown(ref)} chains file systems with '::'; give one plain path or URL")
    if scheme in ("file", "local"):
        return "file", path
    if scheme != "sample" and scheme not in SCHEMES:
        raise InvalidJob(
            f"data reference {shown(ref)} has the unknown scheme {scheme!r}; expected a path, sample://NAME, or a URL "
            "such as s3://, gs:// or https://"
        )
    if scheme != "sample":
        parts = parsed(ref)
        if scheme in ("http", "https", "ftp") and "@" in parts.netloc:
            raise InvalidJob(
                f"a data reference to {parts.hostname} holds a user or a password, which everybody who sees the job "
                "would read; leave them out"
            )
    return scheme, path


def format_of(ref: str) -> Format:
    """The format of a reference's files, by its suffix; for http(s), that of the URL's path or of the whole URL."""
    for end in (urlsplit(ref).path, ref) if ref.startswith(("http://", "https://")) else (ref,):
        suffix = end.rpartition(".")[2]
        for known in FORMATS:
            if suffix == known:
                return known
    raise InvalidJob(f"data reference {shown(ref)!r} must end in .{', .'.join(FORMATS)}; rename or convert the file")


def sample(name: str) -> str:
    """Check the name of a sample set."""
    if name not in SAMPLES:
        raise InvalidJob(f"there is no sample set {name!r}; expected one of {', '.join(SAMPLES)}")
    return name


def _expand(ref: str, scheme: str) -> tuple[str, ...]:
    """The files of a path, URL or glob, sorted."""
    with reading(ref):
        files, root = file_system_of(ref)
        if not GLOB.intersection(root):
            # `isfile` would be False if the host is away.
            if files.info(root)["type"] == "directory":
                raise InvalidJob(f"{ref} is a folder; name its files, for example {ref.rstrip('/')}/*.csv")
            return (root if scheme == "file" else str(files.unstrip_protocol(root)),)
        paths = sorted(path for path in files.glob(root) if files.isfile(path))
    if not paths:
        raise InvalidJob(f"no file matches {ref}; check the pattern, and that the workers see the files too")
    return tuple(paths if scheme == "file" else (str(files.unstrip_protocol(path)) for path in paths))
