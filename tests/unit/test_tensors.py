"""Tensors as bytes."""

import io
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray

from stoker.errors import InvalidJob
from stoker.models.tensors import decode_tensors, encode_array, encode_slices, encode_tensors, joined, layouts_of

SAMPLES: list[NDArray[Any]] = [
    np.arange(6, dtype=np.float32).reshape(2, 3),
    np.array(["Bern", "Zürich"]),
    np.array([b"ab", b"c"]),
    np.array([True, False]),
    np.array(3.5),
    np.ones((0, 4)),
    np.arange(4, dtype=">i8"),
    np.asfortranarray(np.arange(6, dtype=np.int16).reshape(2, 3)),
    np.arange(10)[::3],
]
DTYPES = arrays.boolean_dtypes() | arrays.integer_dtypes() | arrays.floating_dtypes() | arrays.unicode_string_dtypes()


def npy(array: NDArray[Any]) -> bytes:
    """What numpy itself writes."""
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=False)
    return buffer.getvalue()


def crafted(header: str, body: bytes = b"") -> bytes:
    """A .npy with any header."""
    text = header.encode() + b"\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + body


@settings(derandomize=True)
@given(arrays.arrays(DTYPES, arrays.array_shapes(min_dims=0, min_side=0)))
def test_an_array_comes_back_as_it_was(array: NDArray[Any]) -> None:
    data = encode_tensors(array)
    assert data == npy(np.ascontiguousarray(array).reshape(array.shape))
    decoded = decode_tensors(data)
    assert isinstance(decoded, np.ndarray)
    assert (decoded.dtype, decoded.shape) == (array.dtype, array.shape)
    assert decoded.tobytes() == array.tobytes()


@pytest.mark.parametrize("array", SAMPLES, ids=str)
def test_what_numpy_writes_can_be_read_and_the_reverse(array: NDArray[Any]) -> None:
    np.testing.assert_array_equal(decode_tensors(npy(array)), array)
    np.testing.assert_array_equal(np.load(io.BytesIO(encode_tensors(array))), array)


@pytest.mark.parametrize("version", [(1, 0), (2, 0), (3, 0)])
def test_every_version_of_the_format_is_read(version: tuple[int, int]) -> None:
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, SAMPLES[0], version)
    np.testing.assert_array_equal(decode_tensors(buffer.getvalue()), SAMPLES[0])


def test_arrays_by_name_come_back_by_name() -> None:
    tensors: dict[str, NDArray[Any]] = {
        "age": np.ones(2),
        "größe in m": np.ones((2, 3), np.float16),
        "city": np.array(["Bern", "Rome"]),
    }
    decoded = decode_tensors(encode_tensors(tensors))
    assert isinstance(decoded, dict)
    assert list(decoded) == list(tensors)
    for name, array in tensors.items():
        np.testing.assert_array_equal(decoded[name], array)
        assert decoded[name].dtype == array.dtype


@pytest.mark.parametrize("array", [np.array([{}]), np.array(["text", None]), np.array(["2026-01-01"], np.datetime64)])
def test_what_is_neither_numbers_nor_text_is_not_sent(array: NDArray[Any]) -> None:
    with pytest.raises(InvalidJob, match="must hold numbers or text, got"):
        encode_tensors(array)


@pytest.mark.parametrize("rows", [[1, 1, 1, 1], [2, 0, 1, 1], [4]])
def test_parts_are_the_rows_in_order(rows: list[int]) -> None:
    array = np.arange(12, dtype=np.float32).reshape(4, 3)
    parts = [decode_tensors(part) for part in encode_slices(array, rows)]
    assert [len(part) for part in parts] == rows
    np.testing.assert_array_equal(np.concatenate(parts), array)  # type: ignore[arg-type]  # single arrays, all of them


@pytest.mark.parametrize("order", ["C", "F"])
def test_joined_arrays_are_their_rows_in_order(order: str) -> None:
    random = np.random.default_rng(0)
    pieces = [np.array(random.random((rows, 5)), order="F" if order == "F" else "C") for rows in (2, 3, 2, 4)]
    items = [npy(piece) for piece in pieces]
    layouts = [layout for layout in layouts_of(items) if not isinstance(layout, InvalidJob)]
    assert len({layout.row for layout in layouts}) == 1
    np.testing.assert_array_equal(joined(list(zip(items, layouts, strict=True))), np.concatenate(pieces))


def test_arrays_that_cannot_be_joined_have_other_rows() -> None:
    items = [npy(np.ones(shape, dtype)) for shape, dtype in [((1, 2), "f4"), ((1, 2), "f8"), ((1, 3), "f4")]]
    layouts = layouts_of([*items, npy(np.asfortranarray(np.ones((2, 2), "f4")))])
    assert len({layout.row for layout in layouts if not isinstance(layout, InvalidJob)}) == 4


def test_bytes_that_are_wrong_among_others_are_told_apart() -> None:
    good = npy(np.ones((1, 2)))
    layouts = layouts_of([good, b"bad", good, good[:-1], good])
    assert [isinstance(layout, InvalidJob) for layout in layouts] == [False, True, False, True, False]


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        (b"", "does not begin like .npy"),
        (b"PK\x03\x04" + bytes(100), "does not begin like .npy"),
        (b"\x93NUMPY\x09\x00v\x00", "does not begin like .npy"),
        (npy(np.ones(3))[:-1], "1 bytes are missing"),
        (npy(np.ones(3))[:20], "does not describe an array"),
        (npy(np.ones(3)) + b"x", "has no names"),
        (npy(np.array(["x"])) + npy(np.ones(1)) + b"more", "4 bytes too many"),
        (npy(np.array(["x", "x"])) + npy(np.ones(1)) * 2, "same name"),
        (npy(np.array(["x", "y"])) + npy(np.ones(1)), "does not begin like .npy"),
        (crafted("{'descr': '|O', 'fortran_order': False, 'shape': (1,), }", bytes(8)), "numbers or text"),
        (crafted("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,), }", bytes(4)), "numbers or text"),
        (crafted("{'descr': '<f3', 'fortran_order': False, 'shape': (1,), }", bytes(3)), "does not describe"),
        (crafted("{'descr': '<U0', 'fortran_order': False, 'shape': (1,), }"), "does not describe"),
        (crafted("{'descr': '<f4', 'fortran_order': False, 'shape': (-1,), }", bytes(4)), "does not describe"),
        (crafted("{'descr': '<f4', 'fortran_order': False, 'shape': (1 2,), }", bytes(8)), "does not describe"),
        (crafted("{'descr': '<f4', 'fortran_order': False, 'shape': (9999999999,), }"), "is larger than"),
        (crafted("{'descr': '<f4', 'fortran_order': False, 'shape': (0, 9999999999), }"), "is larger than"),
        (crafted("__import__('os').abort()"), "does not describe"),
    ],
)
def test_bytes_that_are_no_tensors_are_refused(data: bytes, complaint: str) -> None:
    with pytest.raises(InvalidJob, match=complaint):
        decode_tensors(data)


def test_text_that_is_none_is_refused() -> None:
    names = np.array([0xFFFFFFFF], np.uint32).view("<U1")
    with pytest.raises(InvalidJob, match="no character"):
        decode_tensors(npy(names) + npy(np.ones(1)))
    with pytest.raises(InvalidJob, match="no character"):
        decode_tensors(npy(names))


VALID = [encode_array(array) for array in SAMPLES] + [encode_tensors({"a": np.ones(2), "b": np.array(["x", "y"])})]


@settings(derandomize=True)
@given(
    st.binary(max_size=300)
    | st.builds(lambda tail: b"\x93NUMPY" + tail, st.binary(max_size=300))
    | st.builds(crafted, st.text(max_size=100), st.binary(max_size=50))
    | st.builds(
        lambda data, at, byte: data[: at % len(data)] + byte + data[at % len(data) + 1 :],
        st.sampled_from(VALID),
        st.integers(0, 10_000),
        st.binary(max_size=3),
    )
)
@example(b"\x93NUMPY\x02\x00\xff\xff\xff\xff")
def test_any_bytes_at_all_are_tensors_or_refused(data: bytes) -> None:
    try:
        decoded = decode_tensors(data)
    except InvalidJob:
        return
    for array in decoded.values() if isinstance(decoded, dict) else [decoded]:
        assert isinstance(array, np.ndarray)
        assert array.nbytes <= len(data)
        array.tolist()
