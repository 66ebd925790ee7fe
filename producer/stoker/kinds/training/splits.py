"""How a `Train` job says which rows it is validated on."""

from typing import TYPE_CHECKING, Annotated

from pydantic import StringConstraints

from ...errors import InvalidJob

if TYPE_CHECKING:
    from ..train import Train

Column = Annotated[str, StringConstraints(min_length=1, max_length=1024)]


def refuse_wrong_split(spec: "Train") -> None:
    """Refuse what contradicts itself.

    Raises:
        InvalidJob: something does.
    """
    set_ways = (("stratify", spec.stratify), ("group", spec.group), ("time", spec.time))
    ways = [name for name, is_set in set_ways if is_set]
    if len(ways) > 1:
        raise InvalidJob(
            f"{' and '.join(ways)} are several ways to split rows, which cannot hold at once: leave {ways[0]} or the "
            "others out"
        )
    if ways and spec.validation_data is not None:
        raise InvalidJob(
            f"{ways[0]} says which rows of data are held out, and with validation_data none are: leave one of them out"
        )
    if ways and not spec.validation_split and not spec.folds:
        raise InvalidJob(f"{ways[0]} says which rows are held out, and validation_split=0 holds out none")
    targets = spec.targets
    for name, column in (("group", spec.group), ("time", spec.time)):
        if column is not None and (column == targets or (isinstance(targets, tuple) and column in targets)):
            raise InvalidJob(f"{name} names {column!r}, which is to be predicted; name another column")
    if spec.folds is not None:
        _refuse_wrong_folds(spec)
    elif spec.fold is not None:
        raise InvalidJob(f"fold={spec.fold} is one of folds, of which there are none: set folds, or leave fold out")


def _refuse_wrong_folds(spec: "Train") -> None:
    assert spec.folds is not None
    if spec.validation_data is not None or spec.validation_split:
        raise InvalidJob("folds validate on every row in turn: leave validation_data and validation_split out")
    if spec.workers > 1:
        raise InvalidJob(
            f"folds are trained by {spec.folds} jobs of their own, each on one worker: leave folds or workers out"
        )
    if spec.fold is not None and spec.fold >= spec.folds:
        raise InvalidJob(f"fold={spec.fold} is none of {spec.folds} folds, which are counted from 0")
