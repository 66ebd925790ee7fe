"""A source whose rows name or hold pictures, as one of their pixels."""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stoker.errors import InvalidJob
from stoker.models.access import shown
from stoker.models.pictures import BrokenPicture, Size, decode, decode_mask, fitted, look, nearest

from ..source import Arrays, Column, Ranged, Role, RowRange, Source, Values, rows_of
from .cache import DecodedPictures
from .sizes import Survey, choose_size, words

Read = Callable[[Any], bytes]
"""From what a row has to the content of a picture's file."""

_LOOKED_AT_ROWS = 4_096
_EXAMPLES = 5
# Each may hold a decoded picture of some hundred megabytes.
_THREADS = min(os.cpu_count() or 1, 4)


@dataclass(frozen=True)
class Wanted:
    """What pictures are to become.

    Attributes:
        size: of all of them; None reads it off them.
        shapes: by column, as a model takes them that is there already; None where there is none yet.
        masks: the columns whose pixels are classes.
        skip_broken: whether rows whose picture is broken are left out, rather than refused.
    """

    size: Size | None = None
    shapes: Mapping[str, tuple[int, int, int]] | None = None
    masks: Sequence[str] = ()
    skip_broken: bool = False


class PictureSource(Ranged):
    """A source that decodes the pictures of another one, once if there is room for their pixels on the disk.

    Args:
        source: has a file's name or content in each row of these columns.
        reads: by column.
        is_sure: whether these columns have pictures for certain, rather than by the looks of their texts.

    Raises:
        InvalidJob: a picture is missing or broken.
        Unavailable: its file system cannot be reached.
    """

    def __init__(
        self, source: Source, reads: Mapping[str, Read], wanted: Wanted, scratch: Path, *, is_sure: bool = True
    ) -> None:
        self._reads = reads
        self._wanted = wanted
        self._is_sure = is_sure
        self._known = all(name in (wanted.shapes or {}) for name in reads if name not in wanted.masks)
        self.notes: tuple[str, ...] = source.notes
        self._source = source
        surveys: dict[str, Survey] = {}
        if not self._known or wanted.skip_broken:
            surveys, kept = self._look_at(source)
            self._source = _without_broken(source, kept)
            self.notes += tuple(_left_out(surveys, kept))
        self._shapes = self._choose(surveys)
        self.columns = tuple(self._column(column) for column in source.columns)
        self.in_memory = self._source.in_memory
        self.rows = self._source.rows
        self._decoded = self._caches(scratch)

    def batches(self, rows: int, first: int = 0, last: int | None = None) -> Iterator[dict[str, Values]]:
        if all(cache.complete for cache in self._decoded.values()) and self._decoded:
            pixels = {name: cache.read for name, cache in self._decoded.items()}
            for start, batch in self._inner(rows, first, last):
                count = rows_of(batch)
                yield batch | {name: read(start, count) for name, read in pixels.items()}
            return
        with ThreadPoolExecutor(_THREADS, thread_name_prefix="decode") as pool:
            for start, batch in self._inner(rows, first, last):
                decoded = {name: self._pixels(name, batch[name], start, pool) for name in self._reads}
                for name, cache in self._decoded.items():
                    cache.write(start, decoded[name])
                yield batch | decoded

    def _inner(self, rows: int, first: int, last: int | None) -> Iterator[tuple[int, dict[str, Values]]]:
        """Batches as the source has them, each after the number of its first row."""
        whole = not first and last is None
        source = self._source if whole else RowRange(self._source, first, last)
        for batch in source.batches(rows):
            yield first, batch
            first += rows_of(batch)

    def _pixels(self, name: str, values: Values, first: int, pool: ThreadPoolExecutor) -> Values:
        shape = self._shapes[name]
        output = np.empty((len(values), *shape), np.uint8)
        rows = range(first, first + len(values))
        for row, pixels in enumerate(pool.map(partial(self._made, name, shape), values, rows)):
            output[row] = pixels
        return output

    def _made(self, name: str, shape: tuple[int, ...], value: Any, row: int) -> Values:
        try:
            data = self._read(name, value)
            if name in self._wanted.masks:
                return nearest(decode_mask(data), (shape[0], shape[1]))
            return fitted(data, (shape[0], shape[1], shape[2]))
        except BrokenPicture as broken:
            raise InvalidJob(f"{_named(value, name, row)} {broken}; {self._advice(name)}") from None

    def _read(self, name: str, value: Any) -> bytes:
        if value is None:
            raise BrokenPicture("is missing")
        return self._reads[name](value)

    def _advice(self, name: str) -> str:
        other = "" if self._is_sure else f", or set columns={{{name!r}: 'ignore'}} if the column names no pictures"
        return f"repair or remove it, or set skip_broken to leave its row out{other}"

    def _look_at(self, source: Source) -> tuple[dict[str, Survey], NDArray[np.bool_]]:
        """What the pictures are like, and which rows have all of theirs."""
        surveys = {name: Survey() for name in self._reads}
        kept: list[NDArray[np.bool_]] = []
        first = 0
        with ThreadPoolExecutor(_THREADS, thread_name_prefix="look") as pool:
            for batch in source.batches(_LOOKED_AT_ROWS):
                intact = np.ones(rows_of(batch), bool)
                for name, survey in surveys.items():
                    for row, seen in enumerate(pool.map(partial(self._seen, name), batch[name])):
                        intact[row] &= _count(survey, seen, _named(batch[name][row], name, first + row))
                kept.append(intact)
                first += len(intact)
        for name, survey in surveys.items():
            if survey.broken and not self._wanted.skip_broken:
                some = f"{survey.broken:,} pictures are broken: {'; '.join(survey.examples)}"
                what = survey.examples[0] if survey.broken == 1 else some
                raise InvalidJob(f"{what}; {self._advice(name)}")
            if not survey.count:
                raise InvalidJob(f"no row has a picture {name!r} that can be read; {'; '.join(survey.examples)}")
        return surveys, np.concatenate(kept) if kept else np.empty(0, bool)

    def _seen(self, name: str, value: Any) -> tuple[Size, int] | str:
        """A picture's size and channels, or what is wrong with it."""
        try:
            data = self._read(name, value)
            if self._wanted.skip_broken:  # only decoding shows that none is cut off
                (decode_mask if name in self._wanted.masks else decode)(data)
            return look(data)
        except BrokenPicture as broken:
            return str(broken)

    def _choose(self, surveys: Mapping[str, Survey]) -> dict[str, tuple[int, ...]]:
        """The shape of each column; that of a mask is its picture's."""
        shapes: dict[str, tuple[int, ...]] = {}
        for name in self._reads:
            if name in self._wanted.masks:
                continue
            if self._wanted.shapes and name in self._wanted.shapes:
                shapes[name] = self._wanted.shapes[name]
                continue
            size = choose_size(surveys[name], self._wanted.size)
            shapes[name] = (*size, surveys[name].channels)
            self.notes += tuple(words(name, surveys[name], size, self._wanted.size))
        for name in self._wanted.masks:
            if name in self._reads:
                if not shapes:
                    raise InvalidJob(f"there are masks {name!r}, but no pictures; name those in columns, as an image")
                shapes[name] = next(iter(shapes.values()))[:2]
        return shapes

    def _column(self, column: Column) -> Column:
        if column.name not in self._reads:
            return column
        role: Role = "mask" if column.name in self._wanted.masks else "picture"
        return replace(column, dtype="uint8", shape=self._shapes[column.name], role=role)

    def _caches(self, scratch: Path) -> dict[str, DecodedPictures]:
        """Where a model is there already, one pass is all there is."""
        if self.rows is None or self._known:
            return {}
        folder = Path(mkdtemp(prefix="pictures-", dir=scratch))
        return {
            name: DecodedPictures(folder / str(at), self.rows, shape)
            for at, (name, shape) in enumerate(self._shapes.items())
        }


class _Kept:
    """The rows of a source that a mask takes."""

    def __init__(self, source: Source, kept: NDArray[np.bool_]) -> None:
        self._source = source
        self._kept = kept
        self.columns = source.columns
        self.in_memory = source.in_memory
        self.notes = source.notes
        self.rows = int(kept.sum())

    def batches(self, rows: int) -> Iterator[dict[str, Values]]:
        start = 0
        for batch in self._source.batches(rows):
            stop = start + rows_of(batch)
            kept = self._kept[start:stop]
            if kept.any():
                yield {name: values[kept] for name, values in batch.items()}
            start = stop


def _without_broken(source: Source, kept: NDArray[np.bool_]) -> Source:
    if kept.all():
        return source
    some = _Kept(source, kept)
    if not isinstance(source, Arrays):
        return some
    [batch] = some.batches(len(kept))
    return Arrays(batch, "", source.notes, source.columns)


def _count(survey: Survey, seen: tuple[Size, int] | str, named: str) -> bool:
    """Count a picture; whether it is intact."""
    if isinstance(seen, str):
        survey.broken += 1
        if len(survey.examples) < _EXAMPLES:
            survey.examples.append(f"{named} {seen}")
        return False
    size, channels = seen
    survey.sizes[size] += 1
    survey.grey += channels == 1
    return True


def _left_out(surveys: Mapping[str, Survey], kept: NDArray[np.bool_]) -> Iterator[str]:
    for survey in surveys.values():
        if survey.broken:
            out = int((~kept).sum())
            yield f"{out:,} of {len(kept):,} rows are left out, for a picture is broken: {'; '.join(survey.examples)}"


def _named(value: Any, name: str, row: int) -> str:
    """A picture, by its path if it has one; rows are counted over all files."""
    return shown(value) if isinstance(value, str) else f"the picture {name!r} of row {row:,} (the first is 0)"
