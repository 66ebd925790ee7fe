"""Reading what a job trains on that goes on from a version: by the version's columns, and for what it predicts."""

from dataclasses import dataclass, replace

from stoker.errors import InvalidJob
from stoker.events import Log
from stoker.kinds import Train
from stoker.models.data import listed
from stoker.models.manifest import ModelVersion, Signature

from .columns.task import TaskName
from .data import Source
from .opening import open_data
from .preprocessing.division import Division, divide
from .preprocessing.profile import Profile, profile
from .preprocessing.target import Target, truth_columns
from .run import Run


@dataclass(frozen=True)
class ContinuedData:
    """What a job trains on that goes on from a version.

    Attributes:
        profile: of the version's columns; its targets have the version's classes, unless the data have others.
    """

    source: Source
    division: Division
    profile: Profile


def read_continued_data(spec: Train, run: Run, seed: int) -> ContinuedData:
    """Open a job's data as its version takes them, split them, and read them once; what differs is said.

    Raises:
        InvalidJob: they do not fit the version.
        Stopped: a stop was requested.
        Unavailable: they cannot be reached.
    """
    [version] = run.models
    signature = version.signature
    source = open_data(spec.data, "train", run, signature)
    targets = (spec.target,) if isinstance(spec.target, str) else truth_columns(signature)
    division = divide(spec, source, targets, seed, run)
    profiled = profile(
        source,
        division.split,
        # It would speak of how columns are taken, which the version says.
        replace(run, emit=lambda event: None if isinstance(event, Log) else run.emit(event)),
        ref=str(spec.data),
        target=targets if len(targets) > 1 else targets[0],
        features=[column for tensor in signature.inputs for column in tensor.columns or (tensor.name,)],
        task=None if signature.parts else _task(signature),
        tasks={name: _task(part) for name, part in signature.parts.items()} if signature.parts else None,
        weight=spec.sample_weight,
    )
    run.say(
        f"goes on from {version.ref}: its network and weights, and what prepares its columns, whose means and "
        "vocabularies stay those of its own training"
    )
    continued = [
        _target(part, target, version, run)
        for part, target in zip(signature.each.values(), profiled.targets, strict=True)
    ]
    return ContinuedData(
        source,
        division,
        replace(
            profiled,
            inputs=signature.inputs,
            targets=tuple(continued),
            columns=version.columns,
            task_why=f"as {version.ref}",
        ),
    )


def _task(signature: Signature) -> TaskName:
    match signature.task:
        case "multilabel":
            return "multilabel"
        case "regression":
            return "regression"
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
        return replace(new, name=part.outputs[0].name)
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
    rows = dict(zip(new.classes, new.class_rows, strict=True))
    return replace(
        new,
        name=part.outputs[0].name,
        task=part.task,
        classes=part.classes,
        class_rows=tuple(rows.get(label, 0) for label in part.classes),
    )
