"""What a key may have run: each part of a job that a key is held to, against the key's patterns."""

import re
from collections.abc import Iterator
from fnmatch import fnmatchcase

from ..errors import Untrusted
from ..kinds import Spec, kind_of
from ..kinds.base import JobSpec
from ..kinds.needs import FUNCTION, functions_in, modules_in
from ..ledger.registry import JOB_MODEL
from ..tenants import TENANT
from .keys import Terms

# The singular of what a key is held to, for a message.
_NAMES = {
    "kinds": "kind",
    "functions": "function",
    "models": "model",
    "aliases": "alias",
    "tenants": "tenant",
    "devices": "device",
}
# Where a spec may name functions of its author's, besides what its worker must offer.
_MAY_NAME_FUNCTIONS = ("architecture", "student", "loss", "metrics", "outputs")


def check_role(key: Terms, spec: Spec, device: str, *, whatever_kind: bool = False) -> None:
    """Check that a key may have a job run.

    Args:
        device: where it runs.
        whatever_kind: for the children of a job whose kind the key may have: theirs do not matter.

    Raises:
        Untrusted: it may not; the sentence begins with the key.
    """
    for scope, value in _wanted(spec, device):
        if scope != "kinds" or not whatever_kind:
            check_scope(key, scope, value)


def check_scope(key: Terms, scope: str, value: str) -> None:
    """Check that a key may have one thing, such as a model; raises what `check_role` does."""
    patterns: tuple[str, ...] = getattr(key, scope)
    if "*" not in patterns and not any(fnmatchcase(value, pattern) for pattern in patterns):
        nameless = scope == "tenants" and not value
        what = f"a job without the tag {TENANT!r}" if nameless else f"the {_NAMES[scope]} {value!r}"
        raise Untrusted(
            f"key {key.id} ({key.name}) may not have {what}: its {scope} are {', '.join(patterns) or 'none'}"
        )


def _wanted(spec: Spec, device: str) -> Iterator[tuple[str, str]]:
    """What a job is and names, each with the field of a key that it is held against."""
    yield "kinds", spec.kind
    yield "tenants", spec.tags.get(TENANT, "")
    yield "devices", device
    yield from _named(spec)
    # The job of which a search tries settings.
    if isinstance(tried := getattr(spec, "job", None), JobSpec):
        yield from _named(tried)  # type: ignore[arg-type]  # the specs are its subclasses


def _named(spec: Spec) -> Iterator[tuple[str, str]]:
    kind = kind_of(spec)
    needed = kind.needs(spec)
    functions = [*functions_in(needed), *(f"{module}:*" for module in modules_in(needed)), *_functions(spec)]
    yield from (("functions", function) for function in dict.fromkeys(functions))
    refs = [*kind.models(spec), *([getattr(spec, kind.makes)] if kind.makes else [])]
    # What another job makes has a name when that has ended: see `Admission.check_made`.
    names = (ref.partition("@")[0] for ref in refs if ref and not ref.startswith((JOB_MODEL, "#")))
    yield from (("models", name) for name in dict.fromkeys(names))
    aliases = (getattr(spec, "alias", None), kind.beside(spec))
    yield from (("aliases", alias) for alias in dict.fromkeys(aliases) if isinstance(alias, str))


def _functions(spec: Spec) -> Iterator[str]:
    """The functions of its author's that build its network, or are its loss and metrics."""
    left: list[object] = [spec.model_dump(mode="json", include=set(_MAY_NAME_FUNCTIONS))]
    while left:
        value = left.pop()
        if isinstance(value, dict):
            left.extend(value.values())
        elif isinstance(value, list):
            left.extend(value)
        elif isinstance(value, str) and re.fullmatch(FUNCTION, value):
            yield value
