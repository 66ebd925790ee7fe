"""Executes `Compare`: models measured on the same rows, the best of them by a rule, and a report of it."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from stoker.errors import InvalidJob
from stoker.kinds import Accuracy, Compare, ComparedModel, CompareResult, Interval
from stoker.kinds.compare import COST_AXES, headlines, require_comparable
from stoker.kinds.rules import Rule, of_output
from stoker.models.manifest import ModelVersion, Signature
from stoker.models.tensors import Array

from ..ml.data import Source, Values
from ..ml.data.source import Floats, rows_of
from ..ml.evaluation.efficiency import measure
from ..ml.evaluation.opening import tally_of, tally_of_several
from ..ml.evaluation.report.comparison import render
from ..ml.evaluation.report.parts import between, number
from ..ml.evaluation.rows import LabelledRows, require_measurable
from ..ml.evaluation.several import SeveralTally
from ..ml.evaluation.stability import interval, intervals, resampled
from ..ml.evaluation.tally import Tally
from ..ml.garbage import collect
from ..ml.opening import open_data
from ..ml.prediction.predictor import Predictor
from ..ml.progress import Meter, obey_stop
from ..ml.run import Outcome, Run
from ..ml.writing import write_report
from ..node.machine import private_bytes


def run(spec: Compare, run: Run) -> Outcome:
    """Measure its models on the spec's data, all in this process, and choose one of them.

    Raises:
        InvalidJob: data and models do not fit together, a model gives no finite numbers, or none meets the conditions.
        Stopped: a stop was asked for.
    """
    require_comparable(spec, run.models)
    if len({each.signature.spreads for each in run.models}) > 1:
        run.say(f"error and loss of all models are in the standard deviations of {run.models[0].ref}'s training")
    source = open_data(spec.data, "test", run, run.models[0].signature)
    entrants = _load(source, spec, run)
    rows = _predict(source, entrants, spec, run)
    draws, models = _measure(entrants, spec, run)
    axes = (*headlines(run.models[0].signature), *COST_AXES)
    chosen, why = _choose(spec.choose, models, draws)
    result = CompareResult(
        data=str(spec.data),
        rows=rows,
        models=tuple(model.model_copy(update={"on_front": _is_on_front(model, models, axes)}) for model in models),
        axes=axes,
        chosen=chosen,
        why=why,
        files={},
    )
    return Outcome(result.model_copy(update={"files": write_report(run, result, lambda: render(result))}))


@dataclass(frozen=True)
class _Entrant:
    """A loaded model.

    Attributes:
        inputs: of the first batch.
        memory_bytes: what loading it and predicting those took; None if unknown.
    """

    predictor: Predictor
    rows: LabelledRows
    tally: Tally | SeveralTally
    inputs: dict[str, Array]
    memory_bytes: int | None


def _load(source: Source, spec: Compare, run: Run) -> list[_Entrant]:
    """Load all models, one after the other, each with what it took."""
    first = _first_rows(source, spec, run)
    # Whichever model is the first brings threads and converters into the process: so one is, that then is loaded anew.
    _load_one(min(run.models, key=lambda version: version.parameters), source, first, spec, run)
    entrants = [_load_one(version, source, first, spec, run) for version in run.models]
    run.say(*(remark for entrant in entrants for remark in entrant.predictor.remarks))
    return entrants


def _first_rows(source: Source, spec: Compare, run: Run) -> tuple[int, Mapping[str, Values]]:
    """The first batch of which a row has a truth, and how many rows are before it."""
    rows = LabelledRows(source, run.models[0], spec.target, str(spec.data))
    before = 0
    for columns in source.batches(spec.batch_size):
        inputs, _ = rows.encoded(columns, before)
        if rows_of(inputs):
            return before, columns
        before += rows_of(columns)
    raise InvalidJob(f"{spec.data} has no rows to compare models on; give data with at least one that has a truth")


def _load_one(
    version: ModelVersion, source: Source, first: tuple[int, Mapping[str, Values]], spec: Compare, run: Run
) -> _Entrant:
    obey_stop(run)
    rows = LabelledRows(source, version, spec.target, str(spec.data))
    start, columns = first
    inputs, _ = rows.encoded(columns, start)
    before = _held_bytes()
    predictor = Predictor.load(version, run.store, run.scratch, spec.batch_size, custom=run.custom_objects)
    predictor.predict(inputs)
    after = _held_bytes()
    return _Entrant(
        predictor=predictor,
        rows=rows,
        tally=_tally(version.signature, predictor, run.models[0].signature),
        inputs=inputs,
        memory_bytes=None if before is None or after is None else max(0, after - before),
    )


def _tally(signature: Signature, predictor: Predictor, first: Signature) -> Tally | SeveralTally:
    """What counts a model's predictions, by the ruler of the first model."""
    if signature.parts:
        return tally_of_several(signature, predictor, of_output)
    return tally_of(signature.model_copy(update={"spreads": _spreads(signature, first)}), predictor)


def _spreads(signature: Signature, first: Signature) -> tuple[float, ...]:
    """The standard deviations of the first model's training, in the order of a model's columns."""
    by_column = dict(zip(first.columns, first.spreads, strict=False))
    return tuple(by_column[column] for column in signature.columns) if by_column else first.spreads


def _held_bytes() -> int | None:
    """Memory of this process that is in use; None if unknown."""
    collect()
    return private_bytes(os.getpid())


def _predict(source: Source, entrants: Sequence[_Entrant], spec: Compare, run: Run) -> int:
    """Predict every row by every model, into its tally; gives how many rows there are."""
    meter = Meter(run, "predicting", total=source.rows)
    seen = measured = 0
    for columns in source.batches(spec.batch_size):
        for entrant in entrants:
            obey_stop(run)
            inputs, truth = entrant.rows.encoded(columns, seen)
            if not rows_of(inputs):
                break
            outputs = entrant.predictor.predict(inputs)
            require_measurable(truth, outputs, entrant.predictor.version)
            entrant.tally.add(truth, outputs)
        seen += rows_of(columns)
        measured += rows_of(inputs)
        meter.at(seen)
    return measured


def _measure(
    entrants: Sequence[_Entrant], spec: Compare, run: Run
) -> tuple[dict[str, dict[str, Floats]], list[ComparedModel]]:
    """Each model's metrics on every resample, and its figures."""
    qualities = [entrant.tally.quality() for entrant in entrants]
    draws = resampled([quality.scored for quality in qualities], spec.bootstrap)
    efficiencies = measure([(entrant.predictor, entrant.inputs) for entrant in entrants], run)
    models = []
    for entrant, quality, drawn, efficiency in zip(entrants, qualities, draws, efficiencies, strict=True):
        version = entrant.predictor.version
        models.append(
            ComparedModel(
                model=version.ref,
                metrics=_figures(quality.accuracy, version.signature),
                intervals=intervals(drawn),
                parameters=efficiency.parameters,
                file_bytes=efficiency.file_bytes,
                latency=efficiency.latency,
                rows_per_s=efficiency.rows_per_s,
                memory_bytes=entrant.memory_bytes,
                on_front=False,
            )
        )
    return {model.model: drawn for model, drawn in zip(models, draws, strict=True)}, models


def _figures(accuracy: Accuracy, signature: Signature) -> dict[str, float]:
    """Every metric by the name that rules have for it."""
    if signature.parts:
        return {
            of_output(name, metric): value
            for name, part in signature.parts.items()
            for metric, value in _figures(accuracy.outputs[name], part).items()
        }
    optional = {
        "roc_auc": accuracy.roc_auc,
        "average_precision": accuracy.average_precision,
        "calibration_error": accuracy.calibration_error,
    }
    return accuracy.metrics | {name: value for name, value in optional.items() if value is not None}


def _is_on_front(model: ComparedModel, models: Sequence[ComparedModel], axes: Sequence[str]) -> bool:
    """Whether no other is at least as good on every axis, and better on one: less of the costs, more of the others."""

    def point(of: ComparedModel) -> tuple[float, ...]:
        return tuple(of.values[axis] * (1 if axis in COST_AXES else -1) for axis in axes)

    own = point(model)
    others = [point(other) for other in models]
    return not any(other != own and all(a <= b for a, b in zip(other, own, strict=True)) for other in others)


def _choose(
    choose: str | None, models: Sequence[ComparedModel], draws: Mapping[str, Mapping[str, Floats]]
) -> tuple[str | None, str]:
    """The model that the rule chooses, and why."""
    if choose is None:
        return None, "No rule was given, so none is chosen."
    rule = Rule.parse(choose)
    for model in models:
        if untold := next((metric for metric in rule.metrics if metric not in model.values), None):
            raise InvalidJob(
                f"choose names {untold}, which could not be told of {model.model}; choose by another metric"
            )
    misses = {model.model: _misses(rule, model) for model in models}
    told = "; ".join(f"{ref} does not: {', '.join(missed)}" for ref, missed in misses.items() if missed)
    sign = 1 if rule.goal == "max" else -1
    # Of equals, the first named comes first.
    fitting = sorted(
        (model for model in models if not misses[model.model]), key=lambda model: -sign * model.values[rule.metric]
    )
    if not fitting:
        raise InvalidJob(f"none of the {len(models)} models meets the conditions of {choose!r}: {told}")
    best, *others = fitting
    why = [f"By {choose!r}, {best.model} is chosen: its {rule.metric} is {_value(best, rule.metric)}."]
    if others:
        why.append(_comparison(rule.metric, best, others[0], draws, sign))
    if rule.conditions:
        why.append(f"{len(fitting)} of {len(models)} models meet the conditions{told and '; '}{told}.")
    return best.model, " ".join(why)


def _misses(rule: Rule, model: ComparedModel) -> list[str]:
    """The conditions that a model does not meet, and by how much."""
    return [
        f"{each.metric} is {number(value)}, not {each.operator} {each.text}, off by {number(abs(value - each.limit))}"
        for each in rule.conditions
        if not each.holds(value := model.values[each.metric])
    ]


def _comparison(
    metric: str, best: ComparedModel, other: ComparedModel, draws: Mapping[str, Mapping[str, Floats]], sign: int
) -> str:
    """The best model against the next one, and how sure their order is."""
    first, second = best.values[metric], other.values[metric]
    if first == second:
        return f"{other.model} is equal to it, and of equals the first named is chosen."
    told = f"Next is {other.model} with {_value(other, metric)}"
    if metric not in best.intervals:
        return f"{told}."
    overlap = _overlap(first, best.intervals[metric], second, other.intervals[metric])
    ahead = interval(sign * (draws[best.model][metric] - draws[other.model][metric]))
    verdict = "may be chance" if ahead.low <= 0 else "is more than chance"
    lead = f"on the same resamples it is ahead by {number(abs(first - second))} ({between(ahead)}), which {verdict}"
    return f"{told}: {overlap}; {lead}."


def _overlap(first: float, of_first: Interval, second: float, of_second: Interval) -> str:
    if of_first.low <= second <= of_first.high and of_second.low <= first <= of_second.high:
        return "each is within the other's interval"
    if of_first.low <= of_second.high and of_second.low <= of_first.high:
        return "their intervals overlap"
    return "their intervals do not overlap"


def _value(model: ComparedModel, metric: str) -> str:
    told = number(model.values[metric])
    return f"{told} ({between(model.intervals[metric])})" if metric in model.intervals else told
