"""A fair semaphore: who waits longest is next."""

import threading
from concurrent.futures import ThreadPoolExecutor

from stoker.redis.turns import Turns

from ..conftest import PATIENCE_S, Eventually


def waiting(turns: Turns) -> int:
    return len(turns._waiting)


def wait_until(turns: Turns, waiters: int, eventually: Eventually) -> None:
    eventually(lambda: waiting(turns) == waiters)


def test_a_place_goes_to_the_first_that_waits_and_not_to_who_comes_back_at_once(eventually: Eventually) -> None:
    turns, order = Turns(1), []

    def enter(name: str) -> None:
        assert turns.acquire(PATIENCE_S)
        order.append(name)
        turns.release()

    with ThreadPoolExecutor(2) as threads:
        assert turns.acquire(0)
        for n, name in enumerate(("first", "second"), 1):
            threads.submit(enter, name)
            wait_until(turns, n, eventually)
        turns.release()
        enter("again")
    assert order == ["first", "second", "again"]


def test_who_gives_up_takes_no_place(eventually: Eventually) -> None:
    turns = Turns(1)
    assert turns.acquire(0)
    assert not turns.acquire(0)
    assert not turns.acquire(0.01)
    assert waiting(turns) == 0
    turns.release()
    assert turns.acquire(0)


def test_as_many_as_there_are_places_are_in_at_once() -> None:
    turns, lock, inside, most = Turns(3), threading.Lock(), 0, 0

    def work(_: int) -> None:
        nonlocal inside, most
        assert turns.acquire(PATIENCE_S)
        with lock:
            inside += 1
            most = max(most, inside)
        with lock:
            inside -= 1
        turns.release()

    with ThreadPoolExecutor(12) as threads:
        list(threads.map(work, range(2000)))
    assert (inside, waiting(turns)) == (0, 0)
    assert most <= 3
    assert [turns.acquire(0) for _ in range(4)] == [True, True, True, False]
