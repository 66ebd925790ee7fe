"""Data references: which data a job means, and what can be known of it without reading its rows."""

import csv
import re
import stat
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Literal, get_args
from urllib.parse import urlsplit

import fsspec
from numpy.lib import format as npy

from .access import SCHEMES, shown
from .errors import InvalidJob, Unavailable
from .outages import Dependency, DependencyUnavailable, outage, passes

Format = Literal["npz", "csv", "parquet", "tfrecord"]
FORMATS: tuple[Format, ...] = get_args(Format)
SAMPLES = ("digits", "iris", "wine", "breast_cancer", "diabetes")
TARGET_NAMES = ("target", "label", "class", "y")

_LOCAL = ("file", "local")
GLOB = frozenset("*?[")
# How long a host may take to be connected to, and to send nothing, and how often it is asked.
_CONNECT_S, _SILENT_S, _TRIES = 10, 30, 3


@dataclass(frozen=True)
class Location:
    """Where data lies.

    Attributes:
        sample: the name of the sample set, or None for files.
        format: how the files are written; a sample set looks like an npz: arrays x and y.
        urls: the files in order, absolute paths or URLs; empty for a sample set.
    """

    sample: str | None
    format: Format
    urls: tuple[str, ...]


def locate(ref: str) -> Location:
    """Resolve a data reference to the files behind it.

    Raises:
        InvalidJob: the reference is malformed, or there is nothing behind it.
        DependencyUnavailable: the host that it names is away.
    """
    scheme, path = split(ref)
    if scheme == "sample":
        return Location(_sample(path), "npz", ())
    return Location(None, format_of(ref), _expand(ref, scheme))


def preflight(
    ref: str, *, target: str | None = None, features: Sequence[str] | None = None, labelled: bool = True
) -> str:
    """Check all that can be known of data before a job is queued; the rows stay unread.

    Local files must exist; CSV and npz headers must hold the target and the features. A reference with a
    remote scheme is not contacted.

    Args:
        ref: a data reference; a relative path counts from the current folder.
        target: the column to predict; None takes the one named target, label, class or y.
        features: the columns to predict from; None takes all but the target.
        labelled: whether the job needs a target at all.

    Returns:
        The reference to queue: the same one, made absolute.

    Raises:
        InvalidJob: the data is not there or does not fit.
    """
    scheme, path = split(ref)
    if scheme == "sample":
        _sample(path)
        select_columns(("x", "y"), target, features, ref)
        return ref
    data_format = format_of(ref)
    if scheme not in _LOCAL:
        return ref
    absolute = str(Path(path).expanduser().absolute())
    first = _expand(absolute, "file")[0]
    _check_readable(Path(first))
    columns: tuple[str, ...] | None = None
    if data_format == "csv":
        columns = _csv_header(first)
    elif data_format == "npz":
        columns = _npz_header(first)
    if columns is not None and labelled:
        select_columns(columns, target, features, ref)
    return absolute


def select_columns(
    columns: Sequence[str], target: str | None, features: Sequence[str] | None, ref: str
) -> tuple[str, tuple[str, ...]]:
    """The target column and the feature columns of a data set.

    Raises:
        InvalidJob: a column is missing, named twice, or both target and feature.
    """
    if target is None:
        candidates = [name for name in columns if name in TARGET_NAMES]
        if len(candidates) != 1:
            found = f"{len(candidates)} of them ({', '.join(candidates)})" if candidates else "none of them"
            raise InvalidJob(
                f"{ref} does not say which column to predict: expected exactly one named {', '.join(TARGET_NAMES)}, "
                f"found {found} among {_listed(columns)}; set target"
            )
        target = candidates[0]
    chosen = tuple(features) if features is not None else tuple(name for name in columns if name != target)
    for name in (target, *chosen):
        if name not in columns:
            raise InvalidJob(f"{ref} has no column {name!r}; it has {_listed(columns)}")
    if target in chosen:
        raise InvalidJob(f"column {target!r} is the target and a feature at once; take it out of features")
    if len(set(chosen)) < len(chosen):
        raise InvalidJob(f"features names a column twice: {_listed(chosen)}")
    if not chosen:
        raise InvalidJob(f"{ref} has no column besides the target {target!r}; there is nothing to predict from")
    return target, chosen


def split(ref: str) -> tuple[str, str]:
    """Scheme and the rest; a plain path has the scheme "file".

    Raises:
        InvalidJob: no worker reads such a reference.
    """
    if not ref.strip() or any(not character.isprintable() for character in ref):
        raise InvalidJob(f"data reference {ref!r} is empty or holds unprintable characters; give a path or a URL")
    scheme, separator, path = ref.partition("://")
    if not separator:
        scheme, path = "file", ref
    # An address of IPv6, in its brackets, is no chain.
    if "::" in re.sub(r"//\[[^\]/]*\]", "//", ref):
        raise InvalidJob(f"data reference {shown(ref)} chains file systems with '::'; give one plain path or URL")
    if scheme in _LOCAL:
        return "file", path
    if scheme != "sample" and scheme not in SCHEMES:
        raise InvalidJob(
            f"data reference {shown(ref)} has the unknown scheme {scheme!r}; expected a path, sample://NAME, or a URL "
            "such as s3://, gs:// or https://"
        )
    if scheme in ("http", "https", "ftp"):
        _check_host(ref)
    return scheme, path


def _check_host(ref: str) -> None:
    try:
        parts = urlsplit(ref)
        host, _ = parts.hostname, parts.port
    except ValueError:
        host, parts = None, urlsplit("")
    if not host:
        raise InvalidJob(f"data reference {shown(ref)} names no host; expected a URL such as https://host/file.csv")
    if "@" in parts.netloc:
        raise InvalidJob(
            f"a data reference to {host} holds a user or a password, which everybody who sees the job would read; "
            "leave them out"
        )


def _sample(name: str) -> str:
    if name not in SAMPLES:
        raise InvalidJob(f"there is no sample set {name!r}; expected one of {', '.join(SAMPLES)}")
    return name


def format_of(ref: str) -> Format:
    """How the files behind a reference are written, by its end; that of a URL's path, or of the whole URL."""
    for end in (urlsplit(ref).path, ref) if ref.startswith(("http://", "https://")) else (ref,):
        suffix = end.rpartition(".")[2]
        for known in FORMATS:
            if suffix == known:
                return known
    raise InvalidJob(f"data reference {shown(ref)!r} must end in .{', .'.join(FORMATS)}; rename or convert the file")


def _expand(ref: str, scheme: str) -> tuple[str, ...]:
    """The files behind a path, URL or glob, sorted."""
    with reading(ref):
        files, root = file_system_of(ref)
        if not GLOB.intersection(root):
            # Not `isfile`, which takes a host that is away for a file that is not there.
            if files.info(root)["type"] == "directory":
                raise InvalidJob(f"{ref} is a folder; name its files, for example {ref.rstrip('/')}/*.csv")
            return (str(files.unstrip_protocol(root)) if scheme not in _LOCAL else root,)
        paths = sorted(path for path in files.glob(root) if files.isfile(path))
    if not paths:
        raise InvalidJob(f"no file matches {ref}; check the pattern, and that the workers see the files too")
    return tuple(paths if scheme in _LOCAL else (str(files.unstrip_protocol(path)) for path in paths))


def _check_readable(path: Path) -> None:
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise InvalidJob(f"{path} is a pipe, a device or a socket; name a file")
        path.open("rb").close()
    except PermissionError:
        raise InvalidJob(
            f"{path} may not be read; grant access to it, or run the client as somebody who has it"
        ) from None


def file_system_of(url: str) -> tuple[Any, str]:
    """The file system that holds a file, and the path there; a silent bucket is given up after a while."""
    options: dict[str, Any] = {}
    if url.startswith(("s3://", "s3a://")):
        retries = {"max_attempts": _TRIES}
        options["config_kwargs"] = {"connect_timeout": _CONNECT_S, "read_timeout": _SILENT_S, "retries": retries}
    files, path = fsspec.core.url_to_fs(url, **options)
    return files, path


@contextmanager
def open_file(url: str) -> Iterator[IO[bytes]]:
    """A file of a data set, to be read anywhere in it.

    Raises:
        InvalidJob: it is not there, or may not be read.
        DependencyUnavailable: its host is away, or the line was cut.
    """
    with reading(url):
        files, path = file_system_of(url)
        with files.open(path, "rb") as file:
            yield file


@contextmanager
def reading(ref: str) -> Iterator[None]:
    """Tell what goes wrong while data is read: the fault of who named it, or an outage of its host.

    Raises:
        InvalidJob: it is not there, or may not be read.
        DependencyUnavailable: its host is away, or the line was cut.
    """
    try:
        yield
    except (InvalidJob, Unavailable):
        raise
    except ImportError as error:
        raise InvalidJob(f"{ref} needs a package that is not installed here: {error}") from error
    except Exception as error:
        if passes(error):
            raise DependencyUnavailable(outage(Dependency.DATA, ref, error)) from error
        if isinstance(error, FileNotFoundError):
            raise InvalidJob(
                f"there is no file {ref}; check the path, and that the workers see and may read it"
            ) from error
        if isinstance(error, PermissionError):
            raise InvalidJob(f"{ref} may not be read: {error}; grant access to it") from error
        if isinstance(error, OSError):
            raise InvalidJob(f"{ref} cannot be read: {error}; check the file") from error
        raise


def _csv_header(path: str) -> tuple[str, ...]:
    with Path(path).open(newline="", encoding="utf-8-sig") as file:
        try:
            header = next(csv.reader(file), [])
        except (UnicodeDecodeError, csv.Error):
            raise InvalidJob(f"{path} is not a UTF-8 CSV file; save it as one") from None
    if not header:
        raise InvalidJob(f"{path} is empty; expected a header line with the column names")
    if len(set(header)) < len(header):
        raise InvalidJob(f"{path} names a column twice: {_listed(header)}")
    return tuple(header)


def _npz_header(path: str) -> tuple[str, ...]:
    """The names of the arrays, after a look at the headers of x and y."""
    try:
        with zipfile.ZipFile(path) as archive:
            members = [name.removesuffix(".npy") for name in archive.namelist() if name.endswith(".npy")]
            if "x" not in members:
                raise InvalidJob(f"{path} has no array x; it has {_listed(members)}: save it with x=… and y=…")
            columns = tuple(name for name in ("x", "y") if name in members)
            rows = []
            for name in columns:
                with archive.open(f"{name}.npy") as member:
                    rows.append(_array_rows(member, f"array {name} of {path}"))
    except InvalidJob:
        raise
    except RuntimeError:
        raise InvalidJob(f"{path} is encrypted; write it with numpy.savez") from None
    except (zipfile.BadZipFile, ValueError, EOFError, NotImplementedError, zlib.error):
        raise InvalidJob(f"{path} is not an .npz file, or a damaged one; write it with numpy.savez") from None
    if len(set(rows)) > 1:
        raise InvalidJob(f"{path} has {rows[0]} rows in x but {rows[1]} in y; they must be equally many")
    return columns


def _array_rows(member: IO[bytes], what: str) -> int:
    """The length of an array's first axis, from its header."""
    version = npy.read_magic(member)
    read_header = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
    shape, _, dtype = read_header(member)
    if dtype.hasobject:
        raise InvalidJob(f"{what} holds pickled Python objects, which are never loaded; save plain numbers or strings")
    if not shape:
        raise InvalidJob(f"{what} is a single number; expected one entry per row")
    return int(shape[0])


def _listed(names: Sequence[str]) -> str:
    """At most ten names, for a message."""
    more = f" and {len(names) - 10} more" if len(names) > 10 else ""
    return (", ".join(map(repr, names[:10])) or "nothing") + more
