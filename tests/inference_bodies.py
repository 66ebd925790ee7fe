"""Bodies of inference requests that are none: what comes of sizes that lie, and of JSON that is not meant so."""

import json


def described(**field: object) -> bytes:
    """A request with one input, of which a field is another."""
    usual = {"name": "x", "shape": [1, 2], "datatype": "FP32", "data": [1, 2]}
    return json.dumps({"inputs": [usual | field]}).encode()


DEEP = 100_000
HOSTILE: dict[str, tuple[bytes, int | None]] = {
    "nothing": (b"", None),
    "no JSON": (b"\xff\xfe", None),
    "no object": (b"[]", None),
    "no inputs": (b'{"inputs": []}', None),
    "a longer header than the body": (described(), 10**17),
    "a header that ends early": (described(), 10),
    "bytes that nobody says": (described() + b"1234", len(described())),
    "a negative size of a dimension": (described(shape=[-1, 2]), None),
    "a fraction in a shape": (described(shape=[1.5, 2]), None),
    "sizes whose product is huge": (described(shape=[2**62, 2**62, 2**62]), None),
    "a product of nothing and much": (described(shape=[0, 2**62, 2**62], data=[]), None),
    "a shape of too many dimensions": (described(shape=[1] * 65), None),
    "more elements than the shape": (described(data=[1, 2, 3]), None),
    "lists of different lengths": (described(data=[[1], [2, 3]]), None),
    "depths that differ": (described(data=[1, [2]]), None),
    "data that is no list": (described(data="12"), None),
    "data and its size": (described(parameters={"binary_data_size": 8}), None),
    "a negative size": (described(parameters={"binary_data_size": -8}) + b"12345678", None),
    "another datatype": (described(datatype="FP8"), None),
    "text in place of numbers": (described(data=["a", "b"]), None),
    "true in place of numbers": (described(data=[True, False]), None),
    "a number that does not fit": (described(datatype="UINT8", data=[1, 256]), None),
    "a number below 0": (described(datatype="UINT64", data=[1, -1]), None),
    "a number of many digits": (described(datatype="INT64", data=[1, int("9" * 4000)]), None),
    "a number that no float holds": (b'{"inputs":[{"name":"x","shape":[1],"datatype":"FP64","data":[1e999]}]}', None),
    "NaN in JSON": (b'{"inputs":[{"name":"x","shape":[1],"datatype":"FP32","data":[NaN]}]}', None),
    "a lone surrogate": (b'{"inputs":[{"name":"x","shape":[1],"datatype":"BYTES","data":["\\ud800"]}]}', None),
    "an input twice": (json.dumps({"inputs": 2 * json.loads(described())["inputs"]}).encode(), None),
    "shared memory": (described(data=None, parameters={"shared_memory_region": "r"}), None),
    "neither data nor a size": (described(data=None), None),
    "deep data": (
        b'{"inputs":[{"name":"x","shape":[1],"datatype":"FP32","data":' + b"[" * DEEP + b"]" * DEEP + b"}]}",
        None,
    ),
    "deep data of what is ignored": (b'{"more":' + b"[" * DEEP + b"]" * DEEP + b',"inputs":[]}', None),
    "a sequence": (json.dumps(json.loads(described()) | {"parameters": {"sequence_id": 3}}).encode(), None),
    "an id that is no text": (json.dumps(json.loads(described()) | {"id": 3}).encode(), None),
    "a million outputs": (
        b'{"outputs":[' + b",".join([b'{"name":"a"}'] * 10**6) + b"]," + described()[1:],
        None,
    ),
    "a timeout below 0": (json.dumps(json.loads(described()) | {"parameters": {"timeout": -1}}).encode(), None),
}


HOSTILE_BYTES: dict[str, tuple[bytes, list[int]]] = {
    "a size that lies": (b"\xff\xff\xff\xffab", [1]),
    "an end within an element's length": (b"\x01\x00\x00\x00a\x01\x00", [2]),
    "an end within an element": (b"\x09\x00\x00\x00abc", [1]),
    "more than the elements": (b"\x01\x00\x00\x00ab", [1]),
    "fewer than the shape": (b"\x01\x00\x00\x00a", [2**40]),
}
