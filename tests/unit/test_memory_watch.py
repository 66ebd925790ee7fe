"""When a process' private memory is counted."""

import os

from stoker_workers.node import machine
from stoker_workers.node.machine import MemoryWatch, private_bytes, resident_bytes

MINE = [os.getpid()]


def test_what_is_resident_is_never_less_than_what_is_private() -> None:
    assert 0 < (private_bytes(os.getpid()) or 0) <= resident_bytes(os.getpid())


def test_where_the_kernel_sums_nothing_up_what_files_do_not_share_counts() -> None:
    assert 0 < (machine._unshared_bytes(os.getpid()) or 0) <= resident_bytes(os.getpid())
    assert machine._unshared_bytes(2**30) is None


def test_memory_within_its_bound_is_counted_at_first_and_then_rarely() -> None:
    watch = MemoryWatch()
    assert watch.counted(MINE, 2**50)
    assert watch.counted(MINE, 2**50) is None
    assert watch.counted(MINE, None) is None


def test_memory_that_may_be_too_much_is_counted_at_each_look() -> None:
    watch = MemoryWatch()
    assert all(watch.counted(MINE, 1) for _ in range(3))


def test_a_process_that_has_ended_uses_nothing() -> None:
    assert resident_bytes(2**30) == 0
    assert MemoryWatch().counted([2**30], 1) == [0]
