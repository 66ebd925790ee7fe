"""Executes `Describe`: what a data set holds, read in one pass, and what is wrong with it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from stoker.errors import InvalidJob
from stoker.kinds import Describe, DescribedTarget, DescribeResult, as_data
from stoker.kinds.describe import percent
from stoker.models.data import TARGET_NAMES, choices, listed

from ..ml.columns.decision import NOUNS, Decision
from ..ml.columns.description import described
from ..ml.columns.duplicates import Duplicates
from ..ml.columns.giveaways import giveaways
from ..ml.columns.kinds import decide
from ..ml.columns.stats import ColumnStats, Sample
from ..ml.columns.task import decide_task
from ..ml.data import Column, Source, Values
from ..ml.data.source import rows_of
from ..ml.evaluation.report.description import render
from ..ml.opening import open_data
from ..ml.preprocessing.digits import lost_digits
from ..ml.preprocessing.profile import pass_rows
from ..ml.preprocessing.targets import TargetColumn, decide_targets
from ..ml.progress import Meter, obey_stop
from ..ml.run import Outcome, Run
from ..ml.writing import write_report

_SAMPLED_ROWS = 20_000
"""Rows on which single columns are tried as predictors of the target."""
_MOSTLY_MISSING = 0.9
_IMBALANCE = 20


def run(spec: Describe, run: Run) -> Outcome:
    """Describe the spec's data.

    Raises:
        InvalidJob: the data cannot be read, or has no such target.
        Stopped: a stop was asked for.
    """
    named = (spec.target,) if isinstance(spec.target, str) else spec.target or ()
    source = open_data(spec.data, "train", run, names=named)
    targets = _targets(spec, source)
    survey = _read(source, targets, run)
    kinds = as_data(spec.data).columns
    decisions = {name: decide(stats, kinds.get(name)) for name, stats in survey.stats.items()}
    described_targets = tuple(_described(survey.stats[name], name) for name in targets)
    only = described_targets[0] if len(targets) == 1 else None
    result = DescribeResult(
        data=str(spec.data),
        rows=survey.rows,
        columns=tuple(described(survey.stats[name], decision) for name, decision in decisions.items()),
        target=only.name if only else None,
        task=only.task if only else None,
        task_why=only.why if only and only.task else None,
        task_doubt=only.doubt if only else None,
        targets=described_targets,
        together=_together(survey.stats, targets),
        notes=source.notes,
        warnings=(
            *_of_columns(survey, decisions, targets),
            *(target.why for target in described_targets if target.task is None),
            *(line for each in described_targets for line in _of_target(survey, decisions, targets, each)),
            *_of_rows(survey),
        ),
        files={},
    )
    return Outcome(result.model_copy(update={"files": write_report(run, result, lambda: render(result))}))


@dataclass
class _Survey:
    """What one pass over the rows gathers.

    Attributes:
        samples: the same rows of all columns of plain values; empty where there is no target.
        keys: the columns that are left aside where rows are compared, for they name the rows.
    """

    stats: dict[str, ColumnStats]
    samples: dict[str, Sample]
    rows: int = 0
    keys: tuple[str, ...] = ()
    duplicates: Duplicates = field(default_factory=Duplicates)

    def update(self, batch: Mapping[str, Values]) -> None:
        """Add the rows of a batch."""
        for name, stats in self.stats.items():
            stats.update(batch[name])
        for name, sample in self.samples.items():
            sample.update(batch[name])
        if not self.rows:
            self.keys = tuple(name for name, stats in self.stats.items() if _names_rows(stats))
        compared = [values for name, values in batch.items() if name not in self.keys]
        self.duplicates.update(compared)
        self.rows += rows_of(batch)


def _targets(spec: Describe, source: Source) -> tuple[str, ...]:
    names = [column.name for column in source.columns]
    if spec.target is None:
        conventional = tuple(name for name in names if name in TARGET_NAMES)
        return conventional if len(conventional) == 1 and len(names) > 1 else ()
    for name in spec.targets:
        if name not in names:
            raise InvalidJob(f"{spec.data} has no column {name!r}; it has {choices(name, names)}")
    return spec.targets


def _read(source: Source, targets: tuple[str, ...], run: Run) -> _Survey:
    plain = [column.name for column in source.columns if _is_plain(column)] if targets else []
    survey = _Survey(
        {column.name: ColumnStats(column) for column in source.columns},
        {name: Sample(_SAMPLED_ROWS) for name in plain},
    )
    meter = Meter(run, "reading", total=source.rows)
    for batch in source.batches(pass_rows(source)):
        obey_stop(run)
        survey.update(batch)
        meter.at(survey.rows)
    return survey


def _is_plain(column: Column) -> bool:
    return column.learnable and not column.shape and column.dtype != "list"


def _names_rows(stats: ColumnStats) -> bool:
    return decide(stats).kind == "ignore" and len(stats.distinct.counts) > 1 and stats.distinct.share == 1


def _described(stats: ColumnStats, name: str) -> DescribedTarget:
    """What a target asks for; or why it cannot be predicted."""
    try:
        task = decide_task(stats)
    except InvalidJob as error:
        return DescribedTarget(name=name, task=None, why=error.message)
    return DescribedTarget(name=name, task=task.task, why=task.why, doubt=task.doubt)


def _together(stats: Mapping[str, ColumnStats], targets: tuple[str, ...]) -> str | None:
    """What a training makes of several targets, if it can be."""
    if len(targets) < 2:
        return None
    try:
        decided = decide_targets([TargetColumn(stats[name], stats[name]) for name in targets], None, None)
    except InvalidJob:
        return None
    if len(decided.targets) == 1:
        return f"together, {decided.words[0]}"
    return f"together, an output each: {listed(targets)}"


def _of_columns(survey: _Survey, decisions: Mapping[str, Decision], targets: tuple[str, ...]) -> Iterator[str]:
    for name, decision in decisions.items():
        stats = survey.stats[name]
        if decision.kind == "ignore" and name not in targets:
            yield f"column {name!r} is left out: {decision.why}"
        elif stats.missing > _MOSTLY_MISSING * stats.rows:
            share = percent(stats.missing / stats.rows)
            yield f"column {name!r} is missing in {share} of the rows ({stats.missing:,} of {stats.rows:,})"
        if decision.warning and name not in targets:
            yield f"column {name!r} is taken for {NOUNS[decision.kind]} ({decision.why}); {decision.warning}"
        if decision.kind == "category" and (alike := _alike(stats)):
            yield (
                f"{alike[0]!r} and {alike[1]!r} are two values of column {name!r}, and differ only in case or spaces; "
                "if they are the same, write them alike"
            )
        if np.isinf([stats.moments.low, stats.moments.high]).any() and stats.moments.count.any():
            yield f"column {name!r} holds infinite numbers; correct them, or leave them empty"


def _alike(stats: ColumnStats) -> tuple[str, str] | None:
    """Two texts that differ only in case or spaces; the first of them, if there are any."""
    known: dict[str, str] = {}
    for value in stats.distinct.counts:
        text = str(value)
        other = known.setdefault(" ".join(text.casefold().split()), text)
        if other != text:
            return other, text
    return None


def _of_target(
    survey: _Survey, decisions: Mapping[str, Decision], targets: tuple[str, ...], described: DescribedTarget
) -> Iterator[str]:
    target, task = described.name, described.task
    if task is None:
        return
    if described.doubt:
        yield f"target {target!r} is taken for {task} ({described.why}); {described.doubt}"
    stats = survey.stats[target]
    if task == "classification" and not stats.column.shape:
        yield from _imbalance(target, stats)
    if task == "regression":
        yield from _lost_digits(target, stats)
    if stats.missing:
        yield f"target {target!r} is missing in {stats.missing:,} of {stats.rows:,} rows, from which nothing is learned"
    if target in survey.samples:
        tried = {
            name: sample.rows
            for name, sample in survey.samples.items()
            if name not in targets and decisions[name].kind != "ignore"
        }
        for name, how_well in giveaways(tried, survey.samples[target].rows, task).items():
            yield (
                f"column {name!r} alone tells {target!r} {how_well}: if it is not known when a prediction is made, "
                f"leave it out with columns={{{name!r}: 'ignore'}}"
            )


def _lost_digits(target: str, stats: ColumnStats) -> Iterator[str]:
    try:
        lost = lost_digits(target, stats.moments)
    except InvalidJob as error:
        lost = error.message
    if lost:
        yield lost


def _imbalance(target: str, stats: ColumnStats) -> Iterator[str]:
    ordered: Sequence[tuple[object, int]] = stats.distinct.counts.most_common()
    (commonest, most), (rarest, fewest) = ordered[0], ordered[-1]
    if most > _IMBALANCE * fewest:
        yield (
            f"the classes of {target!r} are out of balance: {most:,} rows of {commonest!r}, {fewest:,} of {rarest!r}; "
            "look at precision and recall of each class, and consider class_weights='balanced'"
        )


def _of_rows(survey: _Survey) -> Iterator[str]:
    if count := survey.duplicates.count():
        about = "" if survey.duplicates.exact else "about "
        aside = f", but for {', '.join(map(repr, survey.keys))}" if survey.keys else ""
        yield (
            f"{about}{count:,} of {survey.rows:,} rows are equal to an earlier one{aside}: a validation split "
            "would have rows that were trained on"
        )
