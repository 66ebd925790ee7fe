"""What is promised of smaller forms: figures of digits by a network of 256 and 128 units, against its float form."""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_digits

from stoker.kinds import MLP, Optimize, Train
from stoker.models.manifest import ModelVersion
from stoker.models.tensors import Array
from stoker_workers.kinds.train import run as train
from stoker_workers.ml.optimisation import table
from stoker_workers.ml.optimisation.forms import Given, Made
from stoker_workers.ml.optimisation.litert import converted, graph_of
from stoker_workers.ml.optimisation.stages import unstaged
from stoker_workers.ml.prediction.opening import Content, open_staged, reference_engine
from stoker_workers.ml.prediction.runtime import Reference
from stoker_workers.ml.run import Run

from .conftest import manifest_of

OpenRun = Callable[..., Run]
# By form: of the bytes, of the time for 256 rows, and how much accuracy may be lost.
PROMISED = {
    "float16": (0.52, None, 0.005),
    "dynamic": (0.31, None, 0.01),
    "int8": (0.33, 0.5, 0.015),
    "int4": (0.18, None, 0.03),
}
_TURNS = 200


def multiplies_bytes() -> bool:
    """Whether this processor multiplies and adds up bytes in one step: without, 8 bits are about as quick as 32."""
    info = Path("/proc/cpuinfo")
    return info.exists() and bool({"avx512_vnni", "avx_vnni", "asimddp"} & set(info.read_text().split()))


def engine_of(made: Made, version: ModelVersion) -> Reference:
    model = Content("litert", made.files["litert"].read_bytes())
    if "preprocessing" in made.files:
        return reference_engine(open_staged(made.files["preprocessing"], model, "form"), made.signature, 256)
    return reference_engine(model, made.signature, 256)


def least_seconds(engines: dict[str, Reference], rows: Array) -> dict[str, float]:
    """The quickest call of each, in turns: whatever else the machine does makes calls only slower."""
    least = dict.fromkeys(engines, float("inf"))
    for _ in range(_TURNS):
        for name, engine in engines.items():
            began = time.perf_counter()
            engine.run([rows])
            least[name] = min(least[name], time.perf_counter() - began)
    return least


def accuracy(engine: Reference, rows: Array, truth: Array) -> float:
    outputs = engine.run([rows])
    assert isinstance(outputs, np.ndarray)
    return float((outputs.argmax(axis=1) == truth).mean())


@pytest.mark.slow
def test_bytes_times_and_accuracies_of_all_forms(open_run: OpenRun, tmp_path: Path) -> None:
    """Its quick version is tests/integration/test_optimize.py, which asks nothing of times."""
    spec = Train(model="digits", data="sample://digits", architecture=MLP(hidden=(256, 128)), epochs=20, seed=0)
    manifest = manifest_of(train(spec, open_run()))
    version = ModelVersion(**dict(manifest), version=1, created_at=datetime.now(UTC))
    run = open_run(version)
    forms = {}
    for form in PROMISED:
        (folder := tmp_path / form).mkdir()
        job = Optimize.model_validate({"model": "digits", "data": "sample://digits", "to": form})
        forms[form] = table.FORMS[form].make(Given(job, version, run, folder))
    given = Given(job, version, run, tmp_path)
    whole = unstaged(given.model, version)
    (tmp_path / "model.tflite").write_bytes(converted(graph_of(whole.network, whole.signature)))
    plain = Made(
        files={"litert": tmp_path / "model.tflite"}, signature=forms["float16"].signature, parameters=0, words="float32"
    )
    engines = {name: engine_of(made, version) for name, made in ({"float32": plain} | forms).items()}
    digits = load_digits()
    rows, truth = digits.data.astype(np.float32), digits.target
    times = {count: least_seconds(engines, rows[:count]) for count in (1, 32, 256)}
    scores = {name: accuracy(engine, rows, truth) for name, engine in engines.items()}
    sizes = {
        name: sum(path.stat().st_size for path in made.files.values())
        for name, made in ({"float32": plain} | forms).items()
    }
    for name in engines:
        told = "  ".join(f"{times[count][name] * 1e6:8.1f} µs" for count in times)
        print(f"{name:8} {sizes[name]:8,} bytes {sizes[name] / sizes['float32']:.3f}  {told}  {scores[name]:.4f}")
    for name, (share, of_time, lost) in PROMISED.items():
        assert sizes[name] <= share * sizes["float32"], name
        assert scores[name] >= scores["float32"] - lost, name
        if of_time is not None and multiplies_bytes():
            assert times[256][name] <= of_time * times[256]["float32"], name
