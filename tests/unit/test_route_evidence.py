"""What is counted of a version's answers."""

from collections import Counter

import numpy as np
import pytest

from stoker.models.signature import Signature, Task, TensorSpec
from stoker.models.tensors import Tensors, encode_tensors
from stoker_workers.serving import evidence


def signature(task: Task, units: int = 1, classes: tuple[str, ...] = (), *, logits: bool = False) -> Signature:
    output = TensorSpec(name="output", shape=(units,), dtype="float32")
    return Signature(inputs=(), outputs=(output,), task=task, classes=classes, logits=logits)


def encoded(*answers: Tensors) -> list[bytes]:
    return [encode_tensors(answer) for answer in answers]


def places(of: Signature, rows: Tensors, edges: evidence.Edges | None = None) -> dict[str, Counter[int]]:
    return dict(evidence.places(of, rows, edges or {}))


@pytest.mark.parametrize(("count", "power"), [(0, 0), (1, 0), (2, 1), (7, 2), (8, 3), (1023, 9), (1024, 10)])
def test_a_count_reaches_a_power_of_two(count: int, power: int) -> None:
    assert evidence.exponent(count) == power


def test_answers_that_are_not_finite_are_found_one_by_one() -> None:
    good, bad, worse = (
        np.ones((2, 3), "float32"),
        np.array([[1.0, np.nan, 2]], "float32"),
        np.full((1, 3), np.inf, "float32"),
    )
    assert evidence.are_finite([]) == []
    assert evidence.are_finite(encoded(good, good)) == [True, True]
    assert evidence.are_finite(encoded(good, bad, good, worse)) == [True, False, True, False]
    assert evidence.are_finite(encoded({"a": good, "b": bad}, {"a": good, "b": good})) == [False, True]
    assert evidence.are_finite(encoded(good, np.ones((1, 5)))) == [True, True], "of several shapes"


def test_classes_are_counted_by_place() -> None:
    three = signature("multiclass", 3, ("a", "b", "c"))
    assert places(three, np.eye(3)[[0, 2, 2]]) == {"": Counter({0: 1, 2: 2})}
    assert places(signature("binary", 1, ("no", "yes")), np.array([[0.4], [0.6]])) == {"": Counter({0: 1, 1: 1})}
    scores = signature("binary", 1, ("no", "yes"), logits=True)
    assert places(scores, np.array([[-0.2], [0.2], [0.4]])) == {"": Counter({0: 1, 1: 2})}
    labels = signature("multilabel", 2, ("red", "green"))
    assert places(labels, np.array([[0.9, 0.8], [0.1, 0.7]])) == {"": Counter({0: 1, 1: 2})}
    many = signature("multiclass", 300, tuple(map(str, range(300))))
    assert places(many, np.eye(300)[[5, 150, 299]]) == {"": Counter({5: 1, 99: 2})}


def test_numbers_are_counted_between_the_deciles_of_the_first() -> None:
    number = signature("regression")
    rows = np.arange(1000.0)[:, None]
    edges_of = evidence.EdgesOf(number)
    assert not edges_of.learn(rows[:199])
    edges = edges_of.learn(rows[199:])
    assert np.allclose(edges[""], np.arange(1, 10) * 99.9)
    assert places(number, rows, edges) == {"": Counter(dict.fromkeys(range(10), 100))}
    assert places(number, rows) == {}, "not before there are edges"


def test_several_outputs_are_counted_each_under_its_name() -> None:
    parts = {"kind": signature("multiclass", 2, ("a", "b")), "size": signature("regression")}
    several = Signature(inputs=(), outputs=(), task="several", parts=parts)
    rows = {"kind": np.eye(2), "size": np.array([[1.0], [3.0]])}
    joined = evidence.rows_of(encoded(rows, rows))
    assert joined is not None
    assert places(several, joined, {"size": [2.0]}) == {"kind": Counter({0: 2, 1: 2}), "size": Counter({0: 2, 1: 2})}
    other = {"kind": np.eye(2)[::-1], "size": np.array([[1.0], [3.0]])}
    assert evidence.disagreement(several, rows, other) == (2, 2, 0)


def test_two_versions_disagree_about_classes_and_numbers() -> None:
    three, number = signature("multiclass", 3, ("a", "b", "c")), signature("regression")
    assert evidence.disagreement(three, np.eye(3), np.eye(3)[[0, 2, 2]]) == (3, 1, 0)
    assert evidence.disagreement(number, np.array([[1.0], [0.0], [2.0]]), np.array([[1.005], [0.0], [1.0]])) == (
        3, 1, round((0.005 / 1.005 + 0.5) * 1e6),
    )  # fmt: skip
    far = evidence.disagreement(number, np.array([[1e-30]]), np.array([[-1e30]]))
    assert far[:2] == (1, 1)
    assert far[2] <= 10_000_000
