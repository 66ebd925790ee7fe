"""A loaded model: checks inputs, and computes each batch by the quickest engine for its size."""

import logging
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Self

import tensorflow as tf

from stoker.errors import InvalidJob
from stoker.models.inputs import Inputs
from stoker.models.manifest import ModelVersion
from stoker.models.store import Store
from stoker.models.tensors import Array, Outputs, Tensors, joined_rows

from ..custom import distribution
from ..garbage import collect
from .loading import first_line, loading
from .opening import Model, open_version, other_engines, reference_engine
from .runtime import MEASURED_ROWS, Engine, EngineChoice, ModelFailed, TensorFlowEngine, choose, pilot
from .runtime.requests import answer_encoded

MAX_BATCH = 1024

_log = logging.getLogger(__name__)


class FailsOnInputs(InvalidJob):
    """A model failed on inputs that fit its signature."""


class Predictor:
    """A loaded model with its engines. For one thread, but that another may compare the engines meanwhile.

    Args:
        version: the model's description.
        model: the model, with the inputs and outputs of the signature.
        max_batch: the most rows per call; more rows are predicted in several calls.
        rows: how many rows will be predicted in all, in large batches; None for requests without an end. Engines that
            take longer to make than they save are not made.
        compare: whether the engines are compared at once, and not later by `compare`.

    Attributes:
        engines: the engine for each batch size, as measured on this device; empty before they are compared, and if the
            model failed on made-up inputs, so that TensorFlow computes everything.
        is_compared: whether they have been, or are being.
        remarks: why there are not as many engines as could be, in sentences.
    """

    def __init__(
        self,
        version: ModelVersion,
        model: Model,
        max_batch: int = MAX_BATCH,
        rows: int | None = None,
        *,
        compare: bool = True,
    ) -> None:
        self.version = version
        self.model = model
        self._inputs = Inputs(version.signature, version.ref)
        self._max_batch = max_batch
        self._reference = reference_engine(model, version.signature, max_batch)
        self.remarks: list[str] = []
        self.engines: list[EngineChoice] = []
        # An engine of TensorFlow, and no other, can be compared while it computes in another thread.
        self.is_compared = compare or not isinstance(self._reference, TensorFlowEngine)
        if self.is_compared:
            self.compare(rows)

    @classmethod
    def load(
        cls,
        version: ModelVersion,
        store: Store,
        scratch: Path,
        max_batch: int = MAX_BATCH,
        rows: int | None = None,
        custom: Sequence[str] = (),
        *,
        compare: bool = True,
    ) -> Self:
        """Fetch and verify a version's file, check and load it, and measure the engines.

        It takes less than 2 s for all but large models, and most of that the engines.

        Args:
            scratch: an existing folder for the file, which is deleted again.
            custom: modules whose Keras classes it may have.
            compare: see `Predictor`.

        Raises:
            NoMemory: there is not enough memory for it.
            InvalidJob: it has no file of a model, or one that cannot be loaded.
            Corrupt, Unavailable: the store does not give the file.
        """
        # GPUs would multiply float32 as TF32, of 10 bits: a row's answer would depend on the batch that it is in.
        tf.config.experimental.enable_tensor_float_32_execution(enabled=False)
        with loading(version.ref):
            model = open_version(version, store, scratch, custom)
            predictor = cls(version, model, max_batch, rows, compare=compare)
        for module, made_with in version.modules.items():
            if (installed := distribution(module)) != made_with:
                predictor._say(
                    logging.WARNING,
                    f"was made with {made_with or 'no distribution'} for {module}; here is {installed or 'none'}",
                )
        return predictor

    def compare(self, rows: int | None = None) -> None:
        """Make the other engines, and choose the quickest for each batch size."""
        self.is_compared = True
        self.engines = self._chosen(rows)

    @property
    def size_bytes(self) -> int:
        """The memory of the loaded model: its weights, its graph, and the other engines' copies."""
        return sum(engine.size_bytes for engine in {self._reference, *(choice.engine for choice in self.engines)})

    @property
    def row_s(self) -> float | None:
        """Seconds per row in the largest measured batch; None if none was measured."""
        return self.engines[-1].seconds / self.engines[-1].rows if self.engines else None

    def engine_name(self, rows: int) -> str:
        """What computes a batch of so many rows, such as "litert"."""
        return self._engine(rows).name

    def predict(self, inputs: Tensors) -> Outputs:
        """Predict any number of rows; the outputs are in the order of the rows, by name if there are several.

        Args:
            inputs: one array of shape (rows, …), or one for each input by name.

        Raises:
            InvalidJob: the inputs do not fit the signature, or the model fails on them.
        """
        return self._compute(self._inputs.ordered(inputs))

    def predict_encoded(self, requests: Sequence[bytes]) -> list[bytes | InvalidJob]:
        """The output or the error of each request, as of `predict`, computed in common batches.

        A request that fails does not affect the others. Requests and outputs are encoded by `stoker.models.tensors`.
        """
        return answer_encoded(requests, self._inputs, self._compute)

    def _chosen(self, rows: int | None) -> list[EngineChoice]:
        reference, inputs, most = self._reference, self._inputs, self._max_batch
        try:
            sizes: Sequence[int] = MEASURED_ROWS
            work_s = math.inf
            if rows is not None:
                size, work_s = pilot(reference, inputs, rows, most)
                sizes = (size,)
            others = other_engines(self.model, reference, self.version.signature, self._say, work_s)
            choices = choose(reference, others, inputs, most, self._say, sizes)
        except ModelFailed as error:
            self._say(logging.INFO, f"is computed by {reference.name} alone, for it fails on made-up inputs: {error}")
            return []
        if others:
            collect()
        _log.info("%s runs on %s", self.version.ref, ", ".join(map(str, choices)))
        return choices

    def _say(self, level: int, what: str) -> None:
        self.remarks.append(f"{self.version.ref} {what}")
        _log.log(level, "%s", self.remarks[-1])

    def _compute(self, columns: Sequence[Array]) -> Outputs:
        self._inputs.check_shapes([array.shape for array in columns])
        return self._run(self._inputs.conform(columns))

    def _run(self, columns: Sequence[Array]) -> Outputs:
        rows = len(columns[0])
        if rows == 0:
            return self._reference.no_rows()
        starts = range(0, rows, self._max_batch)
        try:
            if len(starts) == 1:
                return self._engine(rows).run(columns)
            batches = [[array[start : start + self._max_batch] for array in columns] for start in starts]
            return joined_rows([self._engine(len(batch[0])).run(batch) for batch in batches])
        except ModelFailed as error:
            raise FailsOnInputs(f"{self.version.ref} fails on these inputs: {first_line(error)}") from error

    def _engine(self, rows: int) -> Engine:
        for choice in reversed(self.engines):
            if rows >= choice.rows:
                return choice.engine
        return self._reference
