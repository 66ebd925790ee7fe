"""Opening the data of a job."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Self

from stoker.kinds import Data, as_data
from stoker.models.columns import ColumnKind
from stoker.models.data import Location
from stoker.models.picture_rows import takes_pictures
from stoker.models.pictures import Size
from stoker.models.signature import Signature

from .data import ColumnType, Source, Wanted, open_source
from .preprocessing.forecasting import cut_windows
from .run import Run

# How a model's columns are read from text: never guessed anew from a file of which all values may look otherwise.
# Booleans are words or numbers, and the encoding of rows knows both.
_TYPES: Mapping[ColumnKind, ColumnType] = {"number": "number", "category": "string", "text": "string", "time": "time"}


def open_data(
    data: str | Data,
    subset: Literal["train", "test"],
    run: Run,
    signature: Signature | None = None,
    *,
    names: Iterable[str] = (),
    last: bool = False,
) -> Source:
    """The rows of a job's data; what was found by looking at them is said in its events.

    Args:
        signature: of the model that reads them; None where none does yet. Of one that forecasts, rows are windows.
        names: of columns that the job names; those of a model are known.
        last: whether only the last window of each series is wanted, without what comes behind it.

    Raises:
        InvalidJob, Unavailable: see `open_source`.
    """
    source = open_rows(data, subset, run, signature, names=names)
    if signature and signature.forecast:
        return cut_windows(source, signature.forecast, signature.inputs[0].name, run, last=last)
    return source


def open_rows(
    data: str | Data,
    subset: Literal["train", "test"],
    run: Run,
    signature: "Signature | Reading | None" = None,
    *,
    names: Iterable[str] = (),
    image_size: Size | None = None,
    masks: Sequence[str] = (),
    note: Callable[[Location], None] | None = None,
) -> Source:
    """As `open_data`, but as the rows that there are, also for a model that forecasts.

    Args:
        signature: of the model that reads them, or how several do.
        image_size: of pictures; None reads it off them. Those of a model are of its size.
        masks: the columns of pictures whose pixels are classes; those that a model predicts are known.
        note: learns which files they are, before one is read.

    Raises:
        InvalidJob, Unavailable: see `open_source`.
    """
    reading = Reading.of(signature) if isinstance(signature, Signature) else signature
    if reading:
        names, masks = [*names, *reading.columns], [*reading.masks]
    types, shapes = (reading.types, reading.shapes) if reading else (None, None)
    wanted = Wanted(image_size, shapes, masks, skip_broken=as_data(data).skip_broken)
    source = open_source(data, subset, run.access, run.scratch, types=types, names=names, pictures=wanted, note=note)
    run.say(*source.notes)
    return source


@dataclass(frozen=True)
class Reading:
    """How the columns of one or several models are read.

    Attributes:
        columns: what they take and predict.
        types: of those whose type is known.
        masks: those of pictures whose pixels are classes.
        shapes: of pictures that they take.
    """

    columns: tuple[str, ...]
    types: Mapping[str, ColumnType]
    masks: tuple[str, ...]
    shapes: Mapping[str, tuple[int, int, int]]

    @classmethod
    def of(cls, signature: Signature) -> Self:
        """How a model reads them."""
        masks = [name for part in signature.each.values() if part.task == "pixels" for name in part.target_columns]
        return cls(tuple(_used(signature)), column_types(signature), tuple(masks), _picture_shapes(signature))

    def is_as(self, other: "Reading") -> bool:
        """Whether both read every column alike that they share."""
        shared = {*self.columns} & {*other.columns}
        return all(
            (self.types.get(name), self.shapes.get(name), name in self.masks)
            == (other.types.get(name), other.shapes.get(name), name in other.masks)
            for name in shared
        )

    def with_(self, other: "Reading") -> "Reading":
        """How the columns of both are read, if they read those alike that they share."""
        return Reading(
            tuple(dict.fromkeys(self.columns + other.columns)),
            {**self.types, **other.types},
            tuple(dict.fromkeys(self.masks + other.masks)),
            {**self.shapes, **other.shapes},
        )


def column_types(signature: Signature) -> dict[str, ColumnType]:
    """The types of a model's columns, and of a target that is a number."""
    types: dict[str, ColumnType] = {}
    if forecast := signature.forecast:
        types |= dict.fromkeys(forecast.channels, "number")
        types[forecast.time] = "time" if forecast.times else "number"
    for spec in signature.inputs:
        if spec.kind and spec.kind in _TYPES:
            types |= dict.fromkeys(spec.columns or (spec.name,), _TYPES[spec.kind])
    for part in signature.each.values():
        if part.task == "regression":
            types |= dict.fromkeys(part.target_columns, "number")
    booleans = forecast.booleans if forecast else ()
    return {name: kind for name, kind in types.items() if name not in booleans}


def _used(signature: Signature) -> Iterator[str]:
    """The columns that a model takes and predicts."""
    for spec in signature.inputs:
        yield from spec.columns or (spec.name,)
    for part in signature.each.values():
        yield from part.target_columns


def _picture_shapes(signature: Signature) -> dict[str, tuple[int, int, int]]:
    """The shape of each column of pictures that a model takes."""
    shapes: dict[str, tuple[int, int, int]] = {}
    for spec in signature.inputs:
        if takes_pictures(spec):
            height, width, channels = (size or 1 for size in spec.shape)
            shapes |= dict.fromkeys(spec.columns or (spec.name,), (height, width, channels))
    return shapes
