"""What slots of one worker promise to their jobs of its memory."""

import multiprocessing
import os
import signal
from collections.abc import Callable
from multiprocessing.synchronize import Barrier

import pytest

from stoker_workers.attempt.reservations import Reservations

FORK = multiprocessing.get_context("fork")
SHARE, TOTAL, SLOTS = 3, 12, 8
NOBODY = 65534


@pytest.fixture
def memory() -> Reservations:
    return Reservations(TOTAL, SHARE, SLOTS)


def in_a_killed_slot(work: Callable[[], object]) -> None:
    """Do something in a process that is then killed."""

    def work_and_die() -> None:
        work()
        os.kill(os.getpid(), signal.SIGKILL)

    child = FORK.Process(target=work_and_die)
    child.start()
    child.join()
    assert child.exitcode == -signal.SIGKILL


def test_shares_alone_are_never_refused(memory: Reservations) -> None:
    assert all(memory.reserve_share(slot) for slot in range(SLOTS))
    assert memory.free_bytes(0) == SHARE
    assert memory.has_room()


def test_nothing_is_refused_where_the_memory_is_unknown() -> None:
    memory = Reservations(None, None, SLOTS)
    assert memory.reserve_share(0)
    assert memory.reserve(0, 10**12)
    assert memory.reserve_share(1)
    assert memory.free_bytes(1) is None
    assert memory.has_room()


def test_two_large_jobs_that_fit_only_one_at_a_time_run_one_at_a_time(memory: Reservations) -> None:
    assert memory.reserve_share(0)
    assert memory.reserve(0, 8)
    assert memory.reserve_share(1)
    assert not memory.reserve(1, 8)
    memory.release(0)
    assert memory.reserve(1, 8)


def test_two_that_want_all_do_not_wait_for_each_others_shares(memory: Reservations) -> None:
    assert memory.reserve_share(0)
    assert memory.reserve_share(1)
    assert not memory.reserve(0, TOTAL)
    assert not memory.reserve(1, TOTAL)
    assert memory.reserve(0, TOTAL)
    assert not memory.reserve(1, TOTAL)
    memory.release(0)
    assert memory.reserve(1, TOTAL)


def test_those_who_wait_are_served_in_their_order(memory: Reservations) -> None:
    for slot in (2, 1, 0):
        assert memory.reserve_share(slot)
    assert not memory.reserve(2, 10)
    assert not memory.reserve(1, 10)
    assert not memory.reserve(0, 4)
    assert memory.reserve(2, 10)
    assert not memory.reserve(1, 10)
    memory.release(2)
    assert not memory.reserve(0, 4)
    assert memory.reserve(1, 10)
    memory.release(1)
    assert memory.reserve(0, 4)


def test_one_that_gives_up_stands_in_nobodys_way(memory: Reservations) -> None:
    assert memory.reserve_share(0)
    assert memory.reserve_share(1)
    assert not memory.reserve(0, TOTAL)
    memory.release(0)
    assert memory.reserve(1, TOTAL)


def test_small_jobs_go_on_beside_a_large_one_as_far_as_they_fit(memory: Reservations) -> None:
    assert memory.reserve_share(0)
    assert memory.reserve(0, 6)
    assert memory.free_bytes(1) == 6
    assert memory.reserve_share(1)
    assert memory.reserve_share(2)
    assert not memory.has_room()
    assert not memory.reserve_share(3)
    memory.release(1)
    assert memory.reserve_share(3)


def test_small_jobs_do_not_take_what_a_large_one_waits_for(memory: Reservations) -> None:
    for slot in range(4):
        assert memory.reserve_share(slot)
    assert not memory.reserve(0, 9)
    memory.release(1)
    assert not memory.reserve(0, 9)
    assert not memory.reserve_share(1), "the large one would wait for this one too"
    memory.release(2)
    assert memory.reserve(0, 9)
    assert not memory.has_room()


def test_small_jobs_go_on_while_one_large_job_waits_for_another(memory: Reservations) -> None:
    assert memory.reserve_share(0)
    assert memory.reserve_share(1)
    assert memory.reserve(0, 9)
    assert not memory.reserve(1, 9)
    assert memory.reserve_share(2), "it fits beside either"
    assert not memory.reserve_share(3)
    memory.release(0)
    assert memory.reserve(1, 9)


def test_what_a_killed_slot_had_reserved_or_waited_for_is_free(memory: Reservations) -> None:
    in_a_killed_slot(lambda: memory.reserve_share(0) and memory.reserve(0, 9))
    in_a_killed_slot(lambda: memory.reserve_share(1) and memory.reserve(1, TOTAL))
    assert memory.has_room()
    assert memory.reserve_share(2)
    assert memory.reserve(2, TOTAL)


def test_the_next_process_in_a_place_has_nothing_of_the_one_before(memory: Reservations) -> None:
    in_a_killed_slot(lambda: memory.reserve_share(0) and memory.reserve(0, 9))
    assert memory.reserve_share(0)
    assert memory.free_bytes(1) == TOTAL - SHARE


def test_many_processes_at_once_never_promise_more_than_there_is() -> None:
    memory = Reservations(TOTAL, SHARE, SLOTS)
    used, worst = FORK.Value("i", 0), FORK.Value("i", 0)
    served = FORK.Value("i", 0)

    def take(slot: int, together: Barrier) -> None:
        together.wait()
        for turn in range(200):
            wish = (4, 8, TOTAL)[(slot + turn) % 3]
            while not memory.reserve_share(slot):
                pass
            while not memory.reserve(slot, wish):
                pass
            with used.get_lock():
                used.value += wish
                worst.value = max(worst.value, used.value)
            with used.get_lock():
                used.value -= wish
                served.value += 1
            memory.release(slot)

    together = FORK.Barrier(4)
    children = [FORK.Process(target=take, args=(slot, together)) for slot in range(4)]
    for child in children:
        child.start()
    for child in children:
        child.join()
    assert served.value == 4 * 200
    assert worst.value == TOTAL


def test_a_number_that_is_another_users_process_by_now_is_no_slot(memory: Reservations) -> None:
    in_a_killed_slot(lambda: memory.reserve_share(0) and memory.reserve(0, TOTAL))
    # Stands for what the system makes of the number: one of root's.
    memory._pids[0] = 1

    def ask() -> None:
        os.setuid(NOBODY)
        os._exit(0 if memory.has_room() else 1)

    if os.getuid():
        assert memory.has_room()
        return
    child = FORK.Process(target=ask)
    child.start()
    child.join()
    assert child.exitcode == 0


def test_what_a_small_job_gives_back_of_its_share_is_anothers(memory: Reservations) -> None:
    assert memory.reserve_share(0)
    assert memory.reserve(0, 8)
    assert memory.reserve_share(1)
    assert not memory.reserve_share(2)
    assert memory.reserve(1, 1)
    assert memory.reserve_share(2)
    assert not memory.regain_share(1), "what it gave back is promised by now"
    memory.release(2)
    assert memory.regain_share(1)
    assert not memory.reserve_share(2)
