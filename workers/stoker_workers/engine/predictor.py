"""Runs a registered model: checks the inputs against its signature, then one compiled call per batch."""

import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Self

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from stoker.artifacts import Artifact, ModelVersion, TensorSpec
from stoker.errors import InvalidJob
from stoker.store import Store
from stoker.wire import Array, Tensors

MAX_BATCH = 1024
_FORMATS = ("keras", "h5")  # in order of preference; both load in Keras' safe mode
_GRAPH_BYTES = 400_000  # resident memory of a traced model beyond its weights, measured on a small MLP
_CASTS = {"f": "biuf", "i": "biu", "u": "biu", "b": "b"}  # numpy kinds that a kind of input takes


class Predictor:
    """A loaded model behind one compiled call.

    The call is traced once, for any number of rows. Batches are padded to 1, 2, 4, … rows all the same: oneDNN and
    cuDNN prepare their kernels anew for every size they meet, so that only a bounded number may meet them.

    Args:
        version: the model's description.
        model: the model itself; its inputs and output are as the signature says.
        max_batch: most rows per call; more are predicted in several calls.
    """

    def __init__(self, version: ModelVersion, model: keras.Model, max_batch: int = MAX_BATCH) -> None:
        self.version = version
        self.model: keras.Model = model
        self._specs = {spec.name: spec for spec in version.signature.inputs}
        self._max_batch = max_batch

        def call(inputs: tf.Tensor | dict[str, tf.Tensor]) -> tf.Tensor:
            return model(inputs, training=False)

        shapes = {
            name: tf.TensorSpec((None, *spec.shape), tf.as_dtype(spec.dtype), name)
            for name, spec in self._specs.items()
        }
        self._by_name = isinstance(model.input, dict)  # a model of one text column takes its input by name, too
        signature = shapes if self._by_name else next(iter(shapes.values()))
        self._call = tf.function(call, autograph=False).get_concrete_function(signature)

    @classmethod
    def load(cls, version: ModelVersion, store: Store, scratch: Path, max_batch: int = MAX_BATCH) -> Self:
        """Fetch a version's file, verified, and load it in Keras' safe mode.

        Args:
            scratch: an existing folder; the fetched file is gone from it again when this returns.

        Raises:
            InvalidJob: it has no Keras file, or one that safe mode refuses.
            Corrupt, Unavailable: the file cannot be had from the store.
        """
        saved = saved_file(version)
        path = store.fetch(saved, scratch)
        try:
            model = keras.saving.load_model(path, compile=False, safe_mode=True)
        except (ValueError, TypeError) as error:
            raise InvalidJob(
                f"{saved.name} of {version.ref} does not load in Keras' safe mode: {_first_line(error)}; "
                "build the model from Keras' own layers, without Lambda or custom classes"
            ) from error
        finally:
            path.unlink()
        return cls(version, model, max_batch)

    @property
    def size_bytes(self) -> int:
        """Memory that the loaded model takes: its weights and its graph."""
        weights: int = sum(math.prod(weight.shape) * tf.as_dtype(weight.dtype).size for weight in self.model.weights)
        return weights + _GRAPH_BYTES

    def predict(self, inputs: Tensors) -> Array:
        """The model's output for any number of rows, row for row.

        Args:
            inputs: one array of shape (rows, …), or one per input by name.

        Raises:
            InvalidJob: the inputs are not what the signature asks for.
        """
        columns = self._checked(inputs)
        rows = len(next(iter(columns.values())))
        if rows == 0:
            return self._no_rows()
        if rows <= self._max_batch:
            return self._predict_batch(columns, rows)
        parts = []
        for start in range(0, rows, self._max_batch):
            stop = min(start + self._max_batch, rows)
            part = {name: array[start:stop] for name, array in columns.items()}
            parts.append(self._predict_batch(part, stop - start))
        return np.concatenate(parts)

    def warm_up(self, sizes: Iterable[int]) -> None:
        """Predict made-up rows in batches of these sizes, so that the first real ones do not wait for kernels."""
        for rows in sizes:
            self.predict({name: _blank(spec, rows) for name, spec in self._specs.items()})

    def _checked(self, inputs: Tensors) -> dict[str, Array]:
        specs = self._specs
        if not isinstance(inputs, Mapping):
            if len(specs) > 1:
                raise InvalidJob(
                    f"{self.version.ref} takes one array per input, by name: {', '.join(specs)}; got a single array"
                )
            inputs = {next(iter(specs)): inputs}
        if inputs.keys() != specs.keys():
            raise InvalidJob(
                f"{self.version.ref} takes the inputs {', '.join(specs)}; got {', '.join(inputs) or 'none'}: "
                "give exactly one array per input"
            )
        columns = {name: _conform(inputs[name], spec, self.version.ref) for name, spec in specs.items()}
        rows = {name: len(array) for name, array in columns.items()}
        if len(set(rows.values())) > 1:
            raise InvalidJob(
                f"the inputs of {self.version.ref} must have equally many rows; got "
                + ", ".join(f"{count} in {name}" for name, count in rows.items())
            )
        return columns

    def _predict_batch(self, columns: dict[str, Array], rows: int) -> Array:
        padding = min(1 << (rows - 1).bit_length(), self._max_batch) - rows
        tensors = {name: tf.constant(_pad(array, padding)) for name, array in columns.items()}
        output: Array = self._call(tensors if self._by_name else next(iter(tensors.values()))).numpy()
        return output[:rows] if padding else output

    def _no_rows(self) -> Array:
        shape = self._call.structured_outputs.shape
        return np.empty([size or 0 for size in shape], self._call.structured_outputs.dtype.as_numpy_dtype)


def saved_file(version: ModelVersion) -> Artifact:
    """The file that `Predictor.load` takes.

    Raises:
        InvalidJob: the version has none.
    """
    for name in _FORMATS:
        if name in version.files:
            return version.files[name]
    raise InvalidJob(
        f"{version.ref} has no .keras or .h5 file, only {', '.join(sorted(version.files)) or 'none at all'}; "
        "train it again with formats=('keras',)"
    )


def _conform(values: Array, spec: TensorSpec, ref: str) -> Array:
    """The values as the dtype that the signature asks for, checked."""
    array = np.asarray(values)
    expected = ("rows", *("any" if size is None else size for size in spec.shape))
    fits = array.ndim == len(expected) and all(
        size is None or size == given for size, given in zip(spec.shape, array.shape[1:], strict=True)
    )
    if not fits:
        raise InvalidJob(
            f"input {spec.name!r} of {ref} must have shape ({', '.join(map(str, expected))}), got {array.shape}; "
            "the first axis counts rows, also for a single one"
        )
    if spec.dtype == "string":
        return _text(array, spec.name, ref)
    return _numbers(array, spec, ref)


def _text(array: Array, name: str, ref: str) -> Array:
    texts = array.dtype.kind in "US" or (
        array.dtype.kind == "O" and all(isinstance(value, str | bytes) for value in array.flat)
    )
    if not texts:
        raise InvalidJob(f"input {name!r} of {ref} must be text, got {array.dtype}; give an array of strings")
    return array


def _numbers(array: Array, spec: TensorSpec, ref: str) -> Array:
    dtype = np.dtype(tf.as_dtype(spec.dtype).as_numpy_dtype)
    kind = "f" if tf.as_dtype(spec.dtype).is_floating else dtype.kind  # numpy calls bfloat16 a void
    if array.dtype.kind not in _CASTS[kind]:
        raise InvalidJob(
            f"input {spec.name!r} of {ref} must be {spec.dtype}, got {array.dtype}; convert it before sending"
        )
    with np.errstate(over="ignore"):
        cast = array.astype(dtype, copy=False)
    if kind == "f":
        if not np.isfinite(cast).all():
            raise InvalidJob(
                f"input {spec.name!r} of {ref} must hold finite {spec.dtype} numbers, got NaN, infinite or too large "
                f"ones in {_rows_with(~np.isfinite(cast))}; fill or drop them"
            )
    elif cast.dtype != array.dtype and not np.array_equal(cast, array):
        raise InvalidJob(
            f"input {spec.name!r} of {ref} must fit into {spec.dtype}, but {_rows_with(cast != array)} do not"
        )
    return cast


def _rows_with(wrong: NDArray[np.bool_]) -> str:
    """ "row 3", or "5 rows, first row 3", of those where anything is wrong."""
    rows = np.flatnonzero(wrong.reshape(len(wrong), -1).any(axis=1))
    return f"row {rows[0]}" if len(rows) == 1 else f"{len(rows)} rows, first row {rows[0]}"


def _pad(array: Array, padding: int) -> Array:
    """More rows by repeating the last: unlike zeros, it is a value the model takes."""
    return np.concatenate([array, np.repeat(array[-1:], padding, axis=0)]) if padding else array


def _blank(spec: TensorSpec, rows: int) -> Array:
    shape = (rows, *(size or 1 for size in spec.shape))
    if spec.dtype == "string":
        return np.full(shape, "")
    return np.full(shape, spec.low or 0).astype(tf.as_dtype(spec.dtype).as_numpy_dtype)


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0].rstrip(".")
