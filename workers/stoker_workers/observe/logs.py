"""Logging of Stoker's processes: each record is one line without control characters."""

import copy
import logging

from stoker.terminal.printable import printable


class OneLine(logging.Formatter):
    """Makes a record's message printable, then formats it by another formatter; tracebacks keep their lines."""

    def __init__(self, inner: logging.Formatter) -> None:
        super().__init__()
        self._inner = inner

    def format(self, record: logging.LogRecord) -> str:
        """See `logging.Formatter.format`."""
        shown = copy.copy(record)
        shown.msg, shown.args = printable(record.getMessage()), None
        if record.exc_info:
            traceback = self._inner.formatException(record.exc_info)
            shown.exc_text = "\n".join(map(printable, traceback.splitlines()))
        return self._inner.format(shown)


def log_to_stderr() -> None:
    """Log to stderr, from level INFO."""
    logging.basicConfig(format="[%(asctime)s: %(levelname)s] %(message)s", level=logging.INFO)
    keep_to_lines(logging.getLogger())


def keep_to_lines(logger: logging.Logger) -> None:
    """Have all handlers of a logger write printable lines."""
    for handler in logger.handlers:
        handler.setFormatter(OneLine(handler.formatter or logging.Formatter()))
