"""Encrypting what a store has for its present keys, file by file; it may be killed at any moment and begun again."""

import tempfile
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import groupby
from typing import IO

from ...errors import InvalidSettings, StokerError
from ...outages import temporary_folder
from ..manifest import Artifact
from . import Store
from .copies import Corrupt, Hashing, OnDisk, Stored

Progress = Callable[[int, int], None]
"""Learns how many folders of the store are through, and of how many."""

_FOLDERS = [f"{number:02x}" for number in range(256)]
_IN_MEMORY_BYTES = 8 << 20


@dataclass
class Reencrypted:
    """What was done.

    Attributes:
        files, size: how many artifacts were encrypted, and their bytes as they are stored now.
        removed: how many files of theirs were removed, plain ones or for other keys.
        right: how many artifacts were as they should be.
        failures: why others could not be encrypted, a sentence each.
    """

    files: int = 0
    size: int = 0
    removed: int = 0
    right: int = 0
    failures: list[str] = field(default_factory=list)


class Reencrypting(Store):
    """A store that encrypts what is in it for its keys and no other.

    Its state is the files themselves: an artifact that is encrypted for the present keys, and has no other file that
    they can read, is through. A file is removed once another one is whole, so that there is always one to be read.
    """

    def reencrypt(self, progress: Progress) -> Reencrypted:
        """Encrypt all artifacts, those of jobs too.

        Raises:
            InvalidSettings: there are no keys to encrypt for, or none to decrypt with.
            DependencyUnavailable: the store is away, full or read-only, or the temporary folder is full.
        """
        if not self._keys.own_ids:
            raise InvalidSettings(
                "artifacts can be encrypted anew only by who can decrypt them: set STOKER_ENCRYPTION_KEY to the path "
                "of a file of age identities; `stoker files new-key` makes one"
            )
        done, jobs = Reencrypted(), self.jobs()
        total = len(_FOLDERS) + len(jobs)
        for number, folder in enumerate(_FOLDERS, start=1):
            self._reencrypt_all(self.stored(folder), done)
            progress(number, total)
        for number, job_id in enumerate(jobs, start=len(_FOLDERS) + 1):
            of_job = Reencrypting(self.place, f"jobs/{job_id}")
            of_job._reencrypt_all(of_job.stored(""), done)
            progress(number, total)
        return done

    def _reencrypt_all(self, stored: Iterable[Stored], done: Reencrypted) -> None:
        whole = sorted((file for file in stored if not file.is_partial), key=_artifact_key)
        for (digest, name), files in groupby(whole, _artifact_key):
            # A name of another's making need not be one that artifacts may have.
            artifact = Artifact.model_construct(name=name, digest=digest, size=0)
            # What its job or a clean-up removes meanwhile need not be encrypted.
            with self._reachable(), suppress(FileNotFoundError):
                self._reencrypt(artifact, list(files), done)

    def _reencrypt(self, artifact: Artifact, files: list[Stored], done: Reencrypted) -> None:
        kept = self._right(files)
        if kept is None:
            try:
                with self._plain(artifact, files) as plain:
                    self._put(artifact, plain)
            except StokerError as error:
                done.failures.append(error.message)
                return
            done.files += 1
            done.size += sum(file.size for file in self._as_written(artifact)[:1])
        else:
            done.right += 1
        for file in files:
            if file != kept and (not file.keys or file.keys & self._keys.own_ids):
                self._files.remove(file.path)
                done.removed += 1

    def _right(self, files: list[Stored]) -> Stored | None:
        """The file that stays: of several the first by name, so that two who do this at once keep the same."""
        right = [file for file in files if file.keys == self._keys.ids]
        if len(files) == 1:
            return right[0] if right else None
        return next((file for file in right if self._files.sha256(file.path) == file.stored_digest), None)

    def _plain(self, artifact: Artifact, files: list[Stored]) -> IO[bytes]:
        """The artifact's bytes, verified, in memory or in a file without a name."""
        failure: StokerError | None = None
        for file in files:
            if file.keys and not file.keys & self._keys.own_ids:
                failure = failure or self._locked(file)
                continue
            copy: IO[bytes] = tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY_BYTES)  # noqa: SIM115  # the caller's
            hashing = Hashing(OnDisk(copy, temporary_folder()))
            try:
                with self._files.open(file.path) as source:
                    self._decrypt(source, file, hashing)
                self._verify(artifact, hashing.digest)
            except Corrupt as error:
                copy.close()
                failure = error
                continue
            copy.seek(0)
            return copy
        assert failure is not None, "there is a file"
        raise failure


def _artifact_key(file: Stored) -> tuple[str, str]:
    return file.digest, file.name
