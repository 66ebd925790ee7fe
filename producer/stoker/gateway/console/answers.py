"""What a model has predicted, and what that comes from, for people."""

from ...kinds.explanation import Explanation
from ...models.prediction import Prediction
from ...terminal.html import Html, tag
from .charts import bar, signed_bar
from .page import listed, section
from .words import model_link

_MOST_SHOWN = 20


def predicted(prediction: Prediction) -> Html:
    """A prediction in words, and the probabilities as bars."""
    if prediction.outputs:
        parts = [tag("div", tag("h3", name), _said(each)) for name, each in prediction.outputs.items()]
    else:
        parts = [_said(prediction)]
    by = tag("p", "By ", model_link(prediction.model or ""), class_="hint")
    return section("Prediction", *parts, by, class_="answer")


def _said(prediction: Prediction) -> Html:
    if prediction.probabilities:
        likely = sorted(prediction.probabilities.items(), key=lambda each: -each[1])[:_MOST_SHOWN]
        rows = [(label, bar(label, share), f"{share:.2%}") for label, share in likely]
        what = prediction.label or ", ".join(prediction.labels) or "none of the labels"
        table = listed("Probabilities", ("Class", "Bar", "Probability"), rows, none="")
        return tag("div", tag("p", what, class_="big"), table)
    if prediction.values:
        values = [(name, f"{value:.6g}") for name, value in prediction.values.items()]
        return listed("Values", ("Column", "Value"), values, none="")
    if prediction.mask is not None:
        return tag("p", f"a mask of {len(prediction.mask)} × {len(prediction.mask[0])} pixels")
    numbers = prediction.value if isinstance(prediction.value, tuple) else (prediction.value,)
    return tag("p", ", ".join(f"{number:.6g}" for number in numbers if number is not None), class_="big")


def explained(explanation: Explanation) -> Html:
    """What each column adds or takes away, the largest first."""
    parts = []
    for name, found in explanation.outputs.items():
        largest = max(map(abs, found.columns.values()), default=0.0) or 1.0
        rows = [
            (column, signed_bar(column, share / largest), f"{share:+.4g}")
            for column, share in list(found.columns.items())[:_MOST_SHOWN]
        ]
        about = f"{found.target or name}: {found.value:.4g}, and {found.base:.4g} for the baseline; between them stand:"
        parts.append(tag("p", about))
        parts.append(
            listed(f"Attributions of {name}", ("Column", "Bar", "Adds"), rows, none="No column is told apart.")
        )
    return section("What it comes from", *parts)
