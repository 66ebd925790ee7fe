"""Nonsense for each argument of the public methods of clients and jobs is refused in one sentence, or does no harm."""

import asyncio
import hashlib
import inspect
import math
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, get_args, get_type_hints

import numpy as np
import pytest
from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic.errors import PydanticSchemaGenerationError, PydanticUndefinedAnnotation
from pydantic_core import SchemaError

import stoker
from stoker.settings import Settings

from .echo import register

SPEC = stoker.Train(model="checked", data="sample://digits", device="cpu")
NONSENSE: tuple[object, ...] = (
    *(None, True, 7, -1, 0.5, 10**5000, math.nan, math.inf),
    *("", "\0", "\ud800", "x" * 100_000, "a b", "../a", b"bytes"),
    *([], [None], {}, {None: None}, {"\ud800": "\ud800"}, object(), ..., datetime(2026, 1, 1)),  # noqa: DTZ001
)
ANSWERED = f"echo@1:{'0' * 32}:1"
TABLE = b"a,b\n1,2\n"
DIGEST = hashlib.sha256(TABLE).hexdigest()
_LONGEST_MESSAGE = 1_000
# An end of the client is none of what it refuses.
_LEFT_OUT = ("close",)
CLASSES = {"Client": stoker.Client, "Job": stoker.Job}
METHODS = [
    (of, name)
    for of, kind in CLASSES.items()
    for name, method in inspect.getmembers(kind, inspect.isfunction)
    if not name.startswith("_") and name not in _LEFT_OUT and len(inspect.signature(method).parameters) > 1
]


def parameters(of: str, name: str) -> dict[str, tuple[bool, object]]:
    """The parameters of a method: whether each must be given, and its type."""
    method = getattr(CLASSES[of], name)
    hints = get_type_hints(method)
    found: dict[str, tuple[bool, object]] = {}
    for parameter in list(inspect.signature(method).parameters.values())[1:]:
        hint = hints[parameter.name]
        if parameter.kind is not parameter.VAR_KEYWORD:
            found[parameter.name] = (parameter.default is parameter.empty, hint)
        elif args := get_args(hint):
            found |= {field: (False, of_field) for field, of_field in get_type_hints(args[0]).items()}
        else:
            found |= dict.fromkeys(("epochs", "no_field", "checkpoint.steps"), (False, object))
    return found


def fits(value: object, hint: Any) -> bool:
    """Whether a value may be of a type; one that pydantic cannot tell may be of any, and fields of specs take bytes."""
    config = ConfigDict(strict=not isinstance(value, bytes), arbitrary_types_allowed=True)
    try:
        TypeAdapter(hint, config=config).validate_python(value)
    except (PydanticSchemaGenerationError, PydanticUndefinedAnnotation, SchemaError, TypeError):
        return True
    except ValidationError:
        return False
    return True


def sensible(folder: Path, job: Any) -> dict[str, Any]:
    """An argument that can be taken, by name."""
    table = folder / "table.csv"
    table.write_bytes(TABLE)
    return {
        "spec": SPEC, "specs": [SPEC], "job_id": job.id, "jobs": [job], "model": "echo", "ref": "echo@1",
        "name": "echo", "inputs": np.zeros(2), "rows": np.zeros(2), "new": "other", "alias": "live", "text": "a note",
        "keep": 1, "rule": "max accuracy", "queue": "cpu.train", "tenant": "blue", "data": table, "what": f"store://{DIGEST}/{table.name}",
        "source": folder / "missing.keras", "timeout": 0.01, "when": "daily", "request": ANSWERED, "label": "seven",
        "labels": [(ANSWERED, "seven")], "job": job.id, "ids": [job.id], "format": "keras", "guard": stoker.Guard(),
        "url": "https://93.184.215.14/hook", "webhook": "missing", "device": "cpu", "bounds": stoker.Bounds(min=1),
    }  # fmt: skip


def uses(of: str, name: str, folder: Path, job: Any) -> Iterator[tuple[str, object, dict[str, Any]]]:
    """Each parameter with each nonsense, and the arguments of a call with it."""
    known, listed = sensible(folder, job), parameters(of, name)
    if name == "schedule":
        known["jobs"] = [SPEC]
    for parameter in listed:
        for value in NONSENSE:
            others = {other for other, (required, _) in listed.items() if required or other == "timeout"}
            yield parameter, value, {other: known[other] for other in others} | {parameter: value}


def call(method: Callable[..., Any], arguments: dict[str, Any]) -> Any:
    """Call a method, whose first parameter may be of a position alone."""
    given = dict(arguments)
    alone = [
        given.pop(parameter.name)
        for parameter in inspect.signature(method).parameters.values()
        if parameter.kind is parameter.POSITIONAL_ONLY and parameter.name in given
    ]
    return method(*alone, **given)


def complaints(of: str, name: str, parameter: str, value: object, error: Exception | None) -> list[str]:
    """What is wrong with how a value was answered: with an error, or without one."""
    shown = f"{of}.{name}({parameter}={value!r:.60})" if not isinstance(value, int) else f"{of}.{name}({parameter}=int)"
    if error is None:
        return [] if fits(value, parameters(of, name)[parameter][1]) else [f"{shown} is taken"]
    if not isinstance(error, stoker.StokerError):
        return [f"{shown} raises {error!r:.200}"]
    message = error.message
    if not message.isprintable() or len(message) > _LONGEST_MESSAGE:
        return [f"{shown} says {message!r:.300} ({len(message)} characters)"]
    return []


@pytest.mark.parametrize(("of", "name"), METHODS)
def test_nonsense_is_refused_in_one_sentence_or_does_no_harm(
    redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, of: str, name: str
) -> None:
    (tmp_path / "store").mkdir()
    # A path may be taken for one below it.
    monkeypatch.chdir(tmp_path)
    settings = Settings(redis_url=redis_url, home=tmp_path, store_url=str(tmp_path / "store"))
    wrong: list[str] = []

    async def of_asyncio() -> None:
        async with stoker.AsyncClient(settings=settings) as client:
            job = await client.submit(SPEC)
            await job.cancel()
            for parameter, value, arguments in uses(of, name, tmp_path, job):
                method = getattr(client if of == "Client" else job, name)
                wrong.extend(complaints(of, name, parameter, value, await raised_later(method, arguments)))

    with stoker.Client(settings=settings) as client:
        job = client.submit(SPEC)
        job.cancel()
        # The first: a store that is empty while there are models is taken for one that is not mounted.
        client.upload(sensible(tmp_path, job)["data"])
        register(redis_url)
        for parameter, value, arguments in uses(of, name, tmp_path, job):
            method = getattr(client if of == "Client" else job, name)
            wrong.extend(complaints(of, name, parameter, value, raised(method, arguments)))
    asyncio.run(of_asyncio())
    assert wrong == [], "\n".join(wrong)


def raised(method: Callable[..., Any], arguments: dict[str, Any]) -> Exception | None:
    """What a method raises."""
    try:
        outcome = call(method, arguments)
        if isinstance(outcome, Iterator):
            next(outcome, None)
    except Exception as error:  # noqa: BLE001  # whatever it is
        return error
    return None


async def raised_later(method: Callable[..., Any], arguments: dict[str, Any]) -> Exception | None:
    """What a method of asyncio raises."""
    try:
        outcome = call(method, arguments)
        if isinstance(outcome, Awaitable):
            await outcome
        elif isinstance(outcome, AsyncIterator):
            await anext(outcome, None)
    except Exception as error:  # noqa: BLE001
        return error
    return None
