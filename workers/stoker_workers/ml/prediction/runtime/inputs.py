"""Representative inputs for a model, made up from its signature, to measure and warm up engines."""

import numpy as np

from stoker.models.inputs import Inputs
from stoker.models.signature import TensorSpec
from stoker.models.tensors import Array

_VARIABLE_SIZE = 32  # for a dimension of any size
_MISSING_SHARE = 0.1
_SEED = 0


def sample(inputs: Inputs, rows: int) -> list[Array]:
    """Made-up inputs, equal in every call: numbers from the range of the training data, some missing, empty texts."""
    random = np.random.default_rng(_SEED)
    return [_drawn(spec, dtype, rows, random) for spec, dtype in zip(inputs.specs, inputs.dtypes, strict=True)]


def _drawn(spec: TensorSpec, dtype: np.dtype[np.generic], rows: int, random: np.random.Generator) -> Array:
    shape = (rows, *(size or _VARIABLE_SIZE for size in spec.shape))
    if spec.dtype == "string":
        return np.full(shape, b"")
    low, high = (0.0, 1.0) if spec.low is None or spec.high is None else (spec.low, spec.high)
    shares = random.random(shape)
    if dtype.kind in "fV":  # numpy calls bfloat16 a void
        drawn = low + (high - low) * shares
        return (
            np.where(random.random(shape) < _MISSING_SHARE, np.nan, drawn).astype(dtype)
            if spec.gaps
            else drawn.astype(dtype)
        )
    return np.floor(low + (high - low + 1) * shares).clip(low, high).astype(dtype)
