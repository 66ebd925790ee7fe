"""Noise on the inputs: how steady predictions are where what was measured might have been a little different."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from stoker.models.signature import TensorSpec
from stoker.models.tensors import Array

from ..columns.stats import Moments

_SEED = 0  # of all noise: the same model on the same data gives the same figures
_WHY = {
    "boolean": "yes or no",
    "category": "categories",
    "text": "texts",
    "tags": "tags",
    "time": "times",
    "tokens": "ids",
    "image": "bytes of pixels",
}


class Noise:
    """Gaussian noise of one level: the same on the same rows, however they are cut into batches.

    Args:
        level: its size, in standard deviations.
        moments: of the inputs that get noise; others, texts for one, stay as they are.
    """

    def __init__(self, level: float, moments: Mapping[str, Moments]) -> None:
        self._scales = {name: (level * np.sqrt(seen.variance)).astype(np.float32) for name, seen in moments.items()}
        self._random = {name: np.random.default_rng((_SEED, at)) for at, name in enumerate(self._scales)}

    def on(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """The next rows with noise added."""
        return {name: self._noisy(name, array) if name in self._scales else array for name, array in inputs.items()}

    def _noisy(self, name: str, array: Array) -> Array:
        noise = self._random[name].standard_normal(array.shape, dtype=np.float32)
        noisy: Array = array + (self._scales[name] * noise).astype(array.dtype)
        return noisy


def noisy_inputs(inputs: Sequence[TensorSpec]) -> list[TensorSpec]:
    """The inputs that are numbers, which a little noise leaves what they are; of a category it would make another."""
    return [spec for spec in inputs if not _reason(spec)]


def without_noise(inputs: Sequence[TensorSpec]) -> tuple[str, ...]:
    """The columns of all other inputs, and what they are: "plan, region (categories)"."""
    return tuple(_left_out(inputs))


def _left_out(inputs: Sequence[TensorSpec]) -> Iterator[str]:
    names: dict[str, list[str]] = {}
    for spec in inputs:
        if reason := _reason(spec):
            names.setdefault(reason, []).extend(spec.columns or (spec.name,))
    for reason, columns in names.items():
        yield f"{', '.join(columns)} ({reason})"


def _reason(spec: TensorSpec) -> str | None:
    """Why an input takes no noise; None if it does."""
    if spec.dtype.startswith("float") and spec.kind in (None, "number", "vector", "image", "sequence"):
        return None
    if spec.kind in _WHY:
        return _WHY[spec.kind]
    return "texts" if spec.dtype == "string" else "whole numbers"
