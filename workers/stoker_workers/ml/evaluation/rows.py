"""The rows that a model is measured on: what it takes, and the truth."""

from collections.abc import Iterator, Mapping

import numpy as np

from stoker.errors import InvalidJob
from stoker.models.data import choices
from stoker.models.manifest import ModelVersion
from stoker.models.rows import encode
from stoker.models.tensors import Array, Outputs

from ..data import Source, Values
from ..data.source import rows_of
from ..preprocessing.target import encode_target, truth_columns, with_target


class LabelledRows:
    """A source's rows in a model's terms.

    Args:
        target: the column with the truth; None takes the one the model was trained on.
        origin: the reference to the data, for messages.
        slices: further columns that are read beside.

    Attributes:
        count: how many rows there are; None where only reading them all would tell.

    Raises:
        InvalidJob: there is no such column.
    """

    def __init__(
        self, source: Source, version: ModelVersion, target: str | None, origin: str, slices: tuple[str, ...] = ()
    ) -> None:
        self._source = source
        self.count = source.rows
        self._version = version
        self._slices = slices
        self._targets = truth_columns(version.signature)
        if target is not None and version.signature.task == "reconstruction":
            raise InvalidJob(
                f"target names {target!r}, but {version.ref} is measured by the columns it takes: leave it out"
            )
        if target is not None and len(self._targets) > 1:
            raise InvalidJob(
                f"target names {target!r}, but {version.ref} predicts {', '.join(map(repr, self._targets))}: leave it "
                "out, and give data with columns of these names"
            )
        self._truth = {name: target or name for name in self._targets}
        names = [column.name for column in source.columns]
        for name in self._truth.values():
            if name not in names:
                raise InvalidJob(
                    f"{origin} has no column {name!r} to measure {version.ref} against; it has "
                    f"{', '.join(names[:10])}: set target to the column with the truth"
                )
        for name in slices:
            if name not in names:
                raise InvalidJob(f"slices names {name!r}, which {origin} has not; it has {choices(name, names)}")

    def batches(self, rows: int) -> Iterator[tuple[dict[str, Array], Outputs, dict[str, Values]]]:
        """Inputs by name, the encoded truth, and the slices' columns, of so many rows at a time; every pass gives the
        same ones.
        """
        start = 0
        for columns in self._source.batches(rows):
            inputs, truth = self.encoded(columns, start)
            if rows_of(inputs):
                kept = with_target(columns, self._truth.values())
                yield inputs, truth, {name: columns[name][kept] for name in self._slices}
            start += rows_of(columns)

    def encoded(self, columns: Mapping[str, Values], first_row: int) -> tuple[dict[str, Array], Outputs]:
        """Inputs by name, and the encoded truth, of a batch's rows that have one; of several outputs by their names.

        Args:
            first_row: the index that messages count from.

        Raises:
            InvalidJob: the model does not take such rows, or does not know such a truth.
        """
        signature = self._version.signature
        given = {name: columns[source] for name, source in self._truth.items()}
        numbering = np.arange(first_row, first_row + rows_of(columns))
        try:
            inputs = encode(signature.inputs, columns, numbering)
            there = with_target(columns, self._truth.values())
            named = {name: values[there] for name, values in given.items()} if given else columns
            truth: Outputs = {
                name: encode_target(part, named, numbering[there]) for name, part in signature.each.items()
            }
        except InvalidJob as error:
            raise InvalidJob(f"{self._version.ref} cannot be measured: {error.message}") from None
        if not signature.parts:
            [truth] = truth.values()
        return inputs if there.all() else {name: array[there] for name, array in inputs.items()}, truth


def require_measurable(truth: Outputs, outputs: Outputs, version: ModelVersion) -> None:
    """Refuse what a model gives if it cannot be held against the truth.

    Raises:
        InvalidJob: it is not finite, or has another shape.
    """
    for name, part in version.signature.each.items():
        given, true = (outputs[name], truth[name]) if version.signature.parts else (outputs, truth)
        if not np.isfinite(given).all():
            raise InvalidJob(
                f"{version.ref} gives NaN or infinite outputs, so nothing can be measured; train it again, "
                "with a smaller learning rate if it diverged"
            )
        if part.task == "regression" and true.size != given.size:
            raise InvalidJob(
                f"the truth has rows of shape {true.shape[1:]}, but {version.ref} gives {given.shape[1:]}; "
                "set target to a column of as many numbers"
            )
