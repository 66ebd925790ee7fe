"""A folder of pictures with one folder a class, as rows of files and labels."""

from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Literal

import numpy as np

from stoker.errors import InvalidJob
from stoker.models.data import FILE, IMAGE, LABEL, MASK, MASKS, PICTURES, Location, label_of_file, picture_columns

from ..source import Arrays, Column, Source, Values
from .files import read_file
from .source import PictureSource, Wanted

_SEED = 20_260_101
_EXAMPLES = 3


def open_folder(location: Location, subset: Literal["train", "test"], wanted: Wanted, scratch: Path) -> Source:
    """The pictures of a folder.

    For training they are shuffled, always alike: they come class by class, and a large folder is only shuffled within
    windows later. Folders `images` and `masks` are pictures and what their pixels are.

    Raises:
        InvalidJob: a picture is broken, or has no mask.
        Unavailable: the file system cannot be reached.
    """
    names = picture_columns(location)
    columns = _masked(location) if MASK in names else _plain(location, names)
    count = len(columns[IMAGE])
    order = np.random.default_rng(_SEED).permutation(count) if subset == "train" else np.arange(count)
    rows = Arrays(
        {name: columns[name][order] for name in names},
        "",
        _notes(location),
        tuple(Column(name, "string", role="file" if name == FILE else "value") for name in names),
    )
    if MASK in names:
        wanted = replace(wanted, masks=(MASK,))
    return PictureSource(rows, {name: read_file for name in (IMAGE, MASK) if name in names}, wanted, scratch)


def _plain(location: Location, names: tuple[str, ...]) -> dict[str, Values]:
    columns: dict[str, list[str | None]] = {IMAGE: [*location.urls], FILE: [*location.names]}
    if location.partitions:
        keys = [dict(partition) for partition in location.partitions]
        columns |= {key: [each[key] for each in keys] for key in keys[0]}
    elif LABEL in names:
        columns[LABEL] = [label_of_file(name) for name in location.names]
    return {name: np.array(values, dtype=object) for name, values in columns.items()}


def _masked(location: Location) -> dict[str, Values]:
    """The pictures, each with the mask of the same name, whatever its suffix."""
    by_folder: dict[str, dict[str, tuple[str, str]]] = {PICTURES: {}, MASKS: {}}
    for url, name in zip(location.urls, location.names, strict=True):
        folder, *rest = PurePosixPath(name).parts
        by_folder[folder][str(PurePosixPath(*rest).with_suffix(""))] = url, name
    pictures, masks = by_folder[PICTURES], by_folder[MASKS]
    if single := sorted(pictures.keys() ^ masks.keys()):
        raise InvalidJob(
            f"{len(single):,} files have no partner of the same name in the other folder "
            f"({', '.join(single[:_EXAMPLES])}); each picture in {PICTURES}/ needs its mask in {MASKS}/"
        )
    return {
        IMAGE: np.array([url for url, _ in pictures.values()], dtype=object),
        MASK: np.array([masks[name][0] for name in pictures], dtype=object),
        FILE: np.array([name for _, name in pictures.values()], dtype=object),
    }


def _notes(location: Location) -> tuple[str, ...]:
    if not location.others:
        return ()
    shown = ", ".join(PurePosixPath(path).name for path in location.others[:_EXAMPLES])
    count = len(location.others)
    more = "…" if count > _EXAMPLES else ""
    return (f"{count:,} {'file is' if count == 1 else 'files are'} no picture by the suffix: left out ({shown}{more})",)
