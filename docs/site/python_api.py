"""The reference of the Python API, made of what `import stoker` gives."""

import dataclasses
import enum
import inspect
import typing
from collections.abc import Iterable, Iterator
from types import ModuleType

from pydantic import BaseModel
from pydantic_core import PydanticUndefined

import stoker
from stoker import errors, events, testing
from stoker.kinds.base import Gives, JobSpec
from stoker.kinds.result import JobResult
from stoker.models.described import Described

from .docstrings import described, docstring_of
from .type_names import default_text, signature_text, type_text

# Whose methods are for Stoker itself.
_INNER = (BaseModel, Gives, Described, JobResult)

Place = tuple[str, str, str]
"""A page's file name, its title, and the sentence below that."""

_CLIENTS = ("Client", "Job", "JobFile", "StoredFile", "AsyncClient", "AsyncJob", "AsyncJobFile", "AsyncStoredFile")
_PAGES: dict[str, Place] = {
    "clients": ("clients", "Clients and jobs", "What an app calls: everything is a method of a client or of a job."),
    "jobs": (
        "specs",
        "Specs of jobs",
        "The kinds of jobs: a spec with these fields is submitted.",
    ),
    "parts": ("parts", "Parts of specs", "Networks, data, schedules and rules, of which specs are made."),
    "results": ("results", "Results and records", "What jobs give and what the client lists."),
    "errors": ("errors", "Errors", "All errors that an app may see, and which of them is a kind of which."),
}


def pages() -> Iterator[tuple[str, str]]:
    """Each page's path and text."""
    names: dict[str, list[str]] = {key: [] for key in _PAGES}
    for name in stoker.__all__:
        if name not in ("events", "Event"):
            names[_page_of(name)].append(name)
    names["clients"].sort(key=_CLIENTS.index)
    for key, (file, title, said) in _PAGES.items():
        parts = [f"# {title}", said]
        if key == "errors":
            parts.append(f"```text\n{inspect.getdoc(errors)}\n```")
        if key == "jobs":
            parts += ["## Every job", _fields(JobSpec)]
        parts += [_entry(name, getattr(stoker, name)) for name in names[key]]
        yield f"reference/{file}.md", _joined(parts)
    yield "reference/events.md", _module(events, "Events", "What `job.events()` gives, one after another.")
    yield "reference/testing.md", _module(testing, "For tests", "What `stoker.testing` has for the tests of an app.")


def _page_of(name: str) -> str:
    thing = getattr(stoker, name)
    if name in _CLIENTS:
        return "clients"
    if name == "job":
        return "parts"
    if issubclass(thing, Exception):
        return "errors"
    if issubclass(thing, JobSpec):
        return "jobs"
    is_part = thing.__module__.startswith("stoker.kinds") and not issubclass(thing, Described)
    return "parts" if is_part else "results"


def _module(module: ModuleType, title: str, said: str) -> str:
    names = getattr(module, "__all__", None) or [
        name for name, thing in vars(module).items() if getattr(thing, "__module__", "") == module.__name__
    ]
    public = [(name, getattr(module, name)) for name in names if not name.startswith("_")]
    entries = (_entry(name, thing) for name, thing in public if inspect.getdoc(thing))
    return _joined([f"# {title}", said, docstring_of(module).text, *entries])


def _entry(name: str, thing: object) -> str:
    parts = [f"## {name}"]
    if not isinstance(thing, type):
        return _joined([*parts, _function(name, thing)])
    parts.append(docstring_of(thing).text)
    if issubclass(thing, Exception):
        bases = ", ".join(f"`{base.__name__}`" for base in thing.__bases__)
        return _joined([*parts, f"A kind of {bases}.", _fields(thing)])
    return _joined([*parts, _made(thing), _fields(thing), *_methods(thing)])


def _made(thing: type) -> str:
    """How an object of a class with documented arguments is made, and what that raises."""
    told = docstring_of(thing)
    code = (
        f"```python\n{signature_text(thing.__name__, vars(thing)['__init__'])}\n```" if "Args" in told.sections else ""
    )
    return _joined([code, *_sections(thing)])


def _fields(thing: type) -> str:
    """What a class documents as its attributes, and its bases do below it."""
    bases = thing.__mro__ if not issubclass(thing, JobSpec) or thing is JobSpec else thing.__mro__[:1]
    ours = [base for base in reversed(bases) if base.__module__.startswith("stoker")]
    told = {name: said for base in ours for name, said in docstring_of(base).items("Attributes")}
    if issubclass(thing, enum.Enum):
        return described([(f'`"{member.value}"`', told.get(member.name, "")) for member in thing])
    hints = typing.get_type_hints(thing) if told else {}
    rows = []
    for name, said in told.items():
        kind = type_text(hints[name]) if name in hints else ""
        rows.append(
            (" ".join(part for part in (f"`{name}`", f"*{_escaped(kind)}*{_default(thing, name)}") if part), said)
        )
    return described(rows)


def _default(thing: type, name: str) -> str:
    """What a field is without being given, where that can be said in a word."""
    if issubclass(thing, BaseModel):
        field = thing.model_fields.get(name)
        value = field.default if field else PydanticUndefined
        if field and isinstance(field.default_factory, type):
            return f" = `{default_text(field.default_factory())}`"
    elif dataclasses.is_dataclass(thing):
        value = next((field.default for field in dataclasses.fields(thing) if field.name == name), dataclasses.MISSING)
    else:
        return ""
    return "" if value in (PydanticUndefined, dataclasses.MISSING) else f" = `{default_text(value)}`"


def _methods(thing: type) -> Iterator[str]:
    if issubclass(thing, JobSpec):
        return  # they are for Stoker itself
    for name, method in inspect.getmembers(
        thing, lambda member: inspect.isfunction(member) or isinstance(member, property)
    ):
        function = method.fget if isinstance(method, property) else method
        is_own = function is not None and function.__module__.startswith("stoker") and inspect.getdoc(function)
        if name.startswith("_") or not is_own or any(name in vars(base) for base in _INNER):
            continue
        yield f"### {thing.__name__}.{name}"
        yield _property(function) if isinstance(method, property) else _function(name, function)


def _property(function: object) -> str:
    assert inspect.isfunction(function)
    returns = type_text(typing.get_type_hints(function).get("return"))
    return _joined([f"*{_escaped(returns)}*", docstring_of(function).text])


def _function(name: str, function: object) -> str:
    assert inspect.isfunction(function)
    before = "async " if inspect.iscoroutinefunction(function) else ""
    code = f"```python\n{before}def {signature_text(name, function)}\n```"
    return _joined([code, docstring_of(function).text, *_sections(function)])


def _sections(thing: object) -> Iterator[str]:
    told = docstring_of(thing)
    for section, title in (("Args", "Arguments"), ("Raises", "Raises")):
        if section in told.sections:
            yield f"**{title}**"
            yield described([(f"`{name}`", said) for name, said in told.items(section)])
    if "Returns" in told.sections:
        yield f"**Returns** {' '.join(told.sections['Returns'].split())}"


def _escaped(text: str) -> str:
    return text.replace("*", r"\*").replace("_", r"\_").replace("[", r"\[")


def _joined(parts: Iterable[str]) -> str:
    return "\n\n".join(part for part in parts if part)
