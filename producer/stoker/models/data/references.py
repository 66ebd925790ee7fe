"""Data references, and the files that they name."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from types import MappingProxyType
from typing import Any
from urllib.parse import unquote, urlsplit

from ...errors import InvalidJob
from ..access import SCHEMES, Unsafe, parsed, shown
from ..formats import COMPRESSIONS, SUFFIXES, Format, format_by_suffix
from ..uploads import GLOB
from ..uploads import SCHEME as UPLOADS
from .files import file_system_of, reading

_ARRAYS = ("x", "y")
SAMPLES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        **dict.fromkeys(("digits", "iris", "wine", "breast_cancer", "diabetes"), _ARRAYS),
        "churn": ("customer", "joined", "plan", "region", "age", "monthly", "calls", "paperless", "churned"),
        "shapes": ("image", "label"),
        "spots": ("image", "mask"),
        "reviews": ("review", "sentiment"),
        "ratings": ("user", "item", "rating"),
        "consumption": ("when", "meter", "temperature", "kwh"),
    }
)
"""The sample sets, and the columns of each."""
# Schemes that name no URL.
_OWN = frozenset({"sample", UPLOADS})
# Of files with these suffixes that are named one is data; among others in a folder it is rather about them.
_IF_NAMED: Mapping[str, Format] = MappingProxyType(
    {"json": "jsonl", **dict.fromkeys(("txt", "data", "dat", "tab"), "csv")}
)
_NAMED = re.compile(rf"\.({'|'.join(_IF_NAMED)})(?:\.(?:{'|'.join(COMPRESSIONS)}))?$", re.IGNORECASE)

Partition = tuple[tuple[str, str], ...]
"""The keys and values of the folders that a file is in, as in `year=2024/month=05/part-0.parquet`."""

# Folders below this are no partitions of a data set, but, on some file systems, links in a circle.
_DEEPEST_FOLDER = 8


@dataclass(frozen=True)
class Location:
    """The files of a data reference.

    Attributes:
        sample: the name of the sample set; None for files.
        format: the format of the files; "npz" for a sample set.
        urls: the files in order, as absolute paths or URLs; empty for a sample set.
        partitions: of each file; all have the same keys. Empty where there are none.
        names: of each picture, its path below the folder or the pattern; empty for other formats.
        others: files beside pictures that are left out, for they are none.
    """

    sample: str | None
    format: Format
    urls: tuple[str, ...]
    partitions: tuple[Partition, ...] = ()
    names: tuple[str, ...] = ()
    others: tuple[str, ...] = ()


def locate(ref: str, data_format: Format | None = None) -> Location:
    """Resolve a data reference to its files.

    Args:
        data_format: of the files; None reads it off their names.

    Raises:
        InvalidJob: the reference is malformed, or names no file.
        DependencyUnavailable: its host is away.
    """
    scheme, path = split(ref)
    if scheme == "sample":
        return Location(sample(path), "npz", ())
    with reading(ref):
        files, root = file_system_of(ref)
        paths = _expand(files, root, ref)
    data_format = data_format or named_format(ref) or _common_format(paths, ref)
    names: list[str] = []
    others: list[str] = []
    if data_format == "images":
        paths, others = _pictures(paths)
        names = [
            "/".join(PurePosixPath(path).parts[_fixed_parts(root) :]) or PurePosixPath(path).name for path in paths
        ]
    urls = paths if scheme == "file" else [str(files.unstrip_protocol(path)) for path in paths]
    return Location(None, data_format, tuple(urls), _partitions(paths, root, ref), tuple(names), tuple(others))


def split(ref: str) -> tuple[str, str]:
    """Split a reference into its scheme and the rest; a plain path has the scheme "file".

    Raises:
        InvalidJob: the reference is malformed, or its scheme is unknown.
    """
    if not ref.strip() or any(not character.isprintable() for character in ref):
        raise Unsafe(f"data reference {ref!r} is empty or holds unprintable characters; give a path or a URL")
    scheme, separator, path = ref.partition("://")
    if not separator:
        scheme, path = "file", ref
    # The :: of an IPv6 address, in brackets, is not a chain.
    if "::" in re.sub(r"//\[[^\]/]*\]", "//", ref):
        raise Unsafe(f"data reference {shown(ref)} chains file systems with '::'; give one plain path or URL")
    if scheme in ("file", "local"):
        return "file", path
    if scheme in _OWN:
        return scheme, path
    if scheme not in SCHEMES:
        raise Unsafe(
            f"data reference {shown(ref)} has the unknown scheme {scheme!r}; expected a path, sample://NAME, "
            "store://… as client.upload gives it, or a URL such as s3://, gs:// or https://"
        )
    parts = parsed(ref)
    if scheme in ("http", "https", "ftp") and "@" in parts.netloc:
        raise Unsafe(
            f"a data reference to {parts.hostname} holds a user or a password, which everybody who sees the job "
            "would read; leave them out"
        )
    return scheme, path


def named_format(ref: str) -> Format | None:
    """The format by a reference's suffix; for http(s), by that of the URL's path or of the whole URL."""
    ends = (urlsplit(ref).path, ref) if ref.startswith(("http://", "https://")) else (ref,)
    named = [_IF_NAMED[found[1].lower()] for found in map(_NAMED.search, ends) if found]
    return next(filter(None, map(format_by_suffix, ends)), named[0] if named else None)


def folder_of(ref: str) -> str:
    """The folder of a file, or before a pattern; a folder is its own. An absolute path, or a URL."""
    scheme, path = split(ref)
    if scheme == "file":
        place = Path(path).absolute()
        fixed = Path(*place.parts[: _fixed_parts(str(place))])
        return str(fixed if fixed.is_dir() else fixed.parent)
    host, _, below = path.partition("/")
    parts = PurePosixPath(below).parts
    fixed_parts = parts[: _fixed_parts(below)]
    if named_format(ref) and len(fixed_parts) == len(parts):
        fixed_parts = parts[:-1]
    return "/".join([f"{scheme}://{host}", *fixed_parts])


def unknown_format(ref: str) -> InvalidJob:
    """The error for a file whose name does not tell its format."""
    return InvalidJob(
        f"data reference {shown(ref)!r} must end in .{', .'.join((*SUFFIXES, *_IF_NAMED))}, or, for text, in one of "
        f"them and .{', .'.join(COMPRESSIONS)}; rename or convert the file, or set format"
    )


def sample(name: str) -> str:
    """Check the name of a sample set."""
    if name not in SAMPLES:
        raise InvalidJob(f"there is no sample set {name!r}; expected one of {', '.join(SAMPLES)}")
    return name


def _expand(files: Any, root: str, ref: str) -> list[str]:
    """The files of a path, glob or folder, sorted."""
    if GLOB.intersection(root):
        shows_hidden = _is_hidden(root)
        paths = sorted(
            path for path in files.glob(root) if (shows_hidden or not _is_hidden(path)) and files.isfile(path)
        )
        if not paths:
            raise InvalidJob(f"no file matches {ref}; check the pattern, and that the workers see the files too")
        return paths
    # `isfile` would be False if the host is away.
    if files.info(root)["type"] != "directory":
        return [root]
    paths = sorted(_below(files, root))
    if not paths:
        raise InvalidJob(f"{ref} is a folder without files; check the path, and that the workers see the files too")
    return paths


def _below(files: Any, root: str) -> list[str]:
    """The files below a folder, but hidden ones."""
    found = []
    for folder, folders, names in files.walk(root, maxdepth=_DEEPEST_FOLDER, detail=True):
        for name in [name for name, info in folders.items() if _is_hidden(name) or info.get("islink")]:
            del folders[name]
        paths = {name: f"{folder.rstrip('/')}/{name}" for name in names if not _is_hidden(name)}
        # A link may lead to a folder, and in a circle.
        found += [path for name, path in paths.items() if not names[name].get("islink") or files.isfile(path)]
    return found


def _is_hidden(path: str) -> bool:
    """Whether a file is no data: hidden, or left by what wrote the others, as `_SUCCESS` is."""
    return path.rpartition("/")[2].startswith((".", "_"))


def _common_format(paths: Sequence[str], ref: str) -> Format:
    """The one format of files that a folder or a pattern gives.

    Raises:
        InvalidJob: they have several, or none that is known.
    """
    by_format: dict[Format | None, str] = {}
    for path in paths:
        by_format.setdefault(format_by_suffix(path), path)
    match list(by_format):
        case [None]:
            raise unknown_format(paths[0])
        case [known] if known:
            return known
        case ["images", None] | [None, "images"]:
            return "images"
    examples = ", ".join(PurePosixPath(path).name for path in by_format.values())
    raise InvalidJob(f"{ref} has files of several formats ({examples}); name those of one, for example {ref}/*.csv")


def _pictures(paths: Sequence[str]) -> tuple[list[str], list[str]]:
    """The pictures among some files, and the others; all of them are pictures if no name tells."""
    pictures = [path for path in paths if format_by_suffix(path) == "images"]
    if not pictures:
        return list(paths), []
    return pictures, [path for path in paths if format_by_suffix(path) != "images"]


def _partitions(paths: Sequence[str], root: str, ref: str) -> tuple[Partition, ...]:
    """The partition of each file; empty where no folder has a key.

    Raises:
        InvalidJob: the files are not all below the same keys.
    """
    fixed = _fixed_parts(root)
    partitions = tuple(
        tuple(
            (key, unquote(value))
            for part in PurePosixPath(path).parts[fixed:-1]
            for key, mark, value in [part.partition("=")]
            if key and mark
        )
        for path in paths
    )
    for path, partition in zip(paths, partitions, strict=True):
        if [key for key, _ in partition] != [key for key, _ in partitions[0]]:
            raise InvalidJob(f"{path} is not in folders of the same keys as {paths[0]}; {ref} must have one layout")
    return partitions if partitions[0] else ()


def _fixed_parts(root: str) -> int:
    """How many parts of a path there are before its pattern, if it has one; of a file, before its name."""
    parts = PurePosixPath(root).parts
    return next((at for at, part in enumerate(parts) if GLOB.intersection(part)), len(parts))
