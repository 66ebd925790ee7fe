"""A made-up explanation: each column matters a little less than the one before it."""

from collections.abc import Sequence

from ..kinds import Attribution, Explain, ExplainResult, Explanation, Importance
from ..models.inline import read_inline
from ..models.manifest import Artifact, ModelVersion
from ..models.prediction import Prediction
from ..models.predictions import predictions
from ..models.signature import Signature
from .registry import Models

_ROWS = 100
_DROP, _SPREAD, _METRIC = 0.1, 0.01, 0.9


def explained(spec: Explain, version: ModelVersion, models: Models, files: dict[str, Artifact]) -> ExplainResult:
    """The result of an explanation, whose numbers add up and mean nothing.

    Rows that came with the job are predicted as the test says that the model answers.
    """
    columns = [name for each in version.signature.inputs for name in each.columns or (each.name,)]
    measures = spec.data is not None and spec.methods != ("gradients",)
    numbers, predicted = _predicted(spec, version, models)
    return ExplainResult(
        model=version.ref,
        data="" if spec.data is None else str(spec.data),
        rows=_ROWS if measures else 0,
        metrics={_metric(version.signature): _METRIC} if measures else {},
        importance=tuple(_importances(columns, version.signature)) if measures else (),
        explanations=tuple(
            Explanation(row=number, prediction=each, outputs=_attributions(each, columns, version.signature))
            for number, each in zip(numbers, predicted, strict=True)
        ),
        baseline="made up",
        files=files,
    )


def _predicted(spec: Explain, version: ModelVersion, models: Models) -> tuple[Sequence[int], list[Prediction]]:
    """The numbers of the rows, and what is predicted of each."""
    if spec.methods == ("importance",):
        return [], []
    if spec.given is not None:
        answers = predictions(version, models.outputs(version.ref, read_inline(spec.given)))
        return range(len(answers)), answers
    numbers = range(spec.rows) if isinstance(spec.rows, int) else spec.rows
    classes = version.signature.classes
    shares = {label: float(place == 0) for place, label in enumerate(classes)}
    one = Prediction(label=classes[0], probabilities=shares) if classes else Prediction(value=0.0)
    return numbers, [one] * len(numbers)


def _importances(columns: Sequence[str], signature: Signature) -> list[Importance]:
    return [
        Importance(
            column=name, metric=_metric(signature), drop=_DROP / place, spread=_SPREAD, loss=_DROP / place,
            loss_spread=_SPREAD,
        )
        for place, name in enumerate(columns, 1)
    ]  # fmt: skip


def _attributions(predicted: Prediction, columns: Sequence[str], signature: Signature) -> dict[str, Attribution]:
    value = predicted.probabilities.get(predicted.label or "", 0.0)
    if not signature.classes:
        value = predicted.value[0] if isinstance(predicted.value, tuple) else predicted.value or 0.0
    target = predicted.label or signature.target or "value"
    weights = [1 / place for place in range(1, len(columns) + 1)]
    shares = {name: value * weight / sum(weights) for name, weight in zip(columns, weights, strict=True)}
    name = next(iter(signature.each))
    return {name: Attribution(target=target, value=value, base=0.0, columns=shares, steps=1, error=0.0, complete=True)}


def _metric(signature: Signature) -> str:
    return "accuracy" if signature.classes else "r2"
