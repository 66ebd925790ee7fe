"""Says in one sentence what pydantic found wrong."""

import difflib
from collections.abc import Iterable
from typing import Any

from pydantic import ValidationError

_SHOWN = 80
# Problems that are told whole; whoever has more looks again.
_NAMED = 3


def sentence(error: ValidationError, subject: str, fields: Iterable[str]) -> str:
    """The first problems of a validation, and how many more there are.

    Args:
        subject: what was being validated, e.g. "Train".
        fields: the names it knows, to suggest the one that was meant.
    """
    problems = [_problem(dict(problem), subject, fields) for problem in error.errors(include_url=False)]
    more = f" (and {len(problems) - _NAMED} more)" if len(problems) > _NAMED else ""
    return "; ".join(problems[:_NAMED]) + more


def _problem(problem: dict[str, Any], subject: str, fields: Iterable[str]) -> str:
    where = ".".join([subject, *map(str, problem["loc"])])
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
        case "string_pattern_mismatch":
            return f"{where}: {short(problem['input'])} is not allowed: it must match {context['pattern']}"
        case _:
            message = problem["msg"][0].lower() + problem["msg"][1:]
            return f"{where}: {short(problem['input'])} is not allowed: {message}"


def short(value: object) -> str:
    """A value for a message, cut where it is long."""
    try:
        text = repr(value)
    except RecursionError:
        text = f"a {type(value).__name__} nested without end"
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"
