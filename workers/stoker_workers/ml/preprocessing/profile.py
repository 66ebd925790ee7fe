"""The profile of the training data, made in one pass before a model is built."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from stoker.errors import InvalidJob
from stoker.models.data import ColumnKind, choices, listed, select_columns
from stoker.models.manifest import LearnedColumn
from stoker.models.signature import Signature, TensorSpec
from stoker.models.values import FLOAT32_MOST, numbers

from ..columns.kinds import decide
from ..columns.places import hashed_text
from ..columns.stats import ColumnStats, Moments
from ..columns.task import TaskName
from ..data import Column, Source, Values
from ..data.source import rows_of
from ..progress import Meter, obey_stop
from ..run import Run
from .masks import MaskCounts
from .reconstruction import decide_reconstruction
from .split import HELD_OUT, TRAINED, Sides, Split
from .target import Target, with_target
from .targets import Decided, TargetColumn, decide_targets
from .tensors import LONGEST_LIST, Feature, input_tensors
from .weights import mean_weight, row_weights

_PASS_BYTES = 4 << 20


@dataclass(frozen=True)
class Profile:
    """A summary of the training data.

    Attributes:
        rows, held_out: the numbers of rows for training and for validation.
        dropped: the number of rows without a target, which are neither.
        features: the columns that the model reads, in order.
        inputs: the model's inputs, which they become.
        targets: what each of its outputs predicts.
        named: whether the columns have names; arrays x and y have not.
        mean_weight: of the training rows.
        columns: what was made of each, also of those that are left out.
        task_why: why the task is what it is.
    """

    rows: int
    held_out: int
    features: dict[str, Feature]
    inputs: tuple[TensorSpec, ...]
    targets: tuple[Target, ...]
    named: bool
    mean_weight: float = 1.0
    columns: tuple[LearnedColumn, ...] = ()
    task_why: str = ""
    dropped: int = 0

    @property
    def target_columns(self) -> tuple[str, ...]:
        """The columns that hold the targets."""
        return tuple(name for target in self.targets for name in target.columns)

    def signature(self, *outputs: tuple[int, bool]) -> Signature:
        """The signature of a model with these outputs: of each its units, and whether it gives raw scores."""
        parts = [
            target.signature(units, logits=logits, named=self.named)
            for target, (units, logits) in zip(self.targets, outputs, strict=True)
        ]
        if len(parts) == 1:
            return parts[0].model_copy(update={"inputs": self.inputs})
        return Signature(
            inputs=self.inputs,
            outputs=tuple(tensor for part in parts for tensor in part.outputs),
            task="several",
            parts={target.name: part for target, part in zip(self.targets, parts, strict=True)},
        )


def profile(
    source: Source,
    split: Split,
    run: Run,
    *,
    ref: str,
    target: str | Sequence[str] | None = None,
    features: Sequence[str] | None = None,
    task: TaskName | None = None,
    tasks: Mapping[str, TaskName | None] | None = None,
    kinds: Mapping[str, ColumnKind] = MappingProxyType({}),
    limits: Mapping[str, tuple[float, float]] = MappingProxyType({}),
    weight: str | None = None,
    set_aside: Mapping[str, str] = MappingProxyType({}),
) -> Profile:
    """Read all rows once, summarise them, and decide what each column is. What was decided is sent as events.

    Args:
        target: none of them, (), reconstructs the features.
        features: the columns to predict from; None takes all but the target and those that nothing can be learned from.
        task: None decides by the targets.
        tasks: of each target that is an output of its own by the author's word; None if the author names no outputs.
        kinds: the kinds of columns that the job's author knows better.
        limits: the signature's limits, by column.
        weight: the column with the weights of rows.
        set_aside: columns that are not learned from, unless `features` names them, and why.

    Raises:
        InvalidJob: a column is missing, wrong or not learnable, or a limit's column does not exist.
        Stopped: a stop was requested.
    """
    by_name = {column.name: column for column in source.columns}
    aside = () if weight is None else (weight,)
    targets, chosen = select_columns(tuple(by_name), target, features, ref, aside)
    if features is None:
        chosen = tuple(name for name in chosen if name not in set_aside)
    for name, kind in kinds.items():
        if name not in by_name and kind != "ignore":
            raise InvalidJob(f"{ref} has no column {name!r}; it has {choices(name, list(by_name))}")
    scan = _Scan([by_name[name] for name in chosen], [by_name[name] for name in targets], task)
    weights = Moments()
    used = [name for name in (*chosen, *targets) if kinds.get(name) != "ignore"]
    meter = Meter(run, "reading data", total=source.rows)
    start = 0
    for batch in source.batches(pass_rows(source)):
        stop = start + rows_of(batch)
        there, sides = with_target(batch, targets), split.sides(batch, start)
        for name in used:
            _require_finite(batch[name], name, there, start)
        scan.update(batch, there, sides)
        if weight is not None:
            numbering = np.flatnonzero(there) + start
            weights.update(row_weights(batch[weight][there], weight, numbering)[(sides == TRAINED)[there]])
        start = stop
        meter.at(stop)
        obey_stop(run)
    scan.check(ref)
    kept, left_out = _features(scan.features, kinds, required=features is not None)
    left_out |= {name: why for name, why in set_aside.items() if name not in chosen}
    if not kept:
        purpose = f"predict {listed(targets)} from" if targets else "reconstruct"
        raise InvalidJob(f"{ref} has no column to {purpose}: {'; '.join(_left_out(left_out))}")
    inputs = input_tensors(kept, limits)
    if not targets:
        decided = decide_reconstruction(kept, inputs)
    elif scan.masks is None:
        decided = decide_targets(scan.targets, task, tasks)
    else:
        decided = _decided_masks(scan.masks)
    run.say(*_words(scan, decided, kept, left_out))
    return Profile(
        rows=scan.rows,
        held_out=scan.held_out,
        features=kept,
        inputs=inputs,
        targets=decided.targets,
        named=sorted(by_name) != ["x", "y"],
        mean_weight=1.0 if weight is None else mean_weight(weights, weight),
        columns=tuple(_learned(scan.features, kept, left_out)),
        task_why="; ".join(decided.why),
        dropped=scan.dropped,
    )


def _decided_masks(masks: MaskCounts) -> Decided:
    return Decided((masks.target(),), (masks.words,), ("its pixels are classes",))


def pass_rows(source: Source) -> int:
    """How many rows to read at a time, so that they take little memory."""
    row_bytes = sum(prod(column.shape) * 8 for column in source.columns)
    return max(_PASS_BYTES // row_bytes, 1)


def _features(
    stats: Mapping[str, ColumnStats], kinds: Mapping[str, ColumnKind], *, required: bool
) -> tuple[dict[str, Feature], dict[str, str]]:
    """The columns that the model reads, and why the others are left out.

    Args:
        required: whether the columns were named one by one, so that none is left out.
    """
    kept, left_out = {}, {}
    for name, seen in stats.items():
        decision = decide(seen, kinds.get(name))
        kind, why = decision.kind, decision.why
        if kind == "ignore" and required:
            kind = "category" if seen.column.dtype == "string" else "number"
            why += hashed_text(seen) if kind == "category" else ""
        if kind == "ignore":
            left_out[name] = why
        else:
            kept[name] = Feature(kind, why, seen, decision.warning)
    return kept, left_out


def _words(scan: "_Scan", decided: Decided, kept: Mapping[str, Feature], left_out: Mapping[str, str]) -> Iterator[str]:
    """What was decided, one sentence each."""
    yield from decided.words
    if scan.dropped:
        yield f"{scan.dropped:,} rows without {' or '.join(map(repr, scan.names))} are left out"
    by_kind: dict[ColumnKind, list[str]] = {}
    for name, feature in kept.items():
        by_kind.setdefault(feature.kind, []).append(f"{name} ({feature.why})")
    for kind, names in by_kind.items():
        yield f"{kind}: {', '.join(names)}"
    for name, feature in kept.items():
        if feature.warning:
            yield f"column {name!r}: {feature.warning}"
        if feature.stats.column.shape and feature.stats.missing:
            yield f"{feature.stats.missing:,} rows of {name!r} have gaps, which take the mean of their place"
        if feature.kind in ("sequence", "tokens") and feature.stats.lengths.high > LONGEST_LIST:
            longest = int(feature.stats.lengths.high)
            yield f"lists of {name!r} have up to {longest:,} entries, of which the first {LONGEST_LIST} are read"
    yield from _left_out(left_out)


def _left_out(left_out: Mapping[str, str]) -> list[str]:
    return [f"column {name!r} is left out: {why}" for name, why in left_out.items()]


def _learned(
    stats: Mapping[str, ColumnStats], kept: Mapping[str, Feature], left_out: Mapping[str, str]
) -> Iterator[LearnedColumn]:
    """What was decided, for the model's manifest."""
    for name, feature in kept.items():
        missing = feature.stats.missing / max(feature.stats.rows, 1)
        yield LearnedColumn(name=name, kind=feature.kind, why=feature.why, missing=missing, doubt=feature.warning)
    for name, why in left_out.items():
        share = stats[name].missing / max(stats[name].rows, 1) if name in stats else None
        yield LearnedColumn(name=name, kind="ignore", why=why, missing=share)


def _require_finite(values: Values, name: str, there: NDArray[np.bool_], first_row: int) -> None:
    """Refuse numbers that are infinite, or would be as float32, before they spoil the statistics.

    Args:
        there: the rows that are used.
    """
    if values.dtype.kind == "f" and (np.abs(values) > FLOAT32_MOST).any():
        numbers(values[there], name, gaps=True, numbering=np.flatnonzero(there) + first_row, most=FLOAT32_MOST)


class _Scan:
    """A profile that is being computed.

    Attributes:
        features: statistics of the training rows, by column.
        targets: of rows that have them all.
        rows: how many rows there are to train on.
        dropped: how many rows have not.
        held_out: how many rows have them, and are for validation.
        masks: the pixels of the only target's masks; None if it has none.
    """

    def __init__(self, features: Sequence[Column], targets: Sequence[Column], task: TaskName | None) -> None:
        for column in (*features, *targets):
            if not column.learnable:
                raise InvalidJob(
                    f"column {column.name!r} holds {column.dtype}, which nothing can be learned from: convert it, or "
                    "leave it out of features"
                )
        self.features = {column.name: ColumnStats(column) for column in features}
        self.targets = [TargetColumn(ColumnStats(column), ColumnStats(column)) for column in targets]
        self.rows = 0
        self.dropped = 0
        self.held_out = 0
        sole = targets[0] if len(targets) == 1 else None
        is_mask = sole and (task == "pixels" or (task is None and sole.role == "mask"))
        self.masks = MaskCounts(sole) if sole and is_mask else None

    @property
    def names(self) -> list[str]:
        """The columns of the targets."""
        return [target.name for target in self.targets]

    def update(self, batch: Mapping[str, Values], there: NDArray[np.bool_], sides: Sides) -> None:
        mine = there & (sides == TRAINED)
        for name, stats in self.features.items():
            stats.update(batch[name], mine)
        for target in self.targets:
            target.stats.update(batch[target.name][there])
            target.trained.update(batch[target.name][mine])
        if self.masks:
            self.masks.update(batch[self.names[0]], mine)
        self.rows += int(mine.sum())
        self.dropped += int((~there).sum())
        self.held_out += int((there & (sides == HELD_OUT)).sum())

    def check(self, ref: str) -> None:
        if not self.rows:
            why = f": none of {self.dropped:,} has a {' and a '.join(map(repr, self.names))}" if self.dropped else ""
            raise InvalidJob(f"{ref} has no rows to train on{why}")
