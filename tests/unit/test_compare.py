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
from stoker.models.manifest import ModelVersion, Signature, TensorSpec


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


@given(st.text() | st.lists(st.sampled_from(["max", "accuracy", "where", "and", "<", "5", "="])).map(" ".join))
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
            "max accuracy where p99_ms < 5ms",
            "expected 'and' or the end after 'max accuracy where p99_ms < 5', got 'ms'",
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
        (["a"], "at least 2 items"),
        ([f"m{n}" for n in range(33)], "at most 32 items"),
        (["a", "b", "a"], "names a twice"),
    ],
)
def test_two_to_32_models_are_compared_each_once(models: list[str], says: str) -> None:
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


def test_a_summary_names_some_of_many_models() -> None:
    assert KIND.summary(compared("a", "b")) == "a, b, sample://digits"
    assert KIND.summary(compared(*"abcdef")) == "a, b, c, 3 more, sample://digits"
