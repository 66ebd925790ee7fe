"""What a `Train` job starts from: a version, and which of its layers stay as they are."""

from typing import TYPE_CHECKING, Annotated

from pydantic import BeforeValidator, Field, StringConstraints

from ..errors import InvalidJob
from ..models.manifest import ModelVersion
from .base import several

if TYPE_CHECKING:
    from .train import Train

_Pattern = Annotated[str, StringConstraints(min_length=1, max_length=256)]
FreezePatterns = Annotated[tuple[_Pattern, ...], BeforeValidator(several), Field(max_length=256)]

_LOADED = ("keras", "h5")
_OF_THE_VERSION = ("architecture", "features", "task", "forecast", "image_size", "scaling", "limits")
"""Fields that a version has decided already."""


def refuse_wrong_start(spec: "Train") -> None:
    """Refuse what a version decides that the job goes on from, and a freeze without one.

    Raises:
        InvalidJob: it says so.
    """
    if spec.init_from is None:
        if spec.freeze:
            raise InvalidJob("freeze keeps weights of a version, and init_from names none: name one, or leave it out")
        return
    for name in _OF_THE_VERSION:
        if getattr(spec, name):
            raise InvalidJob(f"{name} is for init_from={spec.init_from!r} to say: leave {name} out, or init_from")
    if not spec.normalize:
        raise InvalidJob(f"init_from={spec.init_from!r} says what is normalized: leave normalize out")
    if "h5" in spec.formats:
        raise InvalidJob("formats names h5, which cannot hold what a version may prepare its columns by; leave it out")
    for name, output in spec.outputs.items():
        if output.task is not None:
            raise InvalidJob(f"init_from={spec.init_from!r} has a task for output {name!r} already: leave task out")


def refuse_wrong_version(spec: "Train", version: ModelVersion) -> None:
    """Refuse a version that no training can go on from.

    Raises:
        InvalidJob: it is one.
    """
    signature = version.signature
    if signature.forecast or signature.task in ("pixels", "reconstruction"):
        what = "forecasts" if signature.forecast else f"has the task {signature.task!r}"
        raise InvalidJob(
            f"init_from: {version.ref} {what}, which no training can go on from yet: leave init_from out, and train it "
            "anew on all data"
        )
    if not any(name in version.files for name in _LOADED):
        files = ", ".join(sorted(version.files)) or "none at all"
        raise InvalidJob(f"init_from: {version.ref} has no .keras file to go on from, only {files}")
    if spec.outputs and set(spec.outputs) != set(signature.parts):
        parts = ", ".join(signature.parts) or "a single one"
        raise InvalidJob(f"outputs names {', '.join(spec.outputs)}, and {version.ref} has {parts}: leave it out")
    named = (spec.target,) if isinstance(spec.target, str) else spec.target
    if named is not None and named != signature.target_columns and (len(named) > 1 or signature.target is None):
        known = ", ".join(signature.target_columns) or "y"
        raise InvalidJob(f"target names {', '.join(named)}, and {version.ref} predicts {known}: leave it out")


def only_target(spec: "Train") -> str | None:
    """The one column that the job says holds the truth; None for those of the version."""
    return spec.target if isinstance(spec.target, str) else None
