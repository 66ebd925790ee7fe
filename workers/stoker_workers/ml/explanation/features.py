"""What importance and attributions are told of: the columns that a model reads, or the places of an array."""

from collections.abc import Mapping
from dataclasses import dataclass

from stoker.models.signature import Signature, TensorSpec
from stoker.models.tensors import Array


@dataclass(frozen=True)
class Feature:
    """A part of a row.

    Attributes:
        name: the column's; of an array without names of columns, "x[3]".
        tensor: the model's input that it is in.
        place: where it is on the tensor's last axis; None for all of it.
    """

    name: str
    tensor: str
    place: int | None

    def put(self, tensors: Mapping[str, Array], values: Array) -> None:
        """Take this part of other rows' tensor."""
        if self.place is None:
            tensors[self.tensor][...] = values
        else:
            tensors[self.tensor][..., self.place] = values[..., self.place]

    def total(self, values: Array) -> float:
        """The sum of one row's numbers that are this part."""
        return float((values if self.place is None else values[..., self.place]).sum())


def features_of(signature: Signature) -> tuple[Feature, ...]:
    """The parts of a row, in the model's order: columns, channels of a forecast's windows, places of a vector."""
    return tuple(feature for spec in signature.inputs for feature in _parts(spec, signature))


def _parts(spec: TensorSpec, signature: Signature) -> tuple[Feature, ...]:
    last = spec.shape[-1] if spec.shape and spec.dtype != "string" else None
    names: tuple[str, ...] = ()
    if signature.forecast:
        names = signature.forecast.channels
    elif len(spec.shape) == 1 and len(spec.columns) == spec.shape[0]:
        names = spec.columns
    elif last and (len(spec.shape), spec.kind) in ((1, None), (2, "sequence")):
        names = tuple(f"{name_of(spec)}[{place}]" for place in range(last))
    if names:
        return tuple(Feature(name, spec.name, place) for place, name in enumerate(names))
    return (Feature(name_of(spec), spec.name, None),)


def name_of(spec: TensorSpec) -> str:
    """The column that an input is, or its own name."""
    return spec.columns[0] if len(spec.columns) == 1 else spec.name
