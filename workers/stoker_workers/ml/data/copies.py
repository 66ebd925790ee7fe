"""Copies of remote files on this machine's disk, bounded: what is left is for the other jobs of the machine."""

import shutil
from collections.abc import Iterable
from pathlib import Path

from stoker.errors import InvalidJob
from stoker.models.access import shown

LARGEST_BYTES = 64 << 30
BLOCK_BYTES = 1 << 20


def write_copy(target: Path, blocks: Iterable[bytes], url: str, expected: float | None) -> int:
    """Write what is read of a URL into a new file, half of the free disk at most; gives its size.

    Args:
        expected: the size in bytes that its host says, if it does.

    Raises:
        InvalidJob: it is too large.
    """
    largest = min(LARGEST_BYTES, shutil.disk_usage(target.parent).free // 2)
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


def _check(size: float, largest: int, url: str) -> None:
    if size > largest:
        raise InvalidJob(f"{shown(url)} is larger than the {largest:,} bytes that this worker takes; split it")
