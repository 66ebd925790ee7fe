"""What a program sends for the same as a page does, as a command to copy."""

import json
import shlex
from collections.abc import Sequence
from typing import Any

from starlette.requests import Request

from ...terminal.html import Html, block, tag
from .page import section

# A command that is longer is nothing to copy.
_LONGEST = 10_000


def as_curl(request: Request, ref: str, rows: Sequence[Any]) -> Html:
    """The request by which a program has a model predict these rows; nothing for rows that JSON has no form for."""
    try:
        body = _printed(json.dumps({"rows": rows}, ensure_ascii=False, allow_nan=False))
    except (TypeError, ValueError):
        # A picture is sent as bytes; what is not finite is no number of JSON.
        return Html("")
    if len(body) > _LONGEST:
        return Html("")
    # A proxy before this may have taken the request by another address, and the browser knows that.
    origin = request.headers.get("origin", "null")
    origin = str(request.base_url).rstrip("/") if origin == "null" else origin
    lines = (
        f"curl -sS -X POST {shlex.quote(f'{origin}/v1/models/{ref}/predict')} \\",
        "  -H \"Authorization: Bearer $KEY\" -H 'Content-Type: application/json' \\",
        f"  -d {shlex.quote(body)}",
    )
    command = tag("pre", block("\n".join(lines)), tabindex="0")
    how = tag("p", "$KEY is an API key: ", tag("code", "KEY=$(stoker gateway new-key NAME -q)"), ".", class_="hint")
    return section("The same by a program", tag("details", tag("summary", "With curl"), command, how, id="with-curl"))


def _printed(body: str) -> str:
    """JSON in which each character that a page would not show as it is, such as a line's end, is an escape."""
    return "".join(char if char.isprintable() else json.dumps(char)[1:-1] for char in body)
