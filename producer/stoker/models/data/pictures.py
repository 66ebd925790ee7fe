"""The columns of a folder of pictures, by the names of its files."""

from collections.abc import Sequence
from pathlib import PurePosixPath

from .references import Location

IMAGE, LABEL, FILE, MASK = "image", "label", "file", "mask"
"""The picture, the first folder on the way to it, the whole way, and what its pixels are."""
PICTURES, MASKS = "images", "masks"
"""The folders of pictures whose pixels have classes, and of those."""


def picture_columns(location: Location) -> tuple[str, ...]:
    """The columns of a folder: the picture; its mask, the keys of its folders or its class, if it has any; its file."""
    if are_masked(location.names):
        return (IMAGE, MASK, FILE)
    if location.partitions:
        return (IMAGE, *(key for key, _ in location.partitions[0]), FILE)
    return (IMAGE, LABEL, FILE) if any(map(label_of_file, location.names)) else (IMAGE, FILE)


def are_masked(names: Sequence[str]) -> bool:
    """Whether there is a folder of pictures and one of masks, and nothing else."""
    return {label_of_file(name) for name in names} == {PICTURES, MASKS}


def label_of_file(name: str) -> str | None:
    """The first folder on the way to a file; None if there is none."""
    parts = PurePosixPath(name).parts
    return parts[0] if len(parts) > 1 else None
