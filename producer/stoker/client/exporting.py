"""Bringing a version as files for other programs to this machine: the part of both clients that does it by a job."""

import asyncio
import os
import platform
import tarfile
import tempfile
from pathlib import Path
from typing import Literal

from ..errors import InvalidArgument, Timeout
from ..kinds import Data, Export, ExportResult, Priority
from ..kinds.problems import short
from ..models.export_folder import digest_of, place
from ..models.exported import EXPORTED_AS, MANIFEST, ExportFormat, ExportManifest, ExportPart
from ..models.store import Corrupt, Store
from ..redis.scopes import PerLoop, PerProcess
from . import submission
from .async_job import AsyncJob
from .calls import AsyncCalls, Calls
from .job import Job
from .listening import AsyncListener, Listener
from .registering import is_remote
from .tracing import submitting

Place = str | os.PathLike[str]
_TIMEOUT_S = 600.0


class ExportCalls(Calls):
    """A part of the blocking client."""

    _listener: PerProcess[Listener]

    def export(
        self,
        model: str,
        format: ExportFormat,  # noqa: A002  # the field of `Export`
        to: Place = ".",
        *,
        name: str | None = None,
        part: ExportPart = "model",
        compress: Literal["zstd", False] = False,
        data: str | os.PathLike[str] | Data | None = None,
        tolerance: float = 1e-4,
        timeout: float = _TIMEOUT_S,
        priority: Priority = "normal",
    ) -> ExportResult:
        """Export a model to a folder of this machine, or to a URL that workers write to.

        It is an `Export` job, which has all fields that are not explained here.

        Args:
            to: the export is `<to>/<name>/<version>`, whole: see docs/exporting.md.
            timeout: seconds to wait for the job, which is cancelled after them.

        Returns:
            The job's result; `where` is the folder.

        Raises:
            InvalidJob: the format cannot hold the model, or something else is in the folder.
            ModelNotFound: no model has this name.
            JobFailed: it cannot be converted, or computes something else then; says what works.
            Timeout: the job has not ended in time.
            Unavailable: Redis, the store or the folder is away.
        """
        spec = _spec(model, format, to, name, part, compress, data, tolerance, priority)
        with submitting(1):
            [new] = self._drive(submission.submit([spec], signatures=self._signatures))
        job: Job[ExportResult] = Job(self._connection, self._listener, new.id, self.settings, new.spec)
        try:
            result = job.result(timeout)
        except Timeout:
            job.cancel()
            raise
        return result if spec.to else _brought(result, Store(self.settings.store_place), to, name)


class AsyncExportCalls(AsyncCalls):
    """A part of the asyncio client."""

    _listener: PerLoop[AsyncListener]

    async def export(
        self,
        model: str,
        format: ExportFormat,  # noqa: A002  # the field of `Export`
        to: Place = ".",
        *,
        name: str | None = None,
        part: ExportPart = "model",
        compress: Literal["zstd", False] = False,
        data: str | os.PathLike[str] | Data | None = None,
        tolerance: float = 1e-4,
        timeout: float = _TIMEOUT_S,
        priority: Priority = "normal",
    ) -> ExportResult:
        """See `Client.export`."""
        spec = _spec(model, format, to, name, part, compress, data, tolerance, priority)
        with submitting(1):
            [new] = await self._drive(submission.submit([spec], signatures=self._signatures))
        job: AsyncJob[ExportResult] = AsyncJob(self._connection, self._listener, new.id, self.settings, new.spec)
        try:
            result = await job.result(timeout)
        except Timeout:
            await job.cancel()
            raise
        if spec.to:
            return result
        return await asyncio.to_thread(_brought, result, Store(self.settings.store_place), to, name)


def _spec(
    model: str,
    file_format: ExportFormat,
    to: Place,
    name: str | None,
    part: ExportPart,
    compress: Literal["zstd", False],
    data: str | os.PathLike[str] | Data | None,
    tolerance: float,
    priority: Priority,
) -> Export:
    if not isinstance(to, str | os.PathLike):
        raise InvalidArgument(f"to is a folder or a URL, got {short(to)}")
    if not (place := os.fspath(to)):
        raise InvalidArgument("to is empty: give a folder, such as '.' for the present one, or a URL")
    return Export(
        model=model,
        format=file_format,
        to=place if is_remote(place) else None,
        name=name,
        part=part,
        compress=compress,
        data=data,
        tolerance=tolerance,
        priority=priority,
    )


def _brought(result: ExportResult, store: Store, to: Place, name: str | None) -> ExportResult:
    """Copy an export out of the store; gives the result with its folder."""
    own_name, _, version = result.model.partition("@")
    target = Path(os.fspath(to)).expanduser().absolute() / (name or own_name) / version
    with tempfile.TemporaryDirectory(prefix="stoker-") as scratch:
        (folder := Path(scratch) / "export").mkdir()
        for file in result.files.values():
            store.fetch(file, folder)
        if (tar := folder / EXPORTED_AS["savedmodel"]).exists():
            _unpack(tar, folder)
            tar.unlink()
        manifest = ExportManifest.model_validate_json((folder / MANIFEST).read_text())
        for listed in manifest.files:
            if not (path := folder / listed.path).is_file() or digest_of(path) != listed.sha256:
                raise Corrupt(
                    f"{listed.path} of the export of {result.model} has changed in the store; export it again"
                )
        place(folder, str(target), manifest, lambda: None)
    return result.model_copy(update={"where": str(target), "node": platform.node()})


def _unpack(tar: Path, folder: Path) -> None:
    """Unpack what lies below `<name>/<version>/` in a tar that a worker has written."""
    with tarfile.open(tar) as archive:
        for member in archive:
            _, _, path = member.name.split("/", 2)
            target = folder / path
            source = archive.extractfile(member)
            if source is None or not target.resolve().is_relative_to(folder.resolve()):
                raise Corrupt(f"{tar.name} has {member.name!r}, which no export has; export it again")
            target.parent.mkdir(parents=True, exist_ok=True)
            with target.open("wb") as sink:
                while block := source.read(1 << 20):
                    sink.write(block)
