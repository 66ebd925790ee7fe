"""Reading what a version was trained on once more, mixed with the rows that a job adds to it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from stoker.errors import InvalidJob
from stoker.kinds import Train
from stoker.models.data import listed, select_columns
from stoker.models.learned_from import HeldOut, LearnedFrom
from stoker.models.manifest import ModelVersion

from .copies import Copies
from .data import Joined, Part, Source, Values
from .data.source import rows_of
from .preprocessing.division import Division, divide
from .preprocessing.profile import pass_rows
from .preprocessing.split import HELD_OUT, ExactSplit, NotedSplit, OneSide, SplitBehind
from .preprocessing.target import truth_columns
from .progress import Meter, obey_stop
from .run import Run
from .used_data import GIVE_ALL, OpenedData, open_again, open_used, require_described

NAME_ROWS = "name the rows to train on in `training`"
"""What to do where a version's own rows cannot be read again, and nothing is added to them."""
_NAME_DATA = "name the data of its evaluation in `data`"


@dataclass(frozen=True)
class SameData:
    """What a version was trained on, as one table, split as it was then."""

    source: Source
    division: Division
    learned_from: LearnedFrom


@dataclass(frozen=True)
class AddedData:
    """What a version was trained on, and the rows that are added to it, as one table: the new rows are the first."""

    source: Joined
    division: Division
    learned_from: LearnedFrom
    copies: Copies


def read_added_data(
    spec: Train, version: ModelVersion, targets: tuple[str, ...], features: Sequence[str], run: Run
) -> AddedData:
    """Open both, and find the rows again that the version was validated on; what becomes of them is said.

    Args:
        targets, features: the columns that are read.

    Raises:
        InvalidJob: they do not fit together, or what the version was trained on has changed since.
        Stopped: a stop was requested.
        Unavailable: they cannot be reached.
    """
    learned, signature = version.learned_from, version.signature
    assert learned is not None
    opened = [open_again(used, "train", run, signature, version.ref) for used in learned.data]
    new = open_used(spec.data, "train", run, signature)
    require_described(spec.data, new.source)
    validation = (learned.validation,) if learned.validation and spec.validation_data is None else ()
    if new.used.digest and new.used.digest in [used.digest for used in (*learned.data, *validation)]:
        raise InvalidJob(
            f"add_data: {version.ref} has learned from {new.used.ref} already, and what it was validated on would be "
            "trained on now: add other rows, or go on with data alone"
        )
    aside = () if spec.sample_weight is None else (spec.sample_weight,)
    for each in (*opened, new):
        names = [column.name for column in each.source.columns]
        select_columns(names, targets, features, each.used.ref, aside)
    if new.source.rows == 0:
        raise InvalidJob(f"add_data: {new.used.ref} has no rows to add; give data with at least one")
    # The new ones come first, so that a message which names a row of theirs numbers it as their files do.
    *added, first = [_counted(each, run) for each in (new, *reversed(opened))]
    joined = Joined([*added, first], [*targets, *features, *aside])
    behind = sum(part.rows for part in added)
    split, words = _held_out_again(spec, learned.held_out, first, targets, version.ref, run)
    refs = listed([used.ref for used in learned.data])
    run.say(
        f"adds {added[0].rows:,} rows of {spec.data} to the {joined.rows - added[0].rows:,} of {refs} that "
        f"{version.ref} was trained on or validated on, and shuffles them together"
    )
    used = new.used.model_copy(update={"rows": added[0].rows})
    why = _why(spec, learned, words, version.ref)
    run.say(f"validation: {why}")
    columns = (*targets, *features)
    copies = Copies(_validated(spec, version, columns, first, split, run), columns, added[0].rows)
    return AddedData(
        joined,
        Division(SplitBehind(behind, split), why, {}),
        learned.model_copy(update={"data": (*learned.data, used)}),
        copies,
    )


def read_same_data(
    spec: Train, version: ModelVersion, targets: tuple[str, ...], features: Sequence[str], run: Run
) -> SameData:
    """Open what a version was trained on, and find the rows again that it was validated on; both are said.

    Args:
        targets, features: the columns that are read.

    Raises:
        InvalidJob: it has changed since, or is not known.
        Stopped: a stop was requested.
        Unavailable: it cannot be reached.
    """
    learned, signature = version.learned_from, version.signature
    assert learned is not None
    opened = [open_again(used, "train", run, signature, version.ref, NAME_ROWS) for used in learned.data]
    # In the order in which they were mixed then.
    *added, first = [_counted(each, run) for each in reversed(opened)]
    source = Joined([*added, first], [*targets, *features]) if added else first.source
    split, words = _held_out_again(spec, learned.held_out, first, targets, version.ref, run, NAME_ROWS)
    why = _why(spec, learned, words, version.ref)
    run.say(f"learns from what {version.ref} has: {listed([used.ref for used in learned.data])}", f"validation: {why}")
    behind = sum(part.rows for part in added)
    return SameData(source, Division(SplitBehind(behind, split), why, {}), learned)


def read_validated(version: ModelVersion, held_out: HeldOut, run: Run) -> Source:
    """Open what a version was first trained on, and find the rows again that were held out of it.

    Raises:
        InvalidJob: it has changed since.
        Stopped: a stop was requested.
        Unavailable: it cannot be reached.
    """
    learned, signature = version.learned_from, version.signature
    assert learned is not None
    first = _counted(open_again(learned.data[0], "train", run, signature, version.ref, _NAME_DATA), run)
    spec, targets = Train(model=version.name, data=first.ref), truth_columns(signature)
    split, words = _held_out_again(spec, held_out, first, targets, version.ref, run, _NAME_DATA)
    run.say(f"reads of {first.ref} what {version.ref} was validated on: {words}")
    return OneSide(first.source, split, HELD_OUT)


def _validated(
    spec: Train, version: ModelVersion, columns: Sequence[str], first: Part, split: ExactSplit, run: Run
) -> Iterator[Mapping[str, Values]]:
    """The rows that are validated on, a batch at a time."""
    learned = version.learned_from
    assert learned is not None
    if spec.validation_data is not None:
        source = open_used(spec.validation_data, "test", run.silent, version.signature).source
    elif learned.validation is not None:
        source = open_again(learned.validation, "test", run.silent, version.signature, version.ref).source
    elif learned.held_out is None:
        return
    else:
        source = first.source
    missing = set(columns) - {column.name for column in source.columns}
    if missing:
        return  # which is refused where they are opened to be validated on
    at, is_first = 0, source is first.source
    for batch in source.batches(pass_rows(source)):
        held_out = split.sides(batch, at) == HELD_OUT if is_first else slice(None)
        yield {name: values[held_out] for name, values in batch.items()}
        at += rows_of(batch)
        obey_stop(run)


def _counted(opened: OpenedData, run: Run) -> Part:
    source, rows = opened.source, opened.used.rows
    rows = source.rows if source.rows is not None else rows
    if rows is None:
        rows, meter = 0, Meter(run, "counting rows", total=None)
        for batch in source.batches(pass_rows(source)):
            meter.at(rows := rows + rows_of(batch))
            obey_stop(run)
    return Part(opened.used.ref, source, rows)


def _held_out_again(
    spec: Train,
    held_out: HeldOut | None,
    first: Part,
    targets: tuple[str, ...],
    ref: str,
    run: Run,
    instead: str = GIVE_ALL,
) -> tuple[ExactSplit, str]:
    """The split of what the version was first trained on, and which rows that holds out, in words."""
    if held_out is None:
        return ExactSplit.holding_out(first.rows, np.empty(0, dtype=np.intp)), "none of the rows"
    job = spec.model_copy(
        update={
            "data": first.ref,
            "validation_data": None,
            "validation_split": held_out.share,
            **{name: getattr(held_out, name) for name in ("stratify", "group", "time", "task")},
        }
    )
    division = divide(job, first.source, targets, held_out.seed, run.silent)
    noted, sides = NotedSplit(division.split), []
    # Known sides need no row; others may be by a column that the new data have not.
    known = isinstance(division.split, ExactSplit)
    for batch in [{"": np.empty(first.rows)}] if known else first.source.batches(pass_rows(first.source)):
        sides.append(noted.sides(batch, noted.rows))
        obey_stop(run)
    if noted.digest != held_out.digest:
        raise InvalidJob(
            f"the rows of {first.ref} that {ref} was validated on cannot be found again, for this Stoker splits rows "
            f"otherwise: {instead}"
        )
    return ExactSplit(np.concatenate(sides)), division.why


def _why(spec: Train, learned: LearnedFrom, held_out: str, ref: str) -> str:
    """What is validated on, in words."""
    if spec.validation_data is not None:
        return f"all rows of {spec.validation_data}"
    if learned.validation is not None:
        return f"all rows of {learned.validation.ref}, as {ref}"
    return f"of {learned.data[0].ref} as {ref}, {held_out}; of other data none"
