"""The state of a `model.fit`: what a checkpoint of `callbacks.Stoker` holds."""

import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import keras
import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from stoker.errors import InvalidJob
from stoker.outages import one_line

Values = list[NDArray[Any]]
# Errors of an archive that is cut off, has other content, or is none: a TypeError for a lone array.
_DAMAGES = (zipfile.BadZipFile, EOFError, RuntimeError, TypeError, ValueError, KeyError)


class Position(BaseModel):
    """Where a fit is.

    Attributes:
        fit: which of the function's fits it is; 1 for the first.
        epoch: completed epochs.
        step: completed batches of the next epoch.
        logs: what Keras has said after the last of these.
        history: what it has said after each completed epoch.
        batches: how many each of them had.
    """

    model_config = ConfigDict(ser_json_inf_nan="strings")

    fit: int
    epoch: int = 0
    step: int = 0
    logs: dict[str, float] = {}
    history: list[dict[str, float]] = []
    batches: list[int] = []


class FitState:
    """A position, and all variables there; as a file an uncompressed .npz.

    Attributes:
        variables: of the model and its optimizer, the states of random generators among them.
        metrics: the variables of the metrics, within an epoch.
        best: the weights that other callbacks keep, by the callback's place.
    """

    def __init__(self, position: Position, variables: Values, metrics: Values, best: dict[int, Values]) -> None:
        self.position = position
        self.variables = variables
        self.metrics = metrics
        self.best = best

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read a state.

        Raises:
            InvalidJob: the file holds none.
        """
        try:
            with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
                position = Position.model_validate_json(str(archive["position"]))
                best = {int(place): _listed(archive, f"best{place}-") for place in archive["best"]}
                return cls(position, _listed(archive, "variable-"), _listed(archive, "metric-"), best)
        except _DAMAGES as error:
            raise InvalidJob(
                f"the checkpoint is none of this version of callbacks.Stoker: {one_line(error)}"
            ) from error

    def write(self, path: Path) -> None:
        """Write the state to a file."""
        arrays: dict[str, NDArray[Any]] = {
            "position": np.array(self.position.model_dump_json()),
            "best": np.array(list(self.best), dtype=np.int64),
        }
        named = {"variable-": self.variables, "metric-": self.metrics}
        for name, values in (named | {f"best{place}-": kept for place, kept in self.best.items()}).items():
            arrays |= {f"{name}{number}": value for number, value in enumerate(values)}
        np.savez(path, allow_pickle=False, **arrays)


def values_of(variables: Sequence[keras.Variable]) -> Values:
    """The values of variables, which later steps do not change."""
    return [np.array(keras.ops.convert_to_numpy(variable)) for variable in variables]


def assign(variables: Sequence[keras.Variable], values: Values) -> None:
    """Give variables their values back.

    Raises:
        InvalidJob: they are others.
    """
    if [tuple(variable.shape) for variable in variables] != [value.shape for value in values]:
        raise InvalidJob(
            "the checkpoint is of another model: each attempt must build the same one, with the same optimizer and "
            "metrics; submit the job again"
        )
    for variable, value in zip(variables, values, strict=True):
        # A file of NumPy has no word for types such as bfloat16, and holds their bytes.
        known = keras.ops.convert_to_numpy(variable).dtype
        variable.assign(value.view(known) if value.dtype.kind == "V" else value)


def _listed(archive: Any, prefix: str) -> Values:
    count = sum(name.startswith(prefix) for name in archive.files)
    return [archive[f"{prefix}{number}"] for number in range(count)]
