"""`int8`: weights and activations of 8 bits, whose ranges are those of rows of the training."""

from collections.abc import Sequence

import numpy as np

from stoker.models.tensors import Array

from ..prediction.runtime import TensorFlowEngine
from ..prediction.runtime.engine import listed_outputs
from .calibration import calibration_rows
from .forms import Given, Made
from .litert import converted, graph_of, int8
from .network import network_alone
from .stages import Stages

_BATCH = 16


def make(given: Given) -> Made:
    """See `Make`. What prepares rows stays as it is: 8 bits for columns of all sizes would leave none of the small."""
    rows, origin = calibration_rows(given)
    count = len(rows[0])
    words = f"weights and activations of 8 bits instead of 32, in the ranges of {count:,} rows of {origin}"
    figures: dict[str, float] = {"weight_bits": 8, "activation_bits": 8, "calibration_rows": count}
    return network_alone(given, convert, rows, words, figures)


def convert(stages: Stages, rows: Sequence[Array]) -> bytes:
    """See `Convert`."""
    batch = stages.signature.batch or min(_BATCH, len(rows[0]))
    prepared = rows
    if stages.front:
        given = listed_outputs(TensorFlowEngine(stages.front, stages.front_signature, len(rows[0])).run(rows))
        # Some layers of Keras say of themselves that they give another type than they do.
        types = [np.dtype(spec.dtype) for spec in stages.signature.inputs]
        prepared = [array.astype(dtype, copy=False) for array, dtype in zip(given, types, strict=True)]
    return converted(graph_of(stages.network, stages.signature), int8(prepared, batch))
