"""ROC and precision-recall curves, and residuals, against scikit-learn and by hand."""

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn import metrics as reference

from stoker_workers.ml.evaluation.curves import MOST_CURVES, Curve, curves_of, weakest
from stoker_workers.ml.evaluation.residuals import Residuals

Floats = NDArray[np.float64]


def ranked(rows: int, step: float, seed: int = 0) -> tuple[NDArray[np.bool_], Floats]:
    """Which rows are of a class, and scores that favour those, in steps so that many are equal."""
    random = np.random.default_rng(seed)
    truth = random.random(rows) < 0.3
    scores = 1 / (1 + np.exp(-random.normal(size=rows) - 1.2 * truth))
    return truth, np.round(scores / step) * step


def curve(truth: NDArray[np.bool_], scores: Floats) -> Curve:
    found = Curve.of("yes", truth, scores)
    assert found is not None
    return found


@pytest.mark.parametrize(("rows", "step"), [(150, 0.05), (20_000, 1e-9)], ids=["with ties", "thinned"])
def test_curves_are_those_of_scikit_learn(rows: int, step: float) -> None:
    truth, scores = ranked(rows, step)
    found = curve(truth, scores)
    assert found.share == truth.mean()
    assert found.roc_auc == pytest.approx(reference.roc_auc_score(truth, scores))
    assert found.average_precision == pytest.approx(reference.average_precision_score(truth, scores))
    x, y, _ = reference.roc_curve(truth, scores, drop_intermediate=False)
    precision, recall, _ = reference.precision_recall_curve(truth, scores)
    for points, exact in (
        (zip(found.false_positive_rate, found.true_positive_rate, strict=True), zip(x, y, strict=True)),
        (zip(found.recall, found.precision, strict=True), zip(recall, precision, strict=True)),
    ):
        own, all_points = np.array([*points]), np.array([*exact])
        gaps = np.abs(own[:, None] - all_points[None]).max(axis=2)
        assert gaps.min(axis=1).max() < 1e-6  # each is a point of the exact curve
        assert len(own) <= 202
        assert rows > 200 or len(own) >= len(all_points) - 1  # scikit-learn adds a point of no rows
    # Few points say as much as all.
    area = np.trapezoid(found.true_positive_rate, found.false_positive_rate)
    assert area == pytest.approx(found.roc_auc, abs=0.001)
    assert (found.false_positive_rate[0], found.true_positive_rate[0]) == (0, 0)
    assert (found.false_positive_rate[-1], found.true_positive_rate[-1], found.recall[-1]) == (1, 1, 1)


def test_a_class_that_all_rows_have_or_none_has_no_curve() -> None:
    scores = np.array([[0.2, 0.5, 0.3], [0.1, 0.6, 0.3]])
    assert curves_of("abc", np.array([1, 1]), scores) == {}
    assert set(curves_of("abc", np.array([1, 2]), scores)) == {"b", "c"}


def test_labels_that_hold_at_once_have_a_curve_each() -> None:
    truth = np.array([[1, 1, 0], [0, 1, 1], [1, 0, 1]])
    scores = np.array([[0.9, 0.2, 0.3], [0.1, 0.4, 0.8], [0.6, 0.6, 0.7]])
    assert [each.roc_auc for each in curves_of("abc", truth, scores).values()] == [1, 0, 1]


def test_of_many_classes_the_curves_that_rank_the_worst_stay_in_order() -> None:
    random = np.random.default_rng(2)
    truth = random.integers(20, size=400)
    scores = random.random((400, 20)) + np.linspace(0, 1, 20)[np.arange(20)] * (truth[:, None] == np.arange(20))
    shown = weakest([*curves_of([*map(str, range(20))], truth, scores).values()])
    exact = [reference.average_precision_score(truth == number, scores[:, number]) for number in range(20)]
    assert [int(each.label) for each in shown] == sorted(np.argsort(exact)[:MOST_CURVES])


def test_residuals_are_counted_but_for_the_wildest() -> None:
    residuals = np.append(np.arange(-500, 500) / 100, [1e9])
    spread = Residuals.of(residuals)
    assert spread.mean == pytest.approx(residuals.mean())
    assert (spread.low, spread.median, spread.high) == pytest.approx(np.percentile(residuals, (5, 50, 95)))
    assert spread.below + sum(spread.counts) + spread.above == 1001
    assert spread.above <= 6
    assert spread.edges[-1] < 5


@pytest.mark.parametrize("value", [0.0, 0.1, 1e17, -3e300])
def test_residuals_that_are_all_the_same_lie_in_one_bin(value: float) -> None:
    spread = Residuals.of(np.full(7, value))
    assert sorted(spread.counts)[-2:] == [0, 7]
