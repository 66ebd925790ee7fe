"""Asks a gateway as an app with the newest client of Triton does: `python … ADDRESS KEY`, in its own environment."""

import sys
from typing import Any

import ml_dtypes
import numpy as np
import tritonclient.http as triton
from tritonclient.utils import InferenceServerException

ADDRESS, KEY = sys.argv[1:]
PIXELS = np.linspace(0, 16, 128, dtype=np.float32).reshape(2, 64).round()


def shown() -> dict[str, str]:
    """The headers of a call, anew for each: the client writes into them."""
    return {"Authorization": f"Bearer {KEY}"}


def given(name: str, array: Any, datatype: str, *, binary: bool = True) -> Any:
    return triton.InferInput(name, list(array.shape), datatype).set_data_from_numpy(array, binary_data=binary)


def main() -> None:
    client = triton.InferenceServerClient(ADDRESS)
    assert client.is_server_live(headers=shown())
    assert client.is_server_ready(headers=shown())
    assert client.is_model_ready("oip-digits", "1", headers=shown())
    assert client.get_model_metadata("oip-digits", headers=shown())["inputs"][0]["datatype"] == "FP32"
    assert client.get_model_repository_index(headers=shown())
    expected = client.infer("oip-digits", [given("x", PIXELS, "FP32")], headers=shown()).as_numpy("output")
    for binary in (True, False):
        for wanted in (None, True, False):
            for encoding in (None, "gzip", "deflate"):
                outputs = None if wanted is None else [triton.InferRequestedOutput("output", binary_data=wanted)]
                answer = client.infer(
                    "oip-digits",
                    [given("x", PIXELS, "FP32", binary=binary)],
                    outputs=outputs,
                    headers=shown(),
                    request_compression_algorithm=encoding,
                    response_compression_algorithm=encoding,
                )
                np.testing.assert_allclose(answer.as_numpy("output"), expected, rtol=1e-5)
    for datatype, dtype in (("FP16", np.float16), ("BF16", ml_dtypes.bfloat16), ("INT64", np.int64)):
        answer = client.infer("oip-digits", [given("x", PIXELS.astype(dtype), datatype)], headers=shown())
        np.testing.assert_allclose(answer.as_numpy("output"), expected, rtol=1e-4)
    columns = (
        *(("age", [[31.5]], float, "FP64"), ("member", [[True]], bool, "BOOL")),
        *(("city", [["Zürich"]], object, "BYTES"), ("note", [["a red coat of wool"]], object, "BYTES")),
    )
    inputs = [given(name, np.array(rows, dtype), datatype) for name, rows, dtype, datatype in columns]
    assert client.infer("oip-shop", inputs, headers=shown()).as_numpy("output").shape == (1, 1)
    for model, rows, more, status in (
        ("nothing", PIXELS, {}, "404"),
        ("oip-digits", PIXELS[:, :5].copy(), {}, "400"),
        ("oip-digits", PIXELS, {"timeout": 1}, "504"),
    ):
        refused = ""
        try:
            client.infer(model, [given("x", rows, "FP32")], headers=shown(), **more)
        except InferenceServerException as error:
            refused = error.status()
        assert refused == status, model
    print("all is as expected")


main()
