"""A semaphore for threads that is fair, unlike `threading.Semaphore`: who waits longest is next."""

import threading
from collections import deque


class Turns:
    """Lets a number of threads in at once; the others wait in the order in which they came.

    A thread that leaves hands its place to the first that waits. So one that leaves and comes back at once, again and
    again, does not keep out those that wait.
    """

    def __init__(self, places: int) -> None:
        self._free = places
        self._lock = threading.Lock()
        # Each waits for a lock of its own, which is released to let it in.
        self._waiting: deque[threading.Lock] = deque()

    def acquire(self, timeout: float) -> bool:
        """Come in, or give up after `timeout` seconds; gives whether the thread is in."""
        with self._lock:
            if self._free:
                self._free -= 1
                return True
            turn = threading.Lock()
            turn.acquire()
            self._waiting.append(turn)
        try:
            if turn.acquire(timeout=timeout):
                return True
        except BaseException:
            # Ctrl-C.
            if self._leave(turn):
                self.release()
            raise
        return self._leave(turn)

    def release(self) -> None:
        """Leave."""
        with self._lock:
            if self._waiting:
                self._waiting.popleft().release()
            else:
                self._free += 1

    def _leave(self, turn: threading.Lock) -> bool:
        """Wait no more; gives whether the thread was let in meanwhile."""
        with self._lock:
            if turn not in self._waiting:
                return True
            self._waiting.remove(turn)
            return False
