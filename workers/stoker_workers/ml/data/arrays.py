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
from stoker.models.data import file_system_of, open_file

from .source import Arrays, Values

MAPPED_BYTES = 32 << 20
_BOMB_BYTES, _BOMB_RATIO = 1 << 30, 200
_ZIP_HEADER_BYTES = 30
_DAMAGES = (
    *(zipfile.BadZipFile, zlib.error, EOFError, ValueError, TypeError, KeyError, SyntaxError),
    NotImplementedError,  # a RuntimeError, as which zipfile tells of encryption
)


def load_arrays(urls: Sequence[str]) -> Arrays:
    """The arrays x and, where there is one, y of all files, joined along the rows.

    Raises:
        InvalidJob: a file is no .npz, holds Python objects, or does not fit the others.
    """
    parts = [_load(url) for url in urls]
    names = list(parts[0])
    for url, part in zip(urls, parts, strict=True):
        for name in names:
            if name not in part or part[name].shape[1:] != parts[0][name].shape[1:]:
                raise InvalidJob(f"{url} does not fit {urls[0]}: array {name} is missing or has rows of another shape")
    if len(parts) == 1:
        return Arrays(parts[0], urls[0])
    return Arrays({name: np.concatenate([part[name] for part in parts]) for name in names}, urls[0])


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
    """Refuse an array whose header promises other bytes than there are, or that unpacks to very many from very few."""
    info = archive.getinfo(member)
    with archive.open(info) as file:
        version = npy.read_magic(file)
        read_header = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
        shape, _, dtype = read_header(file)
        promised, there = prod(shape) * dtype.itemsize, info.file_size - file.tell()
    if not dtype.hasobject and promised != there:
        raise InvalidJob(f"{what} should have {promised:,} bytes by its header, but has {there:,}; write it again")
    if info.file_size > _BOMB_BYTES and info.file_size > _BOMB_RATIO * info.compress_size:
        raise InvalidJob(
            f"{what} unpacks from {info.compress_size:,} to {info.file_size:,} bytes; write it with numpy.savez, which "
            "does not compress"
        )


def _mapped(path: Path, member: str) -> Values | None:
    """An array of a large local file, of which only those rows are read that are used; None if it cannot be mapped.

    numpy does not map what is in a .npz. Uncompressed, as `numpy.savez` writes it, a member is a .npy behind a header:
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
