"""`Stoker`: a callback by which a `model.fit` of the user's own says how it goes, stops, and goes on where it was."""

import inspect
import json
from collections.abc import Mapping, Sequence
from typing import Any

import keras

from stoker.errors import InvalidJob
from stoker.kinds import Checkpoints

from .functions.context import Run
from .functions.fit_state import FitState, Position, Values, assign, values_of
from .ml.run import Stopped
from .ml.training.checkpoint import Due
from .ml.training.curves import write_curves

_FILE = "fit.npz"
Logs = Mapping[str, float] | None


class Stoker(keras.callbacks.Callback):  # type: ignore[misc]  # Keras has no types
    """Makes a `model.fit` a good job: `model.fit(x, y, callbacks=[Stoker(run)])`. It must be the first callback.

    It sends epochs and progress with the time that is left, ends at the next batch when the job is cancelled or its
    worker drained, and saves checkpoints from which the next attempt goes on. At the end it keeps the curves: as JSON
    (`history`), and for TensorBoard (`tensorboard`).

    A checkpoint holds the model's variables with the states of its random generators, the optimizer's, and the
    position in the data. To go on, `fit` is called as before, with a model that is built as before: the batches that
    were done are read and not computed, so that a shuffle with a seed comes to the same place. The end is bitwise that
    of an undisturbed run if the batches are the same in each attempt: without a shuffle, or after
    `keras.utils.set_random_seed(run.seed)`. For epochs that were done, other callbacks see the numbers of then; weights
    that `EarlyStopping` keeps are kept in the checkpoint, too.

    Args:
        run: None for that of the function that runs; a script of its own gets one in a folder that goes with it.
        seconds, steps, epochs: how often a checkpoint is saved; the first limit reached saves. None for no limit.
    """

    def __init__(
        self,
        run: Run | None = None,
        *,
        seconds: float | None = 30.0,
        steps: int | None = None,
        epochs: int | None = None,
    ) -> None:
        super().__init__()
        self._run = run or Run.current()
        self._limits = Checkpoints(epochs=epochs, steps=steps, seconds=seconds)

    def on_train_begin(self, logs: Logs = None) -> None:  # noqa: ARG002  # Keras' signature
        self._others = self._found_others()
        self._run.fits += 1
        self._position = Position(fit=self._run.fits)
        self._metrics: Values | None = None
        self._due = Due(self._limits)
        self._batches: int | None = self.params.get("steps")
        saved = self._saved()
        # What is trained again because a checkpoint is of a later fit needs none of its own.
        self._saves = saved is None or saved.position.fit == self._run.fits
        self._skipped = _Skipped(self.model, saved, self._others) if saved and self._saves else None
        if saved and not self._saves:
            self._run.log(f"fit {self._run.fits} is repeated: the checkpoint is of fit {saved.position.fit}")

    def on_epoch_begin(self, epoch: int, logs: Logs = None) -> None:  # noqa: ARG002
        self._position.epoch, self._position.step = epoch, 0

    def on_train_batch_begin(self, batch: int, logs: Logs = None) -> None:  # noqa: ARG002
        if self._skipped:
            self._skipped.at(self._position.epoch, batch)

    def on_train_batch_end(self, batch: int, logs: Logs = None) -> None:
        position = self._position
        steps = batch + 1 - position.step
        position.step = batch + 1
        if self._skipping():
            return
        position.logs = _numbers(logs)
        self._due.stepped(steps)
        self._progress()
        self._pause()

    def on_test_begin(self, logs: Logs = None) -> None:  # noqa: ARG002
        # The validation uses the variables of the metrics for itself.
        self._metrics = None if self._skipping() else values_of(self.model.metrics_variables)

    def on_test_batch_end(self, batch: int, logs: Logs = None) -> None:  # noqa: ARG002
        if not self._skipping():
            self._pause()

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        position, self._metrics = self._position, None
        batches = position.step
        self._batches = self._batches or batches
        if (skipped := self._skipping()) and isinstance(logs, dict) and epoch < len(skipped.saved.position.history):
            # The other callbacks get the same dict.
            logs.clear()
            logs.update(skipped.saved.position.history[epoch])
        numbers = _numbers(logs)
        position.epoch, position.step, position.logs = epoch + 1, 0, {}
        position.history.append(numbers)
        position.batches.append(batches)
        if skipped:
            skipped.epoch_ended(epoch, batches)
            self._due.saved(position)
            return
        self._run.epoch(epoch + 1, numbers, epochs=self.params["epochs"])
        self._pause()

    def on_train_end(self, logs: Logs = None) -> None:  # noqa: ARG002
        if skipped := self._skipping():
            raise skipped.other_data()
        number = "" if self._run.fits == 1 else f"-{self._run.fits}"
        folder = self._run.scratch / f"fit{number}"
        folder.mkdir(exist_ok=True)
        document = folder / "history.json"
        document.write_text(json.dumps(self._position.history, indent=1))
        self._run.artifact(f"history{number}", document)
        board = folder / "tensorboard"
        write_curves(board, self._position.history)
        self._run.artifact(f"tensorboard{number}", board)

    def _found_others(self) -> list[keras.callbacks.Callback]:
        """The callbacks of this fit, this one first.

        Raises:
            InvalidJob: it is not first, or there is one whose files a resumed job would not find.
        """
        # Keras tells callbacks nothing of each other: its list of them is who calls: decision 28.
        caller = inspect.currentframe()
        while caller and not isinstance(caller.f_locals.get("self"), keras.callbacks.CallbackList):
            caller = caller.f_back
        others: list[keras.callbacks.Callback] = caller.f_locals["self"].callbacks if caller else [self]
        if others[0] is not self:
            raise InvalidJob("callbacks.Stoker must be the first callback: put it at the front of the list")
        for other in others:
            if isinstance(other, keras.callbacks.ModelCheckpoint | keras.callbacks.BackupAndRestore):
                raise InvalidJob(
                    f"{type(other).__name__} writes files that another worker lacks, and callbacks.Stoker saves "
                    "checkpoints: leave it out; EarlyStopping(restore_best_weights=True) keeps the best weights"
                )
        return others

    def _saved(self) -> FitState | None:
        path = self._run.resumed_from
        if path is None:
            return None
        if path.name != _FILE:
            self._run.log(
                f"fit {self._run.fits} begins anew: the last checkpoint, {path.name}, is not of callbacks.Stoker",
                level="warning",
            )
            return None
        return FitState.read(path)

    def _skipping(self) -> "_Skipped | None":
        return self._skipped if self._skipped and not self._skipped.is_over else None

    def _progress(self) -> None:
        position, epochs, batches = self._position, self.params["epochs"], self._batches
        if batches is None:
            self._run.progress(position.step, None, "steps", stage="training")
        else:
            # The last call of an epoch may count batches that there are not.
            done = position.epoch * batches + min(position.step, batches)
            self._run.progress(done, epochs * batches, "steps", stage="training")

    def _pause(self) -> None:
        stop = self._run.stop_requested
        if stop == "cancel":
            raise Stopped(stop)
        if self._saves and (stop or self._due.reached(self._position)) and self._due.moved(self._position):
            self._save()
        if stop:
            raise Stopped(stop)

    def _save(self) -> None:
        position = self._position
        within = values_of(self.model.metrics_variables) if self._metrics is None else self._metrics
        best = {
            place: list(kept)
            for place, other in enumerate(self._others)
            if (kept := getattr(other, "best_weights", None)) is not None
        }
        variables = [*self.model.variables, *_optimizer_variables(self.model)]
        state = FitState(position, values_of(variables), within if position.step else [], best)
        path = self._run.scratch / _FILE
        state.write(path)
        self._run.checkpoint(path, epoch=position.epoch, step=position.step)
        path.unlink()
        self._due.saved(position)


class _Skipped:
    """The batches that an earlier attempt has done: they are read, and not computed.

    Attributes:
        is_over: whether the model has the checkpoint's state, and is trained.
    """

    def __init__(self, model: keras.Model, saved: FitState, others: Sequence[keras.callbacks.Callback]) -> None:
        self.saved = saved
        self.is_over = False
        self._is_built = False
        self._model = model
        self._others = others
        self._at = (0, 0)
        model.make_test_function()
        self._train, self._test = model.train_function, model.test_function
        model.train_function, model.test_function = self._read, self._read_test

    def at(self, epoch: int, batch: int) -> None:
        """The batch that comes next."""
        self._at = (epoch, batch)

    def epoch_ended(self, epoch: int, batches: int) -> None:
        """Go on behind an epoch if the checkpoint was made there.

        Raises:
            InvalidJob: the epoch has other batches than it had then.
        """
        position = self.saved.position
        if position.batches[epoch : epoch + 1] != [batches]:
            raise self.other_data()
        if (position.epoch, position.step) == (epoch + 1, 0):
            self._restore()

    def other_data(self) -> InvalidJob:
        """Why the place of the checkpoint was not reached."""
        position = self.saved.position
        return InvalidJob(
            f"the checkpoint was made after {position.epoch} epochs and {position.step} batches, and this fit has "
            "fewer, or others: each attempt must have the same data and epochs; submit the job again"
        )

    def _read(self, iterator: Any) -> Mapping[str, float]:
        """In place of a step of the training."""
        epoch, batch = self._at
        position = self.saved.position
        batch_of_data = _read_batches(iterator, self._model.steps_per_execution)
        if not self._is_built:
            # Metrics and optimizer would get their variables with the first step: see decision 28.
            self._model._symbolic_build(data_batch=batch_of_data)  # noqa: SLF001  # as Keras does for a strategy
            self._is_built = True
        if epoch == position.epoch and batch + self._model.steps_per_execution >= position.step:
            self._restore()
        known = position.history[epoch] if epoch < len(position.history) else position.logs
        return {name: value for name, value in known.items() if not name.startswith("val_")}

    def _read_test(self, iterator: Any) -> Mapping[str, float]:
        """In place of a step of the validation."""
        epoch, _ = self._at
        _read_batches(iterator, self._model.steps_per_execution)
        known = self.saved.position.history[epoch]
        return {name.removeprefix("val_"): value for name, value in known.items() if name.startswith("val_")}

    def _restore(self) -> None:
        self.is_over = True
        self._model.train_function, self._model.test_function = self._train, self._test
        assign([*self._model.variables, *_optimizer_variables(self._model)], self.saved.variables)
        if self.saved.position.step:
            assign(self._model.metrics_variables, self.saved.metrics)
        # What they have kept meanwhile is of weights that nobody has trained.
        for place, weights in self.saved.best.items():
            self._others[place].best_weights = weights


def _read_batches(iterator: Any, most: int) -> Any:
    """Read so many batches, or fewer at the end, and give the first; raises StopIteration where there is none left."""
    first = next(iterator)
    for _ in range(most - 1):
        next(iterator, None)
    return first


def _optimizer_variables(model: keras.Model) -> list[keras.Variable]:
    return list(model.optimizer.variables) if model.optimizer else []


def _numbers(logs: Logs) -> dict[str, float]:
    """What is a number of what Keras says; a step of the author's own may say anything."""
    return {name: float(value) for name, value in (logs or {}).items() if isinstance(value, int | float)}
