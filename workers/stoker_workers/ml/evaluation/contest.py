"""Models measured beside each other: on the same rows and resamples, and timed in turns."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from stoker.errors import InvalidJob
from stoker.kinds import Accuracy, ComparedModel, Data
from stoker.kinds.rules import of_output
from stoker.models.manifest import ModelVersion
from stoker.models.model_files import predicting_file
from stoker.models.signature import Signature
from stoker.models.store import Corrupt, Missing, Store
from stoker.models.tensors import Array

from ..data import Source
from ..data.source import Floats, rows_of
from ..garbage import collect
from ..prediction.predictor import Predictor
from ..progress import Meter, obey_stop
from ..run import Run
from .efficiency import measure
from .opening import tally_of, tally_of_several
from .rows import LabelledRows, require_measurable
from .several import SeveralTally
from .shared_rows import SharedRows
from .stability import intervals, resampled
from .tally import Tally


@dataclass(frozen=True)
class Measured:
    """What came of it.

    Attributes:
        rows: on how many rows.
        models: in the order of the versions, without those that were left out.
        draws: each model's headline metrics on every resample, by its exact reference.
        versions: of the models.
    """

    rows: int = 0
    models: list[ComparedModel] = field(default_factory=list)
    draws: dict[str, dict[str, Floats]] = field(default_factory=dict)
    versions: list[ModelVersion] = field(default_factory=list)


class Contest:
    """What models are measured on, and how.

    Args:
        data: the rows.
        target: the column with the truth; None takes the one that the models were trained on.
        batch_size: rows per forward pass.
        bootstrap: resamples behind the intervals.
        held_bytes: how much memory of this process is in use; None if unknown.
        strict: whether the first model that cannot be measured ends it, rather than is left out.

    Attributes:
        left_out: why models were, by exact reference.
    """

    def __init__(
        self,
        data: str | Data,
        target: str | None,
        batch_size: int,
        bootstrap: int,
        run: Run,
        held_bytes: Callable[[], int | None],
        *,
        strict: bool = True,
    ) -> None:
        self.left_out: dict[str, str] = {}
        self._data = data
        self._target = target
        self._batch_size = batch_size
        self._bootstrap = bootstrap
        self._run = run
        self._held_bytes = held_bytes
        self._strict = strict

    def measured(self, versions: Sequence[ModelVersion], stores: Sequence[Store]) -> Measured:
        """Measure models, all in this process.

        Args:
            stores: where the files of each are.

        Raises:
            InvalidJob: the data cannot be read; or, if it is strict, a model does not fit them, cannot be loaded, or
                gives no finite numbers.
            Stopped: a stop was asked for.
        """
        files = {version.ref: store for version, store in zip(versions, stores, strict=True)}
        fitting = versions if self._strict else self._fitting(versions)
        if not fitting:
            return Measured()
        if len({each.signature.spreads for each in fitting}) > 1:
            self._run.say(f"error and loss of all models are in the standard deviations of {fitting[0].ref}'s training")
        shared = SharedRows(self._data, [version.signature for version in fitting], self._run)
        entrants = self._load(fitting, files, shared)
        rows = self._predict(entrants, shared)
        return self._compared([*entrants.values()], rows) if entrants else Measured(rows)

    @contextmanager
    def _if_refused(self, version: ModelVersion) -> Iterator[None]:
        """Leave a model out for which the block fails."""
        try:
            yield
        except (InvalidJob, Corrupt, Missing) as error:
            if self._strict:
                raise
            self.left_out[version.ref] = error.message
            self._run.say(f"{version.ref} is left out: {error.message}", level="warning")

    def _fitting(self, versions: Sequence[ModelVersion]) -> list[ModelVersion]:
        """The models that take such data, of which none is loaded yet.

        Raises:
            InvalidJob: all are refused for one reason, which is then the data's.
        """
        fitting = []
        for version in versions:
            obey_stop(self._run)
            with self._if_refused(version):
                self._first_rows(SharedRows(self._data, [version.signature], self._run.silent).source(0), version)
                fitting.append(version)
        reasons = {*self.left_out.values()}
        if not fitting and len(versions) > 1 and len(reasons) == 1:
            raise InvalidJob(reasons.pop())
        return fitting

    def _load(
        self, versions: Sequence[ModelVersion], files: Mapping[str, Store], shared: SharedRows
    ) -> dict[int, "_Entrant"]:
        """The models by their places, loaded one after the other, each with what it took."""
        first = versions[0].signature
        # Whichever model is the first brings threads and converters into the process: so one is, that then is loaded
        # anew.
        for place in sorted(range(len(versions)), key=lambda at: versions[at].parameters):
            with self._if_refused(versions[place]):
                self._load_one(versions[place], files, shared.source(place), first)
                break
        entrants: dict[int, _Entrant] = {}
        for place, version in enumerate(versions):
            if version.ref in self.left_out:
                continue
            with self._if_refused(version):
                entrants[place] = self._load_one(version, files, shared.source(place), first)
        self._run.say(*(remark for entrant in entrants.values() for remark in entrant.predictor.remarks))
        return entrants

    def _rows(self, source: Source, version: ModelVersion) -> LabelledRows:
        return LabelledRows(source, version, self._target, str(self._data))

    def _first_rows(self, source: Source, version: ModelVersion) -> dict[str, Array]:
        """What a model takes of the first batch of which a row has a truth."""
        rows = self._rows(source, version)
        before = 0
        for columns in source.batches(self._batch_size):
            inputs, _ = rows.encoded(columns, before)
            if rows_of(inputs):
                return inputs
            before += rows_of(columns)
        raise InvalidJob(f"{self._data} has no rows to compare models on; give data with at least one that has a truth")

    def _load_one(
        self, version: ModelVersion, files: Mapping[str, Store], source: Source, first: Signature
    ) -> "_Entrant":
        """Load a model, and note what that took.

        Args:
            first: the signature of the first model, whose ruler is that of all.
        """
        obey_stop(self._run)
        run, inputs = self._run, self._first_rows(source, version)
        before = self._held()
        predictor = Predictor.load(
            version, files[version.ref], run.scratch, self._batch_size, custom=run.custom_objects
        )
        predictor.predict(inputs)
        after = self._held()
        return _Entrant(
            predictor=predictor,
            rows=self._rows(source, version),
            tally=_tally(version.signature, predictor, first),
            inputs=inputs,
            memory_bytes=None if before is None or after is None else max(0, after - before),
        )

    def _held(self) -> int | None:
        """Memory of this process that is in use; None if unknown."""
        collect()
        return self._held_bytes()

    def _predict(self, entrants: dict[int, "_Entrant"], shared: SharedRows) -> int:
        """Predict every row by every model, into its tally; gives how many rows there are.

        Args:
            entrants: by their places among the models; those go that cannot be measured.
        """
        meter = Meter(self._run, "predicting", total=shared.rows)
        seen = measured = 0
        for batches in shared.batches(self._batch_size):
            counts = {0}
            for place, entrant in [*entrants.items()]:
                obey_stop(self._run)
                version = entrant.predictor.version
                with self._if_refused(version):
                    inputs, truth = entrant.rows.encoded(batches[place], seen)
                    if not rows_of(inputs):
                        continue
                    outputs = entrant.predictor.predict(inputs)
                    require_measurable(truth, outputs, version)
                    entrant.tally.add(truth, outputs)
                    counts.add(rows_of(inputs))
                if version.ref in self.left_out:
                    del entrants[place]
            seen += rows_of(batches[0])
            measured += max(counts)
            meter.at(seen)
        return measured

    def _compared(self, entrants: Sequence["_Entrant"], rows: int) -> Measured:
        """Each model's metrics, also on every resample, and what it costs."""
        qualities = [entrant.tally.quality() for entrant in entrants]
        draws = resampled([quality.scored for quality in qualities], self._bootstrap)
        efficiencies = measure([(entrant.predictor, entrant.inputs) for entrant in entrants], self._run)
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
                    about=f"{version.optimized.form} of {version.parent}" if version.optimized else "",
                )
            )
        by_ref = {model.model: drawn for model, drawn in zip(models, draws, strict=True)}
        return Measured(rows, models, by_ref, [entrant.predictor.version for entrant in entrants])


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


def _tally(signature: Signature, predictor: Predictor, first: Signature) -> Tally | SeveralTally:
    """What counts a model's predictions, by the ruler of the first model."""
    if signature.parts:
        return tally_of_several(signature, predictor, of_output)
    return tally_of(signature.model_copy(update={"spreads": _spreads(signature, first)}), predictor)


def _spreads(signature: Signature, first: Signature) -> tuple[float, ...]:
    """The standard deviations of the first model's training, in the order of a model's columns."""
    by_column = dict(zip(first.columns, first.spreads, strict=False))
    return tuple(by_column[column] for column in signature.columns) if by_column else first.spreads


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
