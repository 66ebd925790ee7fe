"""Redirects native code's stderr to a logger."""

import logging
import os
import re
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

# Beginnings of lines of Python's logging, TensorFlow ("2026-01-31 12:00:00.000000: W ") and absl ("E0131 12:00:00.0 ").
_LEVEL = re.compile(r"(?P<word>WARNING|ERROR|CRITICAL)\b|(\d[\d-]+ [\d:.]+: )?(?P<letter>[WEF])(\d{4} [\d:.]+)?\s")
_LEVELS = {
    "WARNING": logging.WARNING,
    "W": logging.WARNING,
    "ERROR": logging.ERROR,
    "CRITICAL": logging.ERROR,
    "E": logging.ERROR,
    "F": logging.ERROR,
}

# Likewise, of level INFO; LiteRT's begins as a job's own line may. And absl's first words, which are of itself.
_ASIDE = re.compile(
    r"\d[\d-]+ [\d:.]+: I |I\d{4} [\d:.]+ |INFO: (Created|Initialized) TensorFlow Lite |"
    r"WARNING: All log messages before absl::InitializeLog\(\) is called are written to STDERR"
)


def level_of(line: str, otherwise: int = logging.INFO) -> int:
    """The level of a line, WARNING or ERROR, by its beginning; `otherwise` if it has none."""
    match = _LEVEL.match(line)
    return _LEVELS[match["word"] or match["letter"]] if match else otherwise


def is_aside(line: str) -> bool:
    """Whether native code says in a line what it does, or how it logs: neither a warning nor an error."""
    return _ASIDE.match(line) is not None


@contextmanager
def stderr_logged(log: logging.Logger) -> Iterator[None]:
    """Log this process's stderr during the block, each line at its level, or at DEBUG without one.

    It includes all threads, so the logger's handler must not write to file descriptor 2.
    """
    stderr = os.dup(2)
    with tempfile.TemporaryFile() as written:
        sys.stderr.flush()
        os.dup2(written.fileno(), 2)
        try:
            yield
        finally:
            sys.stderr.flush()
            os.dup2(stderr, 2)
            os.close(stderr)
            written.seek(0)
            for line in written.read().decode(errors="replace").splitlines():
                if line.strip():
                    log.log(level_of(line, logging.DEBUG), "%s", line)
