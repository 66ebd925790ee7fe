"""What a model's output means: labels, probabilities, numbers."""

from datetime import UTC, datetime
from typing import Literal

import numpy as np
import pytest

import stoker
from stoker.models.prediction import Prediction
from stoker.models.predictions import prediction_columns, predictions, probabilities


def version(classes: tuple[str, ...] = (), units: int = 1, *, logits: bool = False) -> stoker.ModelVersion:
    task: Literal["binary", "multiclass", "regression"] = "multiclass" if classes else "regression"
    output = stoker.TensorSpec(name="output", shape=(units,), dtype="float32")
    return stoker.ModelVersion(
        name="m", version=1, created_at=datetime(2026, 1, 1, tzinfo=UTC), metrics={}, files={}, parameters=0, job="job",
        data="sample://iris",
        signature=stoker.Signature(inputs=(), outputs=(output,), task=task, classes=classes, logits=logits),
    )  # fmt: skip


def test_a_class_has_its_label_and_every_probability() -> None:
    [first, second] = predictions(version(("a", "b", "c"), 3), np.array([[0.2, 0.5, 0.3], [1, 0, 0]], np.float32))
    assert first.label == "b"
    assert first.probabilities == pytest.approx({"a": 0.2, "b": 0.5, "c": 0.3})
    assert (second.label, second.probabilities, second.value) == ("a", {"a": 1, "b": 0, "c": 0}, None)


def test_the_one_unit_of_two_classes_is_the_second_ones() -> None:
    [prediction] = predictions(version(("no", "yes")), np.array([[0.25]]))
    assert (prediction.label, prediction.probabilities) == ("no", {"no": 0.75, "yes": 0.25})


@pytest.mark.parametrize(("units", "scores"), [(1, [[np.log(3)]]), (2, [[1, 1 + np.log(3)]])])
def test_raw_scores_become_probabilities(units: int, scores: list[list[float]]) -> None:
    [prediction] = predictions(version(("no", "yes"), units, logits=True), np.array(scores))
    assert prediction.label == "yes"
    assert prediction.probabilities == pytest.approx({"no": 0.25, "yes": 0.75})


def test_numbers_are_a_float_or_several() -> None:
    assert predictions(version(), np.array([[2.5], [3]], np.float32)) == [Prediction(value=2.5), Prediction(value=3.0)]
    assert predictions(version(units=2), np.array([[1, 2]])) == [Prediction(value=(1.0, 2.0))]
    assert predictions(version(), np.zeros((0, 1))) == []


@pytest.mark.parametrize(
    ("logits", "says"), [(False, r"m@1 gives 2.0 in row 1 .* no probability"), (True, "gives nan in row 0 .* no score")]
)
def test_what_is_no_distribution_is_refused(logits: bool, says: str) -> None:
    outputs = np.array([[np.nan if logits else 0.5, 0.5], [2, 3]])
    with pytest.raises(stoker.InvalidJob, match=says):
        predictions(version(("a", "b"), 2, logits=logits), outputs)


def test_a_prediction_reads_well() -> None:
    assert repr(Prediction(label="a", probabilities={"b": 0.123456, "a": 0.876544})) == (
        "Prediction(label='a', probabilities={'a': 0.8765, 'b': 0.1235})"
    )
    assert repr(Prediction(value=2.5)) == "Prediction(value=2.5)"
    many = Prediction(label="0", probabilities={str(number): 0.01 for number in range(100)})
    assert repr(many).endswith("'9': 0.01}, less_likely=90)")


def test_the_same_as_columns_of_a_table() -> None:
    table = prediction_columns(version(("no", "yes")), np.array([[0.25], [0.5625]]), np.zeros((2, 1)))
    assert {name: values.tolist() for name, values in table.items()} == {
        "label": ["no", "yes"], "probability_no": [0.75, 0.4375], "probability_yes": [0.25, 0.5625]
    }  # fmt: skip
    assert prediction_columns(version(), np.array([[1.5], [2]]), np.zeros((2, 1)))["value"].tolist() == [1.5, 2]
    assert version(units=2).signature.prediction_names == ("value_0", "value_1")


def test_where_every_class_is_rounded_to_nothing_each_is_as_likely() -> None:
    rows = probabilities(np.array([[0.0, 0, 0, 0], [0.5, 0, 0, 0]]), logits=False)
    assert rows.tolist() == [[0.25] * 4, [1.0, 0, 0, 0]]
