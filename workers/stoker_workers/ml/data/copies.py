"""Copies of remote files on this machine's disk, bounded to leave room for other jobs."""

import shutil
from collections.abc import Iterable
from pathlib import Path

from stoker.errors import InvalidJob
from stoker.models.access import shown

LARGEST_BYTES = 64 << 30
BLOCK_BYTES = 1 << 20


def write_copy(target: Path, blocks: Iterable[bytes], url: str, expected: float | None) -> int:
    """Write a URL's content into a new file of at most half of the free disk; gives its size.

    Args:
        expected: the size in bytes by the host; None if unknown.

    Raises:
        InvalidJob: it is too large.
    """
    largest = _largest_copy(target.parent)
    size = 0
    try:
        with target.open("wb") as file:
            _check(expected or 0, largest, url)
            for block in blocks:
                size += len(block)
                _check(size, largest, url)
                file.write(block)
    except BaseException:
        target.unlink(missing_ok=True)
        raise
    return size


def check_room(size: int, folder: Path, url: str) -> None:
    """Refuse copies of so many bytes that would leave too little of a folder's disk.

    Raises:
        InvalidJob: they are too large.
    """
    _check(size, _largest_copy(folder), url)


def _largest_copy(folder: Path) -> int:
    """How many bytes may be copied into a folder."""
    return min(LARGEST_BYTES, shutil.disk_usage(folder).free // 2)


def _check(size: float, largest: int, url: str) -> None:
    if size > largest:
        raise InvalidJob(f"{shown(url)} is larger than the {largest:,} bytes that this worker takes; split it")
