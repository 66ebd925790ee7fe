"""A model version as the protocol shows it: named tensors, made of its signature.

A model of arrays has a tensor for each of its inputs, under the input's name, with rows on the first axis. A model of
tables has one for each column, of shape (rows, 1), under the column's name; its own tensors, as the manifest names
them, are taken as well. What a model gives are its outputs by their names.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from ...client.tables import Rows
from ...errors import InvalidJob
from ...models.columns import ColumnKind, listed
from ...models.manifest import ModelVersion
from ...models.picture_rows import takes_pictures
from ...models.signature import TensorSpec
from ...models.tensors import Array
from .datatypes import as_texts, datatype_of

_VARIES = -1
# What the columns of a kind hold; those that are missing here say so by their tensor.
_OF_KIND: Mapping[ColumnKind, str] = {
    "number": "FP64",
    "boolean": "BOOL",
    "category": "BYTES",
    "time": "BYTES",
    "text": "BYTES",
    "tags": "BYTES",
    "tokens": "INT64",
    "sequence": "FP64",
}
_OF_LISTS = ("tags", "tokens", "sequence")


class ServedModel:
    """A version with its tensors.

    Args:
        version: as the registry has it.

    Attributes:
        ref: its exact reference.
        inputs, outputs: the metadata of its tensors, as the protocol writes them.
        output_names: the names of its outputs, in order.
        binary: the input of a body that is one tensor and nothing else; None for a model of several inputs.
        takes_files: whether that may be a picture's file.
    """

    def __init__(self, version: ModelVersion) -> None:
        self.version = version
        self.ref = version.ref
        signature = version.signature
        self._tensors = {spec.name: spec for spec in signature.inputs}
        self._columns = {} if signature.forecast else _columns(signature.inputs)
        rows = signature.forecast.columns if signature.forecast else tuple(self._columns)
        self._keys, self._row_keys = frozenset(self._tensors), frozenset(rows)
        self._array = next(iter(self._tensors)) if len(self._tensors) == 1 else None
        self._plain = bool(self._array) and not takes_pictures(signature.inputs[0])
        self.inputs = list(self._columns.values()) or [_metadata(spec) for spec in signature.inputs]
        self.outputs = [_metadata(spec) for spec in signature.outputs]
        self.output_names = tuple(spec.name for spec in signature.outputs)
        self.binary = self.inputs[0] if len(self.inputs) == 1 else None
        self.takes_files = takes_pictures(signature.inputs[0])

    def rows(self, tensors: Mapping[str, Array]) -> Rows:
        """The rows of a request, in the form that a client takes.

        Raises:
            InvalidJob: an input is missing, or unknown, or holds text that is none.
        """
        given = tensors.keys()
        if given == self._keys and (not self._columns or self._row_keys.isdisjoint(given)):
            if self._plain and self._array:
                return _own(tensors[self._array], self._tensors[self._array])
            return {name: _own(array, self._tensors[name]) for name, array in tensors.items()}
        if self._row_keys and given == self._row_keys:
            return {name: _column(array, name, self._kind(name)) for name, array in tensors.items()}
        raise self._refusal(list(given))

    def outputs_of(self, outputs: Any) -> Mapping[str, Array]:
        """What the model gave, by the names of its outputs."""
        return {self.output_names[0]: outputs} if isinstance(outputs, np.ndarray) else outputs

    def _kind(self, name: str) -> str:
        metadata = self._columns.get(name)
        return str(metadata["datatype"]) if metadata else "BYTES"

    def _refusal(self, given: list[str]) -> InvalidJob:
        takes = [str(each["name"]) for each in self.inputs]
        unknown = [name for name in given if name not in self._keys and name not in self._row_keys]
        if unknown:
            return InvalidJob(f"{self.ref} has no input {listed(unknown)}; it takes {listed(takes)}")
        missing = [name for name in takes if name not in given]
        return InvalidJob(f"{self.ref} lacks the input {listed(missing)}; it takes {listed(takes)}, each of them once")


def _metadata(spec: TensorSpec) -> dict[str, Any]:
    shape = [_VARIES, *(_VARIES if size is None else size for size in spec.shape)]
    return {"name": spec.name, "datatype": datatype_of(spec.dtype), "shape": shape}


def _columns(specs: tuple[TensorSpec, ...]) -> dict[str, dict[str, Any]]:
    """The metadata of each column's tensor; nothing for a model of arrays."""
    if not any(spec.columns for spec in specs):
        return {}
    columns = {}
    for spec in specs:
        for name in spec.columns or (spec.name,):
            kind: ColumnKind = spec.kind or "number"
            datatype = _OF_KIND.get(kind, datatype_of(spec.dtype))
            columns[name] = {"name": name, "datatype": datatype, "shape": [_VARIES, *_row_shape(spec, kind)]}
    return columns


def _row_shape(spec: TensorSpec, kind: ColumnKind) -> list[int]:
    if kind in _OF_LISTS:
        return [_VARIES]
    if kind in ("vector", "image"):
        return [_VARIES if size is None else size for size in spec.shape]
    return [1]


def _own(array: Array, spec: TensorSpec) -> Array:
    """A tensor of the model's own: without the axis of one that is not in its shape, and with text as text."""
    if array.ndim == len(spec.shape) + 2 and array.shape[-1] == 1:
        array = array[..., 0]
    if array.dtype != np.object_:
        return array
    return array.ravel() if takes_pictures(spec) else as_texts(array, spec.name)


def _column(array: Array, name: str, datatype: str) -> Array:
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.dtype != np.object_:
        return array
    # Pictures have a tensor of numbers, and may come as the bytes of their files.
    return array.ravel() if datatype == "UINT8" else as_texts(array, name)
