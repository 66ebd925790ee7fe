"""`stoker_workers.Run`: what a function of the user's sees of its job. It needs no server, and no TensorFlow."""

import os
import shutil
import tempfile
import threading
import weakref
from collections.abc import Callable, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import replace
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Self, SupportsFloat

from stoker.errors import InvalidArgument
from stoker.events import Event, Log
from stoker.fleet.topology import WorkDevice
from stoker.kinds import Data, Result, Spec
from stoker.models.manifest import Artifact, ModelManifest
from stoker.models.signature import Signature

from ..ml import run as execution
from ..ml.run import Children, Stopped, StopRequest
from .checkpoint import Checkpoints, Made
from .children import Gathering
from .files import check_name, stored
from .local import local_run
from .speed import Epochs, Stage

if TYPE_CHECKING:
    import keras

    from stoker.models.signature import Task

    from .rows import Rows

_LONGEST_LINE = 2_000
_current: ContextVar["Run | None"] = ContextVar("run", default=None)


class Run:
    """A job, as its function sees it; or a folder that stands for one, in a script and in tests.

        def train(run: Run, epochs: int) -> dict[str, float]:
            state = load(run.resumed_from) if run.resumed_from else new_state()
            while state.epoch < epochs:
                loss = train_epoch(state)
                run.epoch(state.epoch, {"loss": loss}, epochs=epochs)
                run.checkpoint(save(state, run.scratch / "state.npz"))
                if run.stop_requested:
                    return {}
            return {"loss": loss}

    `Run()` is one in a folder that goes with it. Every attempt calls the function from its beginning: what it skips is
    its own choice, by what it finds in `resumed_from`. Methods may be called from any thread.

    Attributes:
        device: what to compute on: "cpu", "gpu" or "tpu".
        seed: for all randomness: the same in each attempt.
        scratch: a folder for files, deleted afterwards.
        fits: how many times a `callbacks.Stoker` has begun with it.
        resumed_from: the file or folder that the last checkpoint was made of, as this attempt finds it; None if there
            was none.
    """

    def __init__(self, within: execution.Run | None = None, *, seed: int = 0) -> None:
        if within is None:
            folder = Path(tempfile.mkdtemp(prefix="stoker-run-"))
            weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
            within = local_run(folder, "cpu", (), lambda: None)
        self._lock = threading.RLock()
        self._end: Stopped | Children | None = None
        # Whatever sends events or asks for a stop does it by this, from any thread.
        self._outside = within
        self._within = within = replace(within, emit=self._emit, stop_requested=self._noted_stop)
        self.seed = seed
        self.fits = 0
        self.device: WorkDevice = within.device
        # Apart from the files of ours: neither may be in the other's way, nor in its checkpoints.
        self.scratch = within.scratch / "own"
        self.scratch.mkdir(exist_ok=True)
        self._stages: dict[tuple[str, str], Stage] = {}
        self._epochs = Epochs()
        self._gathering = Gathering(within)
        self._checkpoints = Checkpoints(within, self._lock)
        self._made = self._checkpoints.made
        self.resumed_from = self._checkpoints.resumed_from

    @classmethod
    def local(
        cls,
        folder: str | PathLike[str],
        *,
        seed: int = 0,
        device: WorkDevice = "cpu",
        children: Sequence[Result] = (),
        stop_requested: Callable[[], StopRequest | None] = lambda: None,
    ) -> Self:
        """A run without a job, for scripts and tests: it prints what a job would send.

        Its checkpoints and artifacts stay in the folder: the next run there is resumed from them.

        Args:
            children: what the jobs give that the function asks for, in order.
            stop_requested: when and why the function is to be asked to end.
        """
        return cls(local_run(Path(folder), device, children, stop_requested), seed=seed)

    @classmethod
    def current(cls) -> "Run":
        """The run of the function that runs; outside of any job, a new one in a folder that goes with it."""
        return _current.get() or Run()

    @property
    def stop_requested(self) -> StopRequest | None:
        """None, or why the function should end soon: "cancel", or "drain" to be resumed by another worker.

        However it ends after it has read that, it counts as stopped. If it does not end, its process is killed: 10
        seconds after a cancel, 60 after a drain. It is cheap enough to be read at every step.
        """
        return self._within.stop_requested()

    @property
    def files(self) -> Mapping[str, Artifact]:
        """The artifacts so far, with those of earlier attempts that a checkpoint has kept."""
        return self._made.files

    @property
    def models(self) -> Mapping[str, ModelManifest]:
        """What is to be registered so far, by the models' names; likewise."""
        return {name: effect.manifest for name, effect in self._made.models.items()}

    def log(self, message: object, *, level: Literal["info", "warning", "error"] = "info") -> None:
        """Put lines into the job's log. What the function prints goes there, too."""
        for line in str(message).splitlines():
            self._emit(Log(line=line[:_LONGEST_LINE], level=level))

    def progress(self, done: int, total: int | None = None, unit: str = "steps", *, stage: str = "running") -> None:
        """Say how much is done; as often as you like, for at most one event a second is sent.

        Args:
            total: how much there is; with it, the time that is left is told.
            stage: what is being done.
        """
        with self._lock:
            meter = self._stages.setdefault((stage, unit), Stage(stage, unit))
            if event := meter.at(done, total):
                self._emit(event)

    def epoch(
        self, number: int, metrics: Mapping[str, SupportsFloat], *, epochs: int | None = None, rows: int | None = None
    ) -> None:
        """Say that an epoch has ended.

        Args:
            number: 1 for the first.
            epochs: how many there will be; with it, the time that is left is told.
            rows: how many rows it had; with it, the rows per second are told.
        """
        values = {name: float(value) for name, value in metrics.items()}
        with self._lock:
            self._emit(self._epochs.ended(number, values, epochs, rows))

    def checkpoint(self, path: str | PathLike[str], *, epoch: int = 0, step: int | None = None) -> None:
        """Keep a file or folder, from which the next attempt goes on if this one is lost: see `resumed_from`.

        With it are kept the artifacts so far, and the models to be registered. Nothing of it is needed after the call.
        Where the store is away, a warning is sent and the function goes on.

        Args:
            epoch, step: where it was made, for the event; None counts checkpoints.

        Raises:
            InvalidArgument: there is no such file or folder.
        """
        path = Path(os.path.abspath(path))  # noqa: PTH100  # it takes '..' out, and no link for what it leads to
        if not path.exists():
            raise InvalidArgument(f"{path} cannot be a checkpoint: it does not exist; write it first")
        self._checkpoints.save(path, epoch, step)

    def artifact(self, name: str, path: str | PathLike[str]) -> Artifact:
        """Keep a file, or a folder as a zip: one of the result's `files`. The same name again replaces it.

        Raises:
            InvalidArgument: there is no such file or folder, no file can have its name, or there are too many.
        """
        artifact = stored(Path(os.path.abspath(path)), self._within)  # noqa: PTH100
        with self._lock:
            check_name(name, self._made.files)
            self._made.files[name] = artifact
        return artifact

    def register(
        self,
        model: "keras.Model",
        name: str,
        metrics: Mapping[str, SupportsFloat] | None = None,
        *,
        signature: Signature | None = None,
        task: "Task | None" = None,
        classes: Sequence[str] = (),
        target: str | None = None,
        data: str = "",
        alias: str | None = None,
    ) -> None:
        """Register a Keras model as the next version of its name, when the job succeeds.

        It is saved and loaded once before. A job makes one version of a name: the same name again replaces it.

        Args:
            signature: what it takes and gives; None reads that off the model, and says what was guessed.
            task, classes, target: what its output means, where there is no signature: the labels of its units in
                order, and the column that it predicts.
            data: what it was trained on, for people.
            alias: what shall point at it; None moves none.

        Raises:
            InvalidArgument: the signature cannot be read off the model, or does not fit it.
            InvalidJob: it cannot be saved and loaded.
        """
        from .registering import registered  # TensorFlow, which other functions do not need

        told = registered(
            model,
            name,
            metrics or {},
            self._within,
            signature=signature,
            task=task,
            classes=classes,
            target=target,
            data=data,
            alias=alias,
        )
        with self._lock:
            self._made.models[name] = told

    def children(self, specs: Sequence[Spec]) -> tuple[Result, ...]:
        """Have other jobs done, and go on with their results.

        The first call ends the attempt: its job waits for them without a slot, and then the function is called again
        from its beginning. So each attempt must ask for the same jobs in the same order. One that fails fails the job.

        Raises:
            InvalidJob: one of them is wrong, or they are others than an earlier attempt asked for.
        """
        try:
            with self._lock:
                return self._gathering.results(specs)
        except Children as asked:
            self._end = self._end or asked
            raise

    def data(self, ref: str | Data, subset: Literal["train", "test"] = "train") -> "Rows":
        """The rows of data, as a training reads them.

        Args:
            subset: which part of a sample set; files are read completely.

        Raises:
            InvalidJob: the data is missing, malformed, or not to be read by this worker.
        """
        from .rows import Rows  # brings all readers along

        return Rows(ref, subset, self._within)

    def _emit(self, event: Event) -> None:
        with self._lock:
            self._outside.emit(event)

    def _noted_stop(self) -> StopRequest | None:
        with self._lock:
            wanted = self._outside.stop_requested()
            if wanted:
                self._end = Stopped(wanted)
            return wanted


def call(function: Callable[..., object], arguments: Mapping[str, object], run: Run) -> tuple[object, Made]:
    """Call a function in a run; gives what it returned, and what it has made.

    Raises:
        Stopped: it was told to stop, however it has ended then.
        Children: it has asked for other jobs.
        Exception: what it raised otherwise.
    """
    token = _current.set(run)
    try:
        value = function(**arguments)
    except BaseException as error:
        # Its own way to end what it does; where that was an error of its own, the next attempt meets it, too.
        if run._end and run._end is not error:  # noqa: SLF001
            run.log(f"after it was to end, the function raised {type(error).__name__}: {error}")
        elif not run._end:  # noqa: SLF001
            raise
    finally:
        _current.reset(token)
    if run._end:  # noqa: SLF001
        raise run._end  # noqa: SLF001
    return value, run._made  # noqa: SLF001
