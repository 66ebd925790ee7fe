"""What native code writes to stderr, as log records."""

import logging
import os
import re
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

# How lines of Python's logging, TensorFlow ("2026-01-31 12:00:00.000000: W ") and absl ("E0131 12:00:00.000 ") begin.
_LEVEL = re.compile(r"(?P<word>WARNING|ERROR|CRITICAL)\b|(\d[\d-]+ [\d:.]+: )?(?P<letter>[WEF])(\d{4} [\d:.]+)?\s")
_LEVELS = {
    "WARNING": logging.WARNING,
    "W": logging.WARNING,
    "ERROR": logging.ERROR,
    "CRITICAL": logging.ERROR,
    "E": logging.ERROR,
    "F": logging.ERROR,
}


def level_of(line: str, otherwise: int = logging.INFO) -> int:
    """The level that a line begins with: WARNING or ERROR; `otherwise` if it is neither."""
    found = _LEVEL.match(line)
    return _LEVELS[found["word"] or found["letter"]] if found else otherwise


@contextmanager
def stderr_logged(log: logging.Logger) -> Iterator[None]:
    """Log what this process writes to its stderr meanwhile, each line at its level; those that have none at DEBUG.

    That is all of the process, whichever thread it comes from; so the log itself must have a descriptor of its own.
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
