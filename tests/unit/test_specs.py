"""Specs: whatever can be built is read back equal, and what cannot be kept is refused in one sentence."""

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import stoker
from stoker.kinds import KINDS, SPEC, Spec, checked, document, parse_spec, read_spec

spec_classes = {each.model_fields["kind"].default: each for each in get_args(get_args(Spec)[0])}
names = st.from_regex(r"[a-z0-9][a-z0-9._-]{0,20}", fullmatch=True)
refs = st.one_of(names, st.builds("{}@{}".format, names, names), st.just("#0"), st.just("job:4711"))
words = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
shares = st.floats(0, 0.9)
positive = st.floats(1e-6, 1e6)
numbers = st.floats(allow_nan=False, allow_infinity=False)
paths = st.sampled_from(["sample://digits", " /data/a.csv ", "s3://bucket/x.npz", "ä.parquet"])
plain = st.dictionaries(
    words,
    st.recursive(
        st.none() | st.booleans() | st.integers(-(2**63) + 1, 2**63 - 1) | numbers | words,
        lambda inner: st.lists(inner, max_size=3) | st.tuples(inner) | st.dictionaries(words, inner, max_size=3),
        max_leaves=6,
    ),
    max_size=3,
)
moments = st.datetimes(
    datetime(1, 1, 3),  # noqa: DTZ001 - the zones are drawn
    datetime(9999, 12, 28),  # noqa: DTZ001
    timezones=st.sampled_from([UTC, timezone(timedelta(seconds=4711))]),
)
regularised = {
    "activation": st.sampled_from(["relu", "tanh"]), "l1": shares, "l2": shares, "dropout": shares,
    "output": st.sampled_from(["auto", "linear"]),
}  # fmt: skip
architectures = st.one_of(
    st.builds(stoker.MLP, hidden=st.lists(st.integers(1, 99), max_size=3), **regularised),
    st.builds(stoker.CNN, filters=st.lists(st.integers(1, 99), min_size=1, max_size=3), **regularised),
    st.builds(stoker.KerasConfig, config=plain),
    st.builds(stoker.Builder, target=st.just("shop.models:build"), kwargs=plain),
)
optimizers = st.one_of(
    st.sampled_from(["sgd", "adam"]),
    st.builds(
        stoker.Optimizer,
        name=st.sampled_from(["sgd", "rmsprop"]),
        learning_rate=st.none() | positive,
        momentum=shares,
        weight_decay=st.none() | shares,
        schedule=st.none() | st.builds(stoker.Schedule, decay=st.sampled_from(["cosine", "linear"]), final=shares),
    ),
)
common: dict[str, st.SearchStrategy[Any]] = {
    "device": st.sampled_from(["auto", "gpu"]),
    "priority": st.sampled_from(["low", "normal", "high"]),
    "timeout": st.none() | positive,
    "max_attempts": st.integers(1, 100),
    "after": st.lists(st.sampled_from(["#1", "4711"]), max_size=2),
    "not_before": st.none() | moments,
    "tags": st.dictionaries(words, words, max_size=3),
    "memory": st.none() | st.integers(1, 2**50),
    "cpus": st.none() | st.integers(1, 4096),
    "gpu_memory": st.none() | st.integers(1, 2**50),
}
held_out: st.SearchStrategy[dict[str, Any]] = st.sampled_from(
    [
        {},
        {"validation_split": 0.3},
        {"validation_data": "sample://wine"},
        {"validation_data": "sample://wine", "validation_split": 0},
        {"validation_data": None},
        {"validation_data": None, "validation_split": 0.0},
        {"validation_data": "sample://wine", "early_stopping": stoker.EarlyStopping(patience=3)},
    ]
)
sources = st.sampled_from(["m.keras", "s3://bucket/m.zip", "https://host/m.onnx?version=3"]) | st.builds(
    stoker.Artifact, name=st.sampled_from(["model.keras"]), digest=st.just("0" * 64), size=st.integers(0, 9)
)
imported = st.builds(
    stoker.ImportedInput, columns=st.lists(names, max_size=3), shape=st.none() | st.lists(st.none() | st.integers(1, 9))
)
functions = st.dictionaries(st.just("weeks"), numbers).map(lambda given: stoker.Run("shop.jobs:tidy", given))
parameters = st.one_of(
    st.builds(stoker.Float, low=st.floats(-9, 0), high=st.floats(1, 9), step=st.sampled_from([None, 0.5])),
    st.builds(stoker.Int, low=st.integers(1, 9), high=st.integers(10, 99), log=st.booleans()),
    st.builds(stoker.Choice, options=st.lists(words | numbers, min_size=1, max_size=4, unique_by=repr)),
    st.lists(st.lists(st.integers(1, 9), max_size=2), min_size=1, max_size=3, unique_by=repr),
)
own: dict[str, dict[str, st.SearchStrategy[Any]]] = {
    "train": {
        "model": names, "data": paths, "architecture": architectures, "target": st.none() | words,
        "features": st.none() | st.lists(words, min_size=1, max_size=3), "epochs": st.integers(1, 9),
        "task": st.sampled_from([None, "classification"]), "loss": st.sampled_from([None, "categorical_crossentropy"]),
        "from_logits": st.sampled_from([None, True]), "optimizer": optimizers, "normalize": st.booleans(),
        "scaling": st.sampled_from([{}, "robust"]) | st.dictionaries(words, st.sampled_from(["log", "quantile"])),
        "class_weights": st.sampled_from([None, "balanced"]) | st.dictionaries(words, positive, max_size=2),
        "limits": st.dictionaries(words, st.tuples(numbers, numbers).map(sorted), max_size=2),
        "seed": st.none() | st.integers(0, 2**32 - 1), "precision": st.sampled_from(["float32", "mixed"]),
        "checkpoint": st.builds(stoker.Checkpoints, epochs=st.none() | st.integers(1, 9), seconds=st.none() | positive),
        "formats": st.lists(st.sampled_from(["keras", "h5"]), min_size=1, max_size=2), "workers": st.integers(1, 32),
        "stratify": st.none() | st.booleans() | words, "group": st.none() | words, "time": st.none() | words,
        "folds": st.none() | st.integers(2, 9), "fold": st.none() | st.integers(0, 9),
        "forecast": st.none() | st.builds(stoker.Forecast, time=names, series=st.none() | names),
    },
    "evaluate": {
        "model": refs, "data": paths, "target": st.none() | words, "bootstrap": st.integers(100, 999),
        "min_metrics": st.dictionaries(words, numbers, max_size=2), "noise": st.lists(st.floats(0.1, 99), max_size=9),
    },
    "deploy": {"model": refs, "alias": st.from_regex(r"[a-z][a-z0-9._-]{0,9}", fullmatch=True)},
    "infer": {
        "model": refs, "data": paths, "chunk_rows": st.integers(1, 999),
        "rows": st.none() | st.tuples(st.integers(0, 9), st.integers(10, 99)),
    },
    "describe": {"data": paths, "target": st.none() | words | st.lists(words, min_size=2, max_size=3, unique=True)},
    "explain": {
        "model": refs, "data": paths, "methods": st.sampled_from([(), ["gradients"], ["importance", "gradients"]]),
        "target": st.none() | words, "rows": st.integers(0, 256) | st.lists(st.integers(0, 99), max_size=3),
        "output": st.none() | words, "baseline": st.none() | st.sampled_from(["mean", "missing", "zero"]),
        "repeats": st.integers(1, 99), "sample": st.integers(1, 9999), "most_steps": st.integers(1, 999),
        "seed": st.integers(0, 99), "given": st.none() | names,
    },
    "import": {
        "model": names, "source": sources, "target": st.none() | words, "logits": st.none() | st.booleans(),
        "inputs": st.lists(names, max_size=3, unique=True) | st.dictionaries(words, imported, max_size=2),
        "outputs": st.dictionaries(names, st.builds(stoker.ImportedOutput, task=st.just("regression")), max_size=2),
        "metrics": st.dictionaries(names, numbers, max_size=2), "classes": st.lists(names, max_size=3, unique=True),
    },
    "export": {
        "model": refs, "format": st.sampled_from(["savedmodel", "litert", "onnx", "keras", "h5"]),
        "to": st.none() | st.sampled_from(["/models", "s3://bucket/models"]), "data": st.none() | paths,
        "compress": st.sampled_from([False, None, "zstd"]), "part": st.sampled_from(["model", "network"]),
        "name": st.none() | names, "rows": st.integers(1, 999), "tolerance": st.floats(0, 1),
    },
    "monitor": {
        "model": refs, "data": st.none() | paths, "target": st.none() | words, "window": st.integers(50, 999),
        "share": st.floats(0.01, 1), "leave_out": st.lists(words, max_size=2), "keep": st.integers(0, 9),
        "windows": st.none() | st.integers(1, 99), "floor": st.floats(0, 1), "label_horizon": st.floats(1, 9999),
    },
    "run": {
        "function": st.sampled_from(["shop.jobs:tidy", "jobs:f"]), "seed": st.none() | st.integers(0, 2**32 - 1),
        "arguments": st.dictionaries(st.sampled_from(["weeks", "of"]), words | numbers | st.lists(words)),
    },
    "tune": {
        "job": functions, "space": st.dictionaries(st.sampled_from(["a", "args.b", "c.d"]), parameters, min_size=1),
        "goal": st.sampled_from(["max f1", "min loss"]), "trials": st.integers(1, 99), "budget_s": st.none() | positive,
        "sampler": st.sampled_from(["tpe", "random", "grid"]), "prune": st.booleans(),
        "rungs": st.sampled_from([None, [1, 3]]), "finish": st.sampled_from(["retrain", "same", "none"]),
        "test_data": st.none() | paths, "alias": st.sampled_from([None, "champion"]),
        "min_metrics": st.dictionaries(words, numbers, max_size=2),
    },
    "compare": {
        "models": st.lists(refs, min_size=2, max_size=4, unique=True), "data": paths, "target": st.none() | words,
        "bootstrap": st.integers(100, 999), "batch_size": st.integers(1, 999),
        "choose": st.sampled_from([None, "max accuracy", "min p99_ms where bytes < 1_000_000 and f1 >= .9"]),
    },
    "optimize": {
        "model": refs, "data": paths, "to": st.sampled_from(["float16", "int8", "prune", "distil"]),
        "max_drop": st.floats(0, 1), "name": st.none() | names, "calibration": st.none() | paths,
        "share": st.none() | st.floats(0.01, 0.99), "student": st.none() | architectures,
        "epochs": st.none() | st.integers(1, 9), "temperature": st.none() | st.floats(1, 9),
    },
}  # fmt: skip


@st.composite
def specs(draw: st.DrawFn) -> Spec:
    """Any spec that can be built, from some of its fields."""
    kind = draw(st.sampled_from(sorted(KINDS)))
    cls = spec_classes[kind]
    required: dict[str, st.SearchStrategy[Any]] = {
        name: own[kind][name]
        for name in own[kind]
        if name in ("model", "models", "data", "source", "function", "to", "job", "space", "goal", "format")
    }
    optional = {name: field for name, field in (common | own[kind]).items() if name not in required}
    fields = draw(st.fixed_dictionaries(required, optional=optional))
    if kind == "train":
        fields |= draw(held_out)
    try:
        spec: Spec = cls(**fields)
    except stoker.InvalidJob:
        # Some fields do not fit together.
        spec = cls(**{name: fields[name] for name in required})
    return spec


@given(specs())
@settings(max_examples=150)
def test_every_spec_that_can_be_built_is_read_back_equal(spec: Spec) -> None:
    assert read_spec(spec.model_dump_json()) == spec
    assert read_spec(document(spec)) == spec
    assert parse_spec(json.loads(spec.model_dump_json())) == spec
    assert checked(spec) == spec
    assert SPEC.validate_python(spec.model_dump()) == spec


@pytest.mark.parametrize(
    "spec",
    [
        stoker.Train(model="m", data="sample://iris", checkpoint=stoker.Checkpoints(seconds=None)),
        stoker.Train(model="m", data="a.csv", architecture=stoker.Pretrained("ResNet50", weights=None)),
        stoker.Import(model="m", source="a.keras", timeout=None),
        stoker.Run(function="a:b", arguments={"a": None, "b": {"c": [None]}}),
    ],
)
def test_a_document_says_none_where_that_is_not_the_same_as_nothing(spec: Spec) -> None:
    assert read_spec(document(spec)) == spec


def test_what_may_be_none_is_none_by_default_or_says_so() -> None:
    parts = SPEC.json_schema()["$defs"]
    says = {
        (part, name)
        for part, schema in parts.items()
        for name, field in schema.get("properties", {}).items()
        if {"type": "null"} in field.get("anyOf", ()) and field.get("default", 0) is not None
    }
    # Of any other, a document without it would mean another job: derive its class from `SaysNone`.
    assert says == {("Checkpoints", "seconds"), ("Import", "timeout"), ("Pretrained", "weights")}
    assert len(document(stoker.Train(model="m", data="sample://iris"))) < 500


def test_every_kind_has_strategies_of_its_own() -> None:
    assert set(own) == set(KINDS)


def test_validation_data_needs_nothing_beside_it() -> None:
    spec = stoker.Train(model="m", data="sample://digits", validation_data="sample://digits")
    assert spec.validation_split == 0
    assert read_spec(spec.model_dump_json()) == spec
    assert stoker.Train(model="m", data="sample://digits").validation_split == 0.1
    with pytest.raises(stoker.InvalidJob, match="not both"):
        stoker.Train(model="m", data="sample://digits", validation_data="sample://digits", validation_split=0.1)


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"epochs": -1}, "epochs"),
        ({"epochs": "many"}, "epochs"),
        ({"priority": "urgent"}, "priority"),
        ({"tags": {"a": object()}}, "cannot be written as JSON"),
        ({"colour": "red"}, "no field 'colour'"),
        ({"validation_data": "sample://digits"}, "not both"),
        ({"timeout": float("nan")}, "timeout"),
    ],
)
def test_a_spec_that_model_copy_has_made_wrong_is_refused(changed: dict[str, Any], says: str) -> None:
    spec = stoker.Train(model="m", data="sample://digits").model_copy(update=changed)
    with pytest.raises(stoker.InvalidJob, match=says):
        checked(spec)


SCALINGS = "input should be 'standard', 'robust', 'quantile' or 'log'"


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"scaling": "logg"}, f"Train.scaling: 'logg' is not allowed: {SCALINGS}, or a valid dictionary"),
        ({"scaling": {"a": "logg", "b": "log"}}, f"Train.scaling.a: 'logg' is not allowed: {SCALINGS}"),
        ({"scaling": {"str": "x"}}, f"Train.scaling.str: 'x' is not allowed: {SCALINGS}"),
        ({"target": ()}, "Train.target: () is not allowed: expected at least 1 item"),
        ({"target": 5}, "Train.target: 5 is not allowed: input should be a valid string, or a valid tuple"),
        ({"target": ("a", 3)}, "Train.target.1: 3 is not allowed: input should be a valid string"),
        ({"class_weights": {0: -1}}, "Train.class_weights.0: -1 is not allowed: input should be greater than 0"),
        ({"stratify": ""}, "Train.stratify: '' is not allowed: string should have at least 1 character"),
        ({"tags": {1: "a"}}, "Train.tags.1.[key]: 1 is not allowed: input should be a valid string"),
    ],
)
def test_what_is_of_none_of_several_types_is_refused_once(fields: dict[str, Any], says: str) -> None:
    with pytest.raises(stoker.InvalidJob) as refused:
        stoker.Train(**{"model": "m", "data": "a.csv"} | fields)
    assert str(refused.value) == says


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("mpl", "stoker.MLP(), or {'type': 'mlp'} in a file"),
        ("Wide and Deep", "stoker.WideAndDeep(), or {'type': 'wide_and_deep'} in a file"),
        ("resnet", "stoker.ResNet(), or {'type': 'resnet'} in a file"),
        ("?", "stoker.MLP(), or {'type': 'mlp'} in a file"),
        (stoker.CNN, "stoker.CNN(), or {'type': 'cnn'} in a file"),
    ],
)
def test_the_name_of_a_network_is_refused_with_what_to_write(given: object, meant: str) -> None:
    with pytest.raises(stoker.InvalidJob) as refused:
        stoker.Train.model_validate({"model": "m", "data": "a.csv", "architecture": given})
    names = "MLP, CNN, Pretrained, ResNet, UNet, Sequence, Text, WideAndDeep, KerasConfig, Builder"
    assert str(refused.value).endswith(f" is not allowed: expected a network, such as {meant}; there are {names}")


def circular() -> dict[str, Any]:
    config: dict[str, Any] = {}
    config["itself"] = [config]
    return config


def deep(depth: int) -> dict[str, Any]:
    config: dict[str, Any] = {}
    for _ in range(depth):
        config = {"config": config}
    return config


@pytest.mark.parametrize(
    ("config", "says"),
    [
        (circular(), "nested more than 100 deep, or holds itself"),
        (deep(50_000), "nested more than 100 deep, or holds itself"),
        ({"x": float("inf")}, "inf is no number"),
        ({"x": {1: 2}}, "the key 1 must be text"),
        ({"x": object()}, "object is no plain data"),
        ({"x": 2**64}, "more than 64 bits"),
        ({"x": "\ud800"}, "surrogates not allowed"),
        ("a string", "valid dictionary"),
    ],
    ids=["circular", "deep", "infinite", "numbered", "object", "huge", "surrogate", "text"],
)
def test_a_config_that_json_cannot_hold_is_refused_in_one_sentence(config: Any, says: str) -> None:
    for build in (
        lambda: stoker.KerasConfig(config=config),
        lambda: stoker.Builder("shop.models:build", config),
        lambda: parse_spec(
            {"kind": "train", "model": "m", "data": "x", "architecture": {"type": "keras", "config": config}}
        ),
    ):
        with pytest.raises(stoker.InvalidJob) as refused:
            build()
        assert "\n" not in refused.value.message
        assert len(refused.value.message) < 400
    with pytest.raises(stoker.InvalidJob, match=says):
        stoker.Builder("shop.models:build", config)


def test_a_spec_that_is_data_is_refused() -> None:
    spec = stoker.Train(
        model="m", data="sample://digits", architecture=stoker.KerasConfig(config={"weights": "x" * 30_000_000})
    )
    with pytest.raises(stoker.InvalidJob, match=r"30,\d+,\d+ bytes of JSON and may be 4,194,304"):
        checked(spec)


def test_a_config_as_deep_as_allowed_is_read_back() -> None:
    spec = stoker.Train(model="m", data="sample://digits", architecture=stoker.Builder("shop.models:build", deep(99)))
    assert checked(spec) == spec


def test_up_to_three_mistakes_are_told_at_once() -> None:
    with pytest.raises(stoker.InvalidJob) as refused:
        stoker.Train.model_validate({"modell": "m", "data": "t.csv", "epochs": 0, "batch_size": 0})
    assert "Train.model is missing" in str(refused.value)
    assert "Train.epochs" in str(refused.value)
    assert "Train.batch_size" in str(refused.value)
    assert str(refused.value).endswith("(and 1 more)")
