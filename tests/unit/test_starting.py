"""Jobs that go on from a version: what is refused before anything is queued."""

from datetime import UTC, datetime
from typing import Any

import pytest

import stoker
from stoker.errors import InvalidJob
from stoker.kinds.starting import refuse_wrong_version
from stoker.kinds.train import KIND
from stoker.models.manifest import Artifact, Forecasting, ModelVersion, Signature, TensorSpec

FORECAST = Forecasting(window=2, horizon=1, time="t", channels=("y",))


def job(**fields: Any) -> stoker.Train:
    return stoker.Train(model="next", data="sample://digits", **fields)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"freeze": "dense"}, "init_from names none"),
        ({"init_from": "m", "architecture": stoker.MLP()}, "leave architecture out"),
        ({"init_from": "m", "features": ("x",)}, "leave features out"),
        ({"init_from": "m", "task": "regression"}, "leave task out"),
        ({"init_from": "m", "scaling": "robust"}, "leave scaling out"),
        ({"init_from": "m", "normalize": False}, "leave normalize out"),
        ({"init_from": "m", "formats": ("keras", "h5")}, "leave it out"),
        ({"init_from": "m", "outputs": {"a": {"task": "regression"}, "b": {}}}, "leave task out"),
    ],
)
def test_what_the_version_decides_is_not_the_jobs_to_say(fields: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidJob, match=words):
        job(**fields)


def version(files: str = "keras", **fields: Any) -> ModelVersion:
    signature = {"inputs": (), "outputs": (TensorSpec(name="output", dtype="float32"),), "task": "multiclass"}
    return ModelVersion(
        name="m",
        signature=Signature(**{**signature, "classes": ("a", "b", "c"), "target": "label", **fields}),
        metrics={},
        files={files: Artifact(name="model", digest="0" * 64, size=1)},
        parameters=1,
        job="j",
        data="d.csv",
        version=3,
        created_at=datetime(2026, 1, 1, tzinfo=UTC),
    )


@pytest.mark.parametrize(
    ("spec", "of", "words"),
    [
        (job(init_from="m"), version(task="pixels"), "m@3 has the task 'pixels'"),
        (
            job(init_from="m"),
            version(forecast=Forecasting(window=2, horizon=1, time="t", channels=("y",))),
            "forecasts",
        ),
        (job(init_from="m"), version("onnx"), "has no .keras file to go on from, only onnx"),
        (job(init_from="m", outputs={"a": {}, "b": {}}), version(), "m@3 has a single one"),
        (job(init_from="m", target=("a", "b")), version(), "m@3 predicts label"),
        (job(init_from="m", target="other"), version(target=None), "m@3 predicts y"),
    ],
)
def test_a_version_that_no_job_like_this_can_go_on_from_is_refused(
    spec: stoker.Train, of: ModelVersion, words: str
) -> None:
    with pytest.raises(InvalidJob, match=words):
        refuse_wrong_version(spec, of)


def test_a_target_may_have_another_name_in_the_new_data() -> None:
    refuse_wrong_version(job(init_from="m", target="kind"), version())


def test_the_version_is_one_of_the_models_that_the_job_reads_if_it_names_one() -> None:
    assert KIND.models(job()) == ()
    assert KIND.models(job(init_from="#0")) == ("#0",)
    assert KIND.with_models(job(), str.upper) == job()
    assert KIND.with_models(job(init_from="#0"), lambda ref: "job:1").init_from == "job:1"
