"""How a job's rows are split: exactly where the data is in memory, else by hashes or a first pass."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stoker.errors import InvalidJob
from stoker.kinds import Train
from stoker.models.data import choices, listed

from ..columns.content import word
from ..columns.stats import ColumnStats, Sample
from ..columns.task import decide_task
from ..data import Source, Values
from ..progress import Meter, obey_stop
from ..run import Run
from .profile import pass_rows
from .shares import Part, by_chance, by_group, by_strata, by_time
from .split import ExactSplit, HashedSplit, Split, TimeSplit, codes_of, times_of
from .target import has_target, with_target


@dataclass(frozen=True)
class Division:
    """How rows are split, and why.

    Attributes:
        why: in words, for people.
        set_aside: columns that are not learned from, unless the job names them as features, and why.
    """

    split: Split
    why: str
    set_aside: Mapping[str, str]


def divide(spec: Train, source: Source, targets: tuple[str, ...], seed: int, run: Run) -> Division:
    """Split a source's rows as the job says, and say so.

    Args:
        targets: the columns to predict; rows without one of them are in nobody's share.

    Raises:
        InvalidJob: there is no such column, or the rows cannot be split by it.
        Stopped: a stop was requested.
    """
    for setting in ("stratify", "group", "time"):
        name = getattr(spec, setting)
        names = [column.name for column in source.columns]
        if isinstance(name, str) and name not in names:
            raise InvalidJob(
                f"{setting} names column {name!r}, which {spec.data} has not; it has {choices(name, names)}"
            )
        if name in targets and setting != "stratify":  # of which a job need not have told the name
            raise InvalidJob(f"{setting} names {name!r}, which is to be predicted; name another column")
    part = Part.of(spec)
    if not part.high:
        why = "none of the rows" if spec.validation_data is None else f"all rows of {spec.validation_data}"
        return Division(HashedSplit(0, 0, seed), why, set_aside(spec))
    divided = _Divided(spec, source, targets, part, seed, run)
    if spec.group is not None:
        division = divided.by_group(spec.group)
    elif spec.time is not None:
        division = divided.by_time(spec.time)
    else:
        division = divided.by_strata()
    run.say(f"validation: {division.why}")
    return division


def set_aside(spec: Train) -> dict[str, str]:
    """The columns that rows are split by, which are not learned from unless the job says so, and why."""
    aside = {spec.group: "rows are split by it, and those to come are of other groups; name it in features to use it"}
    aside[spec.time] = "rows are split by it, and those to come are newer; name it in features to use it"
    return {name: why for name, why in aside.items() if name is not None}


class _Divided:
    """A job's rows, to be split."""

    def __init__(self, spec: Train, source: Source, targets: tuple[str, ...], part: Part, seed: int, run: Run) -> None:
        self._spec = spec
        self._source = source
        self._targets = targets
        self._part = part
        self._seed = seed
        self._run = run
        self._exact = source.in_memory and source.rows is not None

    def by_group(self, name: str) -> Division:
        """All rows of a group on one side."""
        if not self._exact:
            split = HashedSplit(self._part.low, self._part.high, self._seed, name)
            why = f"{self._part.words}whole groups of {name!r}, by a hash, with about {self._share} of the groups"
            return Division(split, f"{why}; rows without one are split each by itself", set_aside(self._spec))
        codes, distinct = codes_of(self._whole(name), name)
        alone = codes < 0
        groups = len(distinct) + int(alone.sum())
        if groups < max(self._part.folds, 2):
            raise InvalidJob(
                f"group names column {name!r}, which has {groups} different value(s): too few to have some on each "
                f"side{f' of {self._part.folds} folds' if self._part.folds else ''}; name another column"
            )
        codes[alone] = np.arange(len(distinct), groups)
        held_out = by_group(codes, self._part, self._seed)
        why = (
            f"{self._part.words}{len(held_out):,} of {len(codes):,} rows, "
            f"{len(np.unique(codes[held_out])):,} of {groups:,} groups of {name!r}, none of which is on both sides"
        )
        if alone.any():
            why += f"; {int(alone.sum()):,} rows without one are a group each"
        return Division(ExactSplit.holding_out(len(codes), held_out), why, set_aside(self._spec))

    def by_time(self, name: str) -> Division:
        """The newest rows; those of one moment together."""
        times = self._times(name)
        edges = by_time(times[~np.isnan(times)], self._part)
        if edges is None:
            raise InvalidJob(
                f"time names column {name!r}, whose rows are of too few different times to be split into older and "
                f"newer ones{f' {self._part.folds} times' if self._part.folds else ''}; name another column"
            )
        first, end = edges
        held_out = (times >= first) & (times < (np.inf if end is None else end))
        share = f"{'' if self._exact else 'about '}{held_out.sum() / len(times):.1%} of the rows"
        why = f"{self._part.words}{share}, by {name!r} the newest, from {self._moment(name, first)} on"
        if end is not None:
            why += f" to before {self._moment(name, end)}; newer ones are not used"
        if missing := int(np.isnan(times).sum()):
            why += f"; {'' if self._exact else 'at least '}{missing:,} rows without a time are trained on"
        return Division(TimeSplit(name, first, end), why, set_aside(self._spec))

    def by_strata(self) -> Division:
        """The same share of every class or value, where that is possible; else rows at random."""
        name = self._stratum()
        if name is None or not self._exact:
            why = f"{self._part.words}{self._share} of the rows, at random"
            if not self._exact:
                why = f"{self._part.words}about {self._share} of the rows, by a hash"
                if name is not None:
                    why += f", and so about that share of every value of {name!r}: exact shares need rows in memory"
                return Division(HashedSplit(self._part.low, self._part.high, self._seed), why, {})
            assert self._source.rows is not None
            held_out = by_chance(self._source.rows, self._part, self._seed)
            return Division(ExactSplit.holding_out(self._source.rows, held_out), why, {})
        codes, distinct = codes_of(self._whole(name), name)
        if name not in self._targets:  # gaps are a value like another, except of what is to be predicted
            codes = np.where(codes < 0, len(distinct), codes)
        held_out = by_strata(codes, self._part, self._seed)
        if not len(held_out) and self._spec.stratify:
            raise InvalidJob(
                f"stratify names column {name!r}, in which no value has two rows, so that none can be on both sides; "
                "name a column of few values"
            )
        why = f"{self._part.words}{len(held_out):,} of {len(codes):,} rows, the same share of every value of {name!r}"
        return Division(ExactSplit.holding_out(len(codes), held_out), why, {})

    @property
    def _share(self) -> str:
        return f"{self._part.high - self._part.low:.3g}"

    def _stratum(self) -> str | None:
        """The column whose values have equal shares on both sides."""
        stratify = self._spec.stratify
        if isinstance(stratify, str) or stratify is False:
            return stratify or None
        if len(self._targets) > 1:
            return None
        task = self._spec.task
        if task == "reconstruction":
            return None
        [target] = self._targets
        if not self._exact:
            return target if stratify else None
        values = self._whole(target)
        [column] = [column for column in self._source.columns if column.name == target]
        stats = ColumnStats(column)
        stats.update(values[has_target(values)])
        if not stats.rows:
            return None
        if decide_task(stats, task).task == "classification":
            return target
        if stratify:
            raise InvalidJob(
                f"stratify=True keeps the shares of classes, and target {target!r} holds numbers; name a column to "
                "keep the shares of, or leave it out"
            )
        return None

    def _times(self, name: str) -> NDArray[np.float64]:
        """The times of the rows that have a target; of many that are not in memory, a sample."""
        if self._exact:
            there = with_target({each: self._whole(each) for each in (name, *self._targets)}, self._targets)
            times = times_of(self._whole(name), name)[there]
        else:
            sample = Sample()
            meter, done = Meter(self._run, "reading times", total=self._source.rows), 0
            for batch in self._source.batches(pass_rows(self._source)):
                there = with_target(batch, self._targets)
                sample.update(times_of(batch[name], name, done)[there])
                meter.at(done := done + len(batch[name]))
                obey_stop(self._run)
            times = sample.rows
        if not len(times):
            raise InvalidJob(f"{self._spec.data} has no rows with a {listed(self._targets)} to split by time")
        return times

    def _moment(self, name: str, time: float) -> str:
        [column] = [column for column in self._source.columns if column.name == name]
        return (
            str(np.datetime64(int(time), "us").astype("datetime64[s]"))
            if column.dtype in ("time", "string")
            else word(time)
        )

    def _whole(self, name: str) -> Values:
        """A column of rows in memory."""
        assert self._source.rows is not None
        return next(self._source.batches(max(self._source.rows, 1)), {name: np.empty(0)})[name]
