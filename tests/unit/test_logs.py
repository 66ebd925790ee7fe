"""What the log of a worker or a controller looks like when what it quotes was written by others."""

import io
import logging

from celery.utils.log import ColorFormatter

from stoker_workers.observe.logs import keep_to_lines


def logged(formatter: logging.Formatter, *message: object, error: Exception | None = None) -> str:
    logger, stream = logging.getLogger(__name__), io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(formatter)
    logger.propagate, logger.handlers = False, [handler]
    keep_to_lines(logger)
    logger.error(*message, exc_info=error)
    return stream.getvalue()


def test_a_record_is_one_line_and_steers_nothing() -> None:
    plain = logging.Formatter("[%(levelname)s] %(message)s")
    assert logged(plain, "job %s: %d", "a\x1b[2J\nERROR forged", 3) == "[ERROR] job a\\x1b[2J\\nERROR forged: 3\n"


def test_a_traceback_keeps_its_lines_and_steers_nothing() -> None:
    try:
        raise ValueError("bad\x1b[31m value")
    except ValueError as error:
        text = logged(logging.Formatter("%(message)s"), "it failed", error=error)
    assert text.startswith("it failed\nTraceback (most recent call last):\n  File ")
    assert text.endswith("\nValueError: bad\\x1b[31m value\n")


def test_colours_that_are_ours_stay() -> None:
    assert logged(ColorFormatter("%(message)s"), "red\x1b[32m") == "\x1b[1;31mred\\x1b[32m\x1b[0m\n"
