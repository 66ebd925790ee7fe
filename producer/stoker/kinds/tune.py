"""The `Tune` job: search for the settings of a training, or of a function, that are best by a metric."""

from collections.abc import Callable
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from ..errors import InvalidJob
from ..models.manifest import Alias
from .base import JobSpec
from .compare import Compare
from .data import Data, OptionalDataRef, as_data
from .kind import Kind, SubmitChecks, with_fields
from .needs import package_word
from .rules import Rule, of_output
from .run import KIND as RUN
from .run import Run
from .train import KIND as TRAIN
from .train import Train
from .training.fitting import Monitored, refuse_unmeasured
from .training.outputs import metric_name
from .tuning.goal import Goal
from .tuning.halving import Halving
from .tuning.space import Space
from .tuning.template import Template
from .tuning.tuned import TuneResult

MOST_TRIALS = 1_000
MOST_COMBINATIONS = 100_000
# A tuning reads the specs of all its trials at each step.
_MOST_BYTES_OF_TRIALS = 64 << 20
_SAMPLE = "sample://"
# One in so many trials goes on at each rung.
_KEEP = 3
# The shares of a training's epochs after which trials are held against each other.
_RUNGS = (1 / 9, 1 / 3)
# What a comparison calls the metrics of a training's history that it has by other names.
_COMPARED = {"auc": "roc_auc"}
# What is said of the tuning, not of each of its jobs.
_OF_THE_TUNING = ("alias", "after", "not_before", "priority", "fold", "trial")


class Tune(JobSpec[TuneResult]):
    """Search for the settings of a job by which a metric is largest or smallest.

    Each trial is a job of its own, which registers nothing. The tuning waits for them without a slot, and is queued
    again when one has ended; what it knows, it reads off its trials, so that a lost worker costs it nothing.

        Tune(
            job=Train(model="digits", data="sample://digits", epochs=20),
            space={
                "optimizer.learning_rate": Float(1e-4, 1e-1, log=True),
                "architecture.hidden": Choice([[64], [128, 64]]),
            },
            goal="max val_accuracy",
        )

    Attributes:
        job: what each trial does, with other settings. Its seed is that of all trials, so that all have the same rows
            for validation; None draws one for all.
        space: what to choose, by name: fields of a training, "batch_size" or "optimizer.learning_rate", or arguments of
            a function, "weeks" or "args.weeks". A bare list is a `Choice`.
        goal: "max" or "min" and a metric: of a training a name of its history, such as "val_accuracy"; of a function a
            name in what it returns. One that returns a plain number has that for its metric, whatever it is called.
        trials: how many there are at most, pruned and failed ones too; none has the settings of another one.
        budget_s: seconds since the tuning began, after which it takes no more and ends with what it has; trainings get
            what is left as their own `budget_s`, functions as their `timeout`.
        slot_hours: hours that all trials may have run together, after which it ends likewise.
        sampler: "tpe" learns from the trials before (Optuna's tree of Parzen estimators, ten at random first), "random"
            does not, "grid" takes every combination, in random order; each range then needs a step.
        prune: end trials that are worse than two thirds of those that were as far, by `rungs`. A training with folds,
            and a function that says nothing of its epochs, is not pruned.
        rungs: after which epochs trials are held against each other; None takes a ninth and a third of a training's.
        parallel: how many trials run at once; None takes one for each slot, and one more if there are several, so that
            none stands idle while the next one is thought of.
        seed: for the proposals; with the same one, and the same trials before, the next one is the same.
        finish: "retrain" trains the best settings on all rows, for as many epochs as were best; "same" trains them
            again on the rows of the trial, which gives the trial's weights; the model is registered. A function is
            called again, and what it registers is registered. "none" ends with the result.
        alias: what shall point at the new version if it is better by the goal's metric on `test_data` than the version
            that it points at; None moves none.
        test_data: rows that no trial has seen, for that; None takes the test part of a sample set.
        min_metrics: the least that metrics of the best trial must be for the last training to be done.
    """

    kind: Literal["tune"] = "tune"
    job: Annotated[Train | Run, Field(discriminator="kind")]
    space: Space
    goal: str = Field(max_length=300)
    trials: int = Field(default=50, ge=1, le=MOST_TRIALS)
    budget_s: float | None = Field(default=None, gt=0)
    slot_hours: float | None = Field(default=None, gt=0)
    sampler: Literal["tpe", "random", "grid"] = "tpe"
    prune: bool = True
    rungs: tuple[Annotated[int, Field(ge=1)], ...] | None = Field(default=None, min_length=1, max_length=32)
    parallel: int | None = Field(default=None, ge=1, le=256)
    seed: int | None = Field(default=None, ge=0, lt=2**32)
    finish: Literal["retrain", "same", "none"] = "retrain"
    alias: Alias | None = None
    test_data: OptionalDataRef = Field(default=None, validate_default=True)
    min_metrics: dict[str, float] = Field(default_factory=dict, max_length=16)

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        goal = Goal.parse(self.goal)
        fields = type(self.job).model_fields
        for name in _OF_THE_TUNING:
            if name in fields and getattr(self.job, name) != fields[name].default:
                raise InvalidJob(
                    f"job.{name} is set, and its trials cannot have it: say it of the Tune, or leave it out"
                )
        template = Template(self.job, self.space)
        if self.sampler == "grid":
            _refuse_endless_grid(template)
        if isinstance(self.job, Train):
            refuse_unmeasured(self.job, "the goal", Monitored(monitor=goal.metric, mode=goal.mode))
        if self.rungs is not None:
            Halving(monitor=goal.metric, mode=goal.mode, rungs=self.rungs)
        if self.alias is not None:
            self._refuse_wrong_gate()
        elif self.test_data is not None:
            raise InvalidJob("test_data is what an alias is moved by, and there is none: set alias, or leave it out")
        if self.finish == "none" and (self.alias or self.min_metrics):
            raise InvalidJob("alias and min_metrics are of the last training, which finish='none' leaves out")
        return self

    @property
    def template(self) -> Template:
        """The job with its space."""
        return Template(self.job, self.space)

    @property
    def model(self) -> str:
        """The name of the model that the last training registers; "" if there is none, or a function says it."""
        return self.job.model if isinstance(self.job, Train) and self.finish != "none" else ""

    @property
    def halving(self) -> Halving | None:
        """How trials are pruned; None if they are not."""
        rungs = self.rungs
        if not self.prune:
            return None
        if isinstance(self.job, Train):
            if self.job.folds is not None or "folds" in self.space:
                return None
            epochs = max(self.space["epochs"].corners) if "epochs" in self.space else self.job.epochs
            rungs = rungs or tuple(sorted({round(epochs * share) for share in _RUNGS} - {0, epochs}))
        if not rungs:
            return None
        goal = Goal.parse(self.goal)
        return Halving(monitor=goal.metric, mode=goal.mode, rungs=rungs, keep=_KEEP)

    @property
    def compared_on(self) -> str | Data | None:
        """The rows on which the new version is held against that under the alias."""
        if self.test_data is None and isinstance(self.job, Train) and as_data(self.job.data).ref.startswith(_SAMPLE):
            return self.job.data
        return self.test_data

    @property
    def rule(self) -> str:
        """The rule by which one of them is chosen.

        Raises:
            InvalidJob: comparisons do not measure the goal's metric.
        """
        goal = Goal.parse(self.goal)
        metric = metric_name(goal.metric.removeprefix("val_"))
        output = next((name for name in _outputs(self.job) if metric.startswith(f"{name}_")), None)
        own = metric if output is None else metric.removeprefix(f"{output}_")
        own = _COMPARED.get(own, own)
        rule = f"{goal.mode} {own if output is None else of_output(_quoted(output), own)}"
        try:
            Rule.parse(rule)
        except InvalidJob as error:
            raise InvalidJob(
                f"alias is moved by a comparison, which does not measure {own!r}: leave alias out, or take another "
                f"metric; {error.message}"
            ) from None
        return rule

    def _refuse_wrong_gate(self) -> None:
        if self.compared_on is None:
            raise InvalidJob(
                "alias is moved to a version that is better than the one it points at, on rows that no trial has seen: "
                "name them as test_data, or leave alias out"
            )
        Compare(models=("new", "old"), data=self.compared_on, choose=self.rule)


def _refuse_endless_grid(template: Template) -> None:
    for name, parameter in template.space.items():
        if parameter.count is None:
            raise InvalidJob(f"a grid has every value of {name!r}, of which there is no end: give it a step")
    whole = 1
    for parameter in template.space.values():
        whole *= parameter.count or 1
    if whole > MOST_COMBINATIONS:
        raise InvalidJob(
            f"the grid has {whole:,} combinations and may have {MOST_COMBINATIONS:,}: take larger steps, fewer "
            "options, or sampler='tpe'"
        )


def _refuse_vast_trials(spec: Tune) -> None:
    size = len(spec.job.model_dump_json())
    if size * spec.trials > _MOST_BYTES_OF_TRIALS:
        raise InvalidJob(
            f"its {spec.trials:,} trials are {size:,} bytes of JSON each, {size * spec.trials:,} in all, and may be "
            f"{_MOST_BYTES_OF_TRIALS:,}: take fewer trials, or put what is large into a file"
        )


def _outputs(job: Train | Run) -> tuple[str, ...]:
    return job.targets if isinstance(job, Train) and isinstance(job.targets, tuple) else ()


def _quoted(output: str) -> str:
    return output if output.isidentifier() else f'"{output}"'


def _check(spec: Tune, checks: SubmitChecks) -> Tune:
    _refuse_vast_trials(spec)
    spec.template.refuse_wrong_corners()
    job = TRAIN.check(spec.job, checks) if isinstance(spec.job, Train) else RUN.check(spec.job, checks)
    test_data = None
    if spec.test_data is not None:
        target = spec.job.targets if isinstance(spec.job, Train) else None
        test_data = checks.preflight(spec.test_data, target=target, features=None, labelled=True)
    return with_fields(spec, job=job, test_data=test_data)


class _TuneKind(Kind[Tune]):
    """The kind whose jobs read the models that the trials read."""

    def models(self, spec: Tune) -> tuple[str, ...]:
        return TRAIN.models(spec.job) if isinstance(spec.job, Train) else ()

    def with_models(self, spec: Tune, named: Callable[[str], str]) -> Tune:
        return with_fields(spec, job=TRAIN.with_models(spec.job, named)) if isinstance(spec.job, Train) else spec


def _summary(spec: Tune) -> str:
    of = TRAIN.summary(spec.job) if isinstance(spec.job, Train) else RUN.summary(spec.job)
    return f"{spec.goal}, {spec.trials} trials of {of}"[:200]


KIND = _TuneKind(
    name="tune",
    spec=Tune,
    queue="train",
    usual_s=3.0,
    gains_by_gpu=True,
    makes="model",
    may_have_children=lambda _: True,
    trial=lambda spec: spec.job,
    needs=lambda _: (package_word("optuna"),),
    summary=_summary,
    work=lambda spec: {"trials": spec.trials},
    check=_check,
)
