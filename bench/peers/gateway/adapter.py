"""Its HTTP endpoint, by the Open Inference Protocol: rows as JSON, or as bytes behind it."""

import json
from collections.abc import Mapping

import numpy as np

from ...adapter import Array
from ..http_adapter import Headers, HttpAdapter

KEY_ID = 16 * "0"
KEY = f"stk_{KEY_ID}_benchmarks-on-loopback-alone"
_LENGTH = "Inference-Header-Content-Length"
_SHOWN = {"Authorization": f"Bearer {KEY}"}


class JsonAdapter(HttpAdapter):
    """Rows and answers as JSON."""

    def request(self, model: str, rows: Array) -> tuple[str, bytes, Mapping[str, str]]:
        tensor = {**_described(rows), "data": rows.ravel().tolist()}
        return _path(model), json.dumps({"inputs": [tensor]}).encode(), _SHOWN | {"Content-Type": "application/json"}

    def answer(self, body: bytes, _: Headers) -> Array:
        [output] = json.loads(body)["outputs"]
        return np.array(output["data"], np.float32).reshape(output["shape"])


class BinaryAdapter(HttpAdapter):
    """Rows and answers as bytes."""

    def request(self, model: str, rows: Array) -> tuple[str, bytes, Mapping[str, str]]:
        data = rows.astype("<f4", copy=False).tobytes()
        tensor = {**_described(rows), "parameters": {"binary_data_size": len(data)}}
        head = json.dumps({"inputs": [tensor], "parameters": {"binary_data_output": True}}).encode()
        return _path(model), head + data, _SHOWN | {_LENGTH: str(len(head))}

    def answer(self, body: bytes, headers: Headers) -> Array:
        head = int(headers[_LENGTH])
        [output] = json.loads(body[:head])["outputs"]
        return np.frombuffer(body[head:], "<f4").reshape(output["shape"])


def _described(rows: Array) -> dict[str, object]:
    return {"name": "inputs", "shape": rows.shape, "datatype": "FP32"}


def _path(model: str) -> str:
    return f"/v2/models/{model}/infer"
