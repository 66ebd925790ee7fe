"""Copying the files of a store into a folder of this machine, as they lie there; only what is missing."""

import hashlib
import os
from collections.abc import Callable
from itertools import chain
from pathlib import Path

from ..errors import Unavailable
from ..models.store.copies import Stored, stored_files
from ..models.store.files import Files
from ..outages import Dependency, needing
from .contents import sha256_of

# What goes while it is copied, for it is encrypted anew, is looked for again.
_LOOKS = 5


class StoreCopy:
    """A copy of a store, or of what it had.

    Args:
        folder: of the copy.
        progress: learns how many bytes are there, and of how many.

    Attributes:
        sums: SHA-256 of each file, by its path below the store's root.
        size: bytes of all of them.
        encrypted: whether one is encrypted.
        left_out: paths of those that are not what was stored, or that no folder can hold.
        kept: paths of those that are not what was stored, either, of which the copy has what was.
    """

    def __init__(self, files: Files, folder: Path, progress: Callable[[int, int], None]) -> None:
        self._files, self._folder, self._progress = files, folder, progress
        self.sums: dict[str, str] = {}
        self.left_out: set[str] = set()
        self.kept: set[str] = set()
        self.size = self._total = 0
        self.encrypted = False

    def run(self) -> None:
        """Copy all that is there.

        Raises:
            Unavailable: the store or the folder is away, or files went again and again.
        """
        self._folder.mkdir(mode=0o700, exist_ok=True)
        for _ in range(_LOOKS):
            sizes = {self._name(path): size for path, size in self._files.sizes(self._files.root).items()}
            artifacts = {self._name(file.path): file for file in stored_files(_rooted(sizes))}
            self._total = sum(sizes.values())
            self.size = sum(size for name, size in sizes.items() if name in self.sums)
            gone = [name for name, size in sizes.items() if not self._has(name, size, artifacts.get(name))]
            if not gone:
                return
        raise Unavailable(
            f"files of the store went again and again before they were copied, such as {gone[0]}: take the backup when "
            "`stoker files reencrypt`, or what else removes them, has ended"
        )

    def _name(self, path: str) -> str:
        return path.removeprefix(self._files.root).lstrip("/")

    def _has(self, name: str, size: int, artifact: Stored | None) -> bool:
        """Whether a file is copied now; False if it is gone from the store."""
        if name in self.sums or name in self.left_out or (artifact and artifact.is_partial):
            return True
        if not {"", ".", ".."}.isdisjoint(name.split("/")):
            self.left_out.add(name)
            return True
        target, expected = self._folder / name, artifact.stored_digest if artifact else None
        if expected and target.is_file() and target.stat().st_size == size:
            self._count(size)
            self.sums[name] = expected
        else:
            try:
                digest = self._copied(name, target, expected)
            except FileNotFoundError:
                return False
            if expected in (None, digest):
                self.sums[name] = digest
            elif target.is_file() and sha256_of(target) == expected:
                self.kept.add(name)
                self.sums[name] = expected
            else:
                self.left_out.add(name)
        self.encrypted |= bool(artifact and artifact.keys)
        return True

    def _copied(self, name: str, target: Path, expected: str | None) -> str:
        """Copy a file, and give its SHA-256; what is not as expected is not kept."""
        blocks = self._files.blocks(f"{self._files.root}/{name}")
        # Opens it, before anything is made for it.
        first = next(blocks, b"")
        digest = hashlib.sha256()
        with needing(Dependency.DISK, f"the folder {self._folder}"):
            for missing in reversed([each for each in target.parents if not each.exists()]):
                missing.mkdir(mode=0o700)
            partial = target.with_name(f"{digest.name}-{os.getpid()}.part")
            partial.touch(mode=0o600)
        try:
            with partial.open("wb") as file:
                for block in chain([first], blocks):
                    with needing(Dependency.DISK, f"the folder {self._folder}"):
                        file.write(block)
                    digest.update(block)
                    self._count(len(block))
                with needing(Dependency.DISK, f"the folder {self._folder}"):
                    file.flush()
                    os.fsync(file.fileno())
            if expected in (None, digest.hexdigest()):
                partial.replace(target)
        finally:
            partial.unlink(missing_ok=True)
        return digest.hexdigest()

    def _count(self, size: int) -> None:
        self.size += size
        self._progress(self.size, self._total)


def _rooted(sizes: dict[str, int]) -> dict[str, int]:
    """The same, each path with a slash before it, as artifacts are told by."""
    return {f"/{name}": size for name, size in sizes.items()}
