"""What a job needs of its worker besides resources, as words: functions, modules, packages and labels that it offers.

    function:shop.jobs:train_ranker    it may call this function; function:shop.jobs:* offers all of a module
    module:shop.layers                 it may import this module's Keras classes
    package:ai-edge-quantizer          it has this optional package installed
    label:image=shop-1.4               whoever runs the worker says so of it

A worker that lacks a word does not get the job, which waits for one that has all of them.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Annotated

from pydantic import AfterValidator, Field

from ..errors import InvalidJob

# A Python module, and "package.module:function", as regular expressions.
MODULE = r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*"
FUNCTION = rf"{MODULE}:[A-Za-z_]\w*"
_LABEL = re.compile(r"[a-z][a-z0-9_.-]{0,62}")
_VALUE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:/@+-]{0,127}")
_WORD = re.compile(r"[a-z]+:[^\s*]{1,240}")
# All words of all workers are looked at for a job that waits for one that has its own.
MOST_OFFERS = 256
# What the ledger itself says of workers, in the same way.
_RESERVED = ("kind:", "release:", "memory:", "cpus:")


def _function(text: str) -> str:
    if not re.fullmatch(FUNCTION, text):
        raise ValueError("expected package.module:function")
    return text


def _functions(text: str) -> str:
    module, _, name = text.partition(":")
    if not (re.fullmatch(MODULE, module) and (name == "*" or name.isidentifier())):
        raise ValueError("expected package.module:function, or package.module:* for all functions of a module")
    return text


def _module(text: str) -> str:
    if not re.fullmatch(MODULE, text):
        raise ValueError("expected a module such as package.module")
    return text


def _label(name: str) -> str:
    if not _LABEL.fullmatch(name):
        raise ValueError("a label's name is a small letter, then small letters, digits, _ . and -, at most 63 in all")
    return name


def _value(value: str) -> str:
    if not _VALUE.fullmatch(value):
        raise ValueError(
            "a label's value is a letter or digit, then letters, digits and any of _ . : / @ + -, at most 128 in all"
        )
    return value


FunctionPath = Annotated[str, AfterValidator(_function)]
# What a worker's settings may name. As a word of the ledger it stays below the most that a word may have.
FunctionPattern = Annotated[str, Field(max_length=200), AfterValidator(_functions)]
ModulePath = Annotated[str, Field(max_length=200), AfterValidator(_module)]
# What a job may name.
Modules = Annotated[tuple[ModulePath, ...], Field(max_length=32)]
Labels = Annotated[
    dict[Annotated[str, AfterValidator(_label)], Annotated[str, AfterValidator(_value)]], Field(max_length=16)
]


def function_word(target: str) -> str:
    """The word for a function, "package.module:function"; for all of a module where a worker offers it, "module:*"."""
    return f"function:{target}"


def module_word(name: str) -> str:
    """The word for a module with Keras classes."""
    return f"module:{name}"


def package_word(distribution: str) -> str:
    """The word for an optional package, by the name that it is installed by."""
    return f"package:{distribution}"


def label_words(labels: Mapping[str, str]) -> tuple[str, ...]:
    """The words for labels."""
    return tuple(f"label:{name}={value}" for name, value in labels.items())


def labels_in(words: Iterable[str]) -> dict[str, str]:
    """The labels among words."""
    named = (word.removeprefix("label:").partition("=") for word in words if word.startswith("label:"))
    return {name: value for name, _, value in named}


def functions_in(words: Iterable[str]) -> tuple[str, ...]:
    """The functions among words."""
    return tuple(word.removeprefix("function:") for word in words if word.startswith("function:"))


def modules_in(words: Iterable[str]) -> tuple[str, ...]:
    """The modules with Keras classes among words."""
    return tuple(word.removeprefix("module:") for word in words if word.startswith("module:"))


def module_of(word: str) -> str | None:
    """The module behind a word; None for a label."""
    what, _, name = word.partition(":")
    return name.partition(":")[0] if what in ("function", "module") else None


def checked_words(words: Iterable[str]) -> tuple[str, ...]:
    """Words as the ledger keeps them: each once, in order.

    Raises:
        InvalidJob: one of them can be no word; `*` is for those who offer.
    """
    for word in words:
        if not _WORD.fullmatch(word) or word.startswith(_RESERVED):
            raise InvalidJob(
                f"no worker can offer {word[:80]!r}: expected such as function:package.module:name, in at most 240 "
                "characters without spaces and *"
            )
    return tuple(sorted(set(words)))


def lacking(needs: Iterable[str], offers: Iterable[str]) -> tuple[str, ...]:
    """Those of the words that are not on offer. What is offered with a * at its end is all that begins so."""
    offers = tuple(offers)
    exact, beginnings = set(offers), tuple(offer[:-1] for offer in offers if offer.endswith("*"))
    return tuple(word for word in needs if word not in exact and not word.startswith(beginnings))
