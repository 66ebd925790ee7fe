"""Looks through an HDF5 file of weights before Keras opens it: it may hold plain arrays, all of them in itself."""

import math
from typing import IO, Any

import h5py

from stoker.errors import InvalidJob
from stoker.kinds.problems import short

_MOST_OBJECTS = 1_000_000
_DEEPEST = 200
_NUMBERS = "biuf"


def check_hdf5(file: IO[bytes], what: str, *, texts: bool = False) -> int:
    """Check a file; gives how many numbers its arrays hold.

    Args:
        what: the file, for messages.
        texts: whether it may hold texts, as files of whole models do in attributes and arrays.

    Raises:
        InvalidJob: it is no HDF5, or has links to elsewhere, arrays whose values are in another file, or arrays that
            claim more values than are stored.
    """
    try:
        # Of Python's own file, so that nothing in it can name the path of another one.
        with h5py.File(file, "r") as root:
            return _Walk(what, texts=texts).group(root, 0)
    except (OSError, RuntimeError, KeyError, ValueError, TypeError, RecursionError) as error:
        raise InvalidJob(f"{what} is no HDF5 file that can be read: {error}; save the model again") from error


class _Walk:
    """Visits every object once, for hard links may lead in a circle."""

    def __init__(self, what: str, *, texts: bool) -> None:
        self._what = what
        self._kinds = _NUMBERS + ("OSV" if texts else "V")
        self._seen: set[Any] = set()

    def group(self, group: Any, depth: int) -> int:
        if depth > _DEEPEST:
            raise InvalidJob(f"{self._what} is nested more than {_DEEPEST} deep; save the model again")
        numbers = 0
        for name in group:
            link = group.get(name, getlink=True)
            if not isinstance(link, h5py.HardLink):
                raise InvalidJob(
                    f"{self._what} has a {type(link).__name__} at {short(name)}, which leads to another place or file; "
                    "weights are plain arrays: save the model again"
                )
            entry = group.get(name)
            if entry is None:
                raise InvalidJob(f"{self._what} has nothing where it names {short(name)}: it is damaged; save it again")
            place = h5py.h5o.get_info(entry.id).addr
            if place in self._seen:
                continue
            self._seen.add(place)
            if len(self._seen) > _MOST_OBJECTS:
                raise InvalidJob(f"{self._what} has more than {_MOST_OBJECTS:,} parts; no model has so many")
            numbers += self.group(entry, depth + 1) if isinstance(entry, h5py.Group) else self._array(name, entry)
        return numbers

    def _array(self, name: str, entry: Any) -> int:
        if not isinstance(entry, h5py.Dataset):
            raise InvalidJob(f"{self._what} has a {type(entry).__name__} at {short(name)}; weights are plain arrays")
        if entry.external or entry.is_virtual:
            raise InvalidJob(
                f"{self._what} keeps the array {short(name)} in another file, which is never read; save the model again"
            )
        if entry.dtype.kind not in self._kinds:
            raise InvalidJob(f"{self._what} has {short(str(entry.dtype))} at {short(name)}; weights are numbers")
        if entry.compression or entry.id.get_create_plist().get_nfilters():
            raise InvalidJob(
                f"{self._what} has the array {short(name)} compressed, which Keras never writes; save it again"
            )
        count = math.prod(entry.shape or ())
        stored = entry.id.get_storage_size()
        if count * entry.dtype.itemsize > stored:
            raise InvalidJob(
                f"{self._what} claims {count:,} numbers at {short(name)} and holds {stored:,} bytes of them; the file "
                "is cut off, or made to fill a memory"
            )
        return count
