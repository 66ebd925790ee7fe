"""What travels: a job's name and summary for Celery, and tensors as bytes."""

import hashlib
import io
import zipfile
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .errors import InvalidJob
from .jobs import Spec

# Any number or text dtype; the model's signature says which.
Array = NDArray[Any]
Tensors = Array | Mapping[str, Array]


def task_name(kind: str) -> str:
    """The Celery task of a job kind, e.g. "stoker.train"."""
    return f"stoker.{kind}"


def summary(spec: Spec) -> str:
    """A job in a few words, as Flower and `celery inspect` show its arguments."""
    parts = [spec.model, spec.alias if spec.kind == "deploy" else spec.data]
    if spec.kind == "train":
        parts.append(f"epochs={spec.epochs}")
    return ", ".join(parts)


def digest(spec: Spec) -> str:
    """A fingerprint of a spec: equal for equal specs."""
    return hashlib.sha256(spec.model_dump_json().encode()).hexdigest()


def encode_tensors(tensors: Tensors) -> bytes:
    """One array as .npy, several by name as .npz; never pickled.

    Raises:
        InvalidJob: an array of Python objects.
    """
    buffer = io.BytesIO()
    try:
        if isinstance(tensors, Mapping):
            np.savez(buffer, allow_pickle=False, **{name: np.asarray(array) for name, array in tensors.items()})
        else:
            np.save(buffer, np.asarray(tensors), allow_pickle=False)
    except ValueError as error:
        raise InvalidJob(f"inputs must be arrays of numbers or text, of one length per axis: {error}") from error
    return buffer.getvalue()


def decode_tensors(data: bytes) -> Tensors:
    """The inverse of `encode_tensors`.

    Raises:
        InvalidJob: the bytes are neither .npy nor .npz, or hold pickled objects.
    """
    try:
        loaded = np.load(io.BytesIO(data), allow_pickle=False)
        if isinstance(loaded, np.ndarray):
            return loaded
        return {name: loaded[name] for name in loaded.files}
    except (ValueError, EOFError, OSError, zipfile.BadZipFile) as error:
        raise InvalidJob(f"these bytes are no .npy or .npz of plain arrays: {error}") from error
