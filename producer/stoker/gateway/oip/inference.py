"""An inference request and its answer, in both of their forms: JSON, and JSON with tensors as bytes behind it."""

import asyncio
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Annotated, Any

import msgspec
import numpy as np

from ...errors import InvalidJob
from ...kinds import Priority
from ...models.columns import listed
from ...models.tensors import Array
from ..encodings import MOST_AT_ONCE_BYTES, Data
from .datatypes import (
    DTYPES,
    datatype_of_array,
    from_binary,
    from_json,
    to_binary,
    to_json,
)
from .served import ServedModel

_Size = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
# As many as numpy may have.
_Shape = Annotated[list[_Size], msgspec.Meta(max_length=64)]
_MOST_TENSORS = 10_000
_NULL = msgspec.Raw(b"null")
# Where the length of the JSON may be any, tensors as numbers in it are a few times as large in memory.
MOST_JSON_BYTES = 16 << 20
# So many heads are kept, decoded, and none that is longer.
_REPEATED, _REPEATED_BYTES = 256, 1 << 10


class _TensorParameters(msgspec.Struct, gc=False):
    binary_data_size: _Size | None = None
    shared_memory_region: str | None = None


class _Input(msgspec.Struct, gc=False):
    name: str
    shape: _Shape
    datatype: str
    parameters: _TensorParameters | None = None
    data: msgspec.Raw = _NULL


class _OutputParameters(msgspec.Struct, gc=False):
    binary_data: bool | None = None
    shared_memory_region: str | None = None
    classification: int | None = None


class _Output(msgspec.Struct, gc=False):
    name: str
    parameters: _OutputParameters | None = None


class _Parameters(msgspec.Struct, gc=False):
    timeout: _Size | None = None
    priority: _Size | None = None
    binary_data_output: bool | None = None
    key: str | None = None
    sequence_id: int | str | None = None


class _Request(msgspec.Struct, gc=False):
    inputs: Annotated[list[_Input], msgspec.Meta(min_length=1, max_length=_MOST_TENSORS)]
    outputs: Annotated[list[_Output], msgspec.Meta(max_length=_MOST_TENSORS)] | None = None
    id: str | None = None
    parameters: _Parameters | None = None


_REQUESTS = msgspec.json.Decoder(_Request)
_ENCODER = msgspec.json.Encoder()
_NO_PARAMETERS = _Parameters()
_NO_TENSOR_PARAMETERS = _TensorParameters()
_PRIORITIES: tuple[Priority, ...] = ("normal", "high", "normal", "low")
"""By the protocol's number, of which 0 is the default and 1 comes first; all above are "low"."""


class InferenceRequest(msgspec.Struct, frozen=True):
    """A request, decoded.

    Attributes:
        tensors: by name.
        outputs: the names of the outputs that are wanted, each with whether as bytes; empty for all.
        binary: whether outputs come as bytes of which that is not said.
        id: what the answer repeats; None if there is none.
        timeout_s: seconds that the caller waits; None if it does not say.
        key: where two versions share the requests, those of one key go to one of them.
    """

    tensors: Mapping[str, Array]
    outputs: Mapping[str, bool]
    binary: bool = False
    id: str | None = None
    timeout_s: float | None = None
    priority: Priority = "normal"
    key: str | None = None


def decode_request(body: Data, json_bytes: int | None) -> InferenceRequest:
    """Decode the body of a request; tensors that come as bytes are views of it.

    Args:
        json_bytes: the length of the JSON, as the header says it; None where the body is nothing else.

    Raises:
        InvalidJob: it is malformed; says where.
    """
    if json_bytes is not None and json_bytes > len(body):
        raise InvalidJob(f"Inference-Header-Content-Length is {json_bytes:,}, but the body has {len(body):,} bytes")
    view = memoryview(body)
    head = body if json_bytes is None else view[:json_bytes]
    if len(head) > MOST_JSON_BYTES:
        raise InvalidJob(
            f"the request has {len(head):,} bytes of JSON; the limit is {MOST_JSON_BYTES:,}: send tensors as bytes "
            "behind it"
        )
    is_repeated = json_bytes is not None and json_bytes <= _REPEATED_BYTES
    request = _decoded_head(bytes(head)) if is_repeated else _decoded(head)
    parameters = request.parameters or _NO_PARAMETERS
    if parameters.sequence_id:
        raise InvalidJob("sequence_id is given, but no model here keeps a state between requests")
    priority = parameters.priority or 0
    return InferenceRequest(
        _tensors(request.inputs, view[len(head) :]),
        _wanted(request.outputs or (), bool(parameters.binary_data_output)),
        bool(parameters.binary_data_output),
        request.id,
        parameters.timeout / 1e6 if parameters.timeout else None,
        _PRIORITIES[min(priority, len(_PRIORITIES) - 1)],
        parameters.key,
    )


def _decoded(head: Data) -> _Request:
    try:
        return _REQUESTS.decode(head)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise InvalidJob(f"the body is no inference request: {error}") from None


@lru_cache(_REPEATED)
def _decoded_head(head: bytes) -> _Request:
    """`_decoded`, for JSON with bytes behind it: requests for equally many rows have the same."""
    return _decoded(head)


async def decoded(body: Data, json_bytes: int | None, turn: asyncio.Semaphore) -> InferenceRequest:
    """`decode_request`, in a thread where there is much JSON.

    A parser keeps all of Python waiting until it has read one tensor: with one thread at a time, others wait for one
    tensor, and not for those of all who send long ones.

    Args:
        turn: taken for as long as the thread works.

    Raises:
        InvalidJob: as `decode_request`.
    """
    if (len(body) if json_bytes is None else json_bytes) <= MOST_AT_ONCE_BYTES:
        return decode_request(body, json_bytes)
    async with turn:
        return await asyncio.to_thread(decode_request, body, json_bytes)


def raw_request(body: Data, model: ServedModel) -> InferenceRequest:
    """A request whose body is the only row of a model's only input: numbers, or a text or a picture as it is.

    Raises:
        InvalidJob: the model takes several inputs, or it is of another size.
    """
    metadata = model.binary
    if metadata is None:
        raise InvalidJob(
            f"{model.ref} takes {len(model.inputs)} inputs: give Inference-Header-Content-Length, the length of the "
            "JSON that says which bytes are whose"
        )
    name, datatype, shape = metadata["name"], metadata["datatype"], [1, *metadata["shape"][1:]]
    if model.takes_files or datatype == "BYTES":
        row = np.empty(1, dtype=object)
        row[0] = bytes(body)
        return InferenceRequest({name: row}, {}, binary=True)
    if shape.count(-1) > 1:
        raise InvalidJob(f"the shape of {name!r} of {model.ref} has several sizes that vary: say it in JSON")
    if -1 in shape:
        row_bytes = DTYPES[datatype].itemsize
        for size in shape:
            row_bytes *= max(size, 1)
        shape[shape.index(-1)] = len(body) // row_bytes
    return InferenceRequest({name: from_binary(body, datatype, shape, name)}, {}, binary=True)


def encode_answer(
    request: InferenceRequest, model: str, answered_by: str, outputs: Mapping[str, Array]
) -> tuple[bytes, int | None]:
    """Encode an answer; also gives the length of its JSON, None if it is nothing else.

    Args:
        model: what the caller named.
        answered_by: the id of the request, which begins with the reference of the version that answered.

    Raises:
        InvalidJob: the model has no such output.
    """
    wanted: Mapping[str, bool] = request.outputs or dict.fromkeys(outputs, request.binary)
    parts: list[bytes] = [b""]
    described: list[Mapping[str, Any] | msgspec.Raw] = []
    for name, binary in wanted.items():
        array = outputs.get(name)
        if array is None:
            raise InvalidJob(f"{model} has no output {name!r}; it has {listed(list(outputs))}")
        if binary:
            parts.append(to_binary(array))
            described.append(_described(name, datatype_of_array(array), array.shape, len(parts[-1])))
        else:
            tensor = {"name": name, "datatype": datatype_of_array(array), "shape": array.shape, "data": to_json(array)}
            described.append(tensor)
    answer: dict[str, Any] = {
        "model_name": model,
        "model_version": answered_by.partition("@")[2].partition(":")[0],
        "parameters": {"request": answered_by},
        "outputs": described,
    }
    if request.id is not None:
        answer["id"] = request.id
    parts[0] = _ENCODER.encode(answer)
    return (b"".join(parts), len(parts[0])) if len(parts) > 1 else (parts[0], None)


@lru_cache(_REPEATED)
def _described(name: str, datatype: str, shape: tuple[int, ...], size: int) -> msgspec.Raw:
    """What an answer says of a tensor whose bytes follow."""
    parameters = {"binary_data_size": size}
    return msgspec.Raw(_ENCODER.encode({"name": name, "datatype": datatype, "shape": shape, "parameters": parameters}))


def _tensors(inputs: Sequence[_Input], binary: memoryview) -> dict[str, Array]:
    tensors: dict[str, Array] = {}
    at = 0
    for each in inputs:
        if each.name in tensors:
            raise InvalidJob(f"input {each.name!r} is given twice")
        parameters = each.parameters or _NO_TENSOR_PARAMETERS
        if parameters.shared_memory_region is not None:
            raise InvalidJob(f"input {each.name!r} is in shared memory, which is not read here: send it in the body")
        size = parameters.binary_data_size
        if size is None:
            if each.data == _NULL:
                raise InvalidJob(f"input {each.name!r} has neither data nor the parameter binary_data_size")
            tensors[each.name] = from_json(each.data, each.datatype, each.shape, each.name)
            continue
        if at + size > len(binary):
            raise InvalidJob(
                f"input {each.name!r} has binary_data_size {size:,}, but {len(binary) - at:,} bytes follow: does the "
                "header Inference-Header-Content-Length say how long the JSON is?"
            )
        tensors[each.name] = from_binary(binary[at : at + size], each.datatype, each.shape, each.name)
        at += size
    if at != len(binary):
        raise InvalidJob(f"{len(binary) - at:,} bytes follow the last tensor; the binary_data_size of all are {at:,}")
    return tensors


def _wanted(outputs: Sequence[_Output], binary: bool) -> dict[str, bool]:
    wanted: dict[str, bool] = {}
    for each in outputs:
        own = each.parameters
        if own and own.shared_memory_region is not None:
            raise InvalidJob(f"output {each.name!r} is wanted in shared memory, which is not written here")
        if own and own.classification:
            raise InvalidJob(
                f"output {each.name!r} is wanted as classes, which this server does not give: take the tensor; "
                "/v1 gives labels"
            )
        wanted[each.name] = binary if own is None or own.binary_data is None else own.binary_data
    return wanted
