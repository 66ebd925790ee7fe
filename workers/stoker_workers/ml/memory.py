"""Giving memory back to the system."""

import ctypes
import gc


def give_back() -> None:
    """Return what is no longer used; takes a fifth of a second.

    Models and graphs are full of reference cycles, and what a conversion has freed, a hundred megabytes and more, stays
    with the allocator until it is told.
    """
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # glibc has it
    if trim:
        trim(0)
