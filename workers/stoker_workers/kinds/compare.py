"""Executes `Compare`: models measured on the same rows, the best of them by a rule, and a report of it."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from stoker.errors import InvalidJob
from stoker.kinds import Accuracy, Compare, ComparedModel, CompareResult
from stoker.kinds.compare import headlines, require_comparable
from stoker.kinds.compared import COST_AXES, with_front
from stoker.kinds.rules import of_output
from stoker.models.manifest import ModelVersion, Signature
from stoker.models.model_files import predicting_file
from stoker.models.store import Corrupt, Missing
from stoker.models.tensors import Array

from ..ml.data import Source
from ..ml.data.source import Floats, rows_of
from ..ml.evaluation.choosing import choose
from ..ml.evaluation.efficiency import measure
from ..ml.evaluation.opening import tally_of, tally_of_several
from ..ml.evaluation.report.comparison import render
from ..ml.evaluation.rows import LabelledRows, require_measurable
from ..ml.evaluation.several import SeveralTally
from ..ml.evaluation.shared_rows import SharedRows
from ..ml.evaluation.stability import intervals, resampled
from ..ml.evaluation.tally import Tally
from ..ml.garbage import collect
from ..ml.prediction.predictor import Predictor
from ..ml.progress import Meter, obey_stop
from ..ml.run import Outcome, Run
from ..ml.writing import write_report
from ..node.machine import private_bytes


def run(spec: Compare, run: Run) -> Outcome:
    """Measure its models on the spec's data, all in this process, and choose one of them.

    Raises:
        InvalidJob: data and models do not fit together; or, if the spec is strict, a model gives no finite numbers, or
            none meets the conditions.
        Stopped: a stop was asked for.
    """
    require_comparable(spec, run.models)
    left_out = _LeftOut(run, strict=spec.strict)
    fitting = _fitting(spec, run, left_out)
    rows, entrants = _entrants(fitting, spec, run, left_out) if fitting else (0, [])
    draws, models = _measure(entrants, spec, run) if entrants else ({}, [])
    choice = choose(spec.choose, models, draws, strict=spec.strict)
    axes = (*headlines(run.models[0].signature), *COST_AXES)
    told = [model.model_copy(update={"verdict": choice.verdicts.get(model.model, "")}) for model in models]
    result = CompareResult(
        data=str(spec.data),
        rows=rows,
        models=with_front(told, axes),
        axes=axes,
        chosen=choice.chosen,
        why=choice.why,
        files={},
        device=run.device,
        left_out={each.ref: left_out.reasons[each.ref] for each in run.models if each.ref in left_out.reasons},
        warnings=tuple(_warnings(spec, [entrant.predictor.version for entrant in entrants])),
    )
    return Outcome(result.model_copy(update={"files": write_report(run, result, lambda: render(result))}))


class _LeftOut:
    """The models that cannot be measured; in a strict comparison, the first of them ends it.

    Attributes:
        reasons: by exact reference.
    """

    def __init__(self, run: Run, *, strict: bool) -> None:
        self.reasons: dict[str, str] = {}
        self._run = run
        self._strict = strict

    @contextmanager
    def if_refused(self, version: ModelVersion) -> Iterator[None]:
        """Leave a model out for which the block fails."""
        try:
            yield
        except (InvalidJob, Corrupt, Missing) as error:
            if self._strict:
                raise
            self.reasons[version.ref] = error.message
            self._run.say(f"{version.ref} is left out: {error.message}", level="warning")


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


def _fitting(spec: Compare, run: Run, left_out: _LeftOut) -> list[ModelVersion]:
    """The models that take such data, of which none is loaded yet.

    Raises:
        InvalidJob: all are refused for one reason, which is then the data's.
    """
    if spec.strict:
        return list(run.models)
    fitting = []
    for version in run.models:
        obey_stop(run)
        with left_out.if_refused(version):
            source = SharedRows(spec.data, [version.signature], run.silent).source(0)
            _first_rows(source, LabelledRows(source, version, spec.target, str(spec.data)), spec)
            fitting.append(version)
    reasons = {*left_out.reasons.values()}
    if not fitting and len(run.models) > 1 and len(reasons) == 1:
        raise InvalidJob(reasons.pop())
    return fitting


def _entrants(
    versions: Sequence[ModelVersion], spec: Compare, run: Run, left_out: _LeftOut
) -> tuple[int, list[_Entrant]]:
    """The models, loaded, and each with its predictions of all rows in its tally; and how many rows there are."""
    if len({each.signature.spreads for each in versions}) > 1:
        run.say(f"error and loss of all models are in the standard deviations of {versions[0].ref}'s training")
    shared = SharedRows(spec.data, [version.signature for version in versions], run)
    # Whichever model is the first brings threads and converters into the process: so one is, that then is loaded anew.
    warm = min(versions, key=lambda version: version.parameters)
    refused = _LeftOut(run.silent, strict=spec.strict)
    with refused.if_refused(warm):
        _load(warm, shared.source(versions.index(warm)), versions[0].signature, spec, run)
    entrants: dict[int, _Entrant] = {}
    for place, version in enumerate(versions):
        with left_out.if_refused(version):
            entrants[place] = _load(version, shared.source(place), versions[0].signature, spec, run)
    run.say(*(remark for entrant in entrants.values() for remark in entrant.predictor.remarks))
    rows = _predict(shared, entrants, spec, run, left_out)
    return rows, [*entrants.values()]


def _first_rows(source: Source, rows: LabelledRows, spec: Compare) -> dict[str, Array]:
    """What a model takes of the first batch of which a row has a truth."""
    before = 0
    for columns in source.batches(spec.batch_size):
        inputs, _ = rows.encoded(columns, before)
        if rows_of(inputs):
            return inputs
        before += rows_of(columns)
    raise InvalidJob(f"{spec.data} has no rows to compare models on; give data with at least one that has a truth")


def _load(version: ModelVersion, source: Source, first: Signature, spec: Compare, run: Run) -> _Entrant:
    """Load a model, and note what that took.

    Args:
        first: the signature of the first model, whose ruler is that of all.
    """
    obey_stop(run)
    rows = LabelledRows(source, version, spec.target, str(spec.data))
    inputs = _first_rows(source, rows, spec)
    before = _held_bytes()
    predictor = Predictor.load(version, run.store, run.scratch, spec.batch_size, custom=run.custom_objects)
    predictor.predict(inputs)
    after = _held_bytes()
    return _Entrant(
        predictor=predictor,
        rows=rows,
        tally=_tally(version.signature, predictor, first),
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


def _predict(shared: SharedRows, entrants: dict[int, _Entrant], spec: Compare, run: Run, left_out: _LeftOut) -> int:
    """Predict every row by every model, into its tally; gives how many rows there are.

    Args:
        entrants: by their places among the models; those go that cannot be measured.
    """
    meter = Meter(run, "predicting", total=shared.rows)
    seen = measured = 0
    for batches in shared.batches(spec.batch_size):
        counts = {0}
        for place, entrant in [*entrants.items()]:
            obey_stop(run)
            version = entrant.predictor.version
            with left_out.if_refused(version):
                inputs, truth = entrant.rows.encoded(batches[place], seen)
                if not rows_of(inputs):
                    continue
                outputs = entrant.predictor.predict(inputs)
                require_measurable(truth, outputs, version)
                entrant.tally.add(truth, outputs)
                counts.add(rows_of(inputs))
            if version.ref in left_out.reasons:
                del entrants[place]
        seen += rows_of(batches[0])
        measured += max(counts)
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
                file_format=predicting_file(version)[0],
                engine=entrant.predictor.engine_name(1),
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


def _warnings(spec: Compare, versions: Sequence[ModelVersion]) -> Iterator[str]:
    # A sample set has rows that no training sees.
    if str(spec.data).startswith("sample://"):
        return
    if known := [version.ref for version in versions if str(spec.data) in version.trained_on]:
        were = "was" if len(known) == 1 else "were"
        yield (
            f"{', '.join(known)} {were} trained on {spec.data} itself: the figures say how well it is remembered, not "
            "how well new rows are predicted; compare on rows that no model has seen"
        )
