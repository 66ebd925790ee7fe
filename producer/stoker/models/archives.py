"""Packing a SavedModel, which is a folder, into one file: the same content gives the same bytes."""

import shutil
import zipfile
from pathlib import Path

from ..errors import InvalidJob

# What a SavedModel has; other files in its folder are none of it.
_FILES = ("saved_model.pb", "saved_model.pbtxt", "saved_model.cpb", "fingerprint.pb", "keras_metadata.pb")
_FOLDERS = ("variables", "assets", "assets.extra")
_EPOCH = (1980, 1, 1, 0, 0, 0)


def pack_savedmodel(folder: Path, target: Path) -> None:
    """Write a zip of a SavedModel's files, without compression.

    Raises:
        InvalidJob: the folder is no SavedModel, or has a link in it.
    """
    if not any((folder / name).is_file() for name in _FILES[:3]):
        raise InvalidJob(f"{folder} has no saved_model.pb: it is no SavedModel; write one with model.export(folder)")
    paths = [folder / name for name in _FILES if (folder / name).exists()]
    paths += [path for name in _FOLDERS for path in (folder / name).rglob("*") if path.is_symlink() or path.is_file()]
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive:
        for path in sorted(paths):
            name = path.relative_to(folder).as_posix()
            if path.is_symlink() or not path.is_file():
                raise InvalidJob(f"{folder} has {name}, which is a link or no regular file; put the file itself there")
            entry = zipfile.ZipInfo(name, _EPOCH)
            entry.external_attr = 0o100644 << 16
            entry.file_size = path.stat().st_size
            with path.open("rb") as source, archive.open(entry, "w") as sink:
                shutil.copyfileobj(source, sink, 1 << 20)
