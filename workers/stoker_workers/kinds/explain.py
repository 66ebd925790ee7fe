"""Executes `Explain`: how much a model needs each column, what single rows' predictions come from, and a report."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import keras
import numpy as np

from stoker.errors import InvalidJob
from stoker.kinds import Explain, ExplainResult, Explanation
from stoker.kinds.explanation import BaselineKind
from stoker.kinds.rules import of_output
from stoker.models.inline import read_inline
from stoker.models.inputs import Inputs
from stoker.models.manifest import ModelVersion
from stoker.models.predictions import predictions
from stoker.models.tensors import Array, Outputs

from ..ml.data import Source
from ..ml.data.source import rows_of
from ..ml.evaluation.opening import gives_scores, tally_of_output
from ..ml.evaluation.rows import LabelledRows, require_measurable
from ..ml.explanation.attribution import Attributor, is_whole
from ..ml.explanation.baselines import WORDS
from ..ml.explanation.correlated import correlated, correlation_warning
from ..ml.explanation.explained import MOST_NUMBERS, Explained, explained_of
from ..ml.explanation.features import Feature, features_of
from ..ml.explanation.importance import Measured, measure_importance
from ..ml.explanation.page import Pictured, render
from ..ml.explanation.ports import output_names
from ..ml.explanation.rows import Drawn, drawn, encoded, first_rows, numbered
from ..ml.explanation.scores import headline, scores
from ..ml.explanation.split import refuse_without_gradient
from ..ml.opening import open_data
from ..ml.prediction.predictor import Predictor
from ..ml.preprocessing.target import truth_columns
from ..ml.run import Outcome, Run
from ..ml.writing import write_report

_BATCH_ROWS = 1024
# Of fewer rows, what shuffling them does is mostly chance.
_FEW_ROWS = 50


@dataclass
class _Found:
    """What has been found so far.

    Attributes:
        sample: rows of the data; None where there is no data, or none of it is needed.
        measured: None where importance was not measured.
        rows: the tensors of the rows that are explained.
        warnings: why the figures may say less than they seem to.
    """

    sample: Drawn | None = None
    measured: Measured | None = None
    explanations: tuple[Explanation, ...] = ()
    rows: Mapping[str, Array] = field(default_factory=dict)
    baseline: str = ""
    warnings: list[str] = field(default_factory=list)


def run(spec: Explain, run: Run) -> Outcome:
    """Explain its model.

    Raises:
        InvalidJob: data and model do not fit together, or what is asked for cannot be told of this model.
        Stopped: a stop was asked for.
    """
    [version] = run.models
    predictor = Predictor.load(version, run.store, run.scratch, _BATCH_ROWS, custom=run.custom_objects)
    run.say(*predictor.remarks)
    source = open_data(spec.data, "test", run, version.signature) if spec.data is not None else None
    found = _Found()
    wanted = spec.methods or ("importance", "gradients")
    if source and "importance" in wanted:
        _measure(spec, predictor, source, found, run)
    if "gradients" in wanted:
        _explain_rows(spec, predictor, source, found, run)
    if not found.measured and not found.explanations:
        raise InvalidJob(f"nothing of {version.ref} can be explained: {'; '.join(found.warnings)}")
    run.say(*found.warnings, level="warning")
    return Outcome(_result(spec, version, found, run))


def _result(spec: Explain, version: ModelVersion, found: _Found, run: Run) -> ExplainResult:
    measured = found.measured
    result = ExplainResult(
        model=version.ref,
        data="" if spec.data is None else str(spec.data),
        rows=found.sample.rows if found.sample and measured else 0,
        metrics={
            of_output(output, name) if output else name: value
            for output, (metric, value, loss) in (measured.metrics if measured else {}).items()
            for name, value in ((metric, value), ("loss", loss))
        },
        importance=measured.importance if measured else (),
        explanations=found.explanations,
        baseline=found.baseline,
        warnings=tuple(found.warnings),
        files={},
    )
    pictures = Pictured.of(version.signature, found.rows)
    return result.model_copy(update={"files": write_report(run, result, lambda: render(result, pictures))})


def _measure(spec: Explain, predictor: Predictor, source: Source, found: _Found, run: Run) -> None:
    """Permutation importance; where it was not asked for by name, why there is none is a warning."""
    features = features_of(predictor.version.signature)
    try:
        _require_importance(spec, predictor.version, source, features)
        sample, measured = _measured(spec, predictor, source, features, run)
    except InvalidJob as error:
        if "importance" in spec.methods:
            raise
        found.warnings.append(f"importance is left out: {error.message}")
        return
    found.sample, found.measured = sample, measured
    found.warnings += _doubts(sample, features, predictor.version, spec)


def _measured(
    spec: Explain, predictor: Predictor, source: Source, features: Sequence[Feature], run: Run
) -> tuple[Drawn, Measured]:
    """The rows that importance is measured on, and what it is."""
    version = predictor.version
    labelled = LabelledRows(source, version, spec.target, str(spec.data))

    def batches() -> Iterator[tuple[Mapping[str, Array], Mapping[str, Array]]]:
        known = False
        for inputs, truth, _ in labelled.batches(_BATCH_ROWS):
            known = True
            yield inputs, truth if version.signature.parts else {"": truth}
        if not known:
            raise InvalidJob(f"no row of {spec.data} has a truth; give data with at least one that has")

    sample = drawn(batches(), spec.sample, spec.seed, labelled.count, run)
    measured = measure_importance(
        sample.tensors,
        features,
        predictor.predict,
        lambda outputs: _scores(predictor, sample.truth, outputs),
        repeats=spec.repeats,
        seed=spec.seed,
        run=run,
    )
    return sample, measured


def _require_importance(spec: Explain, version: ModelVersion, source: Source, features: Sequence[Feature]) -> None:
    """Refuse to measure importance where it cannot be.

    Raises:
        InvalidJob: there is only one column, or none with the truth.
    """
    if len(features) == 1:
        raise InvalidJob(
            f"{version.ref} reads a single column {features[0].name!r}, which would leave nothing if it were shuffled; "
            "methods=['gradients'] tells which of its words or pixels matter"
        )
    names = {column.name for column in source.columns}
    wanted = [spec.target or name for name in truth_columns(version.signature)]
    if missing := [name for name in wanted if name not in names]:
        raise InvalidJob(f"{spec.data} has no column {missing[0]!r} with the truth; set target to the one that has it")


def _scores(predictor: Predictor, truth: Mapping[str, Array], outputs: Outputs) -> dict[str, tuple[str, float, float]]:
    """The headline metric of each output, its value, and the loss."""
    signature = predictor.version.signature
    require_measurable(truth if signature.parts else truth[""], outputs, predictor.version)
    places = sorted(signature.parts)
    found = {}
    for name, part in (signature.parts or {"": signature}).items():
        place = places.index(name) if signature.parts else 0
        given = outputs[name] if signature.parts else outputs
        metric, loss = scores(
            part,
            truth[name],
            given,
            lambda part=part, place=place: tally_of_output(part, predictor, place),  # type: ignore[misc]
            logits=bool(part.classes) and gives_scores(part, predictor, place),
        )
        found[name] = (headline(part), metric, loss)
    return found


def _doubts(sample: Drawn, features: Sequence[Feature], version: ModelVersion, spec: Explain) -> Iterator[str]:
    if pairs := correlated(sample.tensors, features, version.signature):
        yield correlation_warning(pairs)
    if sample.rows < _FEW_ROWS:
        yield f"importance is measured on {sample.rows} rows: of so few, most is chance; give more, or raise repeats"
    if str(spec.data) in version.trained_on and not str(spec.data).startswith("sample://"):
        yield (
            f"{version.ref} was trained on {spec.data} itself: importance there says what it remembers; measure it on "
            "rows that it has not seen"
        )


def _explain_rows(spec: Explain, predictor: Predictor, source: Source | None, found: _Found, run: Run) -> None:
    """Integrated gradients; where they were not asked for by name, why there are none is a warning."""
    version = predictor.version
    try:
        refuse_without_gradient(predictor.model, version.ref, version.parent)
        assert isinstance(predictor.model, keras.Model)
        explained = _explained(spec, predictor)
        attributor = Attributor(predictor.model, version, spec.most_steps, run)
    except InvalidJob as error:
        if "gradients" in spec.methods:
            raise
        found.warnings.append(f"single rows are not explained: {error.message}")
        return
    numbers, rows = _rows(spec, version, source, run)
    if not numbers:
        return
    kind = spec.baseline or _usual_baseline(version, source)
    data: Mapping[str, Array] = {}
    if kind == "mean":
        assert source is not None
        sample = found.sample or drawn(encoded(source, version.signature), spec.sample, spec.seed, source.rows, run)
        data = sample.tensors
        found.baseline = WORDS[kind].format(rows=sample.rows, data=spec.data)
    else:
        found.baseline = WORDS[kind]
    outputs = predictor.predict(rows)
    _require_finite(outputs, version)
    predicted = predictions(version, outputs)
    attributions = attributor.explain(rows, explained, kind, data)
    found.rows = rows
    found.explanations = tuple(
        Explanation(row=number, prediction=prediction, outputs=each)
        for number, prediction, each in zip(numbers, predicted, attributions, strict=True)
    )
    found.warnings += _incomplete(found.explanations, spec.most_steps)
    numbers_given = sum(len(part.columns) or 1 for part in version.signature.each.values() if not part.classes)
    if spec.output is None and numbers_given > MOST_NUMBERS:
        found.warnings.append(f"of each output the first {MOST_NUMBERS} numbers are explained: output names another")


def _explained(spec: Explain, predictor: Predictor) -> tuple[Explained, ...]:
    version, model = predictor.version, predictor.model
    assert isinstance(model, keras.Model)
    names = output_names(model, version.signature)
    logits = {
        name: bool(part.classes) and gives_scores(part, predictor, names.index(name))
        for name, part in version.signature.each.items()
    }
    return explained_of(version.signature, spec.output, version.ref, names, logits)


def _rows(
    spec: Explain, version: ModelVersion, source: Source | None, run: Run
) -> tuple[Sequence[int], Mapping[str, Array]]:
    """The numbers and the tensors of the rows that are explained."""
    if spec.given is not None:
        inputs = Inputs(version.signature, version.ref)
        columns = inputs.ordered(read_inline(spec.given))
        inputs.check_shapes([array.shape for array in columns])
        tensors = dict(zip((each.name for each in inputs.specs), inputs.conform(columns), strict=True))
        return range(rows_of(tensors)), tensors
    assert source is not None
    if isinstance(spec.rows, int):
        tensors = first_rows(source, version.signature, spec.rows, run) if spec.rows else {}
        return range(rows_of(tensors) if tensors else 0), tensors
    return spec.rows, numbered(source, version.signature, spec.rows, run) if spec.rows else {}


def _usual_baseline(version: ModelVersion, source: Source | None) -> BaselineKind:
    pictures = all(is_whole(each) and len(each.shape) == 3 for each in version.signature.inputs)
    if pictures:
        return "zero"
    return "missing" if source is None else "mean"


def _require_finite(outputs: Outputs, version: ModelVersion) -> None:
    for array in outputs.values() if isinstance(outputs, Mapping) else [outputs]:
        wrong = ~np.isfinite(array.reshape(len(array), -1)).all(axis=1)
        if wrong.any():
            raise InvalidJob(
                f"{version.ref} gives NaN or infinite outputs in row {int(np.argmax(wrong))} of those that are "
                "explained: there is no number whose change could be shared among the columns"
            )


def _incomplete(explanations: Sequence[Explanation], most_steps: int) -> Iterator[str]:
    rows = [each.row for each in explanations if not all(part.complete for part in each.outputs.values())]
    if rows:
        shown = ", ".join(map(str, rows[:10])) + (f" and {len(rows) - 10} more" if len(rows) > 10 else "")
        yield (
            f"the attributions of row {shown} do not add up to the change of the prediction within 1 %, in "
            f"{most_steps:,} steps: raise most_steps, or choose another baseline"
        )
