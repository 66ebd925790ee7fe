"""Reading what a job trains on: rows or windows, how they are split, and what their columns are."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from stoker.errors import InvalidJob
from stoker.kinds import Train, as_data
from stoker.models.columns import TARGET_NAMES
from stoker.models.data import MASK, choices, select_columns
from stoker.models.learned_from import LearnedFrom
from stoker.models.signature import Forecasting, Signature

from .continued_data import read_continued_data
from .data import Source
from .preprocessing.division import divide
from .preprocessing.forecasting import forecast_data
from .preprocessing.profile import Profile, profile
from .preprocessing.scaling import scaling_words, with_scaling
from .preprocessing.split import UNUSED, NotedSplit, Split
from .run import Run
from .used_data import OpenedData, first_data, open_used

_LABELS = "it is called as a target is; name it in features to reconstruct it as well"


@dataclass(frozen=True)
class TrainingData:
    """What a job trains on.

    Attributes:
        why: which rows are held out, in words.
        learned_from: the same for the manifest, but for other data that are validated on.
        forecast: how windows are cut, where the rows are windows.
    """

    source: Source
    split: Split
    profile: Profile
    why: str
    learned_from: LearnedFrom
    forecast: Forecasting | None = None

    def signed(self, signature: Signature) -> Signature:
        """A model's signature with how its windows are cut."""
        return signature.model_copy(update={"forecast": self.forecast}) if self.forecast else signature


def read_training_data(spec: Train, run: Run, seed: int, *, again: bool = False) -> TrainingData:
    """Open a job's data, split it, and read it once.

    Args:
        again: whether that is what its version has learned from, as it was read and split then.

    Raises:
        InvalidJob: it cannot be learned from.
        Stopped: a stop was requested.
        Unavailable: it cannot be reached.
    """
    if spec.init_from is not None:
        continued = read_continued_data(spec, run, seed, again=again)
        split, why = continued.division.split, continued.division.why
        return TrainingData(continued.source, split, continued.profile, why, continued.learned_from)
    named = (spec.targets,) if isinstance(spec.targets, str) else spec.targets or (MASK,)
    masks = named if spec.task == "pixels" else ()
    opened = open_used(spec.data, "train", run, names=_named(spec), image_size=spec.image_size, masks=masks)
    source = opened.source
    if spec.forecast is not None:
        return _windows(spec, opened, seed, run)
    names = [column.name for column in source.columns]
    weight = () if spec.sample_weight is None else (spec.sample_weight,)
    targets, _ = select_columns(names, spec.targets, spec.features, str(spec.data), weight)
    for name in spec.limits:
        if name not in names:
            raise InvalidJob(f"limits names {name!r}, which {spec.data} has not; it has {choices(name, names)}")
    division = divide(spec, source, targets, seed, run)
    labels = dict.fromkeys(TARGET_NAMES, _LABELS) if spec.task == "reconstruction" else {}
    noted = NotedSplit(division.split)
    profiled = profile(
        source,
        noted,
        run,
        ref=str(spec.data),
        target=spec.targets,
        features=spec.features,
        task=None if spec.task == "reconstruction" else spec.task,
        tasks={name: output.task for name, output in spec.outputs.items()} if spec.outputs else None,
        kinds=as_data(spec.data).columns,
        limits=spec.limits,
        weight=spec.sample_weight,
        set_aside={**{name: why for name, why in labels.items() if name in names}, **division.set_aside},
    )
    if spec.scaling:
        profiled = with_scaling(profiled, spec.scaling)
        run.say(*scaling_words(profiled))
    learned_from = first_data(spec, seed, opened.used, noted)
    return TrainingData(source, division.split, profiled, division.why, learned_from)


def _named(spec: Train) -> Iterator[str]:
    """The columns that a job names."""
    yield from (spec.targets,) if isinstance(spec.targets, str) else spec.targets or ()
    yield from spec.features or ()
    yield from filter(None, (spec.group, spec.time, spec.sample_weight))
    if isinstance(spec.stratify, str):
        yield spec.stratify
    if spec.forecast is not None:
        yield from filter(None, (spec.forecast.time, spec.forecast.series))


def _windows(spec: Train, opened: OpenedData, seed: int, run: Run) -> TrainingData:
    assert spec.forecast is not None
    data = forecast_data(spec, spec.forecast, opened.source, run)
    profiled = profile(
        data.windows,
        data.division.split,
        run.silent,  # it would speak of windows as of rows that somebody wrote
        ref=str(spec.data),
        target=spec.target,
        features=(data.tensor,),
        task="regression",
        kinds={data.tensor: "sequence"},
        limits=spec.limits,
    )
    every = data.division.split.sides({data.tensor: np.empty(data.windows.rows)}, 0)
    if gaps := int((every != UNUSED).sum()) - profiled.rows - profiled.held_out:
        left = f"{profiled.rows:,} remain to train on, {profiled.held_out:,} to validate on"
        run.say(f"{gaps:,} windows are neither trained on nor measured, for their horizon has gaps; {left}")
    # Whether training had gaps or not: one step that lacks shall not keep a series from being forecast.
    inputs = tuple(each.model_copy(update={"gaps": True}) for each in profiled.inputs)
    profiled = replace(profiled, inputs=inputs, columns=data.columns, task_why="forecast says so")
    learned_from = first_data(spec, seed, opened.used)
    return TrainingData(data.windows, data.division.split, profiled, data.division.why, learned_from, data.forecast)
