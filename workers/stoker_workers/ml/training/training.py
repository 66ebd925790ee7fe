"""The training loop, which can be stopped and resumed exactly, between any two calls of the compiled loop.

The state of a training is its variables and its `Position`. Each call moves it forward:

    for each epoch                       (seed, epoch) determines the order of rows
        for each call                    as many gradient steps as take about a tenth of a second
            train                        compiled; updates variables and totals
            cancelled?   → Stopped       nothing is saved
            drained?     → Stopped       a checkpoint is saved
            due?         → checkpoint
            no time left? → the end of the last epoch, though not all of its rows were trained on
            all processes agree on this, and on the number of steps of the next call
        validate
        best so far? patience exhausted?

`Trainer.resume` replaces the state by a checkpoint's before the first call. How steps are divided into calls does not
change the numbers.
"""

import math
import time
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass

import keras

from stoker.errors import InvalidJob
from stoker.events import Epoch
from stoker.kinds import Train

from ..progress import Meter
from ..run import Run, Stopped
from ..writing import BestEffort
from .averaging import Average
from .checkpoint import Due, Position, Saved, Variables, save_checkpoint
from .early_stopping import Patience
from .freezing import Restart, freezing
from .objective import Objective
from .optimizer import LearningRate, base_rate, build_schedule
from .pacing import PacedLoop, cut
from .plateau import PlateauRate
from .replicas import Replicas
from .rows import EncodedRows
from .step import Totals, compile_training, compile_validation, epoch_metrics, history_directions, no_rows
from .updating import Update

_VALIDATION_BATCH_ROWS = 256


@dataclass(frozen=True)
class Fitted:
    """The result of a training.

    Attributes:
        metrics: of the last epoch, or of the best one if its weights were restored.
        history: every metric, one number for each epoch.
    """

    metrics: dict[str, float]
    history: dict[str, tuple[float, ...]]
    epochs: int


class Trainer:
    """Fits a network's weights to rows.

    Args:
        optimizer: built for the network's trainable variables.
        validation: rows to validate on after every epoch, or None.
        position: the start.
        parts: into how many parts each batch is divided, because there is no memory for all of it.
        replicas: network and optimizer were made in their scope.
        objectives: one for each output of the network.
    """

    def __init__(
        self,
        spec: Train,
        run: Run,
        network: keras.Model,
        objectives: Sequence[Objective],
        optimizer: keras.optimizers.Optimizer,
        rows: EncodedRows,
        validation: EncodedRows | None,
        position: Position,
        replicas: Replicas,
        parts: int = 1,
    ) -> None:
        self._spec = spec
        self._run = run
        self._network = network
        self._objectives = tuple(objectives)
        self._rows = rows
        self._validation = validation
        self._position = position
        self._replicas = replicas
        self._batch = spec.batch_size * spec.accumulate
        self._steps = math.ceil(position.rows / self._batch)
        self._average = average = Average(spec.ema, network.trainable_variables, replicas) if spec.ema else None
        self._variables: list[keras.Variable] = [*network.variables, *optimizer.variables]
        self._variables += average.variables if average else []
        self._best: Variables | None = None
        directions = history_directions(self._objectives, validated=validation is not None)
        self._patience = Patience(spec.early_stopping, directions) if spec.early_stopping else None
        self._plateau = PlateauRate(spec.plateau, directions, optimizer) if spec.plateau else None
        self._due = Due(spec.checkpoint)
        self._clock = time.monotonic()
        self._is_overdue = False
        self._checkpoints = BestEffort(run, "a checkpoint")
        schedule = build_schedule(spec.optimizer, self._steps * spec.epochs)
        weighted, all_parts = spec.sample_weight is not None, spec.accumulate * parts
        self._validation_batch = max(_VALIDATION_BATCH_ROWS // parts, 1)
        self._freezing = freezing(spec, network)
        self._restart = Restart(optimizer, spec)

        def training(variables: Sequence[keras.Variable], schedule: LearningRate | None) -> PacedLoop:
            update = Update(optimizer, variables, schedule, spec.optimizer, replicas, average)
            return PacedLoop(
                compile_training(network, self._objectives, update, replicas, weighted=weighted, parts=all_parts)
            )

        if self._freezing:
            self._frozen = training(self._freezing.head, schedule)
            schedule = self._freezing.afterwards(schedule, self._steps)
        self._thawed = training(network.trainable_variables, schedule)
        steps = spec.epochs * max(validation.count / self._validation_batch, 1) if validation else 0
        validating = compile_validation(network, self._objectives, replicas, weighted=weighted, steps=steps)
        self._validate = PacedLoop(validating)
        position.totals = no_rows(self._objectives)

    def resume(self, saved: Saved) -> None:
        """Continue from a checkpoint.

        Raises:
            InvalidJob: it is of another network, or of other data.
        """
        if [value.shape for value in saved.variables] != [tuple(variable.shape) for variable in self._variables]:
            raise InvalidJob("the checkpoint to resume from is of another network; submit the job again")
        if saved.position.rows != self._position.rows:
            raise InvalidJob(
                f"the data has changed since the checkpoint: {saved.position.rows} rows to train on then, "
                f"{self._position.rows} now; submit the job again"
            )
        if len(saved.position.totals) != len(self._position.totals):
            raise InvalidJob("the checkpoint to resume from has other metrics; submit the job again")
        for variable, value in zip(self._variables, saved.variables, strict=True):
            variable.assign(value)
        self._best = saved.best
        self._position = saved.position
        self._is_overdue = self._has_spent(self._spec.budget_s)
        self._due.saved(saved.position)

    def fit(self) -> Fitted:
        """Train to the end.

        Raises:
            InvalidJob: the training diverged.
            Stopped: a stop was requested; for a drain, after saving a checkpoint.
        """
        position = self._position
        first, started = position.epoch, time.monotonic()
        self._clock = started
        while position.epoch < self._spec.epochs and not self._is_over():
            epoch_started = time.monotonic()
            rows = position.rows - position.step * self._batch
            self._train_epoch()
            if self._is_overdue and position.step < self._steps:
                self._run.say(
                    f"the {self._spec.budget_s:g} s of budget_s are over: ends after {position.step:,} of the "
                    f"{self._steps:,} steps of epoch {position.epoch + 1}"
                )
            with self._average.in_place() if self._average else nullcontext():
                metrics = self._measured()
                self._close_epoch(metrics)
            now = time.monotonic()
            self._run.emit(
                Epoch(
                    epoch=position.epoch,
                    epochs=self._spec.epochs,
                    metrics=metrics,
                    rows_per_s=rows / max(now - epoch_started, 1e-9),
                    eta_s=(now - started) / (position.epoch - first) * (self._spec.epochs - position.epoch),
                )
            )
            self._pause()
        return self._finish()

    def _is_over(self) -> bool:
        return self._is_overdue or bool(self._patience and self._patience.exhausted(self._position))

    def _has_spent(self, seconds: float | None) -> bool:
        return seconds is not None and self._position.spent_s >= seconds

    def _measured(self) -> dict[str, float]:
        """The metrics of an epoch."""
        metrics = epoch_metrics(self._objectives, self._position.totals)
        if self._validation:
            validated = epoch_metrics(self._objectives, self._validate_epoch(self._validation))
            metrics |= {f"val_{name}": value for name, value in validated.items()}
        return metrics

    @property
    def _train(self) -> PacedLoop:
        """The loop of this epoch."""
        return self._frozen if self._freezing and self._position.epoch < self._freezing.epochs else self._thawed

    def _train_epoch(self) -> None:
        position, batch = self._position, self._batch
        if self._freezing and (position.epoch, position.step) == (self._freezing.epochs, 0):
            rate = self._restart(self._freezing.rate)
            self._run.say(f"from epoch {position.epoch + 1} on all weights are trained, at a rate of {rate:g}")
        meter = Meter(self._run, "training", unit="steps", rows_per_unit=batch, total=self._steps, done=position.step)
        for window in self._rows.windows((position.seed, position.epoch), skip=position.step * batch):
            for lines in cut(window.order, batch, self._steps_per_call):
                if self._is_overdue:
                    return
                position.totals = self._train(window, lines, position.totals)
                position.step += len(lines)
                self._due.stepped(len(lines))
                self._check_finite(position.totals)
                meter.at(position.step)
                self._pause()

    def _steps_per_call(self) -> int:
        due = self._due.steps_left()
        return self._train.steps if due is None else min(self._train.steps, due)

    def _validate_epoch(self, rows: EncodedRows) -> Totals:
        totals = no_rows(self._objectives)
        for window in rows.windows():
            for lines in cut(window.order, self._validation_batch, lambda: self._validate.steps):
                totals = self._validate(window, lines, totals)
                self._pause()
        self._check_finite(totals)
        return totals

    def _check_finite(self, totals: Totals) -> None:
        if not math.isfinite(totals[0]):
            rate = self._spec.optimizer.learning_rate
            rate = base_rate(self._spec.optimizer) if rate is None else rate
            raise InvalidJob(
                f"training diverged: loss became {totals[0]} in epoch {self._position.epoch + 1}; lower the learning "
                f"rate ({rate:g}), or scale the inputs and the target"
            )

    def _close_epoch(self, metrics: dict[str, float]) -> None:
        position = self._position
        for name, value in metrics.items():
            position.history.setdefault(name, []).append(value)
        position.epoch, position.step, position.totals = position.epoch + 1, 0, no_rows(self._objectives)
        if self._patience and self._patience.improved(position, metrics) and self._patience.restores_best:
            self._best = [self._replicas.value(variable).copy() for variable in self._network.variables]
        if self._plateau and (told := self._plateau.closed(position, metrics)):
            self._run.say(told)

    def _pause(self) -> None:
        """Between two calls: stop if any process was requested to, save a checkpoint if one is due.

        The chief decides on the steps of a call and on checkpoints, because all processes must do the same.
        """
        stop, chief = self._run.stop_requested(), self._replicas.is_chief
        now = time.monotonic()
        self._position.spent_s += now - self._clock
        self._clock = now
        due = chief and self._due.reached(self._position)
        overdue = chief and self._has_spent(self._spec.budget_s)
        steps = (chief * self._train.steps, chief * self._validate.steps)
        votes = (stop == "cancel", stop == "drain", due, overdue, *steps)
        cancel, drain, save, ends, self._train.steps, self._validate.steps = map(round, self._replicas.agree(votes))
        self._is_overdue = bool(ends)
        if cancel:
            raise Stopped("cancel")
        if (drain or save) and self._due.moved(self._position):
            if chief:
                self._save()
            self._due.saved(self._position)
        if drain:
            raise Stopped("drain")

    def _save(self) -> None:
        with self._average.put_back() if self._average else nullcontext():
            variables = [self._replicas.value(variable) for variable in self._variables]
            save_checkpoint(self._run, Saved(self._position, variables, self._best), self._checkpoints)

    def _finish(self) -> Fitted:
        position = self._position
        last = position.epoch
        if self._average:
            self._average.exchange()
        if self._best is not None:
            for variable, value in zip(self._network.variables, self._best, strict=True):
                variable.assign(value)
            last = position.best_epoch
        return Fitted(
            metrics={name: values[last - 1] for name, values in position.history.items()},
            history={name: tuple(values) for name, values in position.history.items()},
            epochs=position.epoch,
        )
