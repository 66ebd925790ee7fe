"""A disk that can be full, read-only or stuck: a file system of its own, in a file, which root can mount."""

import os
import shutil
import subprocess
from contextlib import suppress
from pathlib import Path

from ..conftest import PATIENCE_S

_FILLED_BY = ".filled"
_TOOLS = ("mkfs.ext4", "mount", "umount", "fsfreeze")


class Disk:
    """A small disk, mounted on a folder.

    Args:
        folder: an empty folder.
        image: the file that holds the disk.
    """

    def __init__(self, folder: Path, image: Path, megabytes: int) -> None:
        self.folder = folder
        with image.open("wb") as file:
            file.truncate(megabytes << 20)
        _run("mkfs.ext4", "-q", "-m", "0", str(image))
        _run("mount", "-o", "loop", str(image), str(folder))
        shutil.rmtree(folder / "lost+found")

    @staticmethod
    def possible() -> bool:
        """Whether this machine lets us mount one."""
        return os.geteuid() == 0 and all(map(shutil.which, _TOOLS)) and Path("/dev/loop-control").exists()

    def fill(self) -> None:
        """Leave not a byte free."""
        with suppress(OSError), (self.folder / _FILLED_BY).open("wb", buffering=0) as file:
            while True:
                file.write(bytes(1 << 16))

    def clear(self) -> None:
        """Give the space back."""
        (self.folder / _FILLED_BY).unlink(missing_ok=True)

    def lock(self) -> bool:
        """Refuse all writes from now on; False if a file is being written just now, and nothing was done."""
        return subprocess.run(["mount", "-o", "remount,ro", str(self.folder)], capture_output=True).returncode == 0

    def unlock(self) -> None:
        """Take writes again."""
        _run("mount", "-o", "remount,rw", str(self.folder))

    def freeze(self) -> None:
        """Let every write wait."""
        _run("fsfreeze", "--freeze", str(self.folder))

    def thaw(self) -> None:
        """Let the writes that wait, and all others, go on."""
        _run("fsfreeze", "--unfreeze", str(self.folder))

    def close(self) -> None:
        """Unmount it; what a process that is ending still holds open goes with that process."""
        _run("umount", "--lazy", str(self.folder))


def _run(*words: str) -> None:
    subprocess.run(words, check=True, timeout=PATIENCE_S, capture_output=True)
