"""Leaving the network of a machine: a namespace of Linux, for one process."""

import ctypes
import os

_NEWUSER, _NEWNET = 0x10000000, 0x40000000


def leave_network() -> str | None:
    """Give this process a network of its own, without any device; why not, if the kernel refuses.

    The process must have one thread. Sockets that it has stay connected.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    # With a user of its own it has no rights of root's in the machine any more; without one, it needs these.
    for flags in (_NEWUSER | _NEWNET, _NEWNET):
        if libc.unshare(flags) == 0:
            return None
        error = ctypes.get_errno()
    return f"unshare: {os.strerror(error)}"
