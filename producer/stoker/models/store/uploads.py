"""What apps have put into a store: the bytes of a file by their digest alone, those of a long one in pieces."""

import hashlib
import io
import platform
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import IO

from pydantic import ValidationError

from ...errors import InvalidJob
from ...outages import Dependency, needing
from ..encryption import StorePlace, Writable
from ..manifest import Artifact
from ..uploads import FolderFile, FolderFiles, Pieces, UploadRef, vanished_upload
from . import Corrupt, Missing, Store
from .copies import Hashing, OnDisk
from .stretches import Changed, Stretch

PIECE_BYTES = 32 << 20
"""What is sent again at most after an interruption, and what a file is longer than that is sent in pieces."""
_DATA, _PIECES = "data", "pieces.json"
_BLOCK_BYTES = 1 << 20
_THREADS = 8
# A list of a million files has no more.
_LONGEST_LIST_BYTES = 512 << 20

Sent = Callable[[int], None]
"""Learns how many bytes more are in the store."""


@dataclass(frozen=True)
class Content:
    """The bytes of a file as they are stored.

    Attributes:
        pieces: their parts as artifacts of their own, in order; empty where they are stored as one.
    """

    path: Path
    digest: str
    size: int
    pieces: tuple[Artifact, ...] = ()

    @property
    def parts(self) -> tuple[Artifact, ...]:
        """All that is to be stored."""
        return self.pieces or (Artifact(name=_DATA, digest=self.digest, size=self.size),)


class UploadStore(Store):
    """The store of uploads: `<url>/sha256/<2 hex>/<digest>/data`, or `…/pieces.json` with the digests of the pieces.

    A folder on a disk holds every file as one, to be read where it is. Elsewhere a long file is in pieces, so that an
    upload that was interrupted goes on behind the last that is there.
    """

    def content(self, path: Path) -> Content:
        """Read a file to learn what is to be stored.

        Raises:
            OSError: it cannot be read.
        """
        whole, pieces, size = hashlib.sha256(), list[Artifact](), 0
        with path.open("rb") as file:
            while block := file.read(_BLOCK_BYTES):
                if size % PIECE_BYTES == 0:
                    piece, piece_size = hashlib.sha256(), 0
                whole.update(block)
                piece.update(block)
                size += len(block)
                piece_size += len(block)
                if size % PIECE_BYTES == 0:
                    pieces.append(Artifact(name=_DATA, digest=piece.hexdigest(), size=piece_size))
            if size % PIECE_BYTES:
                pieces.append(Artifact(name=_DATA, digest=piece.hexdigest(), size=piece_size))
        in_pieces = self.folder is None and len(pieces) > 1
        return Content(path, whole.hexdigest(), size, tuple(pieces) if in_pieces else ())

    def lacks(self, contents: Sequence[Content]) -> list[Content]:
        """Those of which the store does not have everything, by the sizes of its files.

        Raises:
            DependencyUnavailable: the store is away.
        """
        with ThreadPoolExecutor(_THREADS, thread_name_prefix="uploads") as pool:
            complete = list(pool.map(self._is_complete, contents))
        return [content for content, is_complete in zip(contents, complete, strict=True) if not is_complete]

    def put(self, contents: Sequence[Content], sent: Sent) -> None:
        """Store what is not there.

        Raises:
            Changed: a file is another than when it was read.
            DependencyUnavailable: the store is away, full or read-only.
        """
        with ThreadPoolExecutor(_THREADS, thread_name_prefix="uploads") as pool:
            for _ in pool.map(partial(self._send, sent), contents):
                pass

    def folder_files(self, ref: UploadRef) -> FolderFiles:
        """The list of an uploaded folder's files.

        Raises:
            InvalidJob: there is none, or it is damaged.
            DependencyUnavailable: the store is away.
        """
        return _folder_files(self.place, ref)

    def pour(self, digest: str, sink: Writable) -> None:
        """Write the bytes of a file into a sink, verified: an error comes after them where they have changed.

        Raises:
            Corrupt, Missing: they have, or are gone.
            DependencyUnavailable: the store is away.
        """
        whole = Hashing(sink)
        pieces = self._pieces(digest)
        for part in pieces.pieces if pieces else (digest,):
            self._pour(_artifact(part), whole)
        self._verify(_artifact(digest), whole.digest)

    def blocks_of(self, artifact: Artifact, start: int, stop: int) -> Iterator[bytes]:
        """Some of the bytes of an uploaded file, see `Store.blocks`; the artifact's name does not matter."""
        listed = self._pieces(artifact.digest)
        if listed is None:
            yield from self.blocks(_artifact(artifact.digest, size=artifact.size), start, stop)
            return
        parts = self._parts(listed, start, stop)
        yield from self._verified(artifact, parts) if stop - start == artifact.size else parts

    def fetch_to(self, digest: str, target: Path) -> None:
        """Write the bytes of a file to a path on this machine, verified; a failure may leave a part of them.

        Raises:
            Corrupt, Missing: they have changed, or are gone.
            DependencyUnavailable: the store is away, or the folder cannot be written.
        """
        what = f"the folder {target.parent} of {platform.node()}"
        with needing(Dependency.DISK, what), target.open("wb") as sink:
            self.pour(digest, OnDisk(sink, what))

    @property
    def is_read_in_place(self) -> bool:
        """Whether files are read where they are, or else by copies on this machine."""
        return self.folder is not None and not self._keys.own_ids

    def path_of(self, digest: str) -> Path | None:
        """Where a file is on this machine, verified; None where it must be copied, or decrypted.

        Raises:
            Corrupt, Missing: it has changed, or is gone.
            DependencyUnavailable: the store is away.
        """
        with self._reachable():
            if self.folder is None or self._encrypted_for_us(_artifact(digest)):
                return None
        self.verify(_artifact(digest))
        return Path(self._path(_artifact(digest)))

    def size_of(self, digest: str) -> int:
        """The size of a file in bytes; of an encrypted one, a little more.

        Raises:
            Missing: it is gone.
            DependencyUnavailable: the store is away.
        """
        if pieces := self._pieces(digest):
            return pieces.size
        with self._reading(_artifact(digest)):
            return self._files.size(self._readable(_artifact(digest)).path) or 0

    def digests(self, ref: UploadRef) -> set[str]:
        """The digests of all artifacts that an upload is made of: those of a folder's files, and of pieces.

        Raises:
            Locked: what it is made of cannot be told without a key that is not here.
            DependencyUnavailable: the store is away.
        """
        files: tuple[FolderFile, ...] = ()
        if ref.is_folder:
            # Of what is damaged, nothing more can be known.
            with suppress(InvalidJob):
                files = self.folder_files(ref).files
        digests = {ref.digest, *(file.digest for file in files)}
        # Whatever is in pieces is longer than that.
        for digest in (ref.digest, *(file.digest for file in files if file.size > _BLOCK_BYTES)):
            with suppress(Corrupt):
                if pieces := self._pieces(digest):
                    digests.update(pieces.pieces)
                    continue
            self._refuse_locked_pieces(digest)
        return digests

    def _refuse_locked_pieces(self, digest: str) -> None:
        """Raise `Locked` if a file is in pieces, and their list is encrypted for others."""
        listed = _artifact(digest, _PIECES)
        with self._reachable():
            encrypted = self._encrypted(listed) if self.folder is None else []
        if encrypted and not any(file.keys & self._keys.own_ids for file in encrypted):
            raise self._locked(encrypted[0])

    def _is_complete(self, content: Content) -> bool:
        parts = [*content.parts, *([_list_of(content)] if content.pieces else [])]
        with self._reachable():
            return all(map(self._as_written, parts))

    def _send(self, sent: Sent, content: Content) -> None:
        with _opened(content.path) as source, self._reachable():
            for part in content.parts:
                start = source.tell()
                # What is read back to be verified would cost as much as to send it.
                if not (self._recent if content.pieces else self._has)(part):
                    self._put(part, Stretch(source, part, str(content.path)))
                source.seek(start + part.size)
                sent(part.size)
            if content.pieces:
                self._put(_list_of(content), io.BytesIO(_listed(content)))

    def _parts(self, listed: Pieces, start: int, stop: int) -> Iterator[bytes]:
        """What lies between two places of a file in pieces."""
        for number, digest in enumerate(listed.pieces):
            place = number * PIECE_BYTES
            piece = _artifact(digest, size=min(PIECE_BYTES, listed.size - place))
            first, last = max(start - place, 0), min(stop - place, piece.size)
            if first < last:
                yield from self.blocks(piece, first, last)

    def _pieces(self, digest: str) -> Pieces | None:
        """The pieces of a file; None for one that is stored as one, or not at all."""
        listed = _artifact(digest, _PIECES)
        if self.folder is not None:
            return None
        with self._reachable():
            try:
                return Pieces.model_validate_json(self._found(listed))
            except FileNotFoundError:
                return None
            except ValidationError:
                raise Corrupt(f"{self.location(listed)} is damaged; upload the file again") from None


def _opened(path: Path) -> IO[bytes]:
    try:
        return path.open("rb")
    except OSError as error:
        raise Changed(f"{path} cannot be read any more: {error.strerror}; upload it again when it is there") from None


@lru_cache(maxsize=4)
def _folder_files(place: StorePlace, ref: UploadRef) -> FolderFiles:
    """Never another for the same digest; a table names its pictures one by one."""
    store = UploadStore(place)
    with missing_as_invalid(ref):
        if store.size_of(ref.digest) > _LONGEST_LIST_BYTES:
            raise InvalidJob(f"{ref.whole} lists more files than can be read; upload them as several folders")
        content = io.BytesIO()
        store.pour(ref.digest, content)
    try:
        return FolderFiles.model_validate_json(content.getvalue())
    except ValidationError:
        raise InvalidJob(f"{ref.whole} is no list of files, but an upload of another kind; upload the folder") from None


@contextmanager
def missing_as_invalid(ref: UploadRef) -> Iterator[None]:
    """Says of what is gone or damaged that it is to be uploaded again.

    Raises:
        InvalidJob: it is.
    """
    try:
        yield
    except Missing:
        raise InvalidJob(vanished_upload(ref.whole)) from None
    except Corrupt as error:
        raise InvalidJob(
            f"{ref.whole} is damaged: {error.message}; or forget it by `stoker files rm`, and upload it again"
        ) from None


def _artifact(digest: str, name: str = _DATA, size: int = 0) -> Artifact:
    return Artifact(name=name, digest=digest, size=size)


def _list_of(content: Content) -> Artifact:
    """The list of a file's pieces, by the digest of the whole file."""
    return _artifact(content.digest, _PIECES, len(_listed(content)))


def _listed(content: Content) -> bytes:
    pieces = tuple(piece.digest for piece in content.pieces)
    return Pieces(pieces=pieces, size=content.size).model_dump_json().encode()
