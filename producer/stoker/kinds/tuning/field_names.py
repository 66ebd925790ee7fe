"""The fields of a training by their names, such as "optimizer.learning_rate"."""

import difflib
from collections.abc import Iterator, Sequence
from typing import get_args, get_origin

from pydantic import BaseModel

from ...errors import InvalidJob
from ..train import Train

# Of a job that is submitted, not of what it does.
_NO_SETTINGS = (
    "kind", "model", "alias", "after", "not_before", "priority", "tags", "needs", "device", "timeout", "max_attempts",
    "memory", "cpus", "gpu_memory", "fold", "trial",
)  # fmt: skip


def require_field(name: str, steps: Sequence[str], where: str = "space", *, settings: bool = True) -> None:
    """Check that a training has a field.

    Args:
        settings: whether it must be one that a `Tune` may choose.

    Raises:
        InvalidJob: it has not; says what there is.
    """
    owners: Sequence[type[BaseModel]] = [Train]
    if settings and steps[0] in _NO_SETTINGS:
        raise InvalidJob(
            f"space names {name!r}, which is no setting that a training is better or worse by: leave it out"
        )
    at = 0
    while at < len(steps):
        step = steps[at]
        annotations = [owner.model_fields[step].annotation for owner in owners if step in owner.model_fields]
        if not annotations:
            raise InvalidJob(f"{where} names {name!r}, and {_no_field('.'.join(steps[:at]), step, owners)}")
        at += 1
        # Below a mapping comes a key, which may be any.
        at += any(map(_is_mapping, annotations))
        owners = [owner for annotation in annotations for owner in _models_in(annotation)]


def _no_field(where: str, step: str, owners: Sequence[type[BaseModel]]) -> str:
    known = sorted(
        {field for owner in owners for field in owner.model_fields if owner is not Train or field not in _NO_SETTINGS}
    )
    if not known:
        return f"{where} is a value without fields"
    close = difflib.get_close_matches(step, known, n=1)
    hint = f"did you mean {close[0]!r}?" if close else f"there are {', '.join(known)}"
    return f"{where or 'a training'} has no field {step!r}: {hint}"


def _models_in(annotation: object) -> Iterator[type[BaseModel]]:
    """The models among the types that a field may have."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from _models_in(part)


def _is_mapping(annotation: object) -> bool:
    return get_origin(annotation) is dict or any(map(_is_mapping, get_args(annotation)))
