"""Forms: what a reader changes, by buttons that work without a script, too."""

from collections.abc import Iterable, Mapping
from urllib.parse import parse_qsl

from starlette.requests import Request

from ...terminal.html import Html, block, tag, void
from ..problems import Problem

_FORM = "application/x-www-form-urlencoded"
_MOST_FIELDS = 1000


def button(action: str, label: str, hidden: Mapping[str, str] | None = None, *, sure: str = "", kind: str = "") -> Html:
    """A form of one button.

    Args:
        sure: a question that the script asks before it is sent; "" for none.
        kind: "danger" for what takes something away.
    """
    fields = [void("input", type="hidden", name=name, value=value) for name, value in (hidden or {}).items()]
    attributes = {"data_sure": sure} if sure else {}
    return tag(
        "form", *fields, tag("button", label, class_=kind), method="post", action=action, class_="inline", **attributes
    )


def field(label: str, name: str, value: str = "", *, type_: str = "text", hint: str = "", **more: str) -> Html:
    """A field with its label."""
    control = void("input", type=type_, name=name, value=value, **more)
    return tag("label", tag("span", label), control, *([tag("small", hint)] if hint else []))


def area(label: str, name: str, value: str = "", *, rows: int = 8, hint: str = "") -> Html:
    """A field of several lines with its label."""
    # A browser leaves out a line break right behind the start.
    control = tag("textarea", Html("\n"), block(value), name=name, rows=str(rows), spellcheck="false")
    return tag("label", tag("span", label), control, *([tag("small", hint)] if hint else []))


def choice(label: str, name: str, options: Iterable[tuple[str, str]], chosen: str = "") -> Html:
    """A field with one of several values, each with what is shown for it."""
    made = [
        tag("option", shown, value=value, **({"selected": ""} if value == chosen else {})) for value, shown in options
    ]
    return tag("label", tag("span", label), tag("select", *made, name=name))


async def sent(request: Request) -> dict[str, str]:
    """What a form has sent: the last value of each field, without space around it.

    Raises:
        Problem: 415, it is no form of this console; 400, it cannot be read.
    """
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != _FORM:
        raise Problem(415, "UnsupportedMediaType", f"a form is sent as {_FORM}")
    try:
        pairs = parse_qsl((await request.body()).decode(), keep_blank_values=True, max_num_fields=_MOST_FIELDS)
    except ValueError:
        raise Problem(400, "InvalidBody", "this form cannot be read") from None
    return {name: value.strip() for name, value in pairs}
