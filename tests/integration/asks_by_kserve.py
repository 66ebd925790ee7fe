"""Asks a gateway as an app with the client of KServe does: `python … ADDRESS KEY`, in its own environment."""

import asyncio
import sys
from typing import Any

import httpx
import numpy as np
from kserve import InferenceRESTClient, InferInput, InferRequest
from kserve.inference_client import RESTConfig
from kserve.protocol.infer_type import RequestedOutput

ADDRESS, KEY = sys.argv[1:]
URL = f"http://{ADDRESS}"
SHOWN = {"Authorization": f"Bearer {KEY}"}
PIXELS = np.linspace(0, 16, 128, dtype=np.float32).reshape(2, 64).round()


def given(name: str, array: Any, datatype: str, *, binary: bool = True) -> Any:
    tensor = InferInput(name, list(array.shape), datatype)
    tensor.set_data_from_numpy(array, binary_data=binary)
    return tensor


async def main() -> None:
    client = InferenceRESTClient(RESTConfig(protocol="v2", timeout=60))
    assert await client.is_server_live(URL, SHOWN)
    assert await client.is_server_ready(URL, SHOWN)
    assert await client.is_model_ready(URL, "oip-digits", SHOWN)
    assert not await client.is_model_ready(URL, "nothing", SHOWN)

    async def ask(model: str, inputs: list[Any], outputs: list[Any] | None = None) -> Any:
        request = InferRequest(model_name=model, infer_inputs=inputs, request_id="7", request_outputs=outputs)
        return await client.infer(URL, request, model_name=model, headers=dict(SHOWN))

    [expected] = (await ask("oip-digits", [given("x", PIXELS, "FP32")])).outputs
    for binary in (True, False):
        for wanted in (None, True, False):
            outputs = None if wanted is None else [RequestedOutput("output", {"binary_data": wanted})]
            answer = await ask("oip-digits", [given("x", PIXELS, "FP32", binary=binary)], outputs)
            assert answer.id == "7"
            np.testing.assert_allclose(answer.outputs[0].as_numpy(), expected.as_numpy(), rtol=1e-5)
    [half] = (await ask("oip-digits", [given("x", PIXELS.astype(np.float16), "FP16")])).outputs
    np.testing.assert_allclose(half.as_numpy(), expected.as_numpy(), rtol=1e-4)
    columns = (
        *(("age", [[31.5]], float, "FP64"), ("member", [[True]], bool, "BOOL")),
        *(("city", [["Zürich"]], object, "BYTES"), ("note", [["a red coat of wool"]], object, "BYTES")),
    )
    for binary in (True, False):
        inputs = [given(name, np.array(rows, dtype), kind, binary=binary) for name, rows, dtype, kind in columns]
        assert (await ask("oip-shop", inputs)).outputs[0].as_numpy().shape == (1, 1)
    for model, rows, words in (("nothing", PIXELS, "no model nothing"), ("oip-digits", PIXELS.T, "(rows, 64)")):
        refused = ""
        try:
            await ask(model, [given("x", np.ascontiguousarray(rows), "FP32")])
        except httpx.HTTPStatusError as error:
            refused = str(error)
        assert words in refused, model
    await client.close()
    print("all is as expected")


asyncio.run(main())
