"""Returning memory to the system."""

import ctypes
import gc


def collect() -> None:
    """Collect garbage and return its memory to the system; takes a fifth of a second.

    Models and graphs are full of reference cycles, and a conversion frees a hundred megabytes and more, which the
    allocator would keep.
    """
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # glibc has it
    if trim:
        trim(0)
