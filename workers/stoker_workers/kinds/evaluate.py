"""Executes `Evaluate`: how good, how fast and how steady a model is, and a report of it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from pydantic import TypeAdapter

from stoker.errors import InvalidJob
from stoker.kinds import Evaluate, EvaluateResult, Stability
from stoker.kinds.evaluate import ForecastAccuracy
from stoker.models.manifest import ModelVersion
from stoker.models.store import Store
from stoker.models.tensors import Array, Outputs

from ..ml.columns.stats import Moments
from ..ml.data import Source, Values
from ..ml.data.source import Floats, rows_of
from ..ml.evaluation.efficiency import measure
from ..ml.evaluation.forecasting import ForecastErrors
from ..ml.evaluation.groups import Grouping
from ..ml.evaluation.noise import Noise, noisy_inputs, without_noise
from ..ml.evaluation.opening import mistakes_of, tally_of, tally_of_several
from ..ml.evaluation.pictures import Mistakes
from ..ml.evaluation.report import Report, render
from ..ml.evaluation.rows import LabelledRows, require_measurable
from ..ml.evaluation.several import SeveralTally
from ..ml.evaluation.slices import measure_slices
from ..ml.evaluation.stability import intervals, resampled
from ..ml.evaluation.tally import Tally
from ..ml.opening import open_data
from ..ml.prediction.predictor import Predictor
from ..ml.progress import Meter, obey_stop
from ..ml.run import Outcome, Run
from ..ml.writing import write_report

_HISTORY: TypeAdapter[dict[str, tuple[float, ...]]] = TypeAdapter(dict[str, tuple[float, ...]])


def run(spec: Evaluate, run: Run) -> Outcome:
    """Measure its model on the spec's data.

    Raises:
        InvalidJob: data and model do not fit together, the model gives no finite numbers, or it is below min_metrics.
        Stopped: a stop was asked for.
    """
    [version] = run.models
    predictor = Predictor.load(version, run.store, run.scratch, spec.batch_size, custom=run.custom_objects)
    run.say(*predictor.remarks)
    source = open_data(spec.data, "test", run, version.signature)
    rows = LabelledRows(source, version, spec.target, str(spec.data), spec.slices)
    signature = version.signature
    open_tally = tally_of_several if signature.parts else tally_of
    tally: Tally | SeveralTally = open_tally(signature, predictor)
    forecast = signature.forecast
    counters = _Counters(
        tally=tally,
        errors=ForecastErrors(forecast) if forecast else None,
        mistakes=mistakes_of(signature, predictor),
        groupings=_groupings(spec, source),
    )
    seen = _predict(rows, predictor, counters, spec, run)
    quality = tally.quality()
    errors = counters.errors.accuracy() if counters.errors else None
    [draws] = resampled([quality.scored], spec.bootstrap)
    slight = [told for each in counters.groupings.values() if (told := each.warning())]
    run.say(*slight, level="warning")
    sliced = measure_slices([each.groups() for each in counters.groupings.values()], quality.scored)
    # Several outputs have no headline metric that could fall.
    noise = {} if isinstance(tally, SeveralTally) else _predict_noisy(rows, predictor, tally, seen, spec, run)
    [efficiency] = measure([(predictor, seen.first)], run)
    report = Report(
        **dict(quality.drawn.model_copy(update={"forecasts": counters.errors.examples() if counters.errors else ()})),
        model=version.ref,
        data=str(spec.data),
        task=version.signature.task,
        rows=seen.rows,
        metrics={name: quality.accuracy.metrics[name] for name in draws},
        accuracy=quality.accuracy.model_copy(update={"forecast": errors}),
        efficiency=efficiency,
        stability=Stability(
            intervals=intervals(draws),
            noise=noise,
            without_noise=without_noise(signature.inputs) if spec.noise and not signature.parts else (),
        ),
        slices=sliced.slices,
        learning=_learning_curve(version, run.store),
        outputs=dict(quality.outputs),
        mistakes=counters.mistakes.worst() if counters.mistakes else (),
        warnings=(*_warnings(spec, version, errors), *slight, *sliced.warnings),
    )
    _pass_gate(spec, report)
    return _outcome(run, report)


def _outcome(run: Run, report: Report) -> Outcome:
    return Outcome(
        EvaluateResult(
            model=report.model,
            rows=report.rows,
            metrics=report.metrics,
            accuracy=report.accuracy,
            efficiency=report.efficiency,
            stability=report.stability,
            slices=report.slices,
            warnings=report.warnings,
            files=write_report(run, report, lambda: render(report)),
        )
    )


@dataclass
class _Seen:
    """What the first pass leaves behind.

    Attributes:
        first: the inputs of the first batch.
        moments: of each input that takes noise.
    """

    rows: int
    first: dict[str, Array]
    moments: dict[str, Moments]


def _groupings(spec: Evaluate, source: Source) -> dict[str, Grouping]:
    columns = {column.name: column for column in source.columns}
    return {name: Grouping(columns[name]) for name in spec.slices}


@dataclass
class _Counters:
    """What takes in every row, once.

    Attributes:
        errors: of the steps of a forecast; None for other models.
        mistakes: of a classifier of pictures; None for other models.
        groupings: by the name of the column.
    """

    tally: Tally | SeveralTally
    errors: ForecastErrors | None
    mistakes: Mistakes | None
    groupings: Mapping[str, Grouping]

    def add(self, inputs: Mapping[str, Array], truth: Outputs, outputs: Outputs, columns: Mapping[str, Values]) -> None:
        self.tally.add(truth, outputs)
        if self.errors:
            [windows] = inputs.values()
            self.errors.add(windows, truth, outputs)
        if self.mistakes:
            self.mistakes.add(inputs, truth, outputs)
        for name, grouping in self.groupings.items():
            grouping.add(columns[name])


def _predict(rows: LabelledRows, predictor: Predictor, counters: _Counters, spec: Evaluate, run: Run) -> _Seen:
    """Predict every row once."""
    version = predictor.version
    numbers = noisy_inputs(version.signature.inputs)
    seen = _Seen(0, {}, {each.name: Moments(tuple(size or 0 for size in each.shape)) for each in numbers})
    meter = Meter(run, "predicting", total=rows.count)
    for inputs, truth, columns in rows.batches(spec.batch_size):
        obey_stop(run)
        outputs = predictor.predict(inputs)
        require_measurable(truth, outputs, version)
        counters.add(inputs, truth, outputs, columns)
        for name, moments in seen.moments.items():
            moments.update(inputs[name])
        seen.first = seen.first or inputs
        seen.rows += rows_of(inputs)
        meter.at(seen.rows)
    if not seen.rows:
        raise InvalidJob(f"there are no rows to measure {version.ref} on; give data with at least one")
    return seen


def _predict_noisy(
    rows: LabelledRows, predictor: Predictor, tally: Tally, seen: _Seen, spec: Evaluate, run: Run
) -> dict[str, float]:
    """The headline metric at each level of noise; none where no input can take noise.

    A level under which outputs are not finite is left out, which is said: what is not a number is no robustness.
    """
    if not seen.moments:
        return {}
    noises = {level: Noise(level, seen.moments) for level in spec.noise}
    sums: dict[float, Floats] = {level: np.zeros(()) for level in noises}
    meter = Meter(run, "predicting under noise", total=seen.rows * len(noises))
    done = 0
    for inputs, truth, _ in rows.batches(spec.batch_size):
        for level, noise in noises.items():
            obey_stop(run)
            if level in sums:
                outputs = predictor.predict(noise.on(inputs))
                if np.isfinite(outputs).all():
                    sums[level] = sums[level] + tally.sums(truth, outputs)
                else:
                    del sums[level]
                    what = f"{predictor.version.ref} gives NaN or infinite outputs under it"
                    run.say(f"noise of {level:g} is left out: {what}", level="warning")
            done += len(truth)
            meter.at(done)
    return {f"{level:g}": tally.score(total) for level, total in sums.items()}


def _warnings(spec: Evaluate, version: ModelVersion, forecast: ForecastAccuracy | None) -> Iterator[str]:
    if forecast and not forecast.is_better:
        yield f"{version.ref} is no better than a forecast without a model ({forecast.words}): train it longer"
    # A sample set has rows that no training sees.
    if str(spec.data) in version.trained_on and not str(spec.data).startswith("sample://"):
        yield (
            f"{version.ref} was trained on {spec.data} itself: these figures say how well it remembers, not how well "
            "it predicts; measure it on rows that it has not seen"
        )


def _learning_curve(version: ModelVersion, store: Store) -> dict[str, tuple[float, ...]]:
    """The metrics of its training by epoch; none if it was not trained here."""
    history = version.files.get("history")
    return _HISTORY.validate_json(store.read(history)) if history else {}


def _pass_gate(spec: Evaluate, report: Report) -> None:
    for name, least in spec.min_metrics.items():
        if name not in report.metrics:
            known = ", ".join(report.metrics)
            raise InvalidJob(f"min_metrics names {name!r}, but {report.model} is measured by {known}")
        value = report.metrics[name]
        if value < least:
            raise InvalidJob(f"{report.model} did not pass the gate: {name} is {value:.4g}, below {least:g}")
