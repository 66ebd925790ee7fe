"""Reading what a job trains on that goes on from a version: by the version's columns, and for what it predicts."""

from dataclasses import dataclass, replace

from stoker.errors import InvalidJob
from stoker.kinds import Train
from stoker.kinds.training.starting import refuse_wrong_version
from stoker.models.columns import ColumnKind
from stoker.models.data import listed
from stoker.models.learned_from import LearnedFrom, UsedData
from stoker.models.manifest import ModelVersion
from stoker.models.signature import Signature

from .added_data import NAME_ROWS, read_added_data, read_same_data
from .columns.task import TaskName
from .copies import Copies, WatchedSplit
from .data import Source
from .preprocessing.division import Division, divide
from .preprocessing.forecasting import divided_windows
from .preprocessing.profile import Profile, profile
from .preprocessing.split import NotedSplit
from .preprocessing.target import Target, truth_columns
from .run import Run
from .used_data import first_data, open_again, open_used, require_described


@dataclass(frozen=True)
class ContinuedData:
    """What a job trains on that goes on from a version.

    Attributes:
        profile: of the version's columns; its targets have the version's classes, unless the data have others.
    """

    source: Source
    division: Division
    profile: Profile
    learned_from: LearnedFrom


def read_continued_data(spec: Train, run: Run, seed: int, *, again: bool = False) -> ContinuedData:
    """Open a job's data as its version takes them, split them, and read them once; what differs is said.

    Args:
        again: whether that is what the version has learned from, as it was read and split then.

    Raises:
        InvalidJob: they do not fit the version.
        Stopped: a stop was requested.
        Unavailable: they cannot be reached.
    """
    [version] = run.models
    refuse_wrong_version(spec, version)
    signature = version.signature
    targets = (spec.target,) if isinstance(spec.target, str) else truth_columns(signature)
    reconstructs = signature.task == "reconstruction"
    task = None if signature.parts or reconstructs else _task(signature)
    job = spec.model_copy(update={"task": "reconstruction" if reconstructs else task})
    opened = _opened(job, version, targets, seed, run, again=again)
    noted = NotedSplit(opened.division.split)
    profiled = profile(
        opened.source,
        WatchedSplit(noted, opened.copies) if opened.copies else noted,
        run.silent,  # it would speak of how columns are taken, which the version says
        ref=str(spec.data),
        target=targets if len(targets) != 1 else targets[0],
        features=_features(signature),
        task=task,
        tasks={name: _task(part) for name, part in signature.parts.items()} if signature.parts else None,
        kinds=_kinds(signature) if reconstructs or signature.forecast else {},
        weight=spec.sample_weight,
    )
    run.say(
        f"goes on from {version.ref}: its network and weights, and what prepares its columns, whose means and "
        "vocabularies stay those of its own training"
    )
    if profiled.dropped:
        run.say(f"{profiled.dropped:,} rows without {' or '.join(map(repr, targets))} are left out")
    if opened.copies and opened.copies.rows:
        run.say(
            f"{opened.copies.rows:,} of the {opened.copies.validated:,} rows that are validated on are, column by "
            f"column, among those of {spec.data} too: if those are copies, leave them out, for val_ metrics tell "
            "nothing of rows that are trained on",
            level="warning",
        )
    continued = [
        _target(part, target, version, run)
        for part, target in zip(signature.each.values(), profiled.targets, strict=True)
    ]
    profiled = replace(
        profiled,
        inputs=signature.inputs,
        targets=tuple(continued),
        columns=version.columns,
        task_why="as that of the model that it was trained from",
    )
    learned_from = opened.learned_from
    if isinstance(learned_from, UsedData):
        learned_from = first_data(job, seed, learned_from, None if signature.forecast else noted)
    return ContinuedData(opened.source, opened.division, profiled, learned_from)


@dataclass(frozen=True)
class _Opened:
    """A job's rows, or windows of them.

    Attributes:
        learned_from: of data that are added to a version's, all of them.
        copies: of rows that are validated on, among added ones; None if none are added.
    """

    source: Source
    division: Division
    learned_from: UsedData | LearnedFrom
    copies: Copies | None = None


def _opened(
    job: Train, version: ModelVersion, targets: tuple[str, ...], seed: int, run: Run, *, again: bool
) -> _Opened:
    signature = version.signature
    if again and signature.forecast is None:
        same = read_same_data(job, version, targets, _features(signature), run)
        return _Opened(same.source, same.division, same.learned_from)
    if job.add_data is not None:
        added = read_added_data(job, version, targets, _features(signature), run)
        return _Opened(added.source, added.division, added.learned_from, added.copies)
    if again and version.learned_from is not None:
        opened = open_again(version.learned_from.data[0], "train", run, signature, version.ref, NAME_ROWS)
        learned_from: UsedData | LearnedFrom = version.learned_from
    else:
        opened = open_used(job.data, "train", run, signature)
        require_described(job.data, opened.source)
        learned_from = opened.used
    if signature.forecast is None:
        return _Opened(opened.source, divide(job, opened.source, targets, seed, run), learned_from)
    windows, division = divided_windows(job, opened.source, signature.forecast, signature.inputs[0].name, run)
    return _Opened(windows, division, learned_from)


def _features(signature: Signature) -> list[str]:
    return [column for tensor in signature.inputs for column in tensor.columns or (tensor.name,)]


def _kinds(signature: Signature) -> dict[str, ColumnKind]:
    """What the version's columns hold, as far as it says so."""
    return {
        column: tensor.kind for tensor in signature.inputs if tensor.kind for column in tensor.columns or (tensor.name,)
    }


def _task(signature: Signature) -> TaskName:
    match signature.task:
        case "multilabel":
            return "multilabel"
        case "regression":
            return "regression"
        case "pixels":
            return "pixels"
    return "classification"


def _target(part: Signature, new: Target, version: ModelVersion, run: Run) -> Target:
    """What an output is to predict: what it did, but for classes that it does not know."""
    named = ", ".join(map(repr, new.columns))
    if not part.classes:
        units = part.outputs[0].shape
        if (new.shape or (1,)) != units:
            raise InvalidJob(
                f"target {named} has rows of shape {new.shape}, and {version.ref} predicts the shape {units}: give "
                "data with as many numbers"
            )
        return replace(new, name=part.outputs[0].name, spreads=part.spreads)
    unknown = [label for label in new.classes if label not in part.classes]
    if unknown and version.signature.parts:
        raise InvalidJob(
            f"target {named} has classes that {version.ref} does not know, {listed(unknown)}; a model of several "
            "outputs goes on with those that it has: leave these rows out, or train a model anew"
        )
    if unknown:
        dropped = [label for label in part.classes if label not in new.classes]
        told = f"target {named} has classes that {version.ref} does not know, {listed(unknown)}: the last layer is new"
        shared = [label for label in new.classes if label in part.classes]
        told += f", and begins with the weights of those that it knows, {listed(shared)}" if shared else ""
        told += f"; it no longer knows {listed(dropped)}, of which the data have no row" if dropped else ""
        run.say(told, level="warning" if dropped else "info")
        return replace(new, name=part.outputs[0].name)
    if lacking := [label for label in part.classes if label not in new.classes]:
        run.say(
            f"target {named} has {len(new.classes)} of the {len(part.classes)} classes of {version.ref}, which goes on "
            f"knowing them all; the data have no row of {listed(lacking)}",
            level="warning",
        )
    # Of labels in a column each, rows are not counted.
    rows = dict(zip(new.classes, new.class_rows, strict=True)) if new.class_rows else {}
    return replace(
        new,
        name=part.outputs[0].name,
        task=part.task,
        classes=part.classes,
        class_rows=tuple(rows.get(label, 0) for label in part.classes) if rows else (),
    )
