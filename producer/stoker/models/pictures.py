"""Pictures as arrays of grey levels: decoded, upright, of one size; the same way for files and for rows of clients.

Pillow decodes files. Arrays need numpy alone.
"""

import struct
import zlib
from collections.abc import Callable
from functools import lru_cache
from io import BytesIO
from pathlib import Path
from typing import Any, Protocol, cast

import numpy as np
from numpy.typing import NDArray

from ..errors import InvalidJob
from .tensors import Array

Pixels = NDArray[np.uint8]
"""(height, width, channels): 1 channel of grey, or 3 of red, green and blue; from 0 to 255."""
Size = tuple[int, int]
"""Height and width."""

MOST_PIXELS = 64_000_000
"""A picture of more is refused before it is decoded: a small file may unpack to fill the memory."""
_FORMATS = ("JPEG", "PNG", "BMP", "GIF", "WEBP")
_GREY = ("1", "L", "LA", "I", "I;16", "I;16B", "I;16L", "I;16N")
_ORIENTATION, _TURNED = 0x0112, (5, 6, 7, 8)
# From 16 bits to 8: the largest numbers of both mean white.
_WIDE = 257
_LUMINANCE = np.array([0.299, 0.587, 0.114], np.float32)
# Whatever is wrong with a file, Pillow raises one of these.
_DAMAGES = (
    *(OSError, SyntaxError, ValueError, TypeError, EOFError, IndexError, KeyError, OverflowError, RuntimeError),
    *(struct.error, zlib.error, Warning),
)


class BrokenPicture(Exception):
    """A file that is no picture, or a damaged one; the message says which, to follow the file's name."""


class _Image(Protocol):
    """What is used of Pillow's images."""

    mode: str
    width: int
    height: int
    info: dict[Any, Any]

    def getexif(self) -> Any: ...

    def convert(self, mode: str) -> "_Image": ...


def is_image(value: object) -> bool:
    """Whether a value is an image of Pillow, or a class of such."""
    return hasattr(value, "getexif") and hasattr(value, "convert")


def look(data: bytes) -> tuple[Size, int]:
    """The upright size and the channels of an encoded picture, by its header; its pixels are not decoded.

    Raises:
        BrokenPicture: it is none, or too large.
    """
    with _opened(data) as image:
        return _size(image), 1 if image.mode in _GREY else 3


def decode(data: bytes) -> Pixels:
    """The pixels of an encoded picture; of an animation, its first.

    It is turned upright as its camera says. What is transparent is laid on white; 16 bits become 8; CMYK becomes RGB.

    Raises:
        BrokenPicture: it is none, damaged, cut off or too large.
    """
    with _opened(data) as image:
        return _pixels(image)


def decode_mask(data: bytes) -> NDArray[np.uint8]:
    """The numbers of a picture whose pixels are classes, (height, width): grey levels, or places in a palette.

    Raises:
        BrokenPicture: it is none, damaged, cut off or too large, or its pixels are no classes.
    """
    with _opened(data) as image:
        if getattr(image, "format", "") in ("JPEG", "MPO"):
            raise BrokenPicture("is a JPEG, which blurs the numbers of a mask; save masks as PNG")
        values = np.asarray(image if image.mode in ("1", "L", "P") or image.mode.startswith("I") else _plain(image))
    if values.ndim == 3:
        if not (values == values[..., :1]).all():
            raise BrokenPicture("has colours where a mask has one number for each pixel; save it as grey or palette")
        values = values[..., 0]
    if values.max(initial=0) > np.iinfo(np.uint8).max:
        raise BrokenPicture(f"holds {values.max()}; the numbers of a mask are from 0 to 255")
    return values.astype(np.uint8)


def fitted(value: object, shape: tuple[int, int, int]) -> Pixels:
    """An array, an encoded file or an image of Pillow as pixels of a model's shape.

    Args:
        value: an array is (height, width) or (height, width, channels) with 1, 3 or 4 channels, from 0 to 255. A file
            is its bytes, or a `Path`; a text is no path, for it may come from outside and name any file.

    Raises:
        BrokenPicture: it is none of these.
    """
    if isinstance(value, bytes | bytearray | memoryview):
        pixels = decode(bytes(value))
    elif isinstance(value, Path):
        pixels = decode(_content(value))
    elif is_image(value):
        pixels = _pixels(cast(_Image, value))
    else:
        pixels = _grey_levels(np.asarray(value))
    return resized(_with_channels(pixels, shape[2]), shape[:2])


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise BrokenPicture(f"cannot be read from {path}: {error.strerror or type(error).__name__}") from None


def resized(pixels: Pixels, size: Size) -> Pixels:
    """Pixels in another size, each the mean of those that it covers, weighted by how near they are (a triangle)."""
    if pixels.shape[:2] == size:
        return pixels
    (height, width), channels = size, pixels.shape[2]
    rows = _shrunk(pixels.reshape(len(pixels), -1), height).reshape(height, -1, channels)
    columns = _shrunk(rows.transpose(1, 0, 2).reshape(rows.shape[1], -1), width).reshape(width, height, channels)
    return np.rint(columns.transpose(1, 0, 2)).clip(0, 255).astype(np.uint8)


def nearest(values: NDArray[Any], size: Size) -> NDArray[Any]:
    """Numbers (height, width, …) in another size, each the one that is nearest: classes have no mean."""
    places = (
        ((np.arange(wanted) + 0.5) * had / wanted).astype(np.intp)
        for wanted, had in zip(size, values.shape, strict=False)
    )
    rows, columns = places
    resampled: NDArray[Any] = values[rows][:, columns]
    return resampled


def _shrunk(values: NDArray[Any], size: int) -> NDArray[np.float32]:
    """Rows in another number; each is a weighted mean of some."""
    output = np.empty((size, values.shape[1]), np.float32)
    for at, (start, weights) in enumerate(_weights(len(values), size)):
        output[at] = weights @ values[start : start + len(weights)].astype(np.float32)
    return output


@lru_cache(maxsize=256)
def _weights(had: int, wanted: int) -> tuple[tuple[int, NDArray[np.float32]], ...]:
    """For each row that is wanted, the first one that it covers, and the weights of those from there on."""
    reach = max(had / wanted, 1.0)
    found = []
    for at in range(wanted):
        centre = (at + 0.5) * had / wanted - 0.5
        start, stop = max(int(np.ceil(centre - reach)), 0), min(int(np.floor(centre + reach)), had - 1)
        weights = 1 - np.abs(np.arange(start, stop + 1) - centre) / reach
        found.append((start, (weights / weights.sum()).astype(np.float32)))
    return tuple(found)


def _grey_levels(array: Array) -> Pixels:
    """An array as pixels (height, width, channels)."""
    if array.dtype == object and array.ndim == 0 and array.item() is None:
        raise BrokenPicture("is missing; leave such rows out")
    if array.ndim == 0 and array.dtype.kind in "OU" and isinstance(array.item(), str):
        raise BrokenPicture("is a text; give a file as pathlib.Path or its bytes, an image of Pillow, or an array")
    if array.ndim == 2:
        array = array[..., np.newaxis]
    if array.ndim != 3 or array.shape[2] not in (1, 3, 4) or not array.size:
        raise BrokenPicture(f"has the shape {array.shape}; expected (height, width) or (height, width, 1, 3 or 4)")
    if array.dtype == np.uint16:
        return _from_wide(array)
    if array.dtype.kind not in "iuf":
        raise BrokenPicture(f"holds {array.dtype}; expected numbers from 0 to 255")
    if array.dtype == np.uint8:
        return array
    low, high = array.min(), array.max()
    if not 0 <= low <= high <= 255:
        raise BrokenPicture(f"holds numbers from {low:g} to {high:g}; expected 0 to 255")
    if array.dtype.kind == "f" and 0 < high <= 1:
        raise BrokenPicture("holds fractions from 0 to 1; expected numbers from 0 to 255: multiply it by 255")
    return np.rint(array).astype(np.uint8)


def _with_channels(pixels: Pixels, wanted: int) -> Pixels:
    if pixels.shape[2] == 4:
        share = pixels[..., 3:].astype(np.float32) / 255
        pixels = np.rint(pixels[..., :3] * share + 255 * (1 - share)).astype(np.uint8)
    if pixels.shape[2] == wanted:
        return pixels
    if wanted == 3:
        return np.repeat(pixels, 3, axis=2)
    grey: Pixels = np.rint(pixels @ _LUMINANCE).astype(np.uint8)[..., np.newaxis]
    return grey


def _from_wide(values: Array) -> Pixels:
    return np.rint(values.clip(0, 65_535) / _WIDE).astype(np.uint8)


class _Opened:
    """A picture of which only the header is read, as long as a with block; any error in it is a broken picture's."""

    def __init__(self, data: bytes, open_image: Callable[..., Any], bomb: type[Exception]) -> None:
        self._data = data
        self._open = open_image
        self._damages = (*_DAMAGES, bomb)

    def __enter__(self) -> _Image:
        if not self._data:
            raise BrokenPicture("is empty")
        try:
            self._image = self._open(BytesIO(self._data), formats=_FORMATS)
        except self._damages as error:
            raise _broken(error) from None
        if (pixels := self._image.width * self._image.height) > MOST_PIXELS:
            raise BrokenPicture(_too_large(f"{self._image.width:,} × {self._image.height:,}", pixels))
        return cast(_Image, self._image)

    def __exit__(self, _type: object, error: BaseException | None, _traceback: object) -> None:
        self._image.close()
        if isinstance(error, self._damages):
            raise _broken(error) from None


def _opened(data: bytes) -> _Opened:
    try:
        from PIL import Image
    except ImportError:
        raise InvalidJob(
            "decoding pictures needs Pillow, which is not installed here: pip install pillow, or give arrays"
        ) from None
    return _Opened(data, Image.open, Image.DecompressionBombError)


def _broken(error: BaseException) -> BrokenPicture:
    name = type(error).__name__
    if name in ("DecompressionBombError", "DecompressionBombWarning"):
        return BrokenPicture(_too_large("so many", None))
    if name == "UnidentifiedImageError":
        return BrokenPicture("is no picture of a known format (JPEG, PNG, BMP, GIF, WebP)")
    if "truncated" in str(error).lower():
        return BrokenPicture("is cut off")
    return BrokenPicture(f"is damaged ({name})")


def _too_large(size: str, pixels: int | None) -> str:
    told = f"{size} pixels" if pixels is None else f"{size} pixels ({pixels:,})"
    return f"has {told}, and may have {MOST_PIXELS:,}; make it smaller"


def _size(image: _Image) -> Size:
    turned = image.getexif().get(_ORIENTATION) in _TURNED
    return (image.width, image.height) if turned else (image.height, image.width)


def _pixels(image: _Image) -> Pixels:
    pixels = np.asarray(_plain(image))
    if pixels.dtype != np.uint8:
        pixels = _from_wide(pixels)
    return pixels[..., np.newaxis] if pixels.ndim == 2 else pixels


def _plain(image: _Image) -> Any:
    """The image upright, as L, RGB or 16 bits, without transparency."""
    from PIL import Image, ImageOps

    upright = ImageOps.exif_transpose(cast(Image.Image, image))
    grey = upright.mode in _GREY
    if upright.mode.startswith("I"):
        return upright
    if "A" in upright.getbands() or "transparency" in upright.info:
        pixels = upright.convert("RGBA")
        upright = Image.alpha_composite(Image.new("RGBA", pixels.size, "white"), pixels)
    return upright.convert("L" if grey else "RGB")
