"""Which column has which role in a `Train` job: what contradicts itself is refused before anything is read."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ...errors import InvalidJob
from ..data import Data

if TYPE_CHECKING:
    from ..train import Train

_ONE_BY_ONE = ("regression", "multilabel", "pixels")
"""Tasks whose targets have no classes of which each row is one."""


def refuse_contradicting_roles(spec: "Train") -> None:
    """Refuse columns that cannot have all the roles that a job gives them.

    Raises:
        InvalidJob: one cannot.
    """
    targets = (spec.targets,) if isinstance(spec.targets, str) else spec.targets or ()
    features = spec.features or ()
    if twice := next((name for name in features if features.count(name) > 1), None):
        raise InvalidJob(f"features names {twice!r} twice; name each column once")
    for name in features:
        if name in targets:
            raise InvalidJob(f"column {name!r} is the target and a feature at once; take it out of features")
    if spec.sample_weight in (*targets, *features):
        what = "the target" if spec.sample_weight in targets else "a feature"
        raise InvalidJob(
            f"column {spec.sample_weight!r} is {what}, and sample_weight at once; take it out of one of the two"
        )
    if spec.stratify is True and len(targets) > 1:
        raise InvalidJob(
            f"stratify=True keeps the shares of one target's classes, and there are {len(targets)} targets; name a "
            "column to keep the shares of, or leave it out"
        )
    for name, is_set in (("stratify", spec.stratify is True), ("class_weights", spec.class_weights is not None)):
        if is_set and spec.task in _ONE_BY_ONE:
            raise InvalidJob(f"{name} is for classes of which each row has one, and task={spec.task!r} has none")
    _refuse_left_out(spec, targets, features)
    for name in spec.limits:
        _refuse_no_number(spec, "limits", name, targets)
    for name in () if isinstance(spec.scaling, str) else spec.scaling:
        _refuse_no_number(spec, "scaling", name, targets)
    for name, (least, most) in spec.limits.items():
        if not least <= most:
            raise InvalidJob(f"limits of {name!r} must be (least, most), got ({least:g}, {most:g})")


def _refuse_left_out(spec: "Train", targets: tuple[str, ...], features: tuple[str, ...]) -> None:
    """Refuse what the data leave out, and the job needs."""
    if not isinstance(spec.data, Data):
        return
    for role, names in (("target", targets), ("features", features)):
        for name in names:
            if spec.data.columns.get(name) == "ignore":
                raise InvalidJob(
                    f"{role} names {name!r}, and columns={{{name!r}: 'ignore'}} of its data leaves it out: say one of "
                    "the two"
                )


def _refuse_no_number(spec: "Train", role: str, name: str, targets: tuple[str, ...]) -> None:
    """Refuse a role of numbers that the model is given, of a column that is known to be none."""
    why = next(_reasons(spec, name, targets), None)
    if why is not None:
        raise InvalidJob(f"{role} names {name!r}, {why}")


def _reasons(spec: "Train", name: str, targets: tuple[str, ...]) -> Iterator[str]:
    if spec.forecast is not None:
        yield "which is for single rows, and a forecast takes windows of them: leave it out"
    if name in targets:
        yield "which is to be predicted, and nothing that the model is given: leave it out"
    if name == spec.sample_weight:
        yield "which is sample_weight, and nothing that the model is given: leave it out"
    if spec.features is not None and name not in spec.features:
        yield "which features does not: name it there too, or leave it out"
    if spec.features is None and name in (spec.group, spec.time):
        yield "by which rows are split, so that nothing is learned from it: name it in features too, or leave it out"
    kind = spec.data.columns.get(name) if isinstance(spec.data, Data) else None
    if kind not in (None, "number", "vector"):
        yield f"which its data calls {kind!r} by columns, and not a number: change one of the two"
