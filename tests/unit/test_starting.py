"""Jobs that go on from a version: what is refused before anything is queued."""

from datetime import UTC, datetime
from typing import Any

import pytest

import stoker
from stoker.errors import InvalidJob
from stoker.kinds.train import KIND
from stoker.kinds.training.starting import refuse_wrong_version
from stoker.models.learned_from import LearnedFrom, UsedData
from stoker.models.manifest import Artifact, ModelVersion
from stoker.models.signature import Forecasting, Signature, TensorSpec

FORECAST = Forecasting(window=2, horizon=1, time="t", channels=("y",))


def job(**fields: Any) -> stoker.Train:
    return stoker.Train(**{"model": "next", "data": "sample://digits", **fields})


def adding(**fields: Any) -> stoker.Train:
    return stoker.Train(**{"model": "next", "init_from": "m", "add_data": "new.csv", **fields})


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
        ({"init_from": "m", "add_data": "new.csv"}, "data names others: leave data out"),
        ({"data": "new.csv", "add_data": "new.csv"}, "init_from names none: name one, or give all rows as data"),
    ],
)
def test_what_the_version_decides_is_not_the_jobs_to_say(fields: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidJob, match=words):
        job(**fields)


@pytest.mark.parametrize(
    "fields", [{"validation_split": 0.2}, {"stratify": True}, {"group": "g"}, {"time": "t"}, {"folds": 3}]
)
def test_which_rows_are_held_out_where_data_are_added_is_the_versions_to_say(fields: dict[str, Any]) -> None:
    with pytest.raises(InvalidJob, match=f"{next(iter(fields))} says which rows are held out, and with add_data"):
        adding(**fields)


def test_what_is_added_is_the_data_of_the_job_and_holds_out_no_row() -> None:
    spec = adding(add_data=stoker.Data("new.csv", separator=";"))
    assert (spec.data, spec.validation_split) == (spec.add_data, 0)
    assert stoker.Train.model_validate_json(spec.model_dump_json()) == spec
    with pytest.raises(InvalidJob, match=r"Train\.data is missing"):
        stoker.Train(model="next")


USED = UsedData(ref="d.csv", rows=9, digest="0" * 64)
ONCE = LearnedFrom(data=(USED,))


def version(files: str = "keras", source: str = "", learned: LearnedFrom | None = None, **fields: Any) -> ModelVersion:
    signature = {"inputs": (), "outputs": (TensorSpec(name="output", dtype="float32"),), "task": "multiclass"}
    return ModelVersion(
        name="m",
        signature=Signature(**{**signature, "classes": ("a", "b", "c"), "target": "label", **fields}),
        metrics={},
        files={files: Artifact(name="model", digest="0" * 64, size=1)},
        parameters=1,
        job="j",
        data="d.csv",
        learned_from=learned,
        source=source,
        version=3,
        created_at=datetime(2026, 1, 1, tzinfo=UTC),
    )


@pytest.mark.parametrize(
    ("spec", "of", "words"),
    [
        (job(init_from="m"), version("onnx"), "has no .keras file to go on from, only onnx"),
        (job(init_from="m", outputs={"a": {}, "b": {}}), version(), "m@3 has a single one"),
        (job(init_from="m", target=("a", "b")), version(), "m@3 predicts label"),
        (job(init_from="m", target="other"), version(target=None), "m@3 predicts y"),
        (job(init_from="m", group="g"), version(forecast=FORECAST), "group is for rows, and m@3 learns from windows"),
        (job(init_from="m", augment={"flip": "both"}), version(task="pixels"), "augment changes pictures, and not"),
        (job(init_from="m", loss="focal"), version(task="reconstruction", classes=()), "loss='focal' is not for m@3"),
        (job(init_from="m", stratify=True), version(task="reconstruction"), "are for classes, and m@3 reconstructs"),
        (adding(), version(), "how the data of m@3 were read is not known, for an older Stoker has registered it"),
        (adding(), version(source="m.keras"), "is not known, for it was made elsewhere"),
        (adding(), version(forecast=FORECAST, learned=ONCE), "rows that follow each other in time: give all rows"),
        (adding(target="other"), version(learned=ONCE), "m@3 predicts label: leave it out"),
        (
            adding(),
            version(learned=LearnedFrom(data=(USED.model_copy(update={"digest": ""}),))),
            "whether d.csv, of which m@3 has learned, has changed since cannot be told",
        ),
        (
            adding(early_stopping=stoker.EarlyStopping()),
            version(learned=ONCE),
            "early stopping watches val_loss, but m@3 was validated on no rows that could be again",
        ),
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
