"""Documents and files that were right once, with something changed in them, as a stranger or a broken disk sends."""

import copy
import json
import random
from collections.abc import Callable
from typing import Any

# What an interpreter, a shell, a template, a terminal or a path might take for its own.
HOSTILE: tuple[Any, ...] = (
    *(
        "",
        " ",
        "\x00",
        "\x1b[2J",
        "\u202e",
        "\ud800",
        "a" * 10_000,
        "../../etc/passwd",
        "/proc/self/environ",
        "{{7*7}}",
    ),
    *(
        "$(touch canary)",
        "; touch canary",
        "__import__('os').mkdir('canary')",
        "!!python/object/apply:os.mkdir [canary]",
    ),
    *(
        "c__builtin__\neval\n(S'1'\ntR.",
        "http://169.254.169.254/",
        "file:///etc/shadow",
        "%s%s%n",
        "<script>",
        "\r\nSET a b",
    ),
    *(
        0,
        -1,
        2**31,
        2**63,
        -(2**63),
        2**200,
        1e308,
        -1e308,
        float("nan"),
        float("inf"),
        True,
        None,
        [],
        {},
        [[]],
        {"": {}},
    ),
)
_DEEP = 2_000
_LONGEST = 2_000
SEED = 20261


def mutated(document: Any, rng: random.Random) -> Any:
    """A copy of a JSON document with up to four changes."""
    changed = json.loads(json.dumps(document))
    for _ in range(rng.randint(1, 4)):
        changed = rng.choice(_CHANGES)(changed, rng)
    return changed


def mutated_text(document: Any, rng: random.Random) -> bytes:
    """The same as JSON, some of it cut or with wrong bytes."""
    text = json.dumps(mutated(document, rng)).encode("utf-8", "surrogatepass")
    if rng.random() < 0.3:
        text = mutated_bytes(text, rng)
    if rng.random() < 0.02:
        text = b"[" * _DEEP + text
    return text


def mutated_bytes(content: bytes, rng: random.Random) -> bytes:
    """A copy of a file with bytes changed, cut out, doubled or put in."""
    changed = bytearray(content)
    for _ in range(rng.randint(1, 6)):
        at = rng.randrange(len(changed) + 1)
        match rng.randrange(5):
            case 0 if at < len(changed):
                changed[at] ^= 1 << rng.randrange(8)
            case 1:
                del changed[at : at + rng.randint(1, 64)]
            case 2:
                changed[at:at] = changed[at : at + rng.randint(1, 64)]
            case 3:
                changed[at:at] = rng.randbytes(rng.randint(1, 16))
            case _:
                changed[at : at + 4] = rng.choice((b"\xff\xff\xff\xff", b"\x00\x00\x00\x00", b"\xff\xff\xff\x7f"))
    return bytes(changed)


def _hostile(rng: random.Random) -> Any:
    # A copy, for a later change may be within it.
    return copy.deepcopy(rng.choice(HOSTILE))


def _places(document: Any) -> list[tuple[Any, Any]]:
    """Each container in a document, with each of its keys."""
    found, open_ = [], [document]
    while open_:
        here = open_.pop()
        keys = list(here) if isinstance(here, dict) else range(len(here)) if isinstance(here, list) else ()
        for key in keys:
            found.append((here, key))
            open_.append(here[key])
    return found


def _replace(document: Any, rng: random.Random) -> Any:
    if places := _places(document):
        here, key = rng.choice(places)
        here[key] = _hostile(rng)
        return document
    return _hostile(rng)


def _remove(document: Any, rng: random.Random) -> Any:
    if places := _places(document):
        here, key = rng.choice(places)
        del here[key]
    return document


def _add(document: Any, rng: random.Random) -> Any:
    containers = [document, *(here[key] for here, key in _places(document))]
    here = rng.choice([each for each in containers if isinstance(each, dict | list)] or [[]])
    if isinstance(here, dict):
        name = rng.choice([*(each for each in HOSTILE if isinstance(each, str)), "__class__", "kind", "config"])
        here[name] = _hostile(rng)
    else:
        here.append(_hostile(rng))
    return document


def _wrap(document: Any, rng: random.Random) -> Any:
    if places := _places(document):
        here, key = rng.choice(places)
        inner = here[key]
        for _ in range(rng.choice((1, 2, 200))):
            inner = [inner] if rng.random() < 0.5 else {"config": inner}
        here[key] = inner
    return document


def _swap(document: Any, rng: random.Random) -> Any:
    if len(places := _places(document)) > 1:
        (one, first), (other, second) = rng.sample(places, 2)
        # Not into itself: JSON has no circles.
        one[first], other[second] = json.loads(json.dumps(other[second])), json.loads(json.dumps(one[first]))
    return document


_CHANGES: tuple[Callable[[Any, random.Random], Any], ...] = (_replace, _replace, _remove, _add, _wrap, _swap)


def is_clear(message: str) -> bool:
    """Whether a message is one for people: short lines without what they would not read."""
    return (
        bool(message.strip()) and len(message) <= _LONGEST and "Traceback" not in message and "pydantic" not in message
    )


def tried(sort: Callable[[random.Random], None], count: int) -> None:
    """Try a sort of mutation so often, each time with another seed, which is noted on what it raises."""
    for number in range(count):
        seed = f"{SEED} {sort.__name__} {number}"
        try:
            sort(random.Random(seed))
        except Exception as error:
            error.add_note(f"with random.Random({seed!r})")
            raise
