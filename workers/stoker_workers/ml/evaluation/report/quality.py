"""The panels that show how good an output's predictions are."""

from collections.abc import Iterator

from stoker.kinds import Accuracy
from stoker.kinds.evaluate import ForecastAccuracy
from stoker.terminal.html import Html, table

from ..curves import MOST_CURVES
from ..quality import Drawn
from .parts import number, panel


def quality_panels(drawn: Drawn, accuracy: Accuracy, each: str = "class") -> Iterator[Html]:
    """Plots and tables of one output.

    Args:
        each: what the output tells apart.
    """
    from . import plots  # with matplotlib, which nothing but a page needs

    if accuracy.confusion:
        drawing = plots.confusion(accuracy.confusion, tuple(accuracy.classes))
        yield panel("Confusion matrix", drawing, "Shade: share of the true class's rows.")
    if accuracy.classes:
        yield panel(f"Per {each}", _class_table(accuracy, each.capitalize()))
    if drawn.curves:
        yield from _curve_panels(drawn, accuracy)
    if drawn.pairs:
        note = f"{len(drawn.pairs.truth):,} rows, evenly spread over the data."
        yield panel("Prediction against truth", plots.pairs(drawn.pairs), note)
        yield panel(
            "Residuals", plots.residuals_by_prediction(drawn.pairs), "The same rows. Above 0, predictions are too low."
        )
    if drawn.residuals:
        spread = drawn.residuals
        outside = spread.below + spread.above
        note = (
            f"All rows{f' but {outside:,} further out' if outside else ''}. Mean {number(spread.mean)}, median "
            f"{number(spread.median)}; nine of ten between {number(spread.low)} and {number(spread.high)}."
        )
        yield panel("Histogram of residuals", plots.residuals(spread), note)
    if accuracy.forecast:
        yield from _forecast_panels(drawn, accuracy.forecast)
    if drawn.reliability:
        note = "On the diagonal, predictions are right as often as they claim. Area of a point: its share of the rows."
        yield panel("Reliability", plots.reliability(drawn.reliability), note)


def _curve_panels(drawn: Drawn, accuracy: Accuracy) -> Iterator[Html]:
    from . import rankings

    curves = drawn.curves
    # Of two classes, the ROC curve of one is that of the other, turned round.
    roc = curves[1:] if len(accuracy.classes) == len(curves) == 2 and accuracy.confusion else curves
    few = f"The {MOST_CURVES} with the lowest average precision. " if len(curves) < len(accuracy.classes) else ""
    against = "Each one against all others, with the area below." if len(roc) > 1 else "With the area below."
    yield panel("ROC curve", rankings.roc(roc), f"{few}{against} On the diagonal, it guesses.")
    dashed = " Dashed: what guessing gives." if len(curves) <= 2 else ""
    yield panel("Precision and recall", rankings.precision_recall(curves), f"{few}With the average precision.{dashed}")


def _forecast_panels(drawn: Drawn, errors: ForecastAccuracy) -> Iterator[Html]:
    from . import forecasts

    note = "Mean absolute error of each step ahead, beside that of what needs no model."
    yield panel("Errors by step", forecasts.errors(errors), note)
    for example in drawn.forecasts:
        note = f"Mean absolute error {number(example.mae)}. {example.place} of {example.of} windows drawn at random."
        yield panel("Forecast against truth", forecasts.example(example), note)


def _class_table(accuracy: Accuracy, head: str) -> Html:
    ranked = any(score.average_precision is not None for score in accuracy.classes.values())
    rows = []
    for label, score in accuracy.classes.items():
        figures = [
            score.precision,
            score.recall,
            score.f1,
            *((score.roc_auc, score.average_precision) if ranked else ()),
        ]
        rows.append((label, *("–" if value is None else f"{value:.3f}" for value in figures), f"{score.support:,}"))
    columns = ("ROC AUC", "Average precision") if ranked else ()
    return table((head, "Precision", "Recall", "F1", *columns, "Rows"), rows)
