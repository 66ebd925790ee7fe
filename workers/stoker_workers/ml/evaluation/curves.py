"""How well probabilities rank the rows: ROC and precision-recall curves of each class against all others."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from ..data.source import Floats, Mask

MOST_CURVES = 8
"""Classes whose curves a report keeps, those with the lowest average precision: nobody tells more lines apart."""
_POINTS = 200  # as many as a plot shows
_DIGITS = 6


@dataclass(frozen=True)
class Curve:
    """How well the probability of a class tells its rows from all others, over all thresholds.

    Attributes:
        label: the class.
        share: of the rows that are of this class: the precision of a guess.
        roc_auc: the exact area under the ROC curve.
        average_precision: the precision at each threshold, weighted by the recall that it adds.
        false_positive_rate, true_positive_rate: points of the ROC curve, the first (0, 0) and the last (1, 1).
        recall, precision: points of the other curve, from high thresholds to low ones.
    """

    label: str
    share: float
    roc_auc: float
    average_precision: float
    false_positive_rate: tuple[float, ...]
    true_positive_rate: tuple[float, ...]
    recall: tuple[float, ...]
    precision: tuple[float, ...]

    @classmethod
    def of(cls, label: str, truth: Mask, scores: Floats) -> Self | None:
        """From which rows are of the class, and how probable that was; None where all are, or none.

        Figures are exact. Of the points, each of which is one of the exact curve, as many stay as a plot shows.
        """
        positives = int(truth.sum())
        negatives = len(truth) - positives
        if not positives or not negatives:
            return None
        order = np.argsort(scores)[::-1]
        ranked = scores[order]
        # Rows of one score are above a threshold together.
        last = np.append(np.flatnonzero(np.diff(ranked)), len(ranked) - 1)
        hits = np.cumsum(truth[order])[last]
        false_alarms = last + 1 - hits
        recall, fall_out, precision = hits / positives, false_alarms / negatives, hits / (last + 1)
        roc_x, roc_y = np.append(0.0, fall_out), np.append(0.0, recall)
        roc, ranks = _spread(roc_x + roc_y), _spread(recall)
        return cls(
            label=label,
            share=positives / len(truth),
            roc_auc=float(np.trapezoid(roc_y, roc_x)),
            average_precision=float((np.diff(recall, prepend=0.0) * precision).sum()),
            false_positive_rate=_rounded(roc_x[roc]),
            true_positive_rate=_rounded(roc_y[roc]),
            recall=_rounded(recall[ranks]),
            precision=_rounded(precision[ranks]),
        )


def curves_of(labels: Sequence[str], truth: NDArray[np.generic], scores: Floats) -> dict[str, Curve]:
    """The curve of each label that some rows have and some have not.

    Args:
        truth: class numbers (rows,), or which labels hold (rows, labels).
        scores: (rows, labels) probabilities.
    """
    numbered = truth.ndim == 1
    curves = (
        Curve.of(label, truth == place if numbered else truth[:, place] != 0, scores[:, place])
        for place, label in enumerate(labels)
    )
    return {curve.label: curve for curve in curves if curve}


def weakest(curves: Sequence[Curve]) -> tuple[Curve, ...]:
    """As many as can be told apart, of more those with the lowest average precision; in the order of the classes."""
    ranked = sorted(curve.average_precision for curve in curves)
    limit = ranked[:MOST_CURVES][-1] if ranked else 0.0
    return tuple(curve for curve in curves if curve.average_precision <= limit)[:MOST_CURVES]


def _spread(along: Floats) -> NDArray[np.intp]:
    """Which points to keep of a curve on which `along` grows: the ends, and those that are spread evenly between."""
    if len(along) <= _POINTS:
        return np.arange(len(along))
    at = np.searchsorted(along, np.linspace(along[0], along[-1], _POINTS))
    return np.unique(np.append(at, (0, len(along) - 1)))


def _rounded(values: Floats) -> tuple[float, ...]:
    return tuple(np.round(values, _DIGITS).tolist())
