"""Reads the jobs of a YAML or JSON file, within limits: a file may be endless, circular, or a bomb of aliases.

Reads single values of the command line as well.
"""

import re
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import yaml

from ..errors import InvalidArgument, InvalidJob
from ..kinds import Spec, parse_spec

_MOST_BYTES = 16 * 1024**2
# The values of a file; those behind an alias count each time.
_MOST_VALUES = 1_000_000
_DEEPEST = 100
# A reference to another job of the file, which must be in quotes.
_COMMENTED_REF = re.compile(r"^[ \t-]*\w+:[ \t]+(#\d+)[ \t]*$", re.MULTILINE)


def read_specs(file: Path) -> list[Spec]:
    """The jobs of a file; `-` is stdin.

    Raises:
        InvalidJob: it cannot be read, is too large, is neither YAML nor JSON, or has an invalid job.
    """
    text = _read(file)
    try:
        _check(text, file)
        document: Any = yaml.load(text, Loader=_UniqueKeys)
    except yaml.YAMLError as error:
        raise InvalidJob(f"{file} is neither YAML nor JSON: {' '.join(str(error).split())}") from None
    except (ValueError, LookupError, AttributeError) as error:
        raise InvalidJob(f"{file} has a value that YAML cannot read: {error}") from None
    documents = document if isinstance(document, list) else [document]
    if not documents or document is None:
        raise InvalidJob(f"{file} has no jobs: expected a job, or a list of jobs")
    return [parse_spec(document) for document in documents]


def read_value(name: str, text: str) -> Any:
    """A value of the command line, in YAML.

    Raises:
        InvalidArgument: it is none.
    """
    try:
        return yaml.load(text, Loader=_UniqueKeys)
    except yaml.YAMLError as error:
        raise InvalidArgument(f"the value of {name} is no YAML: {' '.join(str(error).split())}") from None
    except (ValueError, LookupError, AttributeError) as error:
        raise InvalidArgument(f"YAML cannot read the value of {name}: {error}") from None


class _UniqueKeys(yaml.SafeLoader):
    """Plain YAML, which refuses a key that is there twice: else the last one would hold, without a word."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        lines: dict[str, int] = {}
        for key, _ in node.value:
            line = key.start_mark.line + 1
            if isinstance(key, yaml.ScalarNode) and lines.setdefault(key.value, line) != line:
                raise InvalidJob(f"{key.value!r} stands in lines {lines[key.value]} and {line}; leave one of them out")
        return super().construct_mapping(node, deep)


def _read(file: Path) -> str:
    with ExitStack() as stack:
        try:
            source = sys.stdin.buffer if str(file) == "-" else stack.enter_context(file.open("rb"))
            data = source.read(_MOST_BYTES + 1)
            if len(data) > _MOST_BYTES:
                raise InvalidJob(f"{file} is larger than {_MOST_BYTES >> 20} MiB: submit its jobs in several files")
            return data.decode()
        except OSError as error:
            raise InvalidJob(f"cannot read {file}: {error.strerror}") from None
        except UnicodeDecodeError:
            raise InvalidJob(f"{file} is not a text file: expected YAML or JSON") from None


def _check(text: str, file: Path) -> None:
    """Refuse a document that would take for ever to load, or means another than it seems; reads its parser events."""
    if comment := _COMMENTED_REF.search(text):
        raise InvalidJob(f'{file}: to YAML, {comment[1]} is a comment: write "{comment[1]}", in quotes')
    sizes: dict[str, int] = {}
    # The open collections: their anchors, and how many values they have so far.
    anchors: list[str | None] = [None]
    counts = [0]
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        match event:
            case yaml.AliasEvent(anchor=anchor):
                if anchor in anchors:
                    raise InvalidJob(f"{file} is circular: *{anchor} stands within &{anchor}; write it out")
                counts[-1] += sizes.get(anchor or "", 0)
            case yaml.CollectionStartEvent(anchor=anchor):
                anchors.append(anchor)
                counts.append(1)
            case yaml.CollectionEndEvent():
                anchor, count = anchors.pop(), counts.pop()
                counts[-1] += count
                if anchor:
                    sizes[anchor] = count
            case yaml.ScalarEvent(anchor=anchor):
                counts[-1] += 1
                if anchor:
                    sizes[anchor] = 1
        if len(counts) > _DEEPEST:
            raise InvalidJob(f"{file} is nested deeper than {_DEEPEST}: expected a job, or a list of jobs")
        if counts[-1] > _MOST_VALUES:
            raise InvalidJob(f"{file} has more than {_MOST_VALUES:,} values: submit its jobs in several files")
