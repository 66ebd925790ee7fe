"""Loading saved Keras models, and checking before the registration that they can be loaded."""

import errno
import math
import os
import resource
import warnings
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from stoker.errors import InvalidJob, StokerError, Unavailable
from stoker.models.access import Unsafe
from stoker.models.inputs import Inputs
from stoker.models.signature import Signature
from stoker.models.tensors import Array
from stoker.outages import DependencyUnavailable, disk_outage, is_machine_fault, one_line

from ..custom import custom_classes
from .one_file import one_file
from .runtime import ModelFailed, TensorFlowEngine, computed, sample
from .screening.keras_file import check_h5, check_keras, check_weights

# Relative to the largest output: two runs of a graph on one device differ by less, lost weights by more.
_TOLERANCE = 1e-3

# It may quote names of the file.
_LONGEST_LINE = 1_000
_REMEDY = "train it again, or roll its alias back to a version that can be loaded"


class NoMemory(InvalidJob):
    """The model needs more memory than there is."""


def load_saved(path: Path, ref: str, custom: Sequence[str] = ()) -> keras.Model:
    """A model from its .keras or .h5 file, which is checked first, in Keras' safe mode.

    Args:
        ref: the model's name in messages.
        custom: modules whose Keras classes it may have.

    Raises:
        NoMemory: there is not enough memory for it.
        Lacking: it has classes of other modules.
        InvalidJob: it is refused, or Keras cannot load it.
    """
    with loading(ref), one_file(path) as path:
        try:
            config = check_h5(path, path.name) if path.suffix == ".h5" else check_keras(path, path.name)[0]
        except Unsafe as error:
            raise Unsafe(f"{ref} cannot be loaded: {error.message}") from None
        try:
            with custom_classes(config, custom, ref):
                return keras.saving.load_model(path, compile=False, safe_mode=True)
        except (ValueError, TypeError) as error:
            raise InvalidJob(
                f"{ref} cannot be loaded: {path.name} does not load in Keras' safe mode: {first_line(error)}; "
                "build the model from Keras' own layers, or classes of `custom_objects`, without Lambda"
            ) from error


def load_foreign(path: Path, what: str, custom: Sequence[str] = ()) -> keras.Model:
    """A model from a .keras file that nobody here has written: what its config declares must be in the file.

    Raises:
        NoMemory: there is not enough memory for it.
        InvalidJob: it is refused, or Keras cannot load it.
    """
    with loading(what), one_file(path) as path:
        config, stored = check_keras(path, what)
        if (declared := declared_numbers(config, what, custom)) > stored:
            raise Unsafe(
                f"the config in {what} declares {declared:,} weights, and the file holds {stored:,}; it is damaged, "
                "or made to fill a memory"
            )
        return load_saved(path, what, custom)


def load_weights(network: keras.Model, path: Path, what: str) -> None:
    """Give a network the weights of an .h5 file, which is checked first.

    Raises:
        InvalidJob: it has arrays elsewhere than in itself.
        ValueError, OSError, KeyError, TypeError, UserWarning: it has the weights of something else.
    """
    with one_file(path) as path, warnings.catch_warnings():
        check_weights(path, what)
        # Keras only warns of weights that a file lacks, and leaves them random.
        warnings.simplefilter("error", UserWarning)
        network.load_weights(path)


def declared_numbers(config: dict[str, Any], what: str, custom: Sequence[str] = ()) -> int:
    """How many weights a checked config declares; none of them is allocated.

    Raises:
        InvalidJob: Keras cannot build it.
    """
    # What has no values yet stays on a list of its thread, and would get them with the next model that is built there.
    with loading(what), ThreadPoolExecutor(1) as aside:
        return aside.submit(_declared, config, what, custom).result()


def _declared(config: dict[str, Any], what: str, custom: Sequence[str]) -> int:
    with custom_classes(config, custom, what), keras.StatelessScope(initialize_variables=False):
        model = keras.saving.deserialize_keras_object(config, safe_mode=True)
        # One that was never built has none yet, and is refused later.
        return sum(math.prod(weight.shape) for weight in model.weights)


@contextmanager
def loading(ref: str, remedy: str = _REMEDY) -> Iterator[None]:
    """Turn any error of the block into one that says that the model cannot be loaded.

    Args:
        remedy: what may be done about an error that has no known cause.

    Raises:
        NoMemory: there was not enough memory.
        DependencyUnavailable: the temporary folder is full or broken.
        Unavailable: this machine has another shortage.
        StokerError: as the block raised it.
        InvalidJob: for every other error.
    """
    try:
        yield
    except StokerError:
        raise
    except Exception as error:  # a stored model is somebody's code: its layers may raise anything
        raise _public(ref, error, remedy) from error


def _public(ref: str, error: Exception, remedy: str) -> StokerError:
    if outage := disk_outage(error):
        return DependencyUnavailable(outage)
    if isinstance(error, OSError) and error.errno == errno.EFBIG:
        most = resource.getrlimit(resource.RLIMIT_FSIZE)[0]
        return InvalidJob(
            f"{ref} cannot be loaded: it needs a file of more than {most:,} bytes, half of what the worker's disk had "
            "free; give the worker a larger disk for TMPDIR, or make the model smaller"
        )
    # TensorFlow also raises ResourceExhaustedError when too many files are open.
    if is_machine_fault(error) or os.strerror(errno.EMFILE) in str(error):
        return Unavailable(f"{ref} cannot be loaded at the moment: the worker's machine failed it: {one_line(error)}")
    if isinstance(error, MemoryError | tf.errors.ResourceExhaustedError):
        return NoMemory(
            f"{ref} cannot be loaded: there is not enough memory for it ({first_line(error)}); give the slot more "
            "memory (fewer slots, or STOKER_SLOT_MEMORY_BYTES), or make the model smaller"
        )
    return InvalidJob(f"{ref} cannot be loaded: {type(error).__name__}: {first_line(error)}; {remedy}")


def check_saved(
    path: Path, trained: keras.Model, signature: Signature, custom: Sequence[str] = ()
) -> TensorFlowEngine | None:
    """Load a saved model as a predictor does, and compare its prediction for one row with the trained model's.

    Gives what will compute it; None if they could not be compared: not every model takes made-up rows.

    Raises:
        InvalidJob: it cannot be loaded, or predicts something else.
    """
    name = f"the trained model's {path.suffix} file"
    row = sample(Inputs(signature, name), 1)
    loaded = load_saved(path, name, custom)
    with loading(name):
        try:
            expected = computed(trained, signature, row)
        except ModelFailed:
            return None
        actual = computed(loaded, signature, row)
        engine = TensorFlowEngine(loaded, signature, max_batch=1)
    for output in signature.parts or (None,):
        _compare(name, *((given if output is None else given[output]) for given in (expected, actual)))
    return engine


def _compare(name: str, expected: Array, actual: Array) -> None:
    largest = np.abs(expected).max(initial=0)
    if not np.allclose(actual, expected, rtol=0, atol=_TOLERANCE * largest, equal_nan=True):
        raise InvalidJob(
            f"{name} predicts something else than the model itself, up to {np.abs(actual - expected).max():.3g} apart: "
            "one of its layers does not save its state; keep all state in weights, or use Keras' own layers"
        )


def first_line(error: Exception) -> str:
    """The first line of an exception's message, without a full stop, cut where it is long."""
    return str(error).strip().partition("\n")[0].rstrip(".")[:_LONGEST_LINE] or "no message"
