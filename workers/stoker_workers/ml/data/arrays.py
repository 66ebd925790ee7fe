"""Arrays x and y from .npz files."""

import os
import zipfile
import zlib
from collections.abc import Sequence
from math import prod
from pathlib import Path
from typing import Literal

import numpy as np
from fsspec.implementations.local import LocalFileSystem
from numpy.lib import format as npy

from stoker.errors import InvalidJob
from stoker.models.data import Partition, file_system_of, listed, open_file

from .source import Arrays, Values
from .table import gap_notes

MAPPED_BYTES = 32 << 20
_BOMB_BYTES, _BOMB_RATIO = 1 << 30, 200
_ZIP_HEADER_BYTES = 30
_DAMAGES = (
    *(zipfile.BadZipFile, zlib.error, EOFError, ValueError, TypeError, KeyError, SyntaxError),
    NotImplementedError,  # a RuntimeError; any other RuntimeError of zipfile means encryption
)


def load_arrays(urls: Sequence[str], partitions: Sequence[Partition] = ()) -> Arrays:
    """The arrays x and, if there are any, y of all files, joined along the rows.

    Args:
        partitions: of each file; its keys are left out, which is said.

    Raises:
        InvalidJob: a file is not an .npz, has Python objects, or does not fit the others.
    """
    loaded = [_load(url) for url in urls]
    names = list(loaded[0])
    for url, arrays in zip(urls, loaded, strict=True):
        for name in names:
            if name not in arrays or arrays[name].shape[1:] != loaded[0][name].shape[1:]:
                raise InvalidJob(f"{url} does not fit {urls[0]}: array {name} is missing or has rows of another shape")
    keys = [key for key, _ in partitions[0]] if partitions else []
    notes = (
        (f"{listed(keys)}: left out, for arrays have no columns that keys of folders could be beside",) if keys else ()
    )
    whole = loaded[0]
    if len(loaded) > 1:
        whole = {name: np.concatenate([arrays[name] for arrays in loaded]) for name in names}
    empty = {
        name: int((array == array.dtype.type()).sum()) for name, array in whole.items() if array.dtype.kind in "US"
    }
    gaps = {name: (count, ("",)) for name, count in empty.items() if count}
    return Arrays(whole, urls[0], (*notes, *gap_notes(gaps, len(whole["x"]))))


def _load(url: str) -> dict[str, Values]:
    files, path = file_system_of(url)
    local = Path(path) if isinstance(files, LocalFileSystem) else None
    with open_file(url, _damage) as file, np.load(file, allow_pickle=False) as archive:
        if "x" not in archive:
            raise InvalidJob(f"{url} has no array x; save it with x=… and y=…")
        for name in ("x", "y"):
            if name in archive:
                _check_size(archive.zip, f"{name}.npy", f"array {name} of {url}")
        arrays = {
            name: mapped if local and (mapped := _mapped(local, f"{name}.npy")) is not None else archive[name]
            for name in ("x", "y")
            if name in archive
        }
    for name, array in arrays.items():
        if not array.shape:
            raise InvalidJob(f"array {name} of {url} is a single value; expected one entry per row")
    return arrays


def _damage(error: Exception) -> str | None:
    if isinstance(error, _DAMAGES):
        objects = str(error).startswith("Object arrays")
        reason = "it holds pickled Python objects (allow_pickle=False)" if objects else "it is damaged, or no .npz file"
    elif isinstance(error, RuntimeError):
        reason = "it is encrypted"
    else:
        return None
    return f"cannot be read as .npz: {reason}; write plain arrays with numpy.savez"


def _check_size(archive: zipfile.ZipFile, member: str, what: str) -> None:
    """Refuse an array whose header does not match its size, and zip bombs."""
    info = archive.getinfo(member)
    with archive.open(info) as file:
        version = npy.read_magic(file)
        read_header = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
        shape, _, dtype = read_header(file)
        expected, actual = prod(shape) * dtype.itemsize, info.file_size - file.tell()
    if not dtype.hasobject and expected != actual:
        raise InvalidJob(f"{what} should have {expected:,} bytes by its header, but has {actual:,}; write it again")
    if info.file_size > _BOMB_BYTES and info.file_size > _BOMB_RATIO * info.compress_size:
        raise InvalidJob(
            f"{what} unpacks from {info.compress_size:,} to {info.file_size:,} bytes; write it with numpy.savez, which "
            "does not compress"
        )


def _mapped(path: Path, member: str) -> Values | None:
    """An array of a large local file, mapped into memory; None if it cannot be mapped.

    numpy maps no members of an .npz. An uncompressed member, as `numpy.savez` writes it, is a .npy after a header:
    https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT, 4.3.7
    """
    with zipfile.ZipFile(path) as archive:
        info = archive.getinfo(member)
    if info.compress_type != zipfile.ZIP_STORED or info.file_size < MAPPED_BYTES:
        return None
    with path.open("rb") as file:
        file.seek(info.header_offset)
        header = file.read(_ZIP_HEADER_BYTES)
        name_bytes, extra_bytes = (int.from_bytes(header[at : at + 2], "little") for at in (26, 28))
        file.seek(name_bytes + extra_bytes, os.SEEK_CUR)
        if npy.read_magic(file) != (1, 0):
            return None
        shape, fortran, dtype = npy.read_array_header_1_0(file)
        if dtype.hasobject:
            return None
        order: Literal["C", "F"] = "F" if fortran else "C"
        return np.memmap(path, dtype, "r", file.tell(), shape, order)
