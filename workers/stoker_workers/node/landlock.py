"""Landlock: what a process of Linux may do to files, and over TCP, once it has said so itself.

See https://docs.kernel.org/userspace-api/landlock.html for its numbers.
"""

import ctypes
import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

# They are the same for all processors.
_CREATE, _ADD_RULE, _RESTRICT = 444, 445, 446
_VERSION, _PATH_BENEATH = 1, 1
_PR_SET_NO_NEW_PRIVS = 38

_EXECUTE, _WRITE_FILE, _REMOVE_DIR, _REMOVE_FILE, _MAKE_CHAR, _MAKE_DIR, _MAKE_REG, _MAKE_SOCK, _MAKE_FIFO = (
    1 << bit for bit in (0, 1, 4, 5, 6, 7, 8, 9, 10)
)
_MAKE_BLOCK, _MAKE_SYM, _REFER, _TRUNCATE = (1 << bit for bit in (11, 12, 13, 14))
# What each version of the kernel's interface can forbid besides.
_FILES = {
    1: _EXECUTE | _WRITE_FILE | _REMOVE_DIR | _REMOVE_FILE | _MAKE_CHAR | _MAKE_DIR | _MAKE_REG | _MAKE_SOCK
    | _MAKE_FIFO | _MAKE_BLOCK | _MAKE_SYM,
    2: _REFER,
    3: _TRUNCATE,
}  # fmt: skip
_ITS_OWN = _WRITE_FILE | _REMOVE_DIR | _REMOVE_FILE | _MAKE_DIR | _MAKE_REG | _REFER | _TRUNCATE
_TCP, _TCP_FROM = 3, 4
# Signals to processes, and sockets in memory, of others.
_SCOPES, _SCOPES_FROM = 3, 6


class _Ruleset(ctypes.Structure):
    _fields_ = (("files", ctypes.c_uint64), ("network", ctypes.c_uint64), ("scopes", ctypes.c_uint64))


class _Beneath(ctypes.Structure):
    _pack_ = 1
    _fields_ = (("allowed", ctypes.c_uint64), ("parent", ctypes.c_int32))


def forbids_tcp() -> bool:
    """Whether the kernel can forbid TCP connections."""
    return _version() >= _TCP_FROM


def restrict(folder: Path, devices: Iterable[Path]) -> str | None:
    """Forbid this thread, and what it starts, to write outside a folder and some devices, to start programs, and TCP.

    Returns:
        Why not, if the kernel refuses; None else.
    """
    version = _version()
    if version < 1:
        return f"Landlock: {os.strerror(ctypes.get_errno())}"
    files = sum(rights for since, rights in _FILES.items() if since <= version)
    attributes = _Ruleset(files, _TCP if version >= _TCP_FROM else 0, _SCOPES if version >= _SCOPES_FROM else 0)
    # An older kernel knows the first fields only.
    size = 24 if version >= _SCOPES_FROM else 16 if version >= _TCP_FROM else 8
    rules = _call(_CREATE, ctypes.byref(attributes), ctypes.c_size_t(size), 0)
    if rules < 0:
        return f"Landlock: {os.strerror(ctypes.get_errno())}"
    try:
        _allow(rules, folder, files & _ITS_OWN)
        for device in devices:
            with suppress(OSError):  # one that this user may not open anyway
                _allow(rules, device, files & _WRITE_FILE)
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) or _call(_RESTRICT, rules, 0) < 0:
            return f"Landlock: {os.strerror(ctypes.get_errno())}"
    finally:
        os.close(rules)
    return None


def _version() -> int:
    return _call(_CREATE, None, ctypes.c_size_t(0), _VERSION)


def _allow(rules: int, path: Path, rights: int) -> None:
    opened = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        beneath = _Beneath(rights, opened)
        if _call(_ADD_RULE, rules, _PATH_BENEATH, ctypes.byref(beneath), 0) < 0:
            error = ctypes.get_errno()
            raise OSError(error, os.strerror(error), str(path))
    finally:
        os.close(opened)


def _call(*words: object) -> int:
    # Of the kernel's width, each: the library's function does not know how many there are, and of which type.
    wide = (ctypes.c_long(word) if isinstance(word, int) else word for word in words)
    return int(ctypes.CDLL(None, use_errno=True).syscall(*wide))
