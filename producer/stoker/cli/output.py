"""Output of the command line: lines and tables for people, JSON for programs.

All text goes through `line`, which takes no markup and escapes control characters. So no caller has to know which text
comes from others.
"""

import codecs
import io
import json
import sys
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Annotated, Any

import typer
from pydantic import BaseModel
from rich.console import Console, RenderableType
from rich.text import Text

from ..events import JobState
from ..terminal.printable import printable

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON and nothing else.")]
# Text without a style, rich's text, or text and its style.
Styled = str | Text | tuple[str, str]

_PIPE_WIDTH = 160
# Enough characters of an id to tell jobs apart, and to name a job on the command line.
SHORT_ID = 8

_STYLES = {
    JobState.WAITING: "dim",
    JobState.QUEUED: "cyan",
    JobState.RUNNING: "yellow",
    JobState.SUCCEEDED: "green",
    JobState.FAILED: "red",
    JobState.CANCELLED: "magenta",
    JobState.DEAD: "bold red",
    JobState.PRUNED: "blue",
}
# Each as wide as the character that it replaces, so that columns stay aligned.
_ASCII = {"…": "~", "→": ">", "–": "-", "│": "|", "░": ".", "▒": "+", "▓": "*", "█": "#"}


def line(*parts: Styled) -> Text:
    """Joins parts of a line, each in its style."""
    text = Text()
    for part in parts:
        if isinstance(part, Text):
            text.append_text(part)
        else:
            content, style = part if isinstance(part, tuple) else (part, "")
            text.append(printable(content), style)
    return text


def say(*parts: Styled) -> None:
    """Print one line; a terminal wraps it, nothing cuts it."""
    draw(line(*parts))


def say_block(text: str, *, before: str = "", style: str = "") -> None:
    """Print text of several lines, such as a traceback or a log."""
    for content in text.splitlines():
        say((before + content, style))


def draw(shown: RenderableType) -> None:
    """Print a table or another renderable of rich; its text is treated as by `line`."""
    console().print(shown, soft_wrap=True)


def say_error(message: str) -> None:
    """Print an error to stderr, in one line."""
    say_aside(("error: ", "bold red"), message)


def say_warning(message: str) -> None:
    """Print a warning to stderr, in one line."""
    say_aside(("warning: ", "yellow"), message)


@contextmanager
def saying_warnings() -> Iterator[None]:
    """Print what is warned of within the block, once it has ended well."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        yield
    for warning in caught:
        say_warning(str(warning.message))


def say_aside(*parts: Styled) -> None:
    """Print one line to stderr: it is no output."""
    console_aside().print(line(*parts), soft_wrap=True)


def console_aside() -> Console:
    """The console for what is no output: errors, and bars of progress."""
    return _Console(stderr=True, highlight=False)


def console() -> Console:
    """The console for lines and tables; into a file or a pipe, lines are not cut to a terminal's width."""
    return _Console(highlight=False, width=None if sys.stdout.isatty() else _PIPE_WIDTH)


class _Console(Console):
    """rich's console without markup."""

    def render_str(self, text: str, **options: Any) -> Text:
        """The text as `line` makes it; rich would read square brackets as markup."""
        return line((text, options.get("style", "")))


def accept_any_encoding() -> None:
    """Let stdout and stderr print every character, even if the terminal's encoding lacks it."""
    codecs.register_error("stoker", _in_ascii)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="stoker")


def _in_ascii(error: UnicodeError) -> tuple[str, int]:
    assert isinstance(error, UnicodeEncodeError)
    char = error.object[error.start]
    return _ASCII.get(char, char.encode("ascii", "backslashreplace").decode("ascii")), error.start + 1


def print_json(value: BaseModel | Sequence[BaseModel] | Mapping[str, Any]) -> None:
    """Print a JSON document on one line, in ASCII: it reads back equal, and holds no control characters."""
    match value:
        case BaseModel():
            document = _document(value)
        case Mapping():
            document = value
        case _:
            document = [_document(item) for item in value]
    print(json.dumps(document), flush=True)


def _document(model: BaseModel) -> Any:
    # model_dump(mode="json") would leave infinity and NaN as they are.
    return json.loads(model.model_dump_json())


def style_of(state: JobState) -> str:
    """The colour of a state; none for a newer version's."""
    return _STYLES.get(state, "")


def state_text(state: JobState) -> Text:
    """A state in its colour."""
    return line((state, style_of(state)))


def metrics_text(metrics: Mapping[str, float]) -> Text:
    """Metrics on one line, four digits each."""
    return Text("  ").join(line(name, " ", (f"{value:.4g}", "bold")) for name, value in metrics.items())
