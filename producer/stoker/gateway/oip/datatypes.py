"""The protocol's datatypes: tensors as numbers behind the JSON, as JSON, and as numpy has them.

Binary tensors are little-endian, row by row, without gaps. An element of BYTES is its length in 4 bytes, then its
bytes. In JSON, `data` is nested or flat; null is a missing value in floats and texts. numpy has no BF16: it is float32
there.
"""

import math
import re
import struct
from collections.abc import Sequence
from functools import lru_cache
from types import GenericAlias
from typing import Any

import msgspec
import numpy as np

from ...errors import InvalidJob
from ...models.tensors import Array
from ..encodings import Data

DTYPES = {
    "BOOL": np.dtype("?"),
    "UINT8": np.dtype("u1"),
    "UINT16": np.dtype("<u2"),
    "UINT32": np.dtype("<u4"),
    "UINT64": np.dtype("<u8"),
    "INT8": np.dtype("i1"),
    "INT16": np.dtype("<i2"),
    "INT32": np.dtype("<i4"),
    "INT64": np.dtype("<i8"),
    "FP16": np.dtype("<f2"),
    "FP32": np.dtype("<f4"),
    "FP64": np.dtype("<f8"),
    "BF16": np.dtype("<f4"),
    "BYTES": np.dtype(object),
}
"""numpy's dtype of the elements, by the protocol's name."""
# The names of what a numpy array or a signature holds.
_NAMES = {dtype.name: name for name, dtype in DTYPES.items() if name not in ("BF16", "BYTES")}
# The same by the dtype itself, whose name numpy would have to write each time.
_OF_DTYPE = {dtype: name for name, dtype in DTYPES.items() if name not in ("BF16", "BYTES")}
_SIGNATURES = _NAMES | {"bfloat16": "BF16", "string": "BYTES"}
_ELEMENTS: dict[str, Any] = {"b": bool, "u": int, "i": int, "f": float | None, "O": str | None}
_LENGTH = struct.Struct("<I")
# numpy holds a text in as many characters as the longest one has, four bytes each.
_MOST_TEXT_BYTES = 256 << 20
_DEEPEST = 32
_OPENING = re.compile(rb"[\s\[]*")


def datatype_of(dtype: str) -> str:
    """The protocol's name of a signature's dtype, such as "float32" or "string"."""
    return _SIGNATURES.get(dtype, "FP32")


def from_binary(data: Data, datatype: str, shape: Sequence[int], name: str) -> Array:
    """A tensor of its bytes: a view of them, except for BOOL, BF16 and BYTES.

    Raises:
        InvalidJob: there are more or fewer bytes than the shape needs, or the datatype is none.
    """
    dtype = _dtype(datatype, name)
    count = math.prod(shape)
    if datatype == "BYTES":
        return _shaped(_texts(data, count, name), shape, name)
    size = 2 if datatype == "BF16" else dtype.itemsize
    if len(data) != count * size:
        raise InvalidJob(
            f"input {name!r} has {len(data):,} bytes, but shape {list(shape)} of {datatype} takes {count * size:,}"
        )
    if datatype == "BF16":
        halves = np.frombuffer(data, np.dtype("<u2")).astype(np.uint32)
        return _shaped((halves << 16).view(np.float32), shape, name)
    if datatype == "BOOL":
        return _shaped(np.frombuffer(data, np.uint8) != 0, shape, name)
    return _shaped(np.frombuffer(data, dtype), shape, name)


def from_json(data: Data | msgspec.Raw, datatype: str, shape: Sequence[int], name: str) -> Array:
    """A tensor of its `data` in JSON.

    Raises:
        InvalidJob: it holds more or fewer elements than the shape needs, or others than its datatype.
    """
    dtype = _dtype(datatype, name)
    opening = _OPENING.match(memoryview(data)[: 8 * _DEEPEST])
    depth = opening[0].count(b"[") if opening else 0
    if not 1 <= depth <= _DEEPEST:
        raise InvalidJob(f"the data of input {name!r} must be a list, nested at most {_DEEPEST} times")
    try:
        values = _decoder(dtype.kind, depth).decode(data)
        elements = _objects(values, depth, name) if dtype.kind == "O" else _numbers(values, dtype)
    except (msgspec.DecodeError, OverflowError, ValueError) as error:
        raise InvalidJob(f"the data of input {name!r} is no {datatype} tensor: {error}") from None
    if elements.size != math.prod(shape):
        raise InvalidJob(
            f"input {name!r} has {elements.size:,} elements, but its shape {list(shape)} has {math.prod(shape):,}"
        )
    return _shaped(elements, shape, name)


def to_binary(array: Array) -> bytes:
    """The bytes of a tensor."""
    if array.dtype.kind in "SUO":
        return b"".join([_LENGTH.pack(len(text)) + text for text in map(_encoded, array.ravel().tolist())])
    if array.dtype not in _OF_DTYPE:
        array = array.astype(array.dtype.newbyteorder("<"))
    return array.tobytes()


def to_json(array: Array) -> list[Any]:
    """The elements of a tensor in a flat list; numbers that are not finite become null in JSON."""
    values: list[Any] = array.ravel().tolist()
    if array.dtype.kind in "SO":
        return [value.decode(errors="replace") if isinstance(value, bytes) else value for value in values]
    return values


def datatype_of_array(array: Array) -> str:
    """The protocol's name of what an array holds."""
    return _OF_DTYPE.get(array.dtype) or _NAMES.get(array.dtype.name, "BYTES")


def as_texts(array: Array, name: str) -> Array:
    """The elements of a BYTES tensor as str.

    Raises:
        InvalidJob: one is not UTF-8, or they take too much memory as an array of text.
    """
    try:
        texts = [value.decode() if isinstance(value, bytes) else value for value in array.ravel().tolist()]
    except UnicodeDecodeError as error:
        raise InvalidJob(f"input {name!r} holds bytes that are no text in UTF-8: {error}") from None
    longest = max((len(text) for text in texts if text is not None), default=0)
    if (needed := 4 * longest * len(texts)) > _MOST_TEXT_BYTES:
        raise InvalidJob(
            f"input {name!r} has {len(texts):,} texts of up to {longest:,} characters, which would take "
            f"{needed >> 20:,} MiB; the limit is {_MOST_TEXT_BYTES >> 20}: send longer texts in requests of fewer rows"
        )
    converted = np.empty(len(texts), dtype=object)
    converted[:] = texts
    return converted.reshape(array.shape)


def _dtype(datatype: str, name: str) -> np.dtype[Any]:
    try:
        return DTYPES[datatype]
    except KeyError:
        raise InvalidJob(
            f"input {name!r} has the datatype {datatype[:40]!r}; expected one of {', '.join(DTYPES)}"
        ) from None


def _shaped(array: Array, shape: Sequence[int], name: str) -> Array:
    try:
        return array.reshape(shape)
    except (ValueError, OverflowError):
        raise InvalidJob(f"input {name!r} cannot have the shape {list(shape)}") from None


def _texts(data: Data, count: int, name: str) -> Array:
    # Each takes 4 bytes at least: what is said is not believed before memory is taken for it.
    if 4 * count > len(data):
        raise InvalidJob(f"input {name!r} has {len(data):,} bytes, too few for {count:,} elements of BYTES")
    view, at = memoryview(data), 0
    texts = np.empty(count, dtype=object)
    for index in range(count):
        start = at + _LENGTH.size
        if start > len(view):
            raise InvalidJob(f"input {name!r} ends before element {index} of BYTES, the first of which is 0")
        (length,) = _LENGTH.unpack_from(view, at)
        at = start + length
        if at > len(view):
            raise InvalidJob(
                f"element {index} of input {name!r} has {length:,} bytes by its length, but only "
                f"{len(view) - start:,} follow"
            )
        texts[index] = bytes(view[start:at])
    if at != len(view):
        raise InvalidJob(f"input {name!r} has {len(view) - at:,} bytes more than its {count:,} elements")
    return texts


def _encoded(value: object) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode()


@lru_cache
def _decoder(kind: str, depth: int) -> msgspec.json.Decoder[Any]:
    values = _ELEMENTS[kind]
    for _ in range(depth):
        values = GenericAlias(list, (values,))
    return msgspec.json.Decoder(values)


def _numbers(values: list[Any], dtype: np.dtype[Any]) -> Array:
    with np.errstate(over="ignore"):  # what is too large becomes infinite, and is refused as that
        return np.array(values, dtype)


def _objects(values: list[Any], depth: int, name: str) -> Array:
    for _ in range(depth - 1):
        if len({len(row) for row in values}) > 1:
            raise InvalidJob(f"the data of input {name!r} has lists of different lengths")
        values = [value for row in values for value in row]
    texts = np.empty(len(values), dtype=object)
    texts[:] = values
    return texts
