"""Pictures as arrays: every kind of file upright and alike, one size, and what is broken is told from what is not."""

import io
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from stoker.client.tables import tensors_of
from stoker.errors import InvalidJob
from stoker.models.inputs import Inputs
from stoker.models.pictures import (
    MOST_PIXELS,
    BrokenPicture,
    Pixels,
    decode,
    decode_mask,
    fitted,
    look,
    nearest,
    resized,
)
from stoker.models.signature import Signature, TensorSpec

GRADIENT = np.linspace(0, 255, 30 * 40 * 3).reshape(30, 40, 3).astype(np.uint8)
NOISE = np.random.default_rng(0).integers(0, 256, (30, 40, 3)).astype(np.uint8)


def encoded(pixels: Pixels | Image.Image, suffix: str = "PNG", **options: Any) -> bytes:
    image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels.squeeze())
    file = io.BytesIO()
    image.save(file, suffix, **options)
    return file.getvalue()


@pytest.mark.parametrize("suffix", ["PNG", "BMP", "GIF", "WEBP", "JPEG"])
def test_every_format_is_decoded_as_it_was_written(suffix: str) -> None:
    options: dict[str, dict[str, Any]] = {"WEBP": {"lossless": True}, "JPEG": {"quality": 100, "subsampling": 0}}
    data = encoded(GRADIENT, suffix, **options.get(suffix, {}))
    assert look(data) == ((30, 40), 3)
    tolerance = 0 if suffix in ("PNG", "BMP", "WEBP") else 12
    assert np.abs(decode(data).astype(int) - GRADIENT).max() <= tolerance


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK"])
def test_every_mode_becomes_grey_or_three_channels(mode: str) -> None:
    image = Image.fromarray(GRADIENT).convert(mode)
    data = encoded(image, "JPEG" if mode == "CMYK" else "PNG")
    channels = 1 if mode in ("1", "L", "LA") else 3
    assert look(data)[1] == channels
    assert decode(data).shape == (30, 40, channels)
    assert decode(data).mean() == pytest.approx(GRADIENT.mean(), abs=2)


def test_sixteen_bits_become_eight() -> None:
    wide = (np.arange(256, dtype=np.uint16) * 257).reshape(16, 16)
    assert (decode(encoded(Image.fromarray(wide)))[..., 0] == np.arange(256).reshape(16, 16)).all()
    assert (fitted(wide, (16, 16, 1))[..., 0] == np.arange(256).reshape(16, 16)).all()


def test_what_is_transparent_lies_on_white() -> None:
    colours = np.zeros((2, 2, 4), np.uint8)
    colours[0, :, 3] = 255
    for pixels in (decode(encoded(colours)), fitted(colours, (2, 2, 3)), fitted(Image.fromarray(colours), (2, 2, 3))):
        assert pixels[:, 0].tolist() == [[0, 0, 0], [255, 255, 255]]


def test_a_camera_that_was_turned_gives_an_upright_picture() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    data = encoded(GRADIENT, "JPEG", exif=exif, quality=100, subsampling=0)
    assert look(data) == ((40, 30), 3)
    assert np.abs(decode(data).astype(int) - np.rot90(GRADIENT, -1)).max() < 12
    assert (fitted(Image.open(io.BytesIO(data)), (40, 30, 3)) == decode(data)).all()


def test_an_animation_is_its_first_picture() -> None:
    first, second = Image.new("L", (4, 4), 10), Image.new("L", (4, 4), 200)
    assert (decode(encoded(first, "GIF", save_all=True, append_images=[second])) == 10).all()


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def bomb(side: int) -> bytes:
    """A PNG of some bytes that says it is so large."""
    header = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


WHOLE = encoded(NOISE, "JPEG")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "is empty"),
        (b"s3cret, and no picture" * 50, "is no picture of a known format"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n", "is no picture of a known format"),
        (WHOLE[: len(WHOLE) // 2], "is cut off"),
        (encoded(NOISE)[:900], "is cut off"),
        (encoded(NOISE)[:60] + b"\xff" * 400 + encoded(NOISE)[460:], "is damaged"),
        (bomb(8_001), f"has 8,001 × 8,001 pixels .* and may have {MOST_PIXELS:,}"),
        (bomb(12_000), "pixels"),
        (bomb(60_000), "pixels"),
    ],
)
def test_what_is_broken_is_told_without_a_quote(data: bytes, message: str) -> None:
    with pytest.raises(BrokenPicture, match=message) as broken:
        decode(data)
    assert "s3cret" not in str(broken.value)


@pytest.mark.parametrize("size", [(30, 40), (7, 11), (15, 20), (64, 50), (1, 1), (30, 9)])
def test_a_new_size_has_what_pillow_makes_of_it(size: tuple[int, int]) -> None:
    theirs = np.asarray(Image.fromarray(NOISE).resize(size[::-1], Image.Resampling.BILINEAR)).astype(int)
    assert np.abs(resized(NOISE, size) - theirs).max() <= 1


def test_a_grey_model_takes_colours_and_a_model_of_colours_takes_grey() -> None:
    grey = np.asarray(Image.fromarray(NOISE).convert("L")).astype(int)
    assert np.abs(fitted(NOISE, (30, 40, 1))[..., 0] - grey).max() <= 1
    assert (fitted(grey, (30, 40, 3)) == grey[..., None]).all()


def test_a_mask_keeps_its_numbers_and_refuses_what_has_none() -> None:
    classes = np.random.default_rng(1).choice([0, 3, 255], (10, 12)).astype(np.uint8)
    palette = Image.fromarray(classes)
    palette.putpalette(list(range(255, -1, -1)) * 3)
    coloured = np.stack([classes] * 3, axis=-1)
    for image in (Image.fromarray(classes), palette, Image.fromarray(coloured)):
        assert (decode_mask(encoded(image)) == classes).all()
    assert decode_mask(encoded(Image.fromarray(classes > 0))).max() == 1
    assert set(np.unique(nearest(classes, (3, 5)))) <= {0, 3, 255}
    assert (nearest(nearest(classes, (20, 24)), (10, 12)) == classes).all()
    for data, message in ((encoded(NOISE), "has colours"), (WHOLE, "is a JPEG, which blurs")):
        with pytest.raises(BrokenPicture, match=message):
            decode_mask(data)


SIGNATURE = Signature(
    inputs=(TensorSpec(name="image", shape=(15, 20, 3), dtype="uint8", low=0, high=255, kind="image"),),
    outputs=(TensorSpec(name="output", shape=(2,), dtype="float32"),),
    task="binary",
    classes=("a", "b"),
    target="label",
)


def sent(rows: Any) -> Any:
    """What a client sends for some rows."""
    inputs = Inputs(SIGNATURE, "m@1")
    tensors = inputs.encoded(tensors_of(rows))
    inputs.check(tensors)
    [tensor] = inputs.ordered(tensors)
    return tensor


@pytest.mark.parametrize(
    "rows",
    [
        NOISE,
        NOISE[np.newaxis],
        [NOISE],
        NOISE.astype(np.float32),
        encoded(NOISE),
        [encoded(NOISE)],
        Image.fromarray(NOISE),
        [Image.fromarray(NOISE)],
        {"image": NOISE},
        {"image": encoded(NOISE)},
        {"image": [encoded(NOISE)], "label": ["a"]},
        {"image": Image.fromarray(NOISE)},
        [{"image": NOISE}],
        [{"image": Image.fromarray(NOISE)}],
    ],
    ids=lambda rows: type(rows).__name__,
)
def test_one_picture_is_sent_in_every_form_as_a_training_reads_it(rows: Any) -> None:
    assert (sent(rows) == resized(NOISE, (15, 20))[np.newaxis]).all()


def test_a_picture_may_be_given_by_the_path_of_its_file(tmp_path: Path) -> None:
    path = tmp_path / "noise.png"
    path.write_bytes(encoded(NOISE))
    expected = resized(NOISE, (15, 20))[np.newaxis]
    for rows in (path, [path], {"image": path}, {"image": [path]}, [{"image": path}], [{"image": path, "label": "a"}]):
        assert (sent(rows) == expected).all()
    with pytest.raises(InvalidJob, match=r"'image' in row 1 .* cannot be read from .*gone\.png: No such file"):
        sent([path, tmp_path / "gone.png"])


@pytest.mark.parametrize(
    "rows",
    [
        [NOISE, NOISE[:10], NOISE[..., 0]],
        [encoded(NOISE), Image.fromarray(NOISE[:10]), NOISE[..., 0]],
        {"image": [NOISE, NOISE[:10], NOISE[..., 0]]},
        [{"image": NOISE}, {"image": encoded(NOISE[:10])}, {"image": NOISE[..., 0]}],
    ],
    ids=["arrays", "mixed", "column", "records"],
)
def test_pictures_of_several_sizes_are_rows_of_one(rows: Any) -> None:
    expected = [fitted(pixels, (15, 20, 3)) for pixels in (NOISE, NOISE[:10], NOISE[..., 0])]
    assert (sent(rows) == np.stack(expected)).all()


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([b"no picture"], r"the picture 'image' in row 0 \(the first row is 0\) is no picture of a known format"),
        ([encoded(NOISE), WHOLE[:500]], r"'image' in row 1 .* is cut off"),
        (NOISE / 255, "holds fractions from 0 to 1; expected numbers from 0 to 255: multiply it by 255"),
        (NOISE.astype(np.int16) - 1, "holds numbers from -1 to"),
        (np.zeros((5, 7)) > 0, "holds bool"),
        (np.zeros((2, 5, 7, 2)), r"has the shape \(5, 7, 2\)"),
        ({"image": [NOISE, None]}, "row 1 .* is missing"),
        ({"picture": NOISE}, "has no column 'image'"),
        ("a.png", r"not the single text 'a\.png': give one row as a dict .* the file as pathlib\.Path\('a\.png'\)"),
        (["a.png"], r"'image' in row 0 .* is a text; give a file as pathlib\.Path or its bytes"),
        ({"image": "a.png"}, r"'image' in row 0 .* is a text; give a file as pathlib\.Path or its bytes"),
        ([{"image": NOISE}, {"image": "a.png"}], "'image' in row 1 .* is a text"),
    ],
)
def test_what_is_no_picture_is_refused_by_its_row(rows: Any, message: str) -> None:
    with pytest.raises(InvalidJob, match=message):
        sent(rows)
