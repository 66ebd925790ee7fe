"""Optimisations on their way in and out: the fields of a form, what its worker must have, how a result is shown."""

from typing import Any

import pytest

import stoker
from stoker.kinds import ComparedModel, Interval, OptimizedForm, needs_of
from stoker.kinds.evaluate import Latency
from stoker.models.manifest import ModelManifest


def spec(**fields: Any) -> stoker.Optimize:
    return stoker.Optimize(model="digits", data="sample://digits", **fields)


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({}, "expected either to"),
        ({"to": "int8", "goal": "bytes"}, "expected either to"),
        ({"to": "int16"}, "to"),
        ({"to": "float16", "share": 0.5}, "share is of prune and sparse, and to is 'float16': leave it out"),
        ({"to": "prune", "calibration": "rows.csv"}, "calibration is of int8"),
        ({"to": "int8", "student": stoker.MLP(hidden=[8])}, "student is of distil"),
        ({"goal": "bytes", "temperature": 2.0}, "temperature is of distil"),
        ({"to": "int8", "max_drop": -0.1}, "max_drop"),
    ],
)
def test_what_does_not_fit_together_is_refused(fields: dict[str, Any], says: str) -> None:
    with pytest.raises(stoker.InvalidJob, match=says):
        spec(**fields)


def test_a_goal_tries_several_forms_and_their_fields_are_allowed() -> None:
    assert spec(goal="latency", calibration="rows.csv", share=0.3).forms == (
        "float16",
        "dynamic",
        "int8",
        "int4",
        "prune",
    )
    assert spec(to="sparse").forms == ("sparse",)


def test_only_int4_needs_a_package_of_its_worker() -> None:
    assert needs_of(spec(to="int4", needs={"image": "shop"})) == ("label:image=shop", "package:ai-edge-quantizer")
    assert needs_of(spec(to="int8")) == needs_of(spec(goal="bytes")) == ()


def figures(model: str, accuracy: float, size: int) -> ComparedModel:
    return ComparedModel(
        model=model,
        metrics={"accuracy": accuracy},
        intervals={"accuracy": Interval(low=accuracy - 0.01, high=accuracy + 0.01)},
        parameters=50,
        file_bytes=size,
        latency={1: Latency(p50_ms=0.002, p99_ms=0.01), 32: Latency(p50_ms=0.02, p99_ms=0.1)},
        rows_per_s=1e6,
        memory_bytes=None,
        on_front=True,
    )


def test_a_result_is_shown_as_before_and_after() -> None:
    before, after, other = (figures(name, 0.98, size) for name, size in (("digits@1", 9000), ("a", 3000), ("b", 5000)))
    interval = Interval(low=-0.01, high=0.01)
    tried = tuple(
        OptimizedForm(form=form, model=model, headline="accuracy", drop=0.0, drop_interval=interval, done="done")
        for form, model in (("int8", after), ("float16", other))
    )
    result = stoker.OptimizeResult(
        model="digits@2",
        parent="digits@1",
        form="int8",
        data="sample://digits",
        rows=540,
        headline="accuracy",
        before=before,
        after=after,
        drop=0.0,
        drop_interval=interval,
        done="weights of 8 bits",
        tried=tried,
        failed={"int4": "no ai-edge-quantizer"},
        why="It is the smallest.",
    )
    shown = result.shown()
    assert shown.table[0][:3] == ("", "accuracy", "bytes served")
    assert [row[:3] for row in shown.table[1:]] == [
        ("digits@1", "0.98 (0.97 to 0.99)", "9,000"),
        ("digits@2 (int8)", "0.98 (0.97 to 0.99)", "3,000"),
        ("b", "0.98 (0.97 to 0.99)", "5,000"),
    ]
    assert shown.notes == ("weights of 8 bits", "It is the smallest.", "int4 could not be made: no ai-edge-quantizer")
    assert result.gives_model() == result.words() == "digits@2"
    assert "digits@2" in result._repr_html_()


def test_a_manifest_reads_what_a_newer_one_knows_of_an_optimisation() -> None:
    document = {
        "name": "digits", "signature": {"inputs": [], "outputs": [], "task": "regression"}, "metrics": {}, "files": {},
        "parameters": 0, "job": "", "data": "",
        "optimized": {
            "form": "int2", "words": "w", "headline": "r2", "before": 1, "after": 0.9, "data": "d", "bits_of_what": 2
        },
    }  # fmt: skip
    manifest = ModelManifest.model_validate(document)
    assert manifest.optimized is not None
    assert (manifest.optimized.form, manifest.optimized.after) == ("int2", 0.9)
    assert ModelManifest.model_validate({**document, "optimized": None}).optimized is None
