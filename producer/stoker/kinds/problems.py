"""Says in one sentence what pydantic found wrong."""

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from .needs import FUNCTION

_SHOWN = 80
# Problems that are told whole; whoever has more looks again.
_NAMED = 3
_EXPECTED = "Input should be "
# Problems of a value that is of another type altogether.
_MISFIT = re.compile(r"_type$|_parsing$|^literal_error$|^is_instance_of$|^int_from_float$")
# Problems with names, which the data may not have.
_OF_NAMES = ("missing", "extra_forbidden", "unexpected_keyword_argument")


def sentence(error: ValidationError, data: object, subject: str, fields: Iterable[str]) -> str:
    """The first problems of a validation, and how many more there are.

    Args:
        data: what was being validated.
        subject: what that is, e.g. "Train".
        fields: the names it knows, to suggest the one that was meant.
    """
    found = _per_place(error.errors(include_url=False), data)
    problems = [_problem(problem, subject, fields) for problem in found]
    more = f" (and {len(problems) - _NAMED} more)" if len(problems) > _NAMED else ""
    return "; ".join(problems[:_NAMED]) + more


def _per_place(problems: Iterable[ErrorDetails], data: object) -> list[dict[str, Any]]:
    """One problem for each place in the data.

    Where several types are allowed, pydantic has the problems of each, behind its name for that type. Told are those of
    the type that the value has or, if it has none of them, what all of them expect.
    """
    told: dict[tuple[int | str, ...], dict[str, Any]] = {}
    fitting: dict[tuple[int | str, ...], str] = {}
    for problem in problems:
        place, union = _place(problem, data)
        own = {**problem, "loc": place}
        if union:
            *where, alternative = union
            is_misfit = place == tuple(where) and _MISFIT.search(problem["type"]) is not None
            fit = fitting.get(tuple(where))
            if fit is not None and (is_misfit or fit != alternative):
                continue
            if fit is None and not is_misfit:
                told.pop(tuple(where), None)
                fitting[tuple(where)] = str(alternative)
        if known := told.get(place):
            known["msg"] += f", or {problem['msg'].removeprefix(_EXPECTED)}"
        else:
            told[place] = own
    return list(told.values())


def _place(problem: ErrorDetails, data: object) -> tuple[tuple[int | str, ...], tuple[int | str, ...]]:
    """Where a problem is in the data, and the first name of an alternative that pydantic put in the way, with what is
    before it; empty if there is none."""
    place: list[int | str] = []
    union: tuple[int | str, ...] = ()
    for number, step in enumerate(loc := problem["loc"]):
        is_named_by_problem = number == len(loc) - 1 and problem["type"] in _OF_NAMES
        steps = {str(name): each for name, each in data.items()} if isinstance(data, Mapping) else {}
        if isinstance(step, int):
            data = data[step] if isinstance(data, Sequence) and step < len(data) else None
        elif step in steps:
            data = steps[step]
        elif isinstance(data, BaseModel) and hasattr(data, step):
            data = getattr(data, step)
        elif step != "[key]" and not is_named_by_problem:
            union = union or (*place, step)
            continue
        place.append(step)
    return tuple(place), union


def _problem(problem: dict[str, Any], subject: str, fields: Iterable[str]) -> str:
    where = ".".join([subject, *(str(step) if len(str(step)) <= _SHOWN else short(step) for step in problem["loc"])])
    context = problem.get("ctx", {})
    match problem["type"]:
        case "missing":
            return f"{where} is missing: give it a value"
        case "extra_forbidden" | "unexpected_keyword_argument":
            wrong = str(problem["loc"][-1])
            close = difflib.get_close_matches(wrong, list(fields), n=1)
            hint = f"did you mean {close[0]!r}?" if close else f"it has {', '.join(fields)}"
            return f"{subject} has no field {short(wrong)}: {hint}"
        case "union_tag_invalid":
            return f"{where}: {short(context['tag'])} is unknown, expected one of {context['expected_tags']}"
        case "union_tag_not_found":
            return f"{where} must say its {context['discriminator']}, so that its fields can be checked"
        case "string_pattern_mismatch" if FUNCTION in context["pattern"]:
            return f"{where}: {short(problem['input'])} is not allowed: write package.module:function"
        case "string_pattern_mismatch":
            return f"{where}: {short(problem['input'])} is not allowed: it must match {context['pattern']}"
        case "too_short":
            least = context["min_length"]
            items = "item" if least == 1 else "items"
            return f"{where}: {short(problem['input'])} is not allowed: expected at least {least} {items}"
        case _:
            told = problem["msg"].removeprefix("Value error, ")
            message = told[0].lower() + told[1:]
            return f"{where}: {short(problem['input'])} is not allowed: {message}"


def short(value: object) -> str:
    """A value for a message, cut where it is long."""
    try:
        text = repr(value)
    except RecursionError:
        text = f"a {type(value).__name__} nested without end"
    except ValueError:  # an int of more than 4,300 digits
        text = f"a huge {type(value).__name__}"
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"
