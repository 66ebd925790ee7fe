"""The Open Inference Protocol's tensors, requests and bodies, without a server."""

import asyncio
import gzip
import itertools
import json
import time
import tracemalloc
import zlib
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray

from stoker.errors import InvalidJob
from stoker.gateway.bodies import Body, Room
from stoker.gateway.encodings import MOST_AT_ONCE_BYTES, deflated, inflated, wanted_encoding
from stoker.gateway.oip import datatypes
from stoker.gateway.oip.inference import InferenceRequest, decode_request, decoded, encode_answer
from stoker.gateway.problems import Problem

from ..inference_bodies import HOSTILE, HOSTILE_BYTES, described

Array = NDArray[Any]
SHAPES = arrays.array_shapes(min_dims=1, max_dims=4, min_side=0, max_side=5)
NUMBERS = (
    arrays.boolean_dtypes()
    | arrays.integer_dtypes(endianness="<")
    | arrays.unsigned_integer_dtypes(endianness="<")
    | arrays.floating_dtypes(endianness="<", sizes=(16, 32, 64))
)
ENCODED = st.lists(st.binary(max_size=9), max_size=9)
REQUEST_ID = "digits@3:5f0c8e4b5d1a4b6c9e2f7a8b9c0d1e2f:17"
MOST = 1 << 17


def body_of(tensors: Mapping[str, Array], binary: Mapping[str, bool], **more: object) -> tuple[bytes, int]:
    """A request as a client writes it, and the length of its JSON."""
    inputs, behind = [], b""
    for name, array in tensors.items():
        described: dict[str, Any] = {
            "name": name,
            "shape": array.shape,
            "datatype": datatypes.datatype_of_array(array),
        }
        if binary[name]:
            data = datatypes.to_binary(array)
            behind += data
            described["parameters"] = {"binary_data_size": len(data)}
        else:
            described["data"] = datatypes.to_json(array)
        inputs.append(described)
    head = msgspec.json.encode({"inputs": inputs, **more})
    return head + behind, len(head)


def texts(values: list[bytes]) -> Array:
    array = np.empty(len(values), dtype=object)
    array[:] = values
    return array


@settings(deadline=None, derandomize=True)
@given(st.data())
def test_tensors_of_all_datatypes_come_through_in_both_forms(data: st.DataObject) -> None:
    tensors, binary = {}, {}
    for name in data.draw(st.sampled_from([("x",), ("b", "a"), ("a", "b", "c")])):
        if data.draw(st.booleans()):
            tensors[name] = texts(data.draw(ENCODED))
            binary[name] = True
            continue
        binary[name] = data.draw(st.booleans())
        kind = data.draw(NUMBERS)
        # JSON has no other numbers.
        elements = (
            arrays.from_dtype(kind, allow_nan=False, allow_infinity=False)
            if not binary[name] and kind.kind == "f"
            else None
        )
        tensors[name] = data.draw(arrays.arrays(kind, SHAPES, elements=elements))
    body, head = body_of(tensors, binary)
    decoded = decode_request(body, head).tensors
    assert list(decoded) == list(tensors)
    for name, array in tensors.items():
        assert (decoded[name].dtype, decoded[name].shape) == (array.dtype, array.shape)
        np.testing.assert_array_equal(decoded[name], array)


@settings(deadline=None, derandomize=True)
@given(arrays.arrays(NUMBERS, SHAPES), st.booleans())
def test_answers_come_through_in_both_forms(array: Array, binary: bool) -> None:
    request = InferenceRequest({}, {}, binary=binary, id="7")
    answer, head = encode_answer(request, "digits", REQUEST_ID, {"y": array})
    document = json.loads(answer[:head])
    assert {name: document[name] for name in ("model_name", "model_version", "id")} == {
        "model_name": "digits",
        "model_version": "3",
        "id": "7",
    }
    assert document["parameters"] == {"request": REQUEST_ID}
    [output] = document["outputs"]
    dtype = datatypes.DTYPES[output["datatype"]]
    assert (dtype, tuple(output["shape"])) == (array.dtype, array.shape)
    if binary:
        assert head is not None
        assert output["parameters"] == {"binary_data_size": len(answer) - head}
        assert answer[head:] == array.tobytes()
    else:
        assert head is None
        read = np.array(output["data"], dtype).reshape(array.shape)
        # null is for what JSON cannot write.
        finite = np.isfinite(array) if array.dtype.kind == "f" else np.ones(array.shape, bool)
        np.testing.assert_array_equal(read[finite], array[finite])


def test_a_tensor_of_bytes_is_a_view_of_the_body() -> None:
    body, head = body_of({"x": np.arange(6, dtype=np.float32).reshape(2, 3)}, {"x": True})
    x = decode_request(body, head).tensors["x"]
    assert np.shares_memory(x, np.frombuffer(body, np.uint8))


@pytest.mark.parametrize("data", [[1, 2, 3, 4], [[1, 2], [3, 4]], [[[1], [2]], [[3], [4]]]])
def test_data_may_be_nested_or_flat(data: object) -> None:
    x = decode_request(described(shape=[2, 2], data=data), None).tensors["x"]
    np.testing.assert_array_equal(x, np.array([[1, 2], [3, 4]], np.float32))


def test_bfloat16_is_read_as_float32() -> None:
    exact = np.array([[1.5, -2.0, 3.140625]], np.float32)
    data = (exact.view(np.uint32) >> 16).astype("<u2").tobytes()
    head = described(shape=[1, 3], datatype="BF16", data=None, parameters={"binary_data_size": len(data)})
    np.testing.assert_array_equal(decode_request(head + data, len(head)).tensors["x"], exact)
    np.testing.assert_array_equal(
        decode_request(described(shape=[1, 3], datatype="BF16", data=exact.tolist()), None).tensors["x"], exact
    )


def test_null_is_a_missing_value() -> None:
    x = decode_request(described(data=[None, 1]), None).tensors["x"]
    assert np.isnan(x[0, 0])
    city = decode_request(described(datatype="BYTES", data=[None, "Bonn"]), None).tensors["x"]
    assert city.tolist() == [[None, "Bonn"]]
    answer, _ = encode_answer(InferenceRequest({}, {}), "m", REQUEST_ID, {"y": np.array([np.nan, np.inf, 1])})
    assert json.loads(answer)["outputs"][0]["data"] == [None, None, 1]


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({}, (None, "normal", None)),
        ({"timeout": 0, "priority": 0}, (None, "normal", None)),
        ({"timeout": 1_500_000, "priority": 1, "key": "user-7"}, (1.5, "high", "user-7")),
        ({"priority": 2}, (None, "normal", None)),
        ({"priority": 9, "content_type": "np"}, (None, "low", None)),
    ],
)
def test_parameters_are_deadline_priority_and_key(parameters: object, expected: object) -> None:
    body, head = body_of({"x": np.zeros((1, 2))}, {"x": False}, parameters=parameters, model_name="ignored")
    request = decode_request(body, head)
    assert (request.timeout_s, request.priority, request.key) == expected


def test_outputs_are_chosen_each_in_its_form() -> None:
    outputs = [{"name": "a"}, {"name": "b", "parameters": {"binary_data": False}}]
    body, head = body_of(
        {"x": np.zeros((1, 2))}, {"x": False}, outputs=outputs, parameters={"binary_data_output": True}
    )
    request = decode_request(body, head)
    assert request.outputs == {"a": True, "b": False}
    given = {"b": np.zeros((1, 2)), "a": np.ones((1, 1)), "c": np.ones((1, 1))}
    answer, length = encode_answer(request, "m", REQUEST_ID, given)
    assert length is not None
    first, second = json.loads(answer[:length])["outputs"]
    assert (first["name"], second["name"], second["data"]) == ("a", "b", [0, 0])
    assert answer[length:] == np.ones(1).tobytes()
    with pytest.raises(InvalidJob, match=r"no output 'a'; it has 'b'"):
        encode_answer(request, "m", REQUEST_ID, {"b": np.zeros((1, 2))})


@pytest.mark.parametrize("what", HOSTILE)
def test_what_is_no_request_is_refused_in_a_sentence(what: str) -> None:
    with pytest.raises(InvalidJob) as refused:
        decode_request(*HOSTILE[what])
    assert 20 < len(refused.value.message) < 400


@pytest.mark.parametrize("what", HOSTILE_BYTES)
def test_texts_whose_lengths_lie_are_refused(what: str) -> None:
    data, shape = HOSTILE_BYTES[what]
    head = described(shape=shape, datatype="BYTES", data=None, parameters={"binary_data_size": len(data)})
    with pytest.raises(InvalidJob, match="input 'x'"):
        decode_request(head + data, len(head))


@settings(deadline=None, derandomize=True, max_examples=100)
@given(st.data())
def test_whatever_comes_is_a_request_or_refused(data: st.DataObject) -> None:
    body, head = body_of(
        {"x": np.zeros((2, 2), np.float32), "t": texts([b"ab", b""])}, {"x": data.draw(st.booleans()), "t": True}
    )
    spoilt = bytearray(body)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(spoilt) - 1))
        spoilt[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
    length = data.draw(st.sampled_from([head, None, len(spoilt), head - 1, head + 1]))
    try:
        request = decode_request(bytes(spoilt), length)
    except InvalidJob:
        return
    assert all(isinstance(array, np.ndarray) for array in request.tensors.values())


def test_bytes_that_are_no_text_are_refused_and_so_are_texts_that_take_too_much() -> None:
    with pytest.raises(InvalidJob, match="UTF-8"):
        datatypes.as_texts(texts([b"\xff"]), "x")
    with pytest.raises(InvalidJob, match="fewer rows"):
        datatypes.as_texts(texts([b"a" * 1_000_000, *[b""] * 1000]), "x")


def read(chunks: Iterator[bytes], most: int = MOST, encoding: str = "", room: Room | None = None) -> bytes:
    """A body that comes in chunks, as the protocol's callable reads it."""
    ahead = next(chunks, b"")

    async def receive() -> dict[str, Any]:
        nonlocal ahead
        chunk, ahead = ahead, next(chunks, None)  # type: ignore[assignment]
        return {"type": "http.request", "body": chunk, "more_body": ahead is not None}

    async def whole() -> bytes:
        with Body(room or Room(4 * most), most) as body:
            return bytes(await body.inflated(await body.read({}, receive), encoding))

    return asyncio.run(whole())


@pytest.mark.parametrize(("encoding", "compress"), [("gzip", gzip.compress), ("deflate", zlib.compress), ("", bytes)])
def test_bodies_are_read_in_chunks_and_inflated(encoding: str, compress: Any) -> None:
    data = bytes(range(256)) * 200
    packed = compress(data)
    halves = iter((packed[:100], packed[100:]))
    assert read(halves, encoding=encoding) == data
    assert read(iter((packed,)), encoding=encoding) == data


def refused(status: int, *chunks: bytes, encoding: str = "", room: Room | None = None) -> None:
    with pytest.raises(Problem) as problem:
        read(iter(chunks), encoding=encoding, room=room)
    assert problem.value.status_code == status


@pytest.mark.parametrize(("rows", "others_go_on"), [(10, False), (1_000, True)])
def test_others_go_on_while_much_json_is_decoded(rows: int, others_go_on: bool) -> None:
    tensor = np.random.default_rng(0).random((rows, 64))
    body, _ = body_of({"x": tensor}, {"x": False})

    async def decode() -> bool:
        turn, went_on = asyncio.Semaphore(), asyncio.Event()
        asyncio.get_running_loop().call_soon(went_on.set)
        request = await decoded(body, None, turn)
        assert np.array_equal(request.tensors["x"], tensor)
        return went_on.is_set()

    assert asyncio.run(decode()) is others_go_on


def test_bodies_that_are_too_long_or_none_are_refused() -> None:
    refused(413, b"a" * (MOST + 1))
    refused(413, b"a" * MOST, b"a")
    refused(413, gzip.compress(b"a" * (MOST + 1)), encoding="gzip")
    refused(413, zlib.compress(bytes(1 << 24)), encoding="deflate")
    refused(400, b"no gzip at all", encoding="gzip")
    refused(400, gzip.compress(b"a" * 100)[:-3], encoding="gzip")
    refused(400, gzip.compress(b"a") + b"more", encoding="gzip")
    refused(415, b"a", encoding="br")


def test_others_go_on_while_a_short_body_is_inflated_that_is_long() -> None:
    body = gzip.compress(bytes(48 << 20))
    assert len(body) < MOST_AT_ONCE_BYTES

    async def used() -> tuple[int, float]:
        began = time.thread_time()
        whole = await inflated(body, "gzip", 64 << 20)
        return len(whole), time.thread_time() - began

    size, seconds = asyncio.run(used())
    assert size == 48 << 20
    # Another thread has done that: here it takes longer than this.
    assert seconds < 0.1
    with pytest.raises(Problem) as raised:
        asyncio.run(inflated(body, "gzip", 32 << 20))
    assert raised.value.status_code == 413


def test_a_body_of_a_million_chunks_takes_what_it_holds() -> None:
    tracemalloc.start()
    try:
        assert len(read(itertools.repeat(b"a", 200_000), most=1 << 20)) == 200_000
        assert tracemalloc.get_traced_memory()[1] < 3 << 20
    finally:
        tracemalloc.stop()


def test_bodies_share_their_room_and_short_ones_need_none() -> None:
    room = Room(MOST // 2)
    refused(503, b"a" * (MOST - 1), b"b", room=room)
    assert room.taken_bytes == 0
    assert read(iter((b"a", b"b")), room=room) == b"ab"


@pytest.mark.parametrize(
    ("accepted", "encoding"),
    [
        ("", None),
        ("identity", None),
        ("gzip", "gzip"),
        ("gzip, deflate", "gzip"),
        ("deflate", "deflate"),
        ("gzip;q=0, deflate;q=0.5", "deflate"),
        ("gzip;q=0.1,deflate;q=0.9", "deflate"),
        ("br;q=1.0, GZIP ; q=oops", None),
    ],
)
def test_the_encoding_is_the_one_that_is_wanted_most(accepted: str, encoding: str | None) -> None:
    assert wanted_encoding(accepted) == encoding


@pytest.mark.parametrize("size", [2000, 200_000])
def test_long_answers_are_compressed_where_that_is_wanted(size: int) -> None:
    packed, encoding = asyncio.run(deflated(bytes(size), "gzip"))
    assert encoding == "gzip"
    assert gzip.decompress(packed) == bytes(size)
    packed, encoding = asyncio.run(deflated(bytes(size), "deflate"))
    assert encoding == "deflate"
    assert zlib.decompress(packed) == bytes(size)
    assert asyncio.run(deflated(b"short", "gzip")) == (b"short", None)
