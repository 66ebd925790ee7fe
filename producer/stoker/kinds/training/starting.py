"""What a `Train` job starts from: a version, which of its layers stay as they are, and what is added to its data."""

from typing import TYPE_CHECKING, Annotated

from pydantic import BeforeValidator, Field, StringConstraints

from ...errors import InvalidJob
from ...models.manifest import ModelVersion
from ..base import several
from ..data import Data
from .reconstruction import RECONSTRUCTION_LOSSES

if TYPE_CHECKING:
    from ..train import Train

_Pattern = Annotated[str, StringConstraints(min_length=1, max_length=256)]
FreezePatterns = Annotated[tuple[_Pattern, ...], BeforeValidator(several), Field(max_length=256)]

_LOADED = ("keras", "h5")
_OF_THE_VERSION = ("architecture", "features", "task", "forecast", "image_size", "scaling", "limits")
"""Fields that a version has decided already."""
_OF_THE_SPLIT = ("validation_split", "stratify", "group", "time", "folds")
_OF_ROWS = ("stratify", "group", "time", "sample_weight")


def refuse_wrong_start(spec: "Train") -> None:
    """Refuse what a version decides that the job goes on from, and a freeze without one.

    Raises:
        InvalidJob: it says so.
    """
    if spec.init_from is None:
        if spec.add_data is not None:
            raise InvalidJob(
                "add_data adds rows to those that a version was trained on, and init_from names none: name one, or "
                "give all rows as data"
            )
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
    if spec.add_data is None:
        return
    if spec.data != spec.add_data:
        raise InvalidJob(f"add_data adds rows to the data of {spec.init_from!r}, and data names others: leave data out")
    for name in _OF_THE_SPLIT:
        if getattr(spec, name):
            raise InvalidJob(
                f"{name} says which rows are held out, and with add_data those are held out that {spec.init_from!r} "
                f"was validated on: leave {name} out, or name other rows as validation_data"
            )


def refuse_wrong_version(spec: "Train", version: ModelVersion) -> None:
    """Refuse a version that no training can go on from.

    Raises:
        InvalidJob: it is one.
    """
    signature = version.signature
    if not any(name in version.files for name in _LOADED):
        files = ", ".join(sorted(version.files)) or "none at all"
        raise InvalidJob(f"init_from: {version.ref} has no .keras file to go on from, only {files}")
    if spec.outputs and set(spec.outputs) != set(signature.parts):
        parts = ", ".join(signature.parts) or "a single one"
        raise InvalidJob(f"outputs names {', '.join(spec.outputs)}, and {version.ref} has {parts}: leave it out")
    _refuse_other_columns(spec, version)
    _refuse_other_kinds(spec, version)
    if signature.forecast:
        for name in _OF_ROWS:
            if getattr(spec, name):
                raise InvalidJob(f"{name} is for rows, and {version.ref} learns from windows of time: leave it out")
    if spec.augment and signature.task in ("pixels", "reconstruction"):
        raise InvalidJob(f"augment changes pictures, and not what {version.ref} compares its output with: leave it out")
    if signature.task == "reconstruction":
        _refuse_no_reconstruction(spec, version)
    if spec.add_data is not None:
        _refuse_wrong_addition(spec, version)


def _refuse_other_columns(spec: "Train", version: ModelVersion) -> None:
    """Refuse targets that are not the version's; a single one may have another name in the data of the job."""
    signature = version.signature
    named = (spec.target,) if isinstance(spec.target, str) else spec.target
    if named is None or named == signature.target_columns:
        return
    if len(named) > 1 or signature.target is None or signature.forecast or spec.add_data is not None:
        known = ", ".join(signature.target_columns) or "y"
        raise InvalidJob(f"target names {', '.join(named)}, and {version.ref} predicts {known}: leave it out")


def _refuse_other_kinds(spec: "Train", version: ModelVersion) -> None:
    """Refuse columns that the job describes as other things than they are to the version."""
    described = spec.data.columns if isinstance(spec.data, Data) and not version.signature.forecast else {}
    for column in version.columns:
        if (kind := described.get(column.name, column.kind)) != column.kind:
            raise InvalidJob(
                f"columns says {kind} of {column.name!r}, and {version.ref} takes it for {column.kind}, which stays: "
                "leave it out of columns, or train a model anew"
            )


def _refuse_no_reconstruction(spec: "Train", version: ModelVersion) -> None:
    if spec.stratify is True or spec.class_weights is not None or spec.from_logits is not None:
        raise InvalidJob(
            f"stratify=True, class_weights and from_logits are for classes, and {version.ref} reconstructs what it "
            "takes: leave them out"
        )
    if spec.loss not in (None, *RECONSTRUCTION_LOSSES):
        raise InvalidJob(
            f"loss={spec.loss!r} is not for {version.ref}, which reconstructs what it takes; use "
            f"{', '.join(RECONSTRUCTION_LOSSES)}"
        )


def _refuse_wrong_addition(spec: "Train", version: ModelVersion) -> None:
    """Refuse to add data to a version whose own cannot be read again."""
    instead = "give all rows as data, and leave add_data out"
    if version.signature.forecast:
        raise InvalidJob(
            f"add_data mixes rows, and {version.ref} learns from rows that follow each other in time: {instead}"
        )
    learned = version.learned_from
    if learned is None:
        why = "it was made elsewhere" if version.source else "an older Stoker has registered it"
        raise InvalidJob(f"add_data: how the data of {version.ref} were read is not known, for {why}: {instead}")
    validation = learned.validation if spec.validation_data is None else None
    for used in (*learned.data, *((validation,) if validation else ())):
        if not used.digest:
            raise InvalidJob(
                f"add_data: whether {used.ref}, of which {version.ref} has learned, has changed since cannot be told, "
                f"for its files name pictures, or too many columns were described: {instead}"
            )
    validated = learned.held_out or validation or spec.validation_data
    for what, each in (("early stopping", spec.early_stopping), ("plateau", spec.plateau)):
        if each is not None and each.monitor.startswith("val_") and not validated:
            raise InvalidJob(
                f"{what} watches {each.monitor}, but {version.ref} was validated on no rows that could be again: set "
                "validation_data"
            )


def only_target(spec: "Train") -> str | None:
    """The one column that the job says holds the truth; None for those of the version."""
    return spec.target if isinstance(spec.target, str) else None
