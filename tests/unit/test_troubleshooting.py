"""docs/troubleshooting.md quotes messages; each of them is in the code as it is quoted."""

import ast
import re
from collections.abc import Iterator
from functools import cache

import pytest
from docs.site.pages import DOCS, ROOT

PAGE = (DOCS / "troubleshooting.md").read_text()
QUOTED = [quoted.strip() for _, quoted in re.findall(r"^### (`+)(.+)\1$", PAGE, re.MULTILINE)]
CODES = re.findall(r"^\| \d+ \| `(\w+)` \|", PAGE, re.MULTILINE)


@cache
def texts() -> list[str]:
    """Every text of the code, with … for what is put into it."""
    files = sorted(file for half in ("producer", "workers") for file in (ROOT / half).rglob("*.py"))
    return [text for file in files for text in texts_of(ast.parse(file.read_text()))]


def texts_of(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            yield "".join(part.value if isinstance(part, ast.Constant) else "…" for part in node.values)  # type: ignore[misc]  # it is text
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield re.sub(r"%[sdrg]", "…", node.value)


def says(text: str, quoted: str) -> bool:
    """Whether a text has the parts of a quotation, one after the other."""
    at = 0
    for part in quoted.split("…"):
        at = text.find(part, at)
        if at < 0:
            return False
        at += len(part)
    return True


@pytest.mark.parametrize("quoted", QUOTED)
def test_a_quoted_message_is_one_of_the_code(quoted: str) -> None:
    found = any(says(text, quoted) for text in texts())
    assert found, f"no message says {quoted!r}: quote it as it is now, with … for what varies"


@pytest.mark.parametrize("code", CODES)
def test_a_code_of_a_problem_is_one_of_the_gateway(code: str) -> None:
    assert code in texts()


def test_it_quotes_many() -> None:
    assert len(QUOTED) > 50
    assert len(CODES) > 5
