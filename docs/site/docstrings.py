"""Docstrings as Markdown."""

import inspect
import re
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass

_SECTION = re.compile(r"^(Args|Attributes|Raises|Returns|Example):$", re.MULTILINE)
_ITEM = re.compile(r"^(\S[^:\n]*): ", re.MULTILINE)


@dataclass(frozen=True)
class Docstring:
    """The parts of a docstring.

    Attributes:
        text: what comes before its sections, as Markdown.
        sections: by their heading, the text below it.
    """

    text: str
    sections: dict[str, str]

    def items(self, section: str) -> Iterator[tuple[str, str]]:
        """The names of a section, each with what is said of it; names that share a line share what is said."""
        text = self.sections.get(section, "")
        starts = list(_ITEM.finditer(text))
        ends = [start.start() for start in starts] + [len(text)]
        for start, end in zip(starts, ends[1:], strict=True):
            said = " ".join(text[start.end() : end].split())
            for name in start[1].split(", "):
                yield name, said


def docstring_of(thing: object) -> Docstring:
    """The docstring of a class, function or module."""
    parts = _SECTION.split(inspect.getdoc(thing) or "")
    bodies = (textwrap.dedent(body.strip("\n")).strip() for body in parts[2::2])
    return Docstring(_markdown(parts[0].strip()), dict(zip(parts[1::2], bodies, strict=True)))


def _markdown(text: str) -> str:
    """A text whose indented blocks are code: written as such, they would have to be indented by no less than four."""
    blocks = []
    for block in re.split(r"\n\n+", text):
        is_code = all(line.startswith("    ") for line in block.splitlines())
        blocks.append(f"```python\n{textwrap.dedent(block)}\n```" if is_code and block else block)
    return "\n\n".join(blocks)


def described(rows: list[tuple[str, str]]) -> str:
    """Terms, each with what is said of it, as a list of definitions."""
    return "\n\n".join(f"{term}\n:   {said or '…'}" for term, said in rows)
