"""Comparisons on their way in: what a rule is, and what cannot be compared."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import stoker
from stoker.kinds.compare import KIND
from stoker.kinds.rules import METRICS, Condition, Rule
from stoker.models.data import preflight
from stoker.models.manifest import ModelVersion
from stoker.models.signature import Signature, TensorSpec


def version(name: str, task: str = "multiclass", target: str | None = None, **fields: Any) -> ModelVersion:
    x = TensorSpec(name="x", dtype="float32")
    signature = Signature.model_validate({"inputs": [x], "outputs": [], "task": task, "target": target} | fields)
    made = datetime(2026, 1, 1, tzinfo=UTC)
    return ModelVersion(
        name=name, version=1, signature=signature, metrics={}, files={}, parameters=1, job="", data="", created_at=made
    )


def output(task: str, column: str) -> dict[str, Any]:
    """The meaning of one of several outputs."""
    return {"inputs": [], "outputs": [], "task": task, "target": column}


def several(name: str, **tasks: str) -> ModelVersion:
    """A version with outputs of these tasks."""
    return version(name, "several", parts={column: output(task, column) for column, task in tasks.items()})


def forecasting(name: str, window: int, horizon: int) -> ModelVersion:
    """A version that forecasts so many steps."""
    forecast = {"window": window, "horizon": horizon, "time": "when", "channels": ("kwh",)}
    return version(name, "regression", "kwh", forecast=forecast)


def giving(shape: tuple[int, ...]) -> dict[str, Any]:
    """The output of a model."""
    return {"outputs": [TensorSpec(name="output", shape=shape, dtype="float32")]}


class Checks:
    """Knows some versions, by reference."""

    def __init__(self, **versions: ModelVersion) -> None:
        self._versions = versions

    def version(self, ref: str) -> ModelVersion | None:
        return self._versions.get(ref)

    def preflight(
        self,
        data: str | stoker.Data,
        *,
        target: str | tuple[str, ...] | None,
        features: tuple[str, ...] | None,
        labelled: bool = True,
    ) -> str:
        return preflight(str(data), target=target, features=features, labelled=labelled)

    def file(self, ref: str) -> str:
        return ref


def compared(*models: str, data: str = "sample://digits", **fields: object) -> stoker.Compare:
    return stoker.Compare.model_validate({"models": models, "data": data} | fields)


def test_a_rule_is_a_goal_and_conditions() -> None:
    assert Rule.parse("max accuracy") == Rule("max", "accuracy")
    assert Rule.parse("max größe_2.r2 where iou_1 > .5").metrics == ("größe_2.r2", "iou_1")
    assert Rule.parse('min "net price (€)".mae where petal.width.f1 > 0').metrics == (
        "net price (€).mae",
        "petal.width.f1",
    )
    assert Rule.parse(" min  p99_ms_32 where f1>=.9 and bytes <1_000_000 and p50_ms > 1e-3 ") == Rule(
        "min",
        "p99_ms_32",
        (
            Condition("f1", ">=", 0.9, ".9"),
            Condition("bytes", "<", 1_000_000, "1_000_000"),
            Condition("p50_ms", ">", 0.001, "1e-3"),
        ),
    )


def test_numbers_have_units_and_times_a_device() -> None:
    rule = Rule.parse("max accuracy where p99_ms < 2 on cpu and bytes < 1MB and memory_bytes<=1.5 KiB")
    assert rule == Rule(
        "max",
        "accuracy",
        (
            Condition("p99_ms", "<", 2, "2"),
            Condition("bytes", "<", 1_000_000, "1 MB"),
            Condition("memory_bytes", "<=", 1536, "1.5 KiB"),
        ),
        "cpu",
    )
    assert Rule.parse("min p50_ms_32 on gpu where sold.f1 >= 99.9 % and rows_per_s > 1e4 on gpu").device == "gpu"
    assert Rule.parse("max f1 where p50_ms < 0.5s and p99_ms < 500 us").device is None
    limits = [
        Rule.parse(f"max f1 where {told}").conditions[0].limit
        for told in (
            "p50_ms < 0.5s",
            "p99_ms < 500 us",
            "x.accuracy > 99.9%",
            "bytes < 1GiB",
            "bytes < 3 kB",
            "iou_1 > 5%",
        )
    ]
    assert limits == [500, 0.5, 0.999, 2**30, 3000, 0.05]


_UNITS = {"bytes": ("B", "kB", "MB", "GB", "KiB", "MiB", "GiB"), "p99_ms": ("us", "µs", "ms", "s"), "f1": ("%",)}
_FACTORS = dict(
    zip(
        (unit for units in _UNITS.values() for unit in units),
        (1, 10**3, 10**6, 10**9, 2**10, 2**20, 2**30, 1e-3, 1e-3, 1, 1e3, 1e-2),
        strict=True,
    )
)


@given(st.sampled_from([*_UNITS]), st.sampled_from([*_FACTORS]), st.floats(0, 1e9), st.sampled_from(["", " "]))
def test_a_unit_stands_for_its_factor_or_is_refused(metric: str, unit: str, number: float, space: str) -> None:
    text = f"max accuracy where {metric} < {number!r}{space}{unit}"
    if unit in _UNITS[metric]:
        [condition] = Rule.parse(text).conditions
        assert condition.limit == pytest.approx(number * _FACTORS[unit])
        assert condition.text == f"{number!r} {unit}"
    else:
        assert f"a unit of {metric} ({', '.join(_UNITS[metric])}) after" in (refusal(text) or "")


def test_a_comparison_runs_where_its_rule_says() -> None:
    rule = "max accuracy where p99_ms < 2 on gpu"
    spec = compared("a", "b", choose=rule)
    assert spec.device == "gpu"
    assert stoker.kinds.checked(spec) == spec
    assert compared("a", "b", choose=rule, device="gpu").device == "gpu"
    assert compared("a", "b", choose="max accuracy").device == "auto"
    with pytest.raises(stoker.InvalidJob, match="is to be measured on gpu, and device is 'cpu': leave one out"):
        compared("a", "b", choose=rule, device="cpu")
    changed = compared("a", "b").model_copy(update={"choose": rule})
    assert stoker.kinds.checked(changed).device == "gpu"


@given(
    st.sampled_from(["max", "min"]),
    st.sampled_from(METRICS),
    st.lists(st.tuples(st.sampled_from(METRICS), st.sampled_from(["<", "<=", ">", ">="]), st.floats(-1e9, 1e9))),
)
def test_every_rule_reads_back_as_it_was_meant(
    goal: str, metric: str, conditions: list[tuple[str, str, float]]
) -> None:
    told = " and ".join(f"{name} {operator} {limit!r}" for name, operator, limit in conditions)
    rule = Rule.parse(f"{goal} {metric}" + (f" where {told}" if told else ""))
    assert (rule.goal, rule.metric) == (goal, metric)
    assert [(each.metric, each.operator, each.limit) for each in rule.conditions] == conditions


def refusal(text: str) -> str | None:
    """Why a text is no rule; None if it is one."""
    try:
        Rule.parse(text)
    except stoker.InvalidJob as refused:
        return refused.message
    return None


@given(
    st.text()
    | st.lists(
        st.sampled_from(["max", "accuracy", "where", "and", "<", "5", "=", "MB", "%", "on", "cpu", "gpu", "p99_ms"])
    ).map(" ".join)
)
def test_whatever_is_no_rule_is_refused_in_one_sentence(text: str) -> None:
    message = refusal(text)
    assert message is None or ("is no rule: expected" in message and "\n" not in message)


@pytest.mark.parametrize(
    ("rule", "says"),
    [
        ("", "expected 'max' or 'min' first, and it ends there; write it like 'max accuracy where p99_ms < 5 and"),
        ("best accuracy", "expected 'max' or 'min' first, got 'best'"),
        ("max acuracy", r"a metric \(did you mean 'accuracy'\?\) after 'max', got 'acuracy'"),
        ("max it", r"a metric \(there are accuracy, precision, .*, p99_ms_32\) after 'max', got 'it'"),
        ("max price_micro_f1", r"a metric \(did you mean 'price.micro_f1', of the output 'price'\?\)"),
        ("max price.acuracy", r"a metric \(did you mean 'price.accuracy'\?\)"),
        ("min price.bytes", r"a metric \(there are accuracy, "),
        ("max net price.r2", "a metric .* after 'max', got 'net'"),
        ("max accuracy if f1 > 0", "expected 'where' or the end after 'max accuracy', got 'if'"),
        ("max accuracy where p99_ms = 5", "expected one of <, <=, >, >= after 'max accuracy where p99_ms', got '='"),
        ("max accuracy where p99_ms < five", "expected a number, such as 5, 0.5, 1e6 or 1_000_000 after"),
        ("max accuracy where p99_ms < 1e999", "expected a number"),
        (
            "max accuracy where p99_ms < 5 MB",
            r"a unit of p99_ms \(us, µs, ms, s\) after 'max accuracy where p99_ms < 5'",
        ),
        ("max accuracy where bytes < 5 mb", r"a unit of bytes \(B, kB, MB, GB, KiB, MiB, GiB\) after .*, got 'mb'"),
        ("max f1 where r2 > 5 %", "expected no unit, for r2 has none, after 'max f1 where r2 > 5', got '%'"),
        ("max f1 where p99_ms < 5min", "expected 'and' or the end after 'max f1 where p99_ms < 5', got 'min'"),
        ("max f1 on cpu", "expected no device, on which f1 does not depend, after 'max f1', got 'on'"),
        ("max f1 where p99_ms < 5 on tpu", "expected cpu or gpu after 'max f1 where p99_ms < 5 on', got 'tpu'"),
        (
            "min p50_ms on cpu where p99_ms < 5 on gpu",
            "expected cpu, for a comparison runs on one device, after .* < 5 on', got 'gpu'",
        ),
        ("max accuracy where f1 > 0 and", "after 'max accuracy where f1 > 0 and', and it ends there"),
    ],
)
def test_a_wrong_rule_is_refused_where_it_goes_wrong(rule: str, says: str) -> None:
    with pytest.raises(stoker.InvalidJob, match=says):
        compared("a", "b", choose=rule)


@pytest.mark.parametrize(
    ("models", "says"),
    [
        ([], "at least 1 item"),
        ([f"m{n}" for n in range(33)], "at most 32 items"),
        (["a", "b", "a"], "names a twice"),
    ],
)
def test_up_to_32_models_are_compared_each_once(models: list[str], says: str) -> None:
    with pytest.raises(stoker.InvalidJob, match=says):
        compared(*models)


@pytest.mark.parametrize(
    ("versions", "fields", "says"),
    [
        (
            {"a": version("a"), "b": version("b", "regression")},
            {},
            "a@1 is a model of classification and b@1 one of reg",
        ),
        ({"a": version("a"), "b": version("b", target="price")}, {}, "a@1 predicts 'y' and b@1 predicts 'price'"),
        ({"a": version("a"), "b": version("a")}, {}, "models=a, b names a@1 twice"),
        (
            {"a": forecasting("a", 24, 3), "b": forecasting("b", 48, 6)},
            {},
            "a@1 is a model of a forecast of 3 steps and b@1 one of a forecast of 6 steps: nothing measures both",
        ),
        (
            {"a": forecasting("a", 24, 3), "b": version("b", "regression", "kwh")},
            {},
            "a@1 is a model of a forecast of 3 steps and b@1 one of regression: nothing measures both",
        ),
        (
            {"b": version("b")},
            {"choose": "max accuracy where r2 > 0"},
            "choose names 'r2', but b@1 is a model of class",
        ),
        (
            {"a": several("a", price="regression", sold="binary"), "b": several("b", price="regression")},
            {},
            r"a@1 is a model of price \(regression\), sold \(classification\) and b@1 one of price \(regression\)",
        ),
        (
            {"a": several("a", price="regression", sold="binary"), "b": version("b", "regression")},
            {},
            "and b@1 one of regression: nothing measures both; compare models of the same outputs",
        ),
        (
            {"a": several("a", price="regression", sold="binary")},
            {"choose": "max price.accuracy"},
            "choose names 'price.accuracy', but a@1 is .*, which is measured by price.r2, price.mse",
        ),
        (
            {"a": several("a", price="regression", sold="binary")},
            {"choose": "max accuracy"},
            "choose names 'accuracy', but a@1",
        ),
        (
            {"a": version("a", "pixels", **giving((8, 8, 2))), "b": version("b", "pixels", **giving((16, 16, 2)))},
            {},
            r"a@1 gives rows of \(8, 8\) and b@1 of \(16, 16\), and each would be measured on numbers of its own",
        ),
        (
            {"a": version("a", "pixels", **giving((8, 8, 2)), classes=("0", "255"))},
            {"choose": "max iou_1"},
            "choose names 'iou_1', .* measured by mean_iou, accuracy, loss, iou_0, iou_255",
        ),
        (
            {
                "a": version("a", "reconstruction", **giving((2,)), columns=("p", "q")),
                "b": version("b", "reconstruction", **giving((3,)), columns=("p", "q", "r")),
            },
            {},
            "a@1 predicts 'p, q' and b@1 predicts 'p, q, r': compare models of one target$",
        ),
        ({"a": version("a")}, {"data": "/nowhere/at/all.csv"}, "all.csv"),
    ],
)
def test_what_cannot_be_compared_is_refused_at_the_door_as_far_as_it_is_known(
    versions: dict[str, ModelVersion], fields: dict[str, str], says: str
) -> None:
    with pytest.raises(stoker.InvalidJob, match=says):
        KIND.check(compared("a", "b", **fields), Checks(**versions))


def test_models_of_different_targets_are_compared_against_the_one_that_is_named(tmp_path: Path) -> None:
    (tmp_path / "shop.csv").write_text("x,price,rating\n1,2,3\n")
    versions = {name: version(name, "regression", target) for name, target in (("a", "price"), ("b", "rating"))}
    spec = compared("a", "b", data=str(tmp_path / "shop.csv"), target="price", choose="max r2")
    assert KIND.check(spec, Checks(**versions)) == spec
    with pytest.raises(stoker.InvalidJob, match="'cost'"):
        KIND.check(spec.model_copy(update={"target": "cost"}), Checks(**versions))


def test_models_of_the_same_outputs_are_compared_in_whatever_order_they_have_them(tmp_path: Path) -> None:
    (tmp_path / "shop.csv").write_text("x,p,q,price,sold\n1,2,3,4,yes\n")
    shop = str(tmp_path / "shop.csv")
    versions = {
        "a": several("a", price="regression", sold="binary"),
        "b": several("b", sold="multiclass", price="regression"),
    }
    spec = compared("a", "b", data=shop, choose="max sold.f1 where price.mae < 3 and bytes < 1e6")
    assert KIND.check(spec, Checks(**versions)) == spec
    rows = {
        name: version(name, "reconstruction", **giving((2,)), columns=columns)
        for name, columns in (("a", ("p", "q")), ("b", ("q", "p")))
    }
    spec = compared("a", "b", data=shop, choose="min error")
    assert KIND.check(spec, Checks(**rows)) == spec


def test_models_that_other_jobs_are_yet_to_make_wait_for_the_worker_to_judge() -> None:
    spec = compared("#0", "job:4711", choose="max r2 where bytes < 1e6")
    assert KIND.check(spec, Checks()) == spec
    assert KIND.models(spec) == ("#0", "job:4711")


def test_one_that_is_not_strict_leaves_out_what_the_header_refuses(tmp_path: Path) -> None:
    (tmp_path / "shop.csv").write_text("x,price\n1,2\n")
    lacking = TensorSpec(name="z", dtype="float32", columns=("z",), shape=(1,), kind="number")
    versions = {
        "a": version("a", "regression", "price", inputs=[lacking]),
        "b": version("b", "regression", "price"),
    }
    spec = compared("a", "b", data=str(tmp_path / "shop.csv"))
    with pytest.raises(stoker.InvalidJob, match="'z'"):
        KIND.check(spec, Checks(**versions))
    lenient = spec.model_copy(update={"strict": False})
    assert KIND.check(lenient, Checks(**versions)) == lenient
    with pytest.raises(stoker.InvalidJob, match="'z'"):
        KIND.check(lenient.model_copy(update={"models": ("a",)}), Checks(**versions))


def test_a_summary_names_some_of_many_models() -> None:
    assert KIND.summary(compared("a", "b")) == "a, b, sample://digits"
    assert KIND.summary(compared(*"abcdef")) == "a, b, c, 3 more, sample://digits"
