"""What a model that gives its input back has to reconstruct."""

from collections.abc import Mapping

from stoker.errors import InvalidJob
from stoker.models.data import listed
from stoker.models.signature import TensorSpec

from ..columns.stats import Moments
from .figures import standard_deviation
from .target import Target
from .targets import ONLY, Decided
from .tensors import Feature

_KINDS = (None, "number", "vector", "sequence", "image")
_LEAST_PICTURE = 2
"""Axes from which on an array's numbers have one scale for all, as pixels have."""


def decide_reconstruction(features: Mapping[str, Feature], inputs: tuple[TensorSpec, ...]) -> Decided:
    """The only output, which is what the model takes.

    Raises:
        InvalidJob: that is not one tensor of numbers, or float32 cannot tell them apart.
    """
    others = [each for each in inputs if each.kind not in _KINDS or each.dtype == "string"]
    if wrong := others or inputs[1:]:
        names = [name for each in wrong for name in each.columns or (each.name,)]
        raise InvalidJob(
            f"task='reconstruction' takes columns of numbers, or one column of arrays or pictures; "
            f"{', '.join(f'{name!r} is {features[name].kind}' for name in names[:10])}: name the others in features, "
            "or say columns={…: 'ignore'} of Data, or 'number' where they are numbers"
        )
    [spec] = inputs
    columns = spec.columns or (spec.name,)
    if spec.dtype == "float64":
        raise InvalidJob(
            f"among {listed(columns)} are numbers so far from 0 that float32, in which they are reconstructed, cannot "
            "tell them apart: subtract an offset, or leave that column out of features"
        )
    shape = tuple(size or 1 for size in spec.shape) or (1,)
    parts = [features[name].stats.moments for name in columns]
    moments = Moments.beside(parts) if len(parts) > 1 else parts[0]
    whole = len(shape) >= _LEAST_PICTURE
    mean, variance = moments.pooled() if whole else (moments.mean, moments.variance)
    target = Target(
        ONLY,
        tuple(columns),
        "reconstruction",
        shape=shape,
        moments=moments,
        spreads=tuple(standard_deviation(mean, variance).reshape(-1).tolist()),
    )
    why = "as task says"
    return Decided((target,), (f"{listed(columns)}: reconstruction, {why}; no column is a target",), (why,))
