"""What a function returns, as plain data."""

import json
from typing import Any

from pydantic import JsonValue

from stoker.errors import InvalidJob
from stoker.kinds.base import DEEPEST, plain

# Redis keeps it, and whoever follows the job reads it.
_MOST_BYTES = 1 << 20


def as_json(value: object, path: str) -> JsonValue:
    """What a function returned; numbers and arrays of NumPy become numbers and lists.

    Raises:
        InvalidJob: JSON cannot hold it, or it is large.
    """
    try:
        held: JsonValue = plain(_without_arrays(value))
    except ValueError as error:
        raise InvalidJob(
            f"what {path} returned cannot be the job's result: {error}; return plain data, and keep other things by "
            "run.artifact or run.register"
        ) from None
    if (size := len(json.dumps(held))) > _MOST_BYTES:
        raise InvalidJob(
            f"what {path} returned is {size:,} bytes of JSON and may be {_MOST_BYTES:,}: write it to a file, and keep "
            "that by run.artifact"
        )
    return held


def _without_arrays(value: Any, depth: int = 0) -> Any:
    match value:
        # What is deeper, or holds itself, is refused.
        case dict() if depth <= DEEPEST:
            return {name: _without_arrays(each, depth + 1) for name, each in value.items()}
        case list() | tuple() if depth <= DEEPEST:
            return [_without_arrays(each, depth + 1) for each in value]
    # Of NumPy, which this process need not have: scalars are no numbers of Python.
    return value.tolist() if type(value).__module__ == "numpy" and hasattr(value, "tolist") else value
