"""The Open Inference Protocol by a whole gateway: Triton's client, KServe's where it is slow, and bodies that lie."""

import http.client
import io
import json
import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tritonclient.http as triton
from numpy.typing import NDArray
from PIL import Image
from tritonclient.utils import InferenceServerException

import stoker
from stoker.settings import Settings

from ..conftest import PATIENCE_S, Eventually
from ..inference_bodies import HOSTILE, HOSTILE_BYTES, described
from .conftest import SMALL
from .gateways import Gateway, keys_of_all_roles, running_gateway
from .test_examples import DOCS

Array = NDArray[Any]
PIXELS = np.linspace(0, 16, 128, dtype=np.float32).reshape(2, 64)
SHOP = {
    "age": np.array([[31.5], [np.nan]]),
    "member": np.array([[True], [False]]),
    "city": np.array([["Bonn"], ["Zürich"]], dtype=object),
    "note": np.array([["a red coat of wool"], ["two blue hats"]], dtype=object),
}
DATATYPES = {"age": "FP64", "member": "BOOL", "city": "BYTES", "note": "BYTES"}


@pytest.fixture(scope="session")
def models(stack: Settings, tmp_path_factory: pytest.TempPathFactory) -> None:
    """One of an array, one of a table, one of two arrays, and one of pictures."""
    folder = tmp_path_factory.mktemp("protocol")
    table = folder / "shop.csv"
    table.write_text(
        "age,member,city,note,label\n"
        + "".join(
            f"{20 + row % 50}.5,{('yes', 'no')[row % 2]},{('Bonn', 'Ulm', 'Kiel')[row % 3]},"
            f"the {('red', 'blue', 'green')[row % 3]} coat number {row} of wool,{('buy', 'leave')[row % 50 > 25]}\n"
            for row in range(120)
        )
    )
    a, b = keras.Input((3,), name="a"), keras.Input((2,), name="b")
    both = keras.layers.Concatenate()([a, b])
    keras.Model([a, b], [keras.layers.Dense(2, name="sums")(both), keras.layers.Dense(1, name="one")(both)]).save(
        folder / "two.keras"
    )
    picture = keras.Sequential(
        [keras.Input((4, 4, 3), name="x"), keras.layers.Flatten(), keras.layers.Dense(2, "softmax")]
    )
    picture.save(folder / "picture.keras")
    with stoker.Client(settings=stack) as client:
        jobs = [
            client.submit(stoker.Train(model="oip-digits", data="sample://digits", epochs=1, **SMALL)),
            client.submit(stoker.Train(model="oip-shop", data=client.upload(table), epochs=1, **SMALL)),
        ]
        client.register("oip-two", folder / "two.keras")
        client.register("oip-picture", folder / "picture.keras", inputs={"x": stoker.ImportedInput(kind="image")})
        for job in jobs:
            job.result(timeout=PATIENCE_S)


@pytest.fixture(scope="module")
def gateway(stack: Settings, models: None, eventually: Eventually) -> Iterator[Gateway]:
    keys = keys_of_all_roles()
    with running_gateway(stack, eventually, keys) as gateway:
        yield gateway


@pytest.fixture
def tritons(gateway: Gateway) -> Iterator[triton.InferenceServerClient]:
    with closing(triton.InferenceServerClient(f"127.0.0.1:{gateway.port}", network_timeout=PATIENCE_S)) as client:
        client.register_plugin(Bearer(gateway.keys.texts["operator"]))
        yield client


class Bearer(triton.InferenceServerClientPlugin):  # type: ignore[misc]  # it has no types
    """Shows an API key."""

    def __init__(self, key: str) -> None:
        self._key = key

    def __call__(self, request: Any) -> None:
        request.headers["Authorization"] = f"Bearer {self._key}"


def given(name: str, array: Array, datatype: str = "FP32", *, binary: bool = True) -> triton.InferInput:
    return triton.InferInput(name, list(array.shape), datatype).set_data_from_numpy(array, binary_data=binary)


def test_tritons_client_sees_the_server_and_its_models(
    tritons: triton.InferenceServerClient, client: stoker.Client
) -> None:
    assert tritons.is_server_live()
    assert tritons.is_server_ready()
    assert "binary_tensor_data" in tritons.get_server_metadata()["extensions"]
    assert tritons.is_model_ready("oip-digits")
    assert tritons.is_model_ready("oip-digits", "1")
    assert not tritons.is_model_ready("oip-digits", "9")
    assert not tritons.is_model_ready("nothing")
    metadata = tritons.get_model_metadata("oip-digits", "1")
    assert metadata["inputs"] == [{"name": "x", "datatype": "FP32", "shape": [-1, 64]}]
    assert metadata["outputs"] == [{"name": "output", "datatype": "FP32", "shape": [-1, 10]}]
    assert metadata["versions"] == ["1"]
    listed = [each["name"] for each in tritons.get_model_repository_index() if each["state"] == "READY"]
    assert {"oip-digits", "oip-shop", "oip-two"} <= set(listed)
    [inputs] = tritons.get_model_config("oip-digits")["input"]
    assert inputs == {"name": "x", "data_type": "TYPE_FP32", "dims": [64]}


@pytest.mark.parametrize("encoding", [None, "gzip", "deflate"])
@pytest.mark.parametrize("answered", [None, True, False])
@pytest.mark.parametrize("binary", [True, False])
def test_arrays_go_and_come_in_every_form(
    tritons: triton.InferenceServerClient,
    client: stoker.Client,
    encoding: str | None,
    answered: bool | None,
    binary: bool,
) -> None:
    outputs = None if answered is None else [triton.InferRequestedOutput("output", binary_data=answered)]
    answer = tritons.infer(
        "oip-digits",
        [given("x", PIXELS, binary=binary)],
        outputs=outputs,
        request_id="request 7",
        request_compression_algorithm=encoding,
        response_compression_algorithm=encoding,
    )
    assert answer.get_response()["id"] == "request 7"
    assert answer.get_response()["model_version"] == "1"
    output = answer.as_numpy("output")
    assert output is not None
    np.testing.assert_allclose(output, client.infer("oip-digits", PIXELS), rtol=1e-5)


def test_an_answer_of_many_rows_is_compressed(tritons: triton.InferenceServerClient, client: stoker.Client) -> None:
    rows = np.tile(PIXELS, (300, 1))
    for encoding in ("gzip", "deflate"):
        answer = tritons.infer("oip-digits", [given("x", rows)], response_compression_algorithm=encoding)
        output = answer.as_numpy("output")
        assert output is not None
        np.testing.assert_allclose(output[:2], client.infer("oip-digits", PIXELS), rtol=1e-4)


@pytest.mark.parametrize("binary", [True, False])
def test_a_table_has_a_tensor_for_each_column(
    tritons: triton.InferenceServerClient, client: stoker.Client, binary: bool
) -> None:
    metadata = tritons.get_model_metadata("oip-shop")
    assert {each["name"]: each["datatype"] for each in metadata["inputs"]} == DATATYPES
    assert all(each["shape"] == [-1, 1] for each in metadata["inputs"])
    ages = SHOP["age"] if binary else np.array([[31.5], [40]])
    columns = SHOP | {"age": ages}
    inputs = [given(name, array, DATATYPES[name], binary=binary) for name, array in columns.items()]
    expected = client.infer("oip-shop", {name: array[:, 0] for name, array in columns.items()})
    output = tritons.infer("oip-shop", inputs).as_numpy("output")
    assert output is not None
    np.testing.assert_allclose(output, expected, rtol=1e-5)
    flat = [given(name, array[:, 0], DATATYPES[name], binary=binary) for name, array in columns.items()]
    np.testing.assert_allclose(tritons.infer("oip-shop", flat).as_numpy("output"), expected, rtol=1e-5)


def test_several_inputs_in_both_forms_and_chosen_outputs(
    tritons: triton.InferenceServerClient, client: stoker.Client
) -> None:
    a, b = np.ones((2, 3), np.float32), np.arange(4, dtype=np.float32).reshape(2, 2)
    expected = client.infer("oip-two", {"a": a, "b": b})
    names = [each["name"] for each in tritons.get_model_metadata("oip-two")["outputs"]]
    assert len(names) == 2
    mixed = [given("b", b, binary=False), given("a", a)]
    both = tritons.infer("oip-two", mixed)
    wanted = [triton.InferRequestedOutput(names[1], binary_data=False), triton.InferRequestedOutput(names[0])]
    chosen = tritons.infer("oip-two", mixed, outputs=wanted[:1])
    swapped = tritons.infer("oip-two", mixed, outputs=wanted)
    for name in names:
        for answer in (both, swapped):
            np.testing.assert_allclose(answer.as_numpy(name), expected[name], rtol=1e-5)
    np.testing.assert_allclose(chosen.as_numpy(names[1]), expected[names[1]], rtol=1e-5)
    assert chosen.as_numpy(names[0]) is None


@pytest.mark.parametrize("datatype", ["FP16", "FP64", "INT8", "INT16", "INT32", "INT64", "UINT8", "UINT16", "UINT64"])
def test_numbers_of_other_types_are_those_numbers(
    tritons: triton.InferenceServerClient, client: stoker.Client, datatype: str
) -> None:
    whole = PIXELS.astype(int)
    dtype = np.dtype({"F": "float", "I": "int", "U": "uint"}[datatype[0]] + datatype.lstrip("FPINTU"))
    expected = client.infer("oip-digits", whole)
    for binary in (True, False):
        answer = tritons.infer("oip-digits", [given("x", whole.astype(dtype), datatype, binary=binary)])
        np.testing.assert_allclose(answer.as_numpy("output"), expected, rtol=1e-5)


def test_bfloat16(tritons: triton.InferenceServerClient, client: stoker.Client) -> None:
    whole = PIXELS.astype(int).astype(np.float32)
    answer = tritons.infer("oip-digits", [given("x", whole, "BF16")])
    np.testing.assert_allclose(answer.as_numpy("output"), client.infer("oip-digits", whole), rtol=1e-5)


def test_versions_and_aliases_are_named_in_the_path(
    tritons: triton.InferenceServerClient, client: stoker.Client
) -> None:
    client.alias_model("oip-digits@1", "canary")
    for name, version in (
        ("oip-digits", "1"),
        ("oip-digits", "canary"),
        ("oip-digits", "latest"),
        ("oip-digits@1", ""),
    ):
        answer = tritons.infer(name, [given("x", PIXELS)], model_version=version).get_response()
        assert (answer["model_name"], answer["model_version"]) == ("oip-digits", "1")


def test_a_request_can_have_feedback(tritons: triton.InferenceServerClient, client: stoker.Client) -> None:
    answer = tritons.infer("oip-digits", [given("x", PIXELS)]).get_response()
    assert answer["parameters"]["request"].startswith("oip-digits@1:")


@pytest.mark.parametrize(
    ("model", "inputs", "more", "status", "words"),
    [
        ("nothing", [given("x", PIXELS)], {}, 404, "no model nothing"),
        ("oip-digits", [given("x", PIXELS)], {"model_version": "7"}, 404, "no model oip-digits@7"),
        ("oip-digits", [given("x", PIXELS[:, :3].copy())], {}, 400, "must have shape (rows, 64)"),
        ("oip-digits", [given("x", PIXELS[0])], {}, 400, "must have shape (rows, 64)"),
        ("oip-digits", [given("z", PIXELS)], {}, 400, "no input 'z'; it takes 'x'"),
        ("oip-digits", [given("x", np.full((1, 64), np.nan, np.float32))], {}, 400, "finite"),
        ("oip-digits", [given("x", np.full((1, 64), b"a", object), "BYTES")], {}, 400, "must be float32"),
        ("oip-digits", [given("x", PIXELS)], {"timeout": 1}, 504, "no answer"),
        ("oip-digits", [given("x", PIXELS)], {"outputs": [triton.InferRequestedOutput("z")]}, 400, "no output 'z'"),
        ("oip-digits", [given("x", PIXELS)], {"sequence_id": 4}, 400, "sequence_id"),
        ("oip-two", [given("a", np.ones((2, 3), np.float32))], {}, 400, "lacks the input 'b'"),
        ("oip-shop", [given("city", SHOP["city"], "BYTES")], {}, 400, "lacks the input 'age', 'member', 'note'"),
    ],
)
def test_errors_say_what_was_wrong(
    tritons: triton.InferenceServerClient,
    model: str,
    inputs: list[triton.InferInput],
    more: dict[str, Any],
    status: int,
    words: str,
) -> None:
    with pytest.raises(InferenceServerException) as error:
        tritons.infer(model, inputs, **more)
    assert error.value.status() == str(status)
    assert words in str(error.value.message())


def test_what_is_not_here_says_so(tritons: triton.InferenceServerClient) -> None:
    calls = (
        lambda: tritons.load_model("oip-digits"),
        lambda: tritons.unload_model("oip-digits"),
        tritons.get_trace_settings,
        tritons.get_log_settings,
        tritons.get_system_shared_memory_status,
        tritons.get_cuda_shared_memory_status,
    )
    for call in calls:
        with pytest.raises(InferenceServerException) as error:
            call()
        assert error.value.status() == "501"


def test_statistics_count_rows_and_failures(tritons: triton.InferenceServerClient) -> None:
    def stats() -> Any:
        [counted] = tritons.get_inference_statistics("oip-two")["model_stats"]
        return counted

    a, b = np.ones((5, 3), np.float32), np.ones((5, 2), np.float32)
    before = stats()
    tritons.infer("oip-two", [given("a", a), given("b", b)])
    with pytest.raises(InferenceServerException):
        tritons.infer("oip-two", [given("a", a), given("b", b[:3].copy())])
    after = stats()
    assert after["inference_count"] == before["inference_count"] + 5
    for what in ("success", "fail"):
        assert after["inference_stats"][what]["count"] == before["inference_stats"][what]["count"] + 1
        assert after["inference_stats"][what]["ns"] > before["inference_stats"][what]["ns"]
    assert after["last_inference"] > before["last_inference"]
    everything = tritons.get_inference_statistics()["model_stats"]
    assert {"oip-digits", "oip-two"} <= {each["name"] for each in everything}


def test_pictures_come_as_pixels_or_as_files(
    tritons: triton.InferenceServerClient, gateway: Gateway, client: stoker.Client
) -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (4, 4, 3), np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "png")
    [metadata] = tritons.get_model_metadata("oip-picture")["inputs"]
    assert (metadata["datatype"], metadata["shape"]) == ("UINT8", [-1, 4, 4, 3])
    name = metadata["name"]
    expected = client.infer("oip-picture", pixels[np.newaxis])
    files = np.array([file.getvalue()], dtype=object)
    for answer in (
        tritons.infer("oip-picture", [given(name, pixels[np.newaxis], "UINT8")]),
        tritons.infer("oip-picture", [given(name, files, "BYTES")]),
    ):
        [output] = answer.get_response()["outputs"]
        np.testing.assert_allclose(answer.as_numpy(output["name"]), expected, rtol=1e-4)
    raw = gateway.call(
        "POST",
        "/v2/models/oip-picture/infer",
        file.getvalue(),
        headers={"Inference-Header-Content-Length": "0", "Content-Type": "application/octet-stream"},
    )
    assert raw.status == 200
    head = int(raw.headers["inference-header-content-length"])
    np.testing.assert_allclose(np.frombuffer(raw.body[head:], np.float32), expected[0], rtol=1e-4)


def test_an_array_alone_is_a_request(gateway: Gateway, client: stoker.Client) -> None:
    def send(body: bytes) -> Any:
        return gateway.call(
            "POST", "/v2/models/oip-digits/infer", body, headers={"Inference-Header-Content-Length": "0"}
        )

    answer = send(PIXELS[:1].tobytes())
    head = int(answer.headers["inference-header-content-length"])
    output = np.frombuffer(answer.body[head:], np.float32)
    np.testing.assert_allclose(output, client.infer("oip-digits", PIXELS[:1])[0], rtol=1e-4)
    assert send(b"123").status == 400


@pytest.mark.parametrize("what", [*HOSTILE, *HOSTILE_BYTES, "a length that is none", "a length below 0"])
def test_bodies_that_lie_are_refused_with_400(gateway: Gateway, what: str) -> None:
    headers = {"Content-Type": "application/octet-stream"}
    if what in HOSTILE:
        body, length = HOSTILE[what]
        headers |= {} if length is None else {"Inference-Header-Content-Length": str(length)}
    elif what in HOSTILE_BYTES:
        data, shape = HOSTILE_BYTES[what]
        head = described(shape=shape, datatype="BYTES", data=None, parameters={"binary_data_size": len(data)})
        body = head + data
        headers["Inference-Header-Content-Length"] = str(len(head))
    else:
        body = described()
        headers["Inference-Header-Content-Length"] = "9" * 5000 if what == "a length that is none" else "-1"
    answer = gateway.call("POST", "/v2/models/oip-digits/infer", body, headers=headers)
    assert answer.status == 400, answer.body[:300]
    assert 20 < len(answer.json["error"]) < 500
    assert answer.headers["content-type"] == "application/json"


def test_other_bytes_of_a_text_are_refused(gateway: Gateway) -> None:
    data = b"\x02\x00\x00\x00\xff\xfe"
    inputs = [
        {"name": name, "shape": [1], "datatype": "BYTES", "parameters": {"binary_data_size": len(data)}}
        for name in ("age", "member", "city", "note")
    ]
    head = json.dumps({"inputs": inputs}).encode()
    headers = {"Inference-Header-Content-Length": str(len(head))}
    answer = gateway.call("POST", "/v2/models/oip-shop/infer", head + 4 * data, headers=headers)
    assert answer.status == 400
    assert "UTF-8" in answer.json["error"]


def test_a_body_of_many_tiny_chunks_is_read(gateway: Gateway) -> None:
    body = json.dumps({"inputs": [{"name": "x", "shape": [1, 64], "datatype": "FP32", "data": [1] * 64}]}).encode()
    body += b" " * 20_000
    key = gateway.keys.texts["predictor"]
    head = (
        "POST /v2/models/oip-digits/infer HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n"
        f"Authorization: Bearer {key}\r\nTransfer-Encoding: chunked\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=PATIENCE_S) as connection:
        connection.sendall(head.encode() + b"".join(b"1\r\n%c\r\n" % byte for byte in body) + b"0\r\n\r\n")
        answer = http.client.HTTPResponse(connection)
        answer.begin()
        assert answer.status == 200, answer.read()


def test_a_long_body_is_refused_before_it_is_read(gateway: Gateway) -> None:
    with closing(gateway.connect()) as connection:
        connection.putrequest("POST", "/v2/models/oip-digits/infer")
        connection.putheader("Authorization", f"Bearer {gateway.keys.texts['predictor']}")
        connection.putheader("Content-Length", str(1 << 26))
        connection.endheaders()
        answer = connection.getresponse()
        assert answer.status == 413
        assert "bytes" in json.loads(answer.read())["error"]


@pytest.mark.parametrize(
    ("key", "method", "path", "status"),
    [
        (None, "GET", "/v2/health/live", 200),
        (None, "GET", "/v2/health/ready", 200),
        (None, "GET", "/v2", 401),
        (None, "POST", "/v2/models/oip-digits/infer", 401),
        ("viewer", "POST", "/v2/models/oip-digits/infer", 403),
        ("predictor", "POST", "/v2/models/oip-digits/infer", 400),
        ("predictor", "GET", "/v2/models/oip-digits", 200),
        ("predictor", "GET", "/v2/models/oip-digits/stats", 403),
        ("predictor", "POST", "/v2/repository/index", 403),
        ("viewer", "POST", "/v2/repository/index", 200),
        ("viewer", "GET", "/v2/models", 200),
        ("operator", "GET", "/v2/models/oip-digits/infer", 405),
        ("operator", "DELETE", "/v2/models/oip-digits", 405),
        ("operator", "GET", "/v2/nothing", 404),
        ("operator", "GET", "/v2/models/oip-digits/nothing", 404),
        ("operator", "GET", "/v2/models/oip-digits@1/versions/1", 404),
        ("operator", "HEAD", "/v2/models/oip-digits/ready", 200),
    ],
)
def test_who_may_ask_what(gateway: Gateway, key: str | None, method: str, path: str, status: int) -> None:
    answer = gateway.call(method, path, b"" if method == "POST" else None, key=key)
    assert answer.status == status, answer.body
    if status != 200:
        assert answer.json["error"]
    if status == 405:
        assert answer.headers["allow"]


def test_a_version_that_comes_meanwhile_answers(
    tritons: triton.InferenceServerClient, client: stoker.Client, tmp_path: Path, eventually: Eventually
) -> None:
    def is_answered() -> bool:
        # Predictions follow an alias within a second.
        with suppress(InferenceServerException):
            return bool(tritons.infer("oip-changing", [x]).get_response()["model_version"] == str(version.version))
        return False

    for inputs in (3, 5):
        network = keras.Sequential([keras.Input((inputs,), name="x"), keras.layers.Dense(2)])
        network.save(tmp_path / "changing.keras")
        version = client.register("oip-changing", tmp_path / "changing.keras")
        client.alias_model(version.ref, "champion")
        x = given("x", np.ones((1, inputs), np.float32))
        eventually(is_answered)


@pytest.mark.slow
@pytest.mark.parametrize("package", ["tritonclient[http]==2.73.0", "kserve==0.21.0"])
def test_other_clients_in_environments_of_their_own(gateway: Gateway, package: str) -> None:
    program = Path(__file__).parent / f"asks_by_{package.partition('[')[0].partition('=')[0]}.py"
    ask = [environment_of(package), str(program), f"127.0.0.1:{gateway.port}", gateway.keys.texts["operator"]]
    asked = subprocess.run(ask, capture_output=True, text=True, timeout=PATIENCE_S)
    assert asked.returncode == 0, asked.stderr
    assert asked.stdout.splitlines()[-1] == "all is as expected"


def environment_of(package: str) -> str:
    """The Python of an environment with a package, which is kept in the user's cache."""
    folder = Path.home() / ".cache" / "stoker-tests" / re.sub(r"\W+", "-", package)
    if not (folder / "ready").exists():
        shutil.rmtree(folder, ignore_errors=True)
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, package], check=True)
        (folder / "ready").touch()
    return str(folder / "bin" / "python")


def test_the_guides_examples_run(gateway: Gateway, tmp_path: Path) -> None:
    page = (
        (DOCS / "inference_protocol.md").read_text().replace("8765", str(gateway.port)).replace("digits", "oip-digits")
    )
    known = {**os.environ, "KEY": gateway.keys.texts["operator"]}

    def run(*command: str) -> str:
        ran = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S, env=known)
        assert ran.returncode == 0, ran.stderr
        return ran.stdout

    [console] = re.findall(r"```console\n(.*?)```", page, re.DOTALL)
    metadata, answer = (json.loads(run("bash", "-c", line.removeprefix("$ "))) for line in console.splitlines())
    assert metadata["name"] == "oip-digits"
    assert (answer["id"], answer["outputs"][0]["shape"]) == ("42", [1, 10])
    [program] = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    assert run(sys.executable, "-c", program).splitlines() == ["(3, 10)", "1"]


def test_no_caller_waits_for_longer_than_the_gateway_does(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch, client: stoker.Client
) -> None:
    monkeypatch.setattr("stoker.gateway.oip.app.LONGEST_S", 1e-6)
    inputs = [{"name": "x", "datatype": "FP32", "shape": [1, 64], "data": [0.0] * 64}]
    for microseconds in (3_600_000_000, 2**63 - 1):
        body = {"inputs": inputs, "parameters": {"timeout": microseconds}}
        answer = gateway.call("POST", "/v2/models/oip-digits/infer", body)
        assert (answer.status, answer.json["code"]) == (504, "Timeout")
