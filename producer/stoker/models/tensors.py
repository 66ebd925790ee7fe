"""Tensors as bytes: .npy, written and read in about a microsecond, never pickled.

One array is one .npy. Several named arrays are .npy after .npy: the first holds the names, the others the arrays.

Shapes repeat, so headers are built and parsed once each. The input is not trusted: a header is matched against a
pattern, never evaluated, and its sizes must agree with the number of bytes.
"""

import math
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from ..errors import InvalidJob

# Of any number or text dtype.
Array = NDArray[Any]
Tensors = Array | Mapping[str, Array]
# A union would make every caller tell apart what its own model decides once and for all.
Outputs = Any
"""What a model gives: an array, or a dict of arrays by name where it has several outputs."""

_MAGIC = b"\x93NUMPY"
_LENGTH_BYTES = {1: 2, 2: 4, 3: 4}  # size of the header's length, by the format's version
_ALIGNMENT = 64  # of the body, by the format
_KINDS = "biufcSU"
_LARGEST_BYTES = 2**31
_CACHED_HEADERS = 1024

_DTYPE = re.compile(rb"'descr': *'([<>|=]?[biufcSU][1-9]\d{0,9})'")
_FORTRAN = re.compile(rb"'fortran_order': *(True|False)")
_SHAPE = re.compile(rb"'shape': *\(((?: *\d{1,10} *,?){0,32} *)\)")


@dataclass(frozen=True, slots=True)
class Layout:
    """The header of a .npy.

    Attributes:
        start: where the body begins, in bytes from the header's first byte.
        end: where the body ends.
        order: "C" or "F".
        row: a key that is equal for arrays whose rows can be joined.
    """

    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    order: str
    start: int
    end: int
    row: str

    def array(self, data: bytes, at: int = 0) -> Array:
        """The array whose header begins at `at`: a read-only view of `data`.

        Raises:
            InvalidJob: it is text with invalid characters.
        """
        if self.dtype.kind == "U":
            _check_text(self.dtype, data[at + self.start : at + self.end])
        return np.ndarray(self.shape, self.dtype, data, at + self.start, order="F" if self.order == "F" else "C")


def encode_tensors(tensors: Tensors) -> bytes:
    """Encode one array, or several by name.

    Raises:
        InvalidJob: an array holds neither numbers nor text.
    """
    # To ask whether it is a Mapping takes as long as to encode a row.
    if isinstance(tensors, np.ndarray):
        return encode_array(tensors)
    names = encode_array(np.array(list(tensors), dtype=np.str_))
    return names + b"".join([encode_array(array) for array in tensors.values()])


def decode_tensors(data: bytes) -> Tensors:
    """The inverse of `encode_tensors`; the arrays are views of `data`.

    Raises:
        InvalidJob: the bytes are malformed.
    """
    layout = layout_of(data)
    if layout.end == len(data):
        return layout.array(data)
    names = _names(layout.array(data))
    at = layout.end
    tensors = {}
    for name in names:
        layout = layout_of(data, at)
        tensors[name] = layout.array(data, at)
        at += layout.end
    if at != len(data):
        raise _invalid(f"{len(data) - at} bytes too many")
    return tensors


def encode_array(values: Array) -> bytes:
    """Encode one array as .npy.

    Raises:
        InvalidJob: it holds neither numbers nor text.
    """
    array = np.asarray(values)
    return _header(array.dtype, array.shape) + array.tobytes()


def joined_rows(parts: Sequence[Tensors]) -> Outputs:
    """The rows of several arrays, or of several dicts of arrays of the same names, one after the other."""
    first = parts[0]
    if len(parts) == 1:
        return first
    if not isinstance(first, Mapping):
        return np.concatenate(cast(Sequence[Array], parts))
    return {name: np.concatenate([part[name] for part in parts]) for name in first}


def encode_slices(tensors: Tensors, rows: Sequence[int]) -> list[bytes]:
    """Cut an array, or several by name, along the first axis, and encode each slice as `encode_tensors` does.

    Args:
        rows: the number of rows of each slice.

    Raises:
        InvalidJob: one holds neither numbers nor text.
    """
    if not isinstance(tensors, Mapping):
        return _encoded_slices(tensors, rows)
    names = encode_array(np.array(list(tensors), dtype=np.str_))
    columns = [_encoded_slices(array, rows) for array in tensors.values()]
    return [names + b"".join(slices) for slices in zip(*columns, strict=True)]


def _encoded_slices(array: Array, rows: Sequence[int]) -> list[bytes]:
    """Cut an array along its first axis, and encode each slice as .npy.

    Args:
        rows: the number of rows of each slice.

    Raises:
        InvalidJob: it holds neither numbers nor text.
    """
    body = array.tobytes()
    row_bytes = array.dtype.itemsize * math.prod(array.shape[1:])
    headers = {count: _header(array.dtype, (count, *array.shape[1:])) for count in set(rows)}
    return [
        headers[count] + body[(stop - count) * row_bytes : stop * row_bytes]
        for stop, count in zip(accumulate(rows), rows, strict=True)
    ]


def layout_of(data: bytes, at: int = 0) -> Layout:
    """Read the header of the .npy that begins at `at`.

    Raises:
        InvalidJob: the header is malformed, or `data` is too short.
    """
    if len(data) < at + 10 or not data.startswith(_MAGIC, at) or data[at + 6] not in _LENGTH_BYTES:
        raise _invalid("it does not begin like .npy")
    size = _LENGTH_BYTES[data[at + 6]]
    start = 8 + size + int.from_bytes(data[at + 8 : at + 8 + size], "little")
    layout = _parsed(data[at : at + start])
    if at + layout.end > len(data):
        raise _invalid(f"{at + layout.end - len(data)} bytes are missing")
    return layout


def layouts_of(items: Sequence[bytes]) -> list[Layout | InvalidJob]:
    """The header of each .npy, or its error; quick if the headers are equal."""
    layouts: list[Layout | InvalidJob] = []
    layout, header, size = None, b"", 0
    for data in items:
        if layout is None or len(data) != size or not data.startswith(header):
            try:
                layout = layout_of(data)
            except InvalidJob as error:
                layout = None
                layouts.append(error)
                continue
            header, size = data[: layout.start], len(data)
        layouts.append(layout)
    return layouts


def joined(items: Sequence[tuple[bytes, Layout]]) -> Array:
    """Join the rows of several .npy whose layouts have the same `row`.

    Raises:
        InvalidJob: there is text with invalid characters.
    """
    first = items[0][1]
    if first.order == "F":
        return np.concatenate([layout.array(data) for data, layout in items])
    body = b"".join([data[layout.start :] for data, layout in items])
    if first.dtype.kind == "U":
        _check_text(first.dtype, body)
    rows = sum([layout.shape[0] for _, layout in items])
    return np.ndarray((rows, *first.shape[1:]), first.dtype, body)


@lru_cache(_CACHED_HEADERS)
def _header(dtype: np.dtype[Any], shape: tuple[int, ...]) -> bytes:
    if dtype.kind not in _KINDS or not dtype.itemsize:
        raise InvalidJob(f"tensors must hold numbers or text, got {dtype}; convert them before sending")
    text = f"{{'descr': {dtype.str!r}, 'fortran_order': False, 'shape': {shape}, }}".encode()
    padding = -(len(_MAGIC) + 5 + len(text)) % _ALIGNMENT
    return _MAGIC + b"\x01\x00" + (len(text) + padding + 1).to_bytes(2, "little") + text + b" " * padding + b"\n"


@lru_cache(_CACHED_HEADERS)
def _parsed(header: bytes) -> Layout:
    dtype, fortran, shape = _DTYPE.search(header), _FORTRAN.search(header), _SHAPE.search(header)
    if not (dtype and fortran and shape):
        raise _invalid("its header does not describe an array of numbers or text")
    try:
        kind = np.dtype(dtype[1].decode())
        sizes = tuple(int(size) for size in shape[1].split(b",") if size.strip())
    except (TypeError, ValueError) as error:
        raise _invalid(f"its header does not describe an array: {error}") from None
    if math.prod(max(size, 1) for size in sizes) * kind.itemsize > _LARGEST_BYTES:
        raise _invalid(f"an array of shape {sizes} is larger than {_LARGEST_BYTES} bytes")
    size = math.prod(sizes) * kind.itemsize
    order = "F" if fortran[1] == b"True" else "C"
    return Layout(kind, sizes, order, len(header), len(header) + size, f"{order}{kind.str}{sizes[1:]}")


def _check_text(dtype: np.dtype[Any], body: bytes) -> None:
    """Refuse invalid characters, on which Python would crash or raise in unexpected places."""
    largest = np.frombuffer(body, np.dtype(np.uint32).newbyteorder(dtype.byteorder)).max(initial=0)
    if largest > sys.maxunicode:
        raise _invalid(f"text holds the number {largest}, which is no character")


def _names(array: Array) -> list[str]:
    if array.dtype.kind != "U" or array.ndim != 1:
        raise _invalid("what follows the first array has no names")
    names: list[str] = array.tolist()
    if len(set(names)) != len(names):
        raise _invalid("two arrays have the same name")
    return names


def _invalid(reason: str) -> InvalidJob:
    return InvalidJob(f"these bytes are no tensors: {reason}; send what `stoker.models.tensors.encode_tensors` gives")
