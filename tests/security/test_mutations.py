"""Mutated specs, manifests, archives and messages are taken or refused in a sentence, and nothing is executed."""

import io
import json
import random
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any, Literal

import h5py
import numpy as np
import pytest
from onnx import TensorProto, helper

import stoker
from stoker.errors import InvalidJob
from stoker.kinds import parse_spec, read_spec
from stoker.lanes import frames
from stoker.ledger.readable import readable
from stoker.models.manifest import Artifact, ModelVersion
from stoker.models.signature import Signature, TensorSpec
from stoker.models.tensors import decode_tensors, encode_tensors
from stoker.security.audit import AuditEntry, chain
from stoker_workers.ml.importing.archive import unpacked
from stoker_workers.ml.prediction.screening.keras_file import check_keras
from stoker_workers.ml.prediction.screening.onnx_file import check_onnx
from stoker_workers.worker.message import InvalidMessage, check_command, doorbell

from ..integration.attacker import envelope, ringing
from .mutations import is_clear, mutated, mutated_bytes, mutated_text, tried

QUICK, FULL = 300, 10_000
SPECS: tuple[dict[str, Any], ...] = (
    {
        "kind": "train", "model": "m", "data": "sample://digits", "epochs": 2, "tags": {"tenant": "shop"},
        "architecture": {"type": "mlp", "hidden": [4, 2]}, "not_before": "2026-01-01T00:00:00Z",
    },
    {
        "kind": "train", "model": "m", "data": "sample://iris",
        "architecture": {
            "type": "keras",
            "config": {
                "class_name": "Sequential", "module": "keras", "registered_name": None,
                "config": {"name": "s", "layers": [
                    {"class_name": "InputLayer", "module": "keras.layers", "config": {"batch_shape": [None, 4]}},
                    {"class_name": "Dense", "module": "keras.layers", "config": {"units": 3, "activation": "relu"}},
                ]},
            },
        },
    },
    {"kind": "infer", "model": "m@1", "data": "s3://bucket/rows.csv", "format": "csv", "rows": [0, 10]},
    {"kind": "deploy", "model": "m@1", "alias": "champion"},
    {"kind": "run", "function": "shop.jobs:tidy", "arguments": {"what": ["a", {"b": 1}]}},
    {"kind": "import", "model": "m", "source": "https://example.com/model.onnx"},
    {"kind": "compare", "models": ["m@1", "n"], "data": "sample://iris"},
    {"kind": "evaluate", "model": "#0", "data": "store://sha256/00/rows.csv"},
)  # fmt: skip
MANIFEST = ModelVersion(
    name="m",
    version=1,
    created_at=datetime(2026, 1, 1, tzinfo=UTC),
    job="job",
    files={"keras": Artifact(name="model.keras", digest="0" * 64, size=10)},
    metrics={"accuracy": 0.9},
    parameters=15,
    data="sample://iris",
    signature=Signature(
        inputs=(TensorSpec(name="x", shape=(4,), dtype="float32"),),
        outputs=(TensorSpec(name="y", shape=(3,), dtype="float32"),),
        task="multiclass",
        classes=("a", "b", "c"),
    ),
)


@pytest.fixture(autouse=True)
def _nothing_is_executed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.chdir(tmp_path)
    before = set(tmp_path.iterdir())
    yield
    assert not (tmp_path / "canary").exists()
    assert {path.name for path in set(tmp_path.iterdir()) - before} <= {"mutated"}


def refused_clearly(read: Callable[[], object]) -> None:
    """Reads something; whatever it raises but a clear refusal is a failure."""
    refusal = None
    try:
        read()
    except InvalidJob as error:
        refusal = error.message
    assert refusal is None or is_clear(refusal), refusal


def spec(rng: random.Random) -> None:
    document = mutated(rng.choice(SPECS), rng)
    refused_clearly(lambda: parse_spec(document))
    text = mutated_text(document, rng)
    refused_clearly(lambda: read_spec(text))


def manifest(rng: random.Random) -> None:
    text = mutated_text(MANIFEST.model_dump(mode="json"), rng)
    version = readable(ModelVersion, text)
    assert version is None or version.ref == f"{version.name}@{version.version}"


def message(rng: random.Random) -> None:
    sent = envelope(json.dumps(ringing("6f1f5e0a-1111-4222-8333-123456789abc")))
    raw = mutated_text(sent, rng)
    for check in (lambda: doorbell(raw, "cpu.train", 3), lambda: check_command(raw)):
        with suppress(InvalidMessage):
            check()


def request(rng: random.Random) -> None:
    tensors = encode_tensors({"x": np.zeros((2, 4), np.float32), "t": np.array(["a", "b"])})
    changed = mutated_bytes(tensors, rng)
    refused_clearly(lambda: decode_tensors(changed))
    taken = frames.decode_request(mutated_bytes(b"\x00" * 32 + tensors, rng))
    assert taken is None or isinstance(taken.tensors, bytes)


def audit_line(rng: random.Random) -> None:
    entry = AuditEntry(id="1-1", at=datetime(2026, 1, 1, tzinfo=UTC), user="client", what="submitted", about="job")
    batch = chain.chained([entry] * 3, chain.Head())
    content = mutated_bytes(chain.lines_to(batch), rng)
    check = chain.Check("")
    check.walk(batch.name, chain.lines_of(content))
    check.end(batch.head)
    assert check.flaws or chain.lines_of(content) == list(batch.lines)


def archive(rng: random.Random) -> None:
    members = {"metadata.json": b"{}", "config.json": b"", "model.weights.h5": _weights()}
    config = SPECS[1]["architecture"]["config"]
    members["config.json"] = mutated_text(config, rng) if rng.random() < 0.5 else json.dumps(config).encode()
    if rng.random() < 0.3:
        members["model.weights.h5"] = mutated_bytes(members["model.weights.h5"], rng)
    if rng.random() < 0.2:
        members[rng.choice(("../out", "/abs", "assets/a", "a\\b", "canary", "config.json/"))] = b"x"
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", rng.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED))) as zipped:
        for name, content in members.items():
            zipped.writestr(name, content)
    content = packed.getvalue()
    _refused(check_keras, mutated_bytes(content, rng) if rng.random() < 0.5 else content)


def savedmodel(rng: random.Random) -> None:
    packed = io.BytesIO()
    contents = {"m/saved_model.pb": b"\x08\x01" * 40, "m/variables/variables.index": b"\x00" * 300}
    if rng.random() < 0.5:
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as zipped:
            for name, content in contents.items():
                zipped.writestr(name, content)
    else:
        way: Literal["w", "w:gz", "w:bz2", "w:xz"] = rng.choice(("w", "w:gz", "w:bz2", "w:xz"))
        with tarfile.open(fileobj=packed, mode=way) as tar:
            for name, content in contents.items():
                member = tarfile.TarInfo(rng.choice((name, name, f"../{name}", f"/{name}")))
                member.size, member.type = len(content), rng.choice((tarfile.REGTYPE, tarfile.REGTYPE, tarfile.SYMTYPE))
                tar.addfile(member, io.BytesIO(content))
    content = mutated_bytes(packed.getvalue(), rng)
    with tempfile.TemporaryDirectory(dir=Path("mutated").parent, prefix="scratch-") as folder:
        _refused(lambda path, what: unpacked(path, Path(folder), what), content)


def onnx_file(rng: random.Random) -> None:
    weights = helper.make_tensor("w", TensorProto.FLOAT, (3, 2), b"\x00" * 24, raw=True)
    ports = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ("n", size)) for name, size in (("x", 3), ("y", 2))]
    graph = helper.make_graph([helper.make_node("MatMul", ["x", "w"], ["y"])], "g", ports[:1], ports[1:], [weights])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    _refused(check_onnx, mutated_bytes(model.SerializeToString(), rng))


def _refused(check: Callable[[Path, str], object], content: bytes) -> None:
    path = Path("mutated")
    path.write_bytes(content)
    refused_clearly(lambda: check(path, "the file"))


@cache
def _weights() -> bytes:
    file = io.BytesIO()
    with h5py.File(file, "w") as root:
        root["layers/dense/vars/0"] = [[0.0] * 3] * 4
        root["layers/dense/vars/1"] = [0.0] * 3
    return file.getvalue()


SORTS = (spec, manifest, message, request, audit_line, archive, savedmodel, onnx_file)


@pytest.mark.parametrize("sort", SORTS, ids=lambda sort: sort.__name__)
def test_what_was_changed_is_taken_or_refused_in_a_sentence(sort: Callable[[random.Random], None]) -> None:
    tried(sort, QUICK)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("sort", SORTS, ids=lambda sort: sort.__name__)
def test_ten_thousand_of_each(sort: Callable[[random.Random], None]) -> None:
    tried(sort, FULL)


@pytest.mark.parametrize(
    ("sort", "seed"), [(spec, "20261 spec 1361"), (spec, "20261 spec 5669"), (spec, "20261 spec 8267")]
)
def test_what_was_refused_otherwise_once(sort: Callable[[random.Random], None], seed: str) -> None:
    sort(random.Random(seed))


def test_what_is_changed_was_right_before() -> None:
    assert all(parse_spec(json.loads(json.dumps(each))).kind == each["kind"] for each in SPECS)
    assert readable(stoker.ModelVersion, MANIFEST.model_dump_json().encode()) == MANIFEST
