"""Searches for settings on their way in: what a space is, and what is refused."""

import time
from typing import Any

import pytest
import yaml

import stoker
from stoker import Choice, Float, Int
from stoker.kinds import checked, parse_spec
from stoker.kinds.tune import KIND
from stoker.kinds.tuning.halving import Halving
from stoker.kinds.tuning.space import Parameter, as_numbers, from_numbers

from .test_compare import Checks

TRAIN = stoker.Train(model="digits", data="sample://digits", epochs=20)
FUNCTION = stoker.Run("shop.jobs:rank", {"weeks": 8})


def tune(**fields: Any) -> stoker.Tune:
    return stoker.Tune(**({"job": TRAIN, "space": {"batch_size": [16, 32]}, "goal": "max val_accuracy"} | fields))


def submitted(**fields: Any) -> stoker.Tune:
    return KIND.check(tune(**fields), Checks())


def test_a_file_reads_as_it_is_written() -> None:
    text = """
        kind: tune
        job: {kind: train, model: digits, data: "sample://digits", epochs: 20}
        goal: max val_accuracy
        space:
          optimizer.learning_rate: {type: float, low: 1e-4, high: 1e-1, log: true}
          optimizer.name: [adam, sgd]
          optimizer.momentum: {type: float, low: 0, high: 0.9, when: {optimizer.name: sgd}}
    """
    spec = parse_spec(yaml.safe_load(text))
    space = {
        "optimizer.learning_rate": Float(1e-4, 1e-1, log=True),
        "optimizer.name": Choice(["adam", "sgd"]),
        "optimizer.momentum": Float(0, 0.9, when={"optimizer.name": "sgd"}),
    }
    assert spec == tune(space=space)
    assert checked(spec) == spec


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"space": {"optimiser.name": ["sgd"]}}, "a training has no field 'optimiser': did you mean 'optimizer'?"),
        (
            {"space": {"optimizer.rate": Float(0, 1)}},
            "optimizer has no field 'rate': there are clip_norm, .*weight_decay",
        ),
        ({"space": {"epochs.most": Int(1, 2)}}, "epochs is a value without fields"),
        ({"space": {"model": ["a", "b"]}}, "'model', which is no setting"),
        ({"space": {"batch_size": Float(16, 64)}}, r"batch_size=33.6\d*, .*should be a valid integer"),
        ({"space": {"batch_size": Int(0, 64)}}, "batch_size=0, .*greater than or equal to 1"),
        ({"space": {"architecture.filters": [[8]]}}, "architecture.filters=.8., .*MLP has no field 'filters'"),
        ({"space": {"optimizer.momentum": Float(0, 0.9)}}, "optimizer.momentum=0.331.*adam has none"),
        (
            {"space": {"optimizer.momentum": Float(0, 0.9, when={"optimizer.name": "sgd"})}},
            "when optimizer.name is 'sgd', which it never is: the job has 'adam'; put 'optimizer.name' into the space",
        ),
        (
            {"space": {"batch_size": Int(1, 2, when={"epochs": 9}), "epochs": [1, 2]}},
            "when epochs is 9, which it never is: it is one of 1, 2",
        ),
        (
            {"space": {"batch_size": Int(1, 2, when={"epochs": 1}), "epochs": Choice([1, 2], when={"batch_size": 1})}},
            "goes round in a circle",
        ),
        ({"space": {"batch_size": Int(1, 2, when={"seeed": 1})}}, "when of 'batch_size' names 'seeed', .*did you mean"),
        ({"space": {}}, "at least 1 item"),
        ({"goal": "val_accuracy"}, "write max or min and a metric"),
        ({"goal": "max val_f2"}, "the goal watches val_f2, but the metrics are"),
        ({"job": TRAIN.model_copy(update={"validation_split": 0.0})}, "there is no validation data"),
        ({"job": TRAIN.model_copy(update={"alias": "new"})}, "job.alias is set"),
        ({"sampler": "grid", "space": {"ema": Float(0.9, 0.99)}}, "no end: give it a step"),
        ({"sampler": "grid", "space": {"batch_size": Int(1, 1000), "seed": Int(1, 1000)}}, "1,000,000 combinations"),
        ({"alias": "champion", "job": TRAIN.model_copy(update={"data": "digits.csv"})}, "name them as test_data"),
        ({"test_data": "test.csv"}, "set alias, or leave it out"),
        ({"finish": "none", "alias": "champion"}, "which finish='none' leaves out"),
        (
            {"job": stoker.Run("shop.jobs:rank", {"x": "y" * 100_000}), "space": {"weeks": [1, 2]}, "trials": 1000},
            r"its 1,000 trials are 100,\d+ bytes of JSON each, .*take fewer trials",
        ),
        ({"rungs": (3, 1)}, "rungs are epochs in rising order"),
        ({"job": FUNCTION, "space": {"x": Int(1, 2), "args.x": Int(1, 2)}}, "which are one argument"),
        ({"job": FUNCTION, "space": {"run": Int(1, 2)}}, "run is its context"),
    ],
)
def test_what_is_wrong_is_refused_in_a_sentence(fields: dict[str, Any], problem: str) -> None:
    with pytest.raises(stoker.InvalidJob, match=problem):
        submitted(**fields)


@pytest.mark.parametrize(
    ("make", "problem"),
    [
        (lambda: Float(2, 1), "the first must be the lower"),
        (lambda: Float(0, 1, log=True), "no logarithm"),
        (lambda: Float(-1e308, 1e308), "take nearer ends"),
        (lambda: Float(1, 9, log=True, step=2), "two ways to divide a range"),
        (lambda: Float(0, 1, step=2), "longer than from"),
        (lambda: Int(1, 9, log=True, step=2), "two ways to divide a range"),
        (lambda: Choice([]), "at least 1 item"),
        (lambda: Choice([[1], [1]]), "names .1. twice"),
        (lambda: Choice([{1}]), "no plain data"),
    ],
)
def test_a_parameter_that_cannot_be_drawn_is_refused(make: Any, problem: str) -> None:
    with pytest.raises(stoker.InvalidJob, match=problem):
        make()


def test_what_a_job_leaves_out_may_change_with_a_setting() -> None:
    template = tune(space={"folds": [None, 5]}).template
    assert template.with_settings({"folds": 5}).validation_split == 0  # type: ignore[union-attr]
    assert template.with_settings({"folds": None}).validation_split == 0.1  # type: ignore[union-attr]


def test_an_object_of_another_type_has_fields_of_its_own() -> None:
    job = TRAIN.model_copy(update={"architecture": stoker.MLP(hidden=[8], dropout=0.5)})
    space = {
        "architecture.type": Choice(["mlp", "cnn"]),
        "architecture.filters": Choice([[4], [8]], when={"architecture.type": "cnn"}),
    }
    template = submitted(job=job, space=space).template
    networks = [template.with_settings(each).architecture for each in template.combinations(lambda each: each.values)]  # type: ignore[union-attr]
    assert networks == [stoker.MLP(hidden=[8], dropout=0.5), stoker.CNN(filters=[4]), stoker.CNN(filters=[8])]


def test_whole_objects_are_options() -> None:
    space = {"architecture": Choice([stoker.MLP(hidden=[8]), stoker.CNN()]), "architecture.dropout": Float(0, 0.5)}
    spec = submitted(space=space)
    made = spec.template.with_settings({"architecture.dropout": 0.25, "architecture": {"type": "cnn"}})
    assert isinstance(made, stoker.Train)
    assert made.architecture == stoker.CNN(dropout=0.25)
    assert checked(spec) == spec


def test_arguments_are_named_with_and_without_their_prefix() -> None:
    template = submitted(
        job=FUNCTION, goal="min error", space={"args.weeks": Int(1, 9), "network.units": [8, 16]}
    ).template
    made = template.with_settings({"args.weeks": 3, "network.units": 8})
    assert made == stoker.Run("shop.jobs:rank", {"weeks": 3, "network": {"units": 8}})


@pytest.mark.parametrize(
    "parameter",
    [Float(0, 1e18, step=1e-3), Float(1e-300, 1e300, log=True), Int(-(2**53), 2**53), Choice(list(range(1000)))],
)
def test_a_space_as_large_as_can_be_is_looked_at_in_no_time(parameter: Any) -> None:
    space = {f"x{number}": parameter for number in range(64)}
    started = time.process_time()
    submitted(job=FUNCTION, space=space)
    assert time.process_time() - started < 5
    assert len(parameter.corners) == min(parameter.count or 3, 3) or isinstance(parameter, Choice)


def test_settings_and_their_numbers_are_one() -> None:
    space: dict[str, Parameter] = {"a": Choice([1, True, "1", [1], 1.0]), "b": Float(0, 1), "c": Int(1, 3)}
    for number, option in enumerate(Choice([1, True, "1", [1], 1.0]).options):
        settings = {"a": option, "b": 0.1, "c": 2}
        numbers = as_numbers(space, settings)
        assert numbers == {"a": number, "b": 0.1, "c": 2}
        assert repr(from_numbers(space, numbers)) == repr(settings)


@pytest.mark.parametrize(
    ("fields", "rungs"),
    [
        ({}, (2, 7)),
        ({"job": TRAIN.model_copy(update={"epochs": 3})}, (1,)),
        ({"job": TRAIN.model_copy(update={"epochs": 1})}, None),
        ({"space": {"epochs": Int(9, 90)}}, (10, 30)),
        ({"prune": False}, None),
        ({"space": {"folds": [3, 5]}}, None),
        ({"job": FUNCTION, "space": {"weeks": [1, 2]}}, None),
        ({"job": FUNCTION, "space": {"weeks": [1, 2]}, "rungs": (5,)}, (5,)),
    ],
)
def test_rungs_are_shares_of_the_epochs(fields: dict[str, Any], rungs: tuple[int, ...] | None) -> None:
    halving = submitted(**fields).halving
    expected = None if rungs is None else Halving(monitor="val_accuracy", mode="max", rungs=rungs, keep=3)
    assert halving == expected


def test_an_alias_is_moved_by_what_comparisons_measure() -> None:
    spec = submitted(alias="champion", goal="min val_loss")
    assert (spec.rule, spec.compared_on) == ("min loss", "sample://digits")
    several = {"price": stoker.Output(), "net weight": stoker.Output()}
    job = stoker.Train(model="m", data="m.csv", outputs=several)
    spec = tune(job=job, alias="new", test_data="test.csv", goal="min val_net weight_mae")
    assert spec.rule == 'min "net weight".mae'
    with pytest.raises(stoker.InvalidJob, match="does not measure"):
        tune(alias="champion", goal="max val_top_5", job=TRAIN.model_copy(update={"metrics": ("top_5",)}))
