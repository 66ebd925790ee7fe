"""Bringing an export to a folder or a bucket: it is there whole, or it is not there.

On a file system with folders, an export is written under another name beside its place, and then moved. A bucket has no
folders to move, so its files are written one by one under their names, `export.json` last: before it is there, whoever
comes later may only go on if a mark says that it is the same job's.
"""

import hashlib
import os
import shutil
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ..errors import InvalidJob, InvalidSettings, StokerError
from ..outages import Dependency, DependencyUnavailable, Fault, fault_of, has_no_space, one_line, outage
from ..urls import masked
from .access import shown
from .exported import MANIFEST, ExportManifest
from .store.files import Files

_HELP = "name another folder by `to`, or another name; or remove what is there"
_BLOCK_BYTES = 1 << 20
Step = Callable[[], None]
# What a loader looks for comes behind what it then reads.
_LATE = ("saved_model.pb", MANIFEST)


def place(built: Path, where: str, manifest: ExportManifest, step: Step) -> ExportManifest:
    """Bring a folder's files to their place; gives the manifest that lies there.

    What is there already of the same version in the same form, and whole, is left as it is.

    Args:
        built: has all files, `export.json` among them.
        where: the folder's path, or URL.
        step: called between blocks and files; may raise to end it.

    Raises:
        InvalidJob: something else is there, or it cannot be written to.
        DependencyUnavailable: its host is away, or the disk is full.
    """
    with _writing(where):
        files = Files(where)
        there = _there(files, where, manifest)
        if there:
            return there
        if files.local:
            _moved(built, Path(files.root), where, manifest.job, step)
        else:
            _sent(built, files, where, manifest.job, step)
        return manifest


def look_at(where: str) -> None:
    """Find out whether a place can be reached at all, before work is done that could not be written there.

    Raises:
        InvalidJob: it never can.
        DependencyUnavailable: its host is away.
    """
    with _writing(where):
        files = Files(where)
        files.sizes(files.root)


def _there(files: Files, where: str, manifest: ExportManifest) -> ExportManifest | None:
    """The manifest of the same export that lies there, whole; None if nothing does, or its writing has not ended."""
    sizes = files.sizes(files.root)
    if not sizes:
        return None
    if f"{files.root}/{MANIFEST}" not in sizes:
        if f"{files.root}/{_mark(manifest.job)}" in sizes:
            return None
        raise InvalidJob(f"{shown(where)} has files that are no whole export, and nothing is overwritten: {_HELP}")
    try:
        there = ExportManifest.model_validate_json(files.read(f"{files.root}/{MANIFEST}"))
    except ValueError as error:
        raise InvalidJob(f"{shown(where)} has another {MANIFEST}, and nothing is overwritten: {_HELP}") from error
    if not there.is_of(manifest):
        raise InvalidJob(
            f"{shown(where)} has {there.model} as {there.format}{' of its network' * (there.part == 'network')}"
            f"{' compressed' * bool(there.compress)}, and nothing is overwritten: {_HELP}"
        )
    for file in there.files:
        path = f"{files.root}/{file.path}"
        if path not in sizes or files.sha256(path) != file.sha256:
            raise InvalidJob(f"{shown(where)} has the same export, but {file.path} of it has changed: {_HELP}")
    return there


def _moved(built: Path, target: Path, where: str, job: str, step: Step) -> None:
    """Copy a folder beside its place, and move it there."""
    mark = f".{_mark(job)}"
    target.parent.mkdir(parents=True, exist_ok=True)
    for left in target.parent.glob(f"{mark}-*"):
        # An attempt that still writes there, though its job is another's now, fails by this.
        shutil.rmtree(left, ignore_errors=True)
    partial = target.parent / f"{mark}-{uuid.uuid4().hex}"
    try:
        for path in _in_order(built):
            copy = partial / path.relative_to(built)
            copy.parent.mkdir(parents=True, exist_ok=True)
            with path.open("rb") as source, copy.open("wb") as sink:
                while block := source.read(_BLOCK_BYTES):
                    step()
                    sink.write(block)
                sink.flush()
                os.fsync(sink.fileno())
        with suppress(FileNotFoundError):
            target.rmdir()  # an empty one; else the move is refused
        partial.rename(target)
    except OSError as error:
        if target.exists():
            raise InvalidJob(f"{shown(where)} has got files meanwhile, and nothing is overwritten: {_HELP}") from error
        raise
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _sent(built: Path, files: Files, where: str, job: str, step: Step) -> None:
    """Write files into a bucket, one by one."""
    mark = f"{files.root}/{_mark(job)}"
    with (built / MANIFEST).open("rb") as source:
        files.write(mark, source)
    others = [path for path in files.sizes(files.root) if path.endswith(_mark("")) and path != mark]
    if others:
        files.remove(mark)
        raise InvalidJob(f"another job writes an export to {shown(where)}, or has left {others[0]} there: {_HELP}")
    for path in _in_order(built):
        step()
        with path.open("rb") as source:
            files.write(f"{files.root}/{path.relative_to(built).as_posix()}", source)
    files.remove(mark)


def _in_order(folder: Path) -> list[Path]:
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    return sorted(paths, key=lambda path: _LATE.index(path.name) + 1 if path.name in _LATE else 0)


def _mark(job: str) -> str:
    return f"{job}.exporting"


def digest_of(path: Path) -> str:
    """A file's SHA-256, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def _writing(where: str) -> Iterator[None]:
    """Say of what cannot be written whether it is the job's fault, or passes."""
    what = shown(masked(where))
    try:
        yield
    except InvalidSettings as error:
        raise InvalidJob(f"{what} cannot be written to by this worker: its file system is not installed") from error
    except StokerError:
        raise
    except Exception as error:
        fault = fault_of(error)
        if has_no_space(error) or fault is Fault.AWAY:
            raise DependencyUnavailable(outage(Dependency.DATA, what, error)) from error
        if fault is None:
            raise
        if fault is Fault.FORBIDDEN and "://" in where:
            raise InvalidJob(
                f"{what} cannot be written to by this worker: {one_line(error)}; give the worker credentials that may, "
                "such as AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY for s3://, or name another place by `to`"
            ) from error
        raise InvalidJob(f"{what} cannot be written to: {one_line(error)}; {_HELP}") from error
