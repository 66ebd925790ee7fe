"""What is in the store, read block by block: so that neither its size nor the place that is wanted matters."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator

from ..errors import InvalidArgument
from ..kinds.problems import short
from ..ledger import uploads as ledger
from ..ledger.uploads import Upload
from ..models.encryption import StorePlace
from ..models.manifest import Artifact
from ..models.store import Store
from ..models.store.uploads import UploadStore
from ..models.uploads import UploadRef, parse_upload, unknown_upload, upload_name
from ..redis.calls import Steps
from ..security import audit
from .calls import AsyncCalls, Calls
from .job_files import AsyncJobFile, JobFile

Read = Callable[[int, int], Iterator[bytes]]


class StoredFile:
    """A file in the store.

    Attributes:
        artifact: its name, its digest and its size.
    """

    def __init__(self, artifact: Artifact, read: Read) -> None:
        self.artifact = artifact
        self._read = read

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.artifact.name!r}, {self.artifact.size:,} bytes)"

    def blocks(self, start: int = 0, stop: int | None = None) -> Iterator[bytes]:
        """Its bytes from `start` up to `stop`, or its end, in blocks of 1 MiB at most.

        All of a file are verified before the last block is given. A part of a file that is longer than 8 MiB is not:
        who puts parts together checks the digest.

        Raises:
            InvalidArgument: these are no places in it.
            Corrupt, Missing: it has changed in the store, or is gone (`stoker.models.store`).
            Unavailable: the store is away.
        """
        end = self.artifact.size if stop is None else stop
        if not 0 <= start <= end <= self.artifact.size:
            raise InvalidArgument(
                f"{self.artifact.name} has {self.artifact.size:,} bytes: start and stop lie within, in this order, got "
                f"{short(start)} and {short(stop)}"
            )
        return self._read(start, end)


class AsyncStoredFile:
    """`StoredFile` for asyncio."""

    def __init__(self, file: StoredFile) -> None:
        self.artifact = file.artifact
        self._file = file

    def __repr__(self) -> str:
        return f"Async{self._file!r}"

    async def blocks(self, start: int = 0, stop: int | None = None) -> AsyncIterator[bytes]:
        """See `StoredFile.blocks`; close it where it is not read to its end."""
        turns = _Turns(self._file.blocks(start, stop))
        try:
            while (block := await asyncio.to_thread(turns.next)) is not None:
                yield block
        finally:
            await asyncio.to_thread(turns.close)


class StoredCalls(Calls):
    """A part of the blocking client."""

    def stored(self, what: Artifact | JobFile | str) -> StoredFile:
        """A file in the store, to be read in blocks, or from any place in it.

        Args:
            what: an artifact, as results and versions name them, or one of `Job.files`; or `store://…`, of a folder
                with the path of a file in it.

        Raises:
            InvalidArgument: there is no such upload, or it is a folder.
            InvalidJob: it is no reference to an upload, or what it names is gone.
            Unavailable: Redis or the store is away.
        """
        return self._drive(_stored(what, self.settings.store_place))


class AsyncStoredCalls(AsyncCalls):
    """A part of the asyncio client."""

    async def stored(self, what: Artifact | AsyncJobFile | str) -> AsyncStoredFile:
        """See `Client.stored`."""
        return AsyncStoredFile(await self._drive_in_threads(_stored(what, self.settings.store_place)))


class _Turns:
    """Blocks that threads take one after the other: a caller who has gone leaves one at work."""

    def __init__(self, blocks: Iterator[bytes]) -> None:
        self._blocks = blocks
        self._lock = threading.Lock()

    def next(self) -> bytes | None:
        with self._lock:
            return next(self._blocks, None)

    def close(self) -> None:
        with self._lock:
            self._blocks.close()  # type: ignore[attr-defined]  # it is a generator


def sought(what: Artifact | JobFile | AsyncJobFile | str) -> Steps[Artifact | tuple[UploadRef, Upload]]:
    """What is to be read from the store, as the audit notes: an artifact, or an upload and what is known of it.

    Raises:
        InvalidArgument: there is no such upload, or it is none of these.
        InvalidJob: it is no reference to an upload.
    """
    if isinstance(what, JobFile | AsyncJobFile):
        what = what.artifact
    if isinstance(what, Artifact):
        yield audit.note("read", "", f"{what.name} {what.digest}", "downloaded")
        return what
    if not isinstance(what, str):
        raise InvalidArgument(f"what is an artifact, a job's file or store://…, got {short(what)}")
    ref = parse_upload(what)
    known: Upload | None = yield ledger.use(ref.whole)
    if known is None:
        raise InvalidArgument(unknown_upload(ref.whole))
    yield audit.note("read", "", what, "downloaded")
    return ref, known


def _stored(what: Artifact | JobFile | AsyncJobFile | str, place: StorePlace) -> Steps[StoredFile]:
    """Between its calls it reads from the store."""
    source = yield from sought(what)
    if isinstance(source, Artifact):
        return StoredFile(source, lambda start, stop: Store(place).blocks(source, start, stop))
    uploaded = _uploaded(*source, place)
    return StoredFile(uploaded, lambda start, stop: UploadStore(place).blocks_of(uploaded, start, stop))


def _uploaded(ref: UploadRef, known: Upload, place: StorePlace) -> Artifact:
    """An uploaded file, or one of an uploaded folder, as an artifact."""
    if not ref.is_folder:
        return Artifact(name=ref.name, digest=ref.digest, size=known.size)
    files = UploadStore(place).folder_files(ref).files
    file = next((file for file in files if file.path == ref.below), None)
    if file is None:
        listed = ", ".join(file.path for file in files[:5])
        raise InvalidArgument(f"{ref.whole} is a folder: name one of its files behind it, such as {listed}")
    name = upload_name(file.path.rpartition("/")[2], is_folder=False)
    return Artifact(name=name, digest=file.digest, size=file.size)
