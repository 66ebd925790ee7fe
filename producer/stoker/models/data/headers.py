"""Checks of data before a job is queued: that it exists, and its headers."""

import bz2
import gzip
import stat
import zipfile
import zlib
from collections.abc import Sequence
from io import BufferedIOBase
from pathlib import Path
from typing import IO

from numpy.lib import format as npy

from ...errors import InvalidJob
from ..access import refuse_kernels
from ..columns import listed, select_columns
from ..formats import Stated
from ..uploads import GLOB, parse_upload
from ..uploads import SCHEME as UPLOADS
from .dialect import HEAD_BYTES, sniff
from .encodings import decoded_head, foreign_format, marked_encoding
from .pictures import picture_columns
from .references import SAMPLES, locate, named_format, sample, split, unknown_format

_PLAIN = Stated()


def preflight(
    ref: str,
    stated: Stated = _PLAIN,
    *,
    target: str | tuple[str, ...] | None = None,
    features: Sequence[str] | None = None,
    labelled: bool = True,
) -> str:
    """Check data before a job is queued; reads headers, but no rows.

    Local files must exist; headers of npz files, and of CSV files where they are plain, must have the target and the
    features. Remote files and uploads are not checked.

    Args:
        ref: a data reference; a relative path is relative to the current folder.
        stated: what is said of the files.
        target: the column to predict, or several; None takes the one named target, label, class or y.
        features: the columns to predict from; None takes all but the target.
        labelled: whether the job needs a target.

    Returns:
        The reference to queue, made absolute.

    Raises:
        InvalidJob: the data is missing or does not fit.
    """
    scheme, path = split(ref)
    if scheme == "sample":
        sample(path)
        if labelled:
            select_columns(SAMPLES[path], target, features, ref)
        return ref
    if scheme != "file":
        if scheme == UPLOADS and (upload := parse_upload(ref)).is_folder and not upload.below:
            return ref
        # A folder may have any name, and only a worker sees it.
        last = path.rstrip("/").rpartition("/")[2]
        if "." in last and not (stated.format or named_format(ref) or GLOB.intersection(last)):
            raise unknown_format(ref)
        return ref
    absolute = str(Path(path).expanduser().absolute())
    targets = (target,) if isinstance(target, str) else target or ()
    columns = _local_columns(absolute, ref, stated.using(*targets, *(features or ())))
    if columns is not None and labelled:
        select_columns(columns, target, features, ref)
    return absolute


def columns_of(ref: str, stated: Stated = _PLAIN, names: Sequence[str] = ()) -> tuple[str, ...] | None:
    """The columns of data by its header; None where only a worker can tell them.

    Args:
        ref, stated: as for `preflight`.
        names: of columns that it may have, which tell a header from a row.

    Raises:
        InvalidJob: the data is missing, or its header is malformed.
    """
    scheme, path = split(ref)
    if scheme == "sample":
        sample(path)
        return SAMPLES[path]
    if scheme != "file":
        return None
    return _local_columns(str(Path(path).expanduser().absolute()), ref, stated.using(*names))


def _local_columns(absolute: str, ref: str, stated: Stated) -> tuple[str, ...] | None:
    location = locate(absolute, stated.format)
    first = location.urls[0]
    refuse_kernels(Path(first), ref)
    _check_readable(Path(first))
    columns: tuple[str, ...] | None = None
    if location.format == "csv":
        columns = _csv_header(first, stated)
    elif location.format == "npz":
        columns = _npz_header(first)
    elif location.format == "images":
        columns = picture_columns(location)
    if columns and location.partitions and location.format != "images":
        columns += tuple(key for key, _ in location.partitions[0])
    return columns


def preflight_file(ref: str) -> str:
    """Check a single file that is no data before a job is queued: a local one must exist.

    Returns:
        The reference to queue, made absolute.

    Raises:
        InvalidJob: the reference is malformed, or the file is missing.
    """
    scheme, path = split(ref)
    if scheme == UPLOADS:
        parse_upload(ref)
    if scheme != "file":
        return ref
    absolute = Path(path).expanduser().absolute()
    refuse_kernels(absolute, ref)
    try:
        _check_readable(absolute)
    except FileNotFoundError:
        raise InvalidJob(f"{absolute} does not exist; check the path") from None
    return str(absolute)


def _check_readable(path: Path) -> None:
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise InvalidJob(f"{path} is a pipe, a device or a socket; name a file")
        path.open("rb").close()
    except PermissionError:
        raise InvalidJob(
            f"{path} may not be read; grant access to it, or run the client as somebody who has it"
        ) from None


def _csv_header(path: str, stated: Stated) -> tuple[str, ...] | None:
    """The names of the columns; None where only a worker can tell them."""
    try:
        with _uncompressed(path) as file:
            head = file.read(HEAD_BYTES)
    except (OSError, EOFError, zlib.error):
        raise InvalidJob(f"{path} is damaged or cut off: it cannot be decompressed; write it again") from None
    if not head.strip():
        raise InvalidJob(f"{path} is empty; expected a header line with the column names")
    if what := foreign_format(head):
        raise InvalidJob(f"{path} is {what}, not lines of cells; save it as CSV")
    text = decoded_head(head, stated.encoding or marked_encoding(head) or "utf-8")
    dialect = sniff(text, stated, whole=len(head) < HEAD_BYTES) if text else None
    if dialect is None or not dialect.has_header:
        return None
    names = tuple(filter(None, dialect.names))
    if len(set(names)) < len(names):
        raise InvalidJob(f"{path} names a column twice: {listed(names)}")
    return names


def _uncompressed(path: str) -> BufferedIOBase:
    if path.lower().endswith(".gz"):
        return gzip.open(path)
    return bz2.open(path) if path.lower().endswith(".bz2") else Path(path).open("rb")


def _npz_header(path: str) -> tuple[str, ...]:
    """The names of the arrays x and y, whose headers are checked."""
    try:
        with zipfile.ZipFile(path) as archive:
            members = [name.removesuffix(".npy") for name in archive.namelist() if name.endswith(".npy")]
            if "x" not in members:
                raise InvalidJob(f"{path} has no array x; it has {listed(members)}: save it with x=… and y=…")
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
