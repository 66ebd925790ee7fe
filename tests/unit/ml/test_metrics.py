"""Figures of accuracy and stability, against scikit-learn and by hand."""

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn import metrics as reference

from stoker.kinds import Interval
from stoker.models.predictions import probabilities
from stoker_workers.ml.columns.stats import Moments
from stoker_workers.ml.data.source import Floats, Ints
from stoker_workers.ml.evaluation import regression
from stoker_workers.ml.evaluation.classification import MANY_CLASSES, Confusion, Predictions, Reliability, accuracy
from stoker_workers.ml.evaluation.curves import curves_of
from stoker_workers.ml.evaluation.noise import Noise
from stoker_workers.ml.evaluation.stability import Scored, intervals, resampled
from stoker_workers.ml.evaluation.tally import ClassifierTally, RegressionTally, Tally


def guesses(rows: int, classes: int, seed: int = 0) -> tuple[Ints, Floats]:
    """Class numbers, and probabilities that favour them."""
    random = np.random.default_rng(seed)
    truth = random.integers(classes, size=rows)
    scores = random.normal(size=(rows, classes)) + 1.5 * np.eye(classes)[truth]
    return truth, probabilities(scores, logits=True)


def scored_by(tally: Tally, truth: NDArray[np.generic], outputs: NDArray[np.generic]) -> Scored:
    tally.add(truth, outputs)
    return tally.quality().scored


def classified(truth: Ints, distribution: Floats) -> Scored:
    labels = tuple(map(str, range(distribution.shape[1])))
    return scored_by(ClassifierTally(labels, logits=False), truth, distribution)


def regressed(truth: Floats, predicted: Floats) -> Scored:
    return scored_by(RegressionTally(), truth, predicted)


def intervals_of(scored: Scored, resamples: int) -> dict[str, Interval]:
    [draws] = resampled([scored], resamples)
    return intervals(draws)


@pytest.mark.parametrize("classes", [2, 3, 10])
def test_a_classifiers_figures_are_those_of_scikit_learn(classes: int) -> None:
    truth, distribution = guesses(500, classes)
    labels = tuple(f"label {number}" for number in range(classes))
    predictions = Predictions.of(truth, distribution)
    found = accuracy(predictions, Confusion.of(predictions, classes), labels, curves_of(labels, truth, distribution))
    predicted = distribution.argmax(axis=1)
    precision, recall, f1, support = reference.precision_recall_fscore_support(truth, predicted)
    scores = list(found.classes.values())
    assert tuple(found.classes) == labels
    assert [score.precision for score in scores] == pytest.approx(list(precision))
    assert [score.recall for score in scores] == pytest.approx(list(recall))
    assert [score.f1 for score in scores] == pytest.approx(list(f1))
    assert [score.support for score in scores] == list(support)
    assert found.metrics == pytest.approx(
        {
            "loss": reference.log_loss(truth, distribution),
            "accuracy": reference.accuracy_score(truth, predicted),
            "precision": reference.precision_score(truth, predicted, average="macro"),
            "recall": reference.recall_score(truth, predicted, average="macro"),
            "f1": reference.f1_score(truth, predicted, average="macro"),
        }
    )
    assert np.array_equal(found.confusion, reference.confusion_matrix(truth, predicted))
    score = distribution[:, 1] if classes == 2 else distribution
    assert found.roc_auc == pytest.approx(reference.roc_auc_score(truth, score, multi_class="ovr"))
    assert found.average_precision == pytest.approx(reference.average_precision_score(truth, score))


def test_a_class_that_never_occurs_does_not_count_in_the_averages() -> None:
    truth, distribution = guesses(200, 3)
    distribution = np.hstack([distribution, np.zeros((200, 1))])
    predictions = Predictions.of(truth, distribution)
    labels = ("a", "b", "c", "d")
    found = accuracy(predictions, Confusion.of(predictions, 4), labels, curves_of(labels, truth, distribution))
    predicted = distribution.argmax(axis=1)
    for name in ("precision", "recall", "f1"):
        expected = getattr(reference, f"{name}_score")(truth, predicted, average="macro")
        assert found.metrics[name] == pytest.approx(expected)
    assert found.classes["d"].f1 == found.classes["d"].support == 0
    assert found.roc_auc is found.average_precision is None
    assert found.classes["d"].roc_auc is None
    assert found.classes["a"].roc_auc == pytest.approx(reference.roc_auc_score(truth == 0, distribution[:, 0]))


def test_the_cross_entropy_of_a_sure_mistake_stays_finite() -> None:
    predictions = Predictions.of(np.array([1]), np.array([[1.0, 0.0]]))
    found = accuracy(predictions, Confusion.of(predictions, 2), ("a", "b"), {})
    assert found.metrics["loss"] == pytest.approx(-np.log(1e-7))


def test_very_many_classes_have_scores_but_no_matrix_and_no_roc() -> None:
    classes = MANY_CLASSES + 1
    truth, distribution = guesses(3000, classes)
    tally = ClassifierTally(tuple(map(str, range(classes))), logits=False)
    tally.add(truth, distribution)
    quality = tally.quality()
    found = quality.accuracy
    assert (found.confusion, quality.drawn.curves) == ((), ())
    assert found.roc_auc is found.average_precision is None
    assert Predictions.of(truth, distribution).distribution.size == 0
    predicted = distribution.argmax(axis=1)
    assert found.metrics["f1"] == pytest.approx(reference.f1_score(truth, predicted, average="macro"))


def test_batches_joined_are_the_whole() -> None:
    truth, distribution = guesses(100, 3)
    parts = [Predictions.of(truth[at : at + 30], distribution[at : at + 30]) for at in range(0, 100, 30)]
    joined, whole = Predictions.joined(parts), Predictions.of(truth, distribution)
    for name in ("truth", "predicted", "confidence", "likelihood", "distribution"):
        np.testing.assert_array_equal(getattr(joined, name), getattr(whole, name))


def test_calibration_by_hand() -> None:
    # Two predictions of 0.9, one right: gap 0.4. Two of 0.6, both right: gap 0.4. One of 0.5, right: gap 0.5.
    second = np.array([0.9, 0.9, 0.4, 0.4, 0.5])
    truth = np.array([1, 0, 0, 0, 0])
    curve = Reliability.of(Predictions.of(truth, probabilities(second[:, None], logits=False)))
    assert curve.rows == (1, 2, 2)
    assert curve.confidence == pytest.approx((0.5, 0.6, 0.9))
    assert curve.accuracy == (1.0, 1.0, 0.5)
    assert curve.error == pytest.approx((1 * 0.5 + 2 * 0.4 + 2 * 0.4) / 5)


def test_a_calibration_bin_includes_its_upper_edge() -> None:
    second = np.array([[0.54], [0.6], [0.61]])  # the edges around are 8/15, 9/15 and 10/15
    curve = Reliability.of(Predictions.of(np.ones(3), probabilities(second, logits=False)))
    assert curve.rows == (2, 1)


def test_a_classifier_whose_confidence_is_its_accuracy_is_calibrated() -> None:
    second = np.full((100, 1), 0.75)
    truth = (np.arange(100) % 4 > 0).astype(np.int64)
    assert Reliability.of(Predictions.of(truth, probabilities(second, logits=False))).error == pytest.approx(0)


def test_raw_scores_become_probabilities() -> None:
    scores = np.array([[1.0, 2.0, 3.0], [1000.0, 0.0, -1000.0]])
    expected = [[0.09003057, 0.24472847, 0.66524096], [1.0, 0.0, 0.0]]
    np.testing.assert_allclose(probabilities(scores, logits=True), expected, atol=1e-8)
    single = probabilities(np.array([[0.0], [2.0], [-800.0]]), logits=True)
    np.testing.assert_allclose(single, [[0.5, 0.5], [0.11920292, 0.88079708], [1.0, 0.0]], atol=1e-8)


def test_probabilities_stay_what_they_are() -> None:
    np.testing.assert_allclose(probabilities(np.array([[0.2, 0.8]]), logits=False), [[0.2, 0.8]])
    np.testing.assert_allclose(probabilities(np.array([[0.8]]), logits=False), [[0.2, 0.8]])


@pytest.mark.parametrize("outputs", [1, 3])
def test_a_regressions_figures_are_those_of_scikit_learn(outputs: int) -> None:
    random = np.random.default_rng(1)
    truth = random.normal(1e6, 3, size=(400, outputs)) * np.arange(1, outputs + 1)
    predicted = truth + random.normal(size=truth.shape)
    found = regression.metrics(regression.error_sums(truth, predicted, truth.mean(axis=0)).sum(axis=0))
    assert found["mse"] == pytest.approx(reference.mean_squared_error(truth, predicted))
    assert found["rmse"] == pytest.approx(reference.root_mean_squared_error(truth, predicted))
    assert found["mae"] == pytest.approx(reference.mean_absolute_error(truth, predicted))
    assert found["r2"] == pytest.approx(reference.r2_score(truth, predicted))


@pytest.mark.parametrize(("predicted", "r2"), [(5.0, 1.0), (4.0, 0.0)])
def test_r2_of_a_constant_truth_is_one_if_met_and_else_zero(predicted: float, r2: float) -> None:
    truth = np.full((10, 1), 5.0)
    sums = regression.error_sums(truth, np.full((10, 1), predicted), np.zeros(1)).sum(axis=0)
    assert regression.metrics(sums)["r2"] == r2


def test_without_noise_the_headline_is_the_clean_one() -> None:
    random = np.random.default_rng(6)
    truth = random.normal(1e7, 1, size=(500, 1))  # far from 0, where squares lose their digits
    predicted = truth + random.normal(scale=0.5, size=truth.shape)
    tally = RegressionTally()
    tally.add(truth, predicted)
    clean = tally.quality().accuracy.metrics["r2"]
    sums = tally.sums(truth[:200], predicted[:200]) + tally.sums(truth[200:], predicted[200:])
    assert tally.score(sums) == pytest.approx(clean) == pytest.approx(reference.r2_score(truth, predicted))


def test_the_interval_of_an_accuracy_is_that_of_a_binomial_share() -> None:
    truth, distribution = guesses(2000, 3)
    share = float((distribution.argmax(axis=1) == truth).mean())
    interval = intervals_of(classified(truth, distribution), 4000)["accuracy"]
    half_width = 1.96 * np.sqrt(share * (1 - share) / 2000)
    assert interval.low == pytest.approx(share - half_width, abs=0.003)
    assert interval.high == pytest.approx(share + half_width, abs=0.003)


def test_intervals_of_classes_are_those_of_resampled_rows() -> None:
    truth, distribution = guesses(300, 3)
    predicted = distribution.argmax(axis=1)
    random = np.random.default_rng(7)
    drawn = [random.integers(300, size=300) for _ in range(300)]
    resampled = [reference.f1_score(truth[rows], predicted[rows], average="macro") for rows in drawn]
    interval = intervals_of(classified(truth, distribution), 4000)["f1"]
    assert (interval.low, interval.high) == pytest.approx(tuple(np.percentile(resampled, (2.5, 97.5))), abs=0.01)


def test_intervals_of_a_regression_are_those_of_resampled_rows() -> None:
    random = np.random.default_rng(3)
    truth = random.normal(10, 2, size=(300, 1))
    predicted = truth + random.normal(size=truth.shape)
    found = intervals_of(regressed(truth, predicted), 2000)
    drawn = [random.integers(300, size=300) for _ in range(400)]
    for name, function in (("mse", reference.mean_squared_error), ("r2", reference.r2_score)):
        resampled = [function(truth[rows], predicted[rows]) for rows in drawn]
        low, high = np.percentile(resampled, (2.5, 97.5))
        assert found[name].low == pytest.approx(low, abs=0.15 * (high - low))
        assert found[name].high == pytest.approx(high, abs=0.15 * (high - low))


def test_intervals_are_the_same_every_time() -> None:
    for scored in (classified(*guesses(50, 3)), regressed(np.arange(9.0)[:, None], np.ones((9, 1)))):
        assert intervals_of(scored, 100) == intervals_of(scored, 100)


def test_models_resampled_together_see_the_same_rows() -> None:
    truth, distribution = guesses(400, 3)
    # Right where the first one is, and on ten rows more.
    better = distribution.copy()
    wrong = np.flatnonzero(distribution.argmax(axis=1) != truth)[:10]
    better[wrong] = np.eye(3)[truth[wrong]]
    worse, same, best = resampled(
        [classified(truth, distribution), classified(truth, distribution), classified(truth, better)], 2000
    )
    for name in worse:
        np.testing.assert_array_equal(worse[name], same[name])
    # On none of the draws is it the other way round, however wide the intervals of both are.
    differences = best["accuracy"] - worse["accuracy"]
    assert differences.min() >= 0
    assert differences.mean() == pytest.approx(10 / 400, abs=0.001)
    assert differences.std() < worse["accuracy"].std() / 2


def test_regressions_resampled_together_see_the_same_rows() -> None:
    random = np.random.default_rng(8)
    truth = random.normal(size=(200, 1))
    near = truth + random.normal(scale=0.1, size=truth.shape)
    far = truth + 2 * (near - truth)
    first, second = resampled([regressed(truth, near), regressed(truth, far)], 100)
    np.testing.assert_allclose(second["mse"], 4 * first["mse"])


def test_one_row_has_an_interval_of_no_width() -> None:
    interval = intervals_of(classified(*guesses(1, 2)), 100)["accuracy"]
    assert interval.low == interval.high


def noisy(level: float, arrays: dict[str, NDArray[np.float32]], batch: int) -> dict[str, NDArray[np.generic]]:
    """Arrays with noise on a and b, added `batch` rows at a time."""
    moments = {}
    for name in ("a", "b"):
        moments[name] = Moments(arrays[name].shape[1:])
        moments[name].update(arrays[name])
    noise = Noise(level, moments)
    rows = len(arrays["a"])
    parts = [noise.on({name: array[at : at + batch] for name, array in arrays.items()}) for at in range(0, rows, batch)]
    return {name: np.concatenate([part[name] for part in parts]) for name in arrays}


def arrays_of(rows: int) -> dict[str, NDArray[np.float32]]:
    random = np.random.default_rng(5)
    wide = (random.normal(size=(rows, 2)) * [1, 100]).astype(np.float32)
    return {"a": wide, "b": wide[:, 0].copy(), "c": np.arange(rows, dtype=np.float32)}


def test_noise_has_the_level_asked_for_in_standard_deviations_of_each_input() -> None:
    arrays = arrays_of(20_000)
    given = noisy(0.2, arrays, 20_000)
    for name in ("a", "b"):
        added = given[name].astype(np.float64) - arrays[name]
        np.testing.assert_allclose(added.std(axis=0), 0.2 * arrays[name].std(axis=0), rtol=0.03)
        assert given[name].dtype == np.float32


def test_inputs_that_take_no_noise_stay_as_they_are() -> None:
    arrays = arrays_of(10)
    np.testing.assert_array_equal(noisy(0.5, arrays, 10)["c"], arrays["c"])


def test_noise_does_not_depend_on_the_cut_into_batches() -> None:
    arrays = arrays_of(100)
    whole, parts = noisy(0.2, arrays, 100), noisy(0.2, arrays, 7)
    for name in arrays:
        np.testing.assert_array_equal(whole[name], parts[name])


def test_two_inputs_get_noise_of_their_own() -> None:
    column = arrays_of(1000)["b"]
    given = noisy(1.0, {"a": column, "b": column}, 1000)
    a, b = (given[name].astype(np.float64) - column for name in ("a", "b"))
    assert abs((a * b).mean() / (a.std() * b.std())) < 0.1
