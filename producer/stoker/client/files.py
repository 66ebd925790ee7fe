"""What apps put into the store and take out of it: the part of both clients that needs no shared folder."""

import os
import tempfile
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from ..errors import InvalidArgument, Unavailable
from ..kinds.problems import short
from ..ledger import uploads as ledger
from ..ledger.uploads import KEEP_DAYS, LONGEST_DAYS, Upload, new_upload
from ..models.encryption import StorePlace
from ..models.manifest import Artifact
from ..models.store import Store
from ..models.store.uploads import Content, UploadStore
from ..models.uploads import FolderFile, UploadRef, folder_of_files, parse_upload, unknown_upload
from ..redis.calls import Steps
from . import arguments, downloading, stores
from .calls import AsyncCalls, Calls
from .job_files import AsyncJobFile, JobFile
from .stored import sought
from .uploading import Uploadable, as_files

Progress = Callable[[int, int], None]
"""Learns how many bytes are in the store, of how many; from any thread."""

_TRIES = 3


class FileCalls(Calls):
    """What a `Client` does with files."""

    def upload(
        self,
        data: Uploadable,
        *,
        name: str | None = None,
        keep_days: float = KEEP_DAYS,
        progress: Progress | None = None,
    ) -> str:
        """Put data into the store, where workers read it: an app and its workers then need no shared folder.

        Client and workers must have the same `STOKER_STORE_URL`. What the store has is not sent again, whoever has put
        it there; so after an interruption the same call goes on. A long file goes to a bucket in pieces of 32 MiB; into
        a store that is a folder, a file that was interrupted is written anew.

        It is kept as long as a job or a version that is remembered names it, and else for `keep_days` after its last
        use, which is the last submit of a job that names it.

        Args:
            data: a path of a file or a folder; a table of pandas, polars or pyarrow; columns by name; a list of rows by
                name; an array; or a dict of arrays x and y. A folder's hidden files are left out.
            name: for people, and by its suffix for the format; None takes that of the path. What is none of
                `A-Z a-z 0-9 . _ -` becomes `_`.
            keep_days: of several uploads of one file the longest holds.
            progress: learns how many bytes are in the store, of how many.

        Returns:
            A data reference: `store://<SHA-256>/<name>`; of a folder `store://…/<name>.folder`, to which the path or
            the pattern of files in it may be added.

        Raises:
            InvalidArgument: there is no such file, it has changed meanwhile, or it is nothing that can be uploaded.
            InvalidJob: the table's columns do not fit each other.
            Unavailable: the store or Redis is away, or the store is a folder that is not mounted here. A repeat goes on
                from there.
        """
        return self._drive(_upload(data, name, keep_days, self.settings.store_place, progress))

    def uploads(self) -> list[Upload]:
        """All uploads of all apps, the newest first."""
        return self._drive(ledger.listed())

    def remove_upload(self, ref: str) -> None:
        """Forget an upload before its time is over: jobs that name it are refused from now on.

        Its bytes go when nothing else names them and they are a day old. Jobs that were submitted before still read
        them.

        Raises:
            InvalidArgument: there is no such upload.
            InvalidJob: it is no reference to an upload.
        """
        self._drive(_forget(ref))

    def download(
        self, what: Artifact | JobFile | str, to: str | os.PathLike[str] = ".", *, overwrite: bool = False
    ) -> Path:
        """Copy an artifact, or what was uploaded, to this machine, verified.

        A file has its name when it is whole.

        Args:
            what: an artifact, as results and versions name them, or one of `Job.files`; or `store://…`.
            to: the folder for it, if there is one, else its path.
            overwrite: replace another file, instead of refusing to.

        Returns:
            The path of the file or folder.

        Raises:
            InvalidArgument: another file is there, the folder cannot be written to, or there is no such upload.
            InvalidJob: it is no reference to an upload, or what it names is gone.
            Corrupt, Missing: the artifact has changed in the store, or is gone (`stoker.models.store`).
            Unavailable: the store is away.
        """
        return self._drive(_download(what, to, overwrite, self.settings.store_place))


class AsyncFileCalls(AsyncCalls):
    """What an `AsyncClient` does with files; the store is spoken to in threads."""

    async def upload(
        self,
        data: Uploadable,
        *,
        name: str | None = None,
        keep_days: float = KEEP_DAYS,
        progress: Progress | None = None,
    ) -> str:
        """See `Client.upload`."""
        return await self._drive_in_threads(_upload(data, name, keep_days, self.settings.store_place, progress))

    async def uploads(self) -> list[Upload]:
        """See `Client.uploads`."""
        return await self._drive(ledger.listed())

    async def remove_upload(self, ref: str) -> None:
        """See `Client.remove_upload`."""
        await self._drive(_forget(ref))

    async def download(
        self, what: Artifact | AsyncJobFile | str, to: str | os.PathLike[str] = ".", *, overwrite: bool = False
    ) -> Path:
        """See `Client.download`."""
        return await self._drive_in_threads(_download(what, to, overwrite, self.settings.store_place))


def _upload(
    data: Uploadable, name: str | None, keep_days: float, place: StorePlace, progress: Progress | None
) -> Steps[str]:
    """Between its calls it reads files, and writes to the store."""
    days = _days(keep_days)
    if progress is not None and not callable(progress):
        raise InvalidArgument(f"progress is a function of two numbers of bytes, got {short(progress)}")
    with as_files(data, _name(name)) as source, tempfile.TemporaryDirectory(prefix="stoker-") as scratch:
        store = UploadStore(place)
        yield from stores.require(store)
        contents = {path: _content(store, file) for path, file in source.files.items()}
        whole = store.content(_list(contents, Path(scratch))) if source.is_folder else contents[""]
        ref = UploadRef(whole.digest, source.name).whole
        known: Upload | None = yield ledger.use(ref)
        parts = {content.digest: content for content in (*contents.values(), whole)}
        _send(store, list(parts.values()), progress, is_known=known is not None)
        size = sum(content.size for content in contents.values())
        yield ledger.keep(new_upload(ref, size, len(contents), days))
        return ref


def _content(store: UploadStore, path: Path) -> Content:
    try:
        return store.content(path)
    except OSError as error:
        raise InvalidArgument(f"{path} cannot be read: {error.strerror}; grant access to it") from None


def _list(contents: Mapping[str, Content], scratch: Path) -> Path:
    """The list of a folder's files, as one of its own."""
    files = [FolderFile(path=path, digest=content.digest, size=content.size) for path, content in contents.items()]
    path = scratch / "files.json"
    path.write_bytes(folder_of_files(files))
    return path


def _send(store: UploadStore, contents: Sequence[Content], progress: Progress | None, *, is_known: bool) -> None:
    """Put into the store what is not there.

    What is there, but of no upload, is put anew if it is old: a clean-up may be about to remove it. What it has removed
    meanwhile is put once more.
    """
    lacking = store.lacks(contents) if is_known else contents
    total = sum(content.size for content in contents)
    sent = Count(total, progress or _nobody_watches, total - sum(content.size for content in lacking))
    for _ in range(_TRIES):
        store.put(lacking, sent.add)
        lacking = store.lacks(lacking)
        if not lacking:
            return
    raise Unavailable(f"the store does not keep what is put there: {lacking[0].path} is gone again; see who deletes it")


class Count:
    """How many bytes are in the store; threads add to it."""

    def __init__(self, total: int, progress: Progress, done: int) -> None:
        self._lock = threading.Lock()
        self._total, self._progress, self._done = total, progress, done
        progress(done, total)

    def add(self, count: int) -> None:
        with self._lock:
            self._done = min(self._done + count, self._total)
            self._progress(self._done, self._total)


def _nobody_watches(_done: int, _total: int) -> None:
    """The progress of who gives none."""


def _forget(ref: str) -> Steps[None]:
    whole = parse_upload(arguments.upload_ref(ref)).whole
    forgotten: bool = yield ledger.forget(whole)
    if not forgotten:
        raise InvalidArgument(unknown_upload(whole))


def _download(
    what: Artifact | JobFile | AsyncJobFile | str, to: str | os.PathLike[str], overwrite: bool, place: StorePlace
) -> Steps[Path]:
    """Between its calls it reads from the store, and writes files."""
    arguments.flag(overwrite, "overwrite")
    source = yield from sought(what)
    if isinstance(source, Artifact):
        return downloading.artifact(Store(place), source, to, overwrite=overwrite)
    ref, _ = source
    return downloading.upload(UploadStore(place), ref, to, overwrite=overwrite)


def _name(value: object) -> str | None:
    if value is None or (isinstance(value, str) and value.strip()):
        return value
    raise InvalidArgument(f"a name is text, got {short(value)}")


def _days(value: object) -> float:
    days = arguments.number(value)
    if days is None or not 0 < days <= LONGEST_DAYS:
        raise InvalidArgument(f"keep_days must be more than 0 and at most {LONGEST_DAYS:,.0f}, got {short(value)}")
    return days
