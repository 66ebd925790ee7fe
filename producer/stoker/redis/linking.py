"""Links Lua scripts: each gets what it uses of what many share, for a server builds a script anew in each run."""

import re
import textwrap
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

# A line that goes on with the statement before it.
_GOES_ON = re.compile(r"\s|$|end\b|else|until\b|[})\]]")
_COMMENT = re.compile(r"^\s*--.*\n", re.MULTILINE)
_DEFINITION = re.compile(r"(?:local )?function (\w+)|local (\w+(?:, \w+)*)")
_TEXT = re.compile(r"""'[^'\n]*'|"[^"\n]*\"""")
_NAME = re.compile(r"(?<![.:\w])[A-Za-z_]\w*")


@dataclass
class _Part:
    """A definition, and the statements behind it that define nothing."""

    defines: frozenset[str]
    text: str


def linked(script: str, library: str, constants: Mapping[str, Mapping[str, str]], seldom: Collection[str] = ()) -> str:
    """A script behind the definitions of a library that it uses, or that these use, in the library's order.

    What is used is told by names: a definition that only shares one with something else comes along, too.

    Args:
        library: statements, each from the first column on, and what belongs to it further in or an `end`.
        constants: tables of texts, by name: where one stands with a field, the text takes its place.
        seldom: functions that few runs call: what only they use is built by those runs alone, once.

    Raises:
        ValueError: a constant table has no such field.
    """
    script = _with_texts(script, constants)
    parts = [_Part(part.defines, _with_texts(part.text, constants)) for part in _parts(library)]
    always = _used([part for part in parts if not part.defines & set(seldom)], _names(script))
    texts = []
    for part in parts:
        if part in always:
            texts.append(part.text)
        elif name := next(iter(part.defines & set(seldom)), None):
            texts.append(_when_called(name, [own for own in _used(parts, {name}) if own not in always]))
    return "".join(texts) + script


def _used(parts: Sequence[_Part], names: Collection[str]) -> list[_Part]:
    used = frozenset(names)
    while True:
        chosen = [part for part in parts if part.defines & used]
        more = used.union(*(_names(part.text) for part in chosen))
        if more == used:
            return chosen
        used = more


def _when_called(name: str, parts: Sequence[_Part]) -> str:
    body = textwrap.indent("".join(part.text for part in parts), "    ")
    build = f"  if not built_{name} then\n{body}    built_{name} = {name}\n  end\n"
    return f"local built_{name}\nlocal function {name}(...)\n{build}  return built_{name}(...)\nend\n"


@cache
def _parts(library: str) -> list[_Part]:
    parts: list[_Part] = []
    for line in _COMMENT.sub("", library).splitlines(keepends=True):
        defined = _DEFINITION.match(line)
        if defined:
            names = (defined[1] or defined[2]).split(", ")
            parts.append(_Part(frozenset(names), line))
        elif parts:
            parts[-1].text += line
        elif not _GOES_ON.match(line):
            raise ValueError(f"a library of Lua begins with a definition, and this one with {line!r}")
    return parts


@cache
def _names(text: str) -> frozenset[str]:
    return frozenset(_NAME.findall(_TEXT.sub("''", _COMMENT.sub("", text))))


def _with_texts(text: str, constants: Mapping[str, Mapping[str, str]]) -> str:
    for table, texts in constants.items():

        def quoted(found: re.Match[str], table: str = table, texts: Mapping[str, str] = texts) -> str:
            if found[1] not in texts:
                raise ValueError(f"a script uses {table}.{found[1]}: there is no such key")
            return f"'{texts[found[1]]}'"

        text = re.sub(rf"\b{table}\.(\w+)", quoted, text)
    return text
