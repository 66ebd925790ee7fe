"""What apps have uploaded, as files of this machine: those of a folder on a disk where they are, others as copies."""

import os
import uuid
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from stoker.errors import InvalidJob
from stoker.models.access import Access, shown
from stoker.models.store.uploads import UploadStore, missing_as_invalid
from stoker.models.uploads import COPIES, FolderFile, UploadRef, parse_upload

from .copies import check_room

_THREADS = 8


def uploaded(ref: str, access: Access, scratch: Path) -> Path:
    """The path of an uploaded file or folder, or the pattern of files in one; its files are there, and verified.

    It is read from the worker's own store alone.

    Args:
        scratch: a folder for the copies; what was copied into it before is not copied again.

    Raises:
        InvalidJob: the reference is malformed, names nothing, or its bytes have changed.
        Unavailable: the store is away, or the disk for copies is full.
    """
    upload = parse_upload(ref)
    store = UploadStore(access.store)
    whole = scratch / COPIES / upload.digest / upload.name
    if not upload.is_folder:
        with missing_as_invalid(upload):
            _bring(store, [FolderFile(path=whole.name, digest=upload.digest, size=0)], whole.parent, upload)
        return whole
    files = store.folder_files(upload).matching(upload.below)
    if not files:
        raise InvalidJob(
            f"no file of {shown(upload.whole)} is {shown(upload.below)!r}; correct the path or the pattern"
        )
    with missing_as_invalid(upload):
        _bring(store, files, whole, upload)
    return whole / upload.below


def is_uploaded(ref: str, access: Access) -> bool:
    """Whether an uploaded folder has a file.

    Raises:
        InvalidJob: the reference is malformed, or names no upload.
        Unavailable: the store is away.
    """
    upload = parse_upload(ref)
    return bool(UploadStore(access.store).folder_files(upload).matching(upload.below)) if upload.is_folder else True


def _bring(store: UploadStore, files: Sequence[FolderFile], folder: Path, upload: UploadRef) -> None:
    """Put files below a folder."""
    wanted = [file for file in files if not (folder / file.path).exists()]
    if not store.is_read_in_place:
        size = sum(file.size or store.size_of(file.digest) for file in wanted)
        scratch = folder.parent
        scratch.mkdir(parents=True, exist_ok=True)
        check_room(size, scratch, upload.whole)
    with ThreadPoolExecutor(_THREADS, thread_name_prefix="uploads") as pool:
        for _ in pool.map(lambda file: _bring_file(store, file.digest, folder / file.path), wanted):
            pass


def _bring_file(store: UploadStore, digest: str, target: Path) -> None:
    """A file at a path: a link where it is on this machine, else a copy, which is there when it is whole."""
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f".{uuid.uuid4().hex}.part")
    try:
        if place := store.path_of(digest):
            partial.symlink_to(os.path.realpath(place))
        else:
            store.fetch_to(digest, partial)
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)
