"""Copies of what is in the store on this machine: verified, whole, and over no other file unless that is wanted."""

import hashlib
import os
import shutil
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..errors import InvalidArgument, InvalidJob
from ..kinds.problems import short
from ..models.manifest import Artifact
from ..models.store import Store
from ..models.store.uploads import UploadStore, missing_as_invalid
from ..models.uploads import FOLDER, FolderFile, UploadRef
from ..outages import Dependency, DependencyUnavailable, needing


def artifact(store: Store, what: Artifact, to: str | os.PathLike[str], *, overwrite: bool = False) -> Path:
    """Copy an artifact to a path, or into a folder; gives its path.

    Raises:
        InvalidArgument: another file is there, or the folder cannot be written to.
        Corrupt, Missing, Unavailable: see `Store.fetch`.
    """
    target = _target(to, what.name)
    with _writing(target):
        if overwrite or not _is_same(target, what.digest):
            with tempfile.TemporaryDirectory(prefix=".stoker-", dir=target.parent) as folder:
                _place(store.fetch(what, Path(folder)), target, overwrite=overwrite)
    return target


def upload(store: UploadStore, ref: UploadRef, to: str | os.PathLike[str], *, overwrite: bool = False) -> Path:
    """Copy what was uploaded to a path, or into a folder; gives its path.

    Raises:
        InvalidArgument: something else is there, or the folder cannot be written to.
        InvalidJob: it is gone, or no file is below the reference's path.
        Unavailable: the store is away.
    """
    if not ref.is_folder:
        target = _target(to, ref.name)
        with missing_as_invalid(ref), _writing(target):
            _bring(store, ref.digest, target, overwrite=overwrite)
        return target
    files = store.folder_files(ref).matching(ref.below)
    if not files:
        raise InvalidJob(f"no file of {ref.whole} is {ref.below!r}; correct the path or pattern")
    target = _target(to, ref.name.removesuffix(FOLDER))
    if target.exists() and not overwrite:
        raise InvalidArgument(f"{target} is there already; name another folder, or overwrite the files in it")
    with missing_as_invalid(ref), _writing(target):
        _bring_folder(store, files, target)
    return target


def _target(to: object, name: str) -> Path:
    if not isinstance(to, str | os.PathLike):
        raise InvalidArgument(f"to is the path of a file or a folder, got {short(to)}")
    path = Path(os.fspath(to)).expanduser()
    try:
        path.lstat()
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        pass
    except (OSError, ValueError):
        raise InvalidArgument(f"to is no path that a file can have: {short(to)}") from None
    return path / name if path.is_dir() else path


def _bring_folder(store: UploadStore, files: tuple[FolderFile, ...], target: Path) -> None:
    """Write a folder's files under another name, and then move them to theirs."""
    partial = target.with_name(f".{uuid.uuid4().hex}.part")
    try:
        for file in files:
            path = partial / file.path
            path.parent.mkdir(parents=True, exist_ok=True)
            _bring(store, file.digest, path, overwrite=False)
        if not target.exists():
            partial.rename(target)
            return
        for file in files:
            (target / file.path).parent.mkdir(parents=True, exist_ok=True)
            (partial / file.path).replace(target / file.path)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _bring(store: UploadStore, digest: str, target: Path, *, overwrite: bool) -> None:
    if not overwrite and _is_same(target, digest):
        return
    partial = target.with_name(f".{uuid.uuid4().hex}.part")
    try:
        store.fetch_to(digest, partial)
        _place(partial, target, overwrite=overwrite)
    finally:
        partial.unlink(missing_ok=True)


def _place(written: Path, target: Path, *, overwrite: bool) -> None:
    """Give a file its name; of two who do it at once, one is refused, unless both overwrite."""
    if overwrite:
        written.replace(target)
        return
    try:
        os.link(written, target)
    except FileExistsError:
        raise _is_there(target) from None
    except OSError:
        # Not every file system has links.
        if target.exists():
            raise _is_there(target) from None
        written.rename(target)


def _is_same(target: Path, digest: str) -> bool:
    """Whether a file is there already as it should be.

    Raises:
        InvalidArgument: another one is.
    """
    if not target.exists():
        return False
    if target.is_file():
        with target.open("rb") as file:
            if hashlib.file_digest(file, "sha256").hexdigest() == digest:
                return True
    raise _is_there(target)


def _is_there(target: Path) -> InvalidArgument:
    if target.is_dir():
        return InvalidArgument(f"{target} is a folder; name another path")
    return InvalidArgument(f"{target} is there already, and another file; name another path, or overwrite it")


@contextmanager
def _writing(target: Path) -> Iterator[None]:
    """Make the folder of a path, and blame that for what cannot be written.

    Raises:
        InvalidArgument: it cannot be written to.
    """
    try:
        with needing(Dependency.DISK, str(target.parent)):
            target.parent.mkdir(parents=True, exist_ok=True)
            yield
    except DependencyUnavailable as error:
        if error.outage.of == Dependency.DISK:
            raise InvalidArgument(f"{error.message}; name another folder") from error
        raise
