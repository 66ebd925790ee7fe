"""Builds HTML in which every text is escaped, wherever it comes from."""

from collections.abc import Iterable, Mapping, Sequence
from html import escape

from .printable import printable


class Html(str):
    """HTML that is made already; any other string is text."""

    __slots__ = ()


def text(content: str) -> Html:
    """Text as HTML; characters that would reorder or hide it are shown as escapes."""
    return content if isinstance(content, Html) else Html(escape(printable(content)))


def tag(name: str, /, *content: str, **attributes: str) -> Html:
    """An element; `class_` is the attribute class, and `aria_label` is aria-label."""
    return Html(f"<{name}{_words(attributes)}>{''.join(map(text, content))}</{name}>")


def void(name: str, /, **attributes: str) -> Html:
    """An element that never has content, such as an input; attributes as in `tag`."""
    return Html(f"<{name}{_words(attributes)}>")


def block(content: str) -> Html:
    """Text of several lines, such as a log, as it stands."""
    return Html("\n".join(map(text, content.splitlines())))


def lines(*content: str) -> Html:
    """Elements, each on lines of its own."""
    return Html("\n".join(map(text, content)))


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Html:
    """Texts in rows; a head of empty texts is left out."""
    header = [tag("tr", *(tag("th", cell) for cell in head))] if any(head) else []
    return tag("table", lines(*header, *(tag("tr", *(tag("td", cell) for cell in row)) for row in rows)))


def _words(attributes: Mapping[str, str]) -> str:
    return "".join(f' {key.rstrip("_").replace("_", "-")}="{text(value)}"' for key, value in attributes.items())
