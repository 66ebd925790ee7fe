"""Searches for settings: all of them, and one with its trials, the best so far, and what its report draws."""

import asyncio
import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from ...client.aio import AsyncClient
from ...errors import JobNotFound, StokerError
from ...events import Epoch, JobState
from ...kinds import Result, Run, RunResult, Train, TrainResult, Tune, TunedTrial, TuneResult
from ...kinds.tuning.goal import Goal
from ...kinds.tuning.space import from_numbers
from ...kinds.tuning.tuned import cell
from ...status import JobStatus
from ...terminal.amounts import duration
from ...terminal.html import Html, tag
from ..auth.scopes import visible
from ..jobs.listing import Wanted, found_jobs
from ..problems import Problem
from ..routes import Caller, Client, needs
from .charts import chart
from .page import ROOT, console_router, facts, link, listed, page, section
from .reports import plots
from .words import job_link, model_link, moment, progress_bar, state_badge, took

ROUTES = console_router()
_KIND = "tune"
_SEARCHES = 50
# Of one that goes on, each trial is read by itself; of one that has ended, all are in its result.
_LIVE, _LISTED = 60, 200
_HEAD = ("Search", "Model", "State", "Goal", "Submitted", "Took", "Progress")


@dataclass(frozen=True)
class _Trial:
    """A trial, as the page shows it; `value` is the newest while it runs, None without any."""

    number: int
    job: str
    state: JobState
    value: float | None
    epochs: int | None
    seconds: str
    settings: Mapping[str, object]
    reason: str = ""


@dataclass(frozen=True)
class _Search:
    """A search, as far as it is; `is_part` says that it has older trials than these."""

    goal: Goal
    trials: Sequence[_Trial]
    is_part: bool
    result: TuneResult | None = None
    names: Sequence[str] = field(default=())

    @property
    def best(self) -> _Trial | None:
        """The best of those that have ended well."""
        ended = [trial for trial in self.trials if trial.state is JobState.SUCCEEDED and trial.value is not None]
        return max(ended, key=lambda trial: self.goal.sign * (trial.value or 0.0), default=None)

    @property
    def ranking(self) -> list[_Trial]:
        """The trials, the best first; those without a value last."""

        def place(trial: _Trial) -> tuple[bool, bool, float, int]:
            value = math.inf if trial.value is None else -self.goal.sign * trial.value
            return trial.value is None, trial.state is not JobState.SUCCEEDED, value, trial.number

        return sorted(self.trials, key=place)


@ROUTES.get("/tune", openapi_extra=needs("read"))
async def searches(request: Request, client: Client, key: Caller) -> Response:
    """The newest searches."""
    found = await found_jobs(client, key, Wanted(kind=_KIND), _SEARCHES, None)
    rows = [
        (
            link(f"{ROOT}/tune/{status.id}", status.id[:8], class_="id", title=status.id),
            model_link(status.model),
            state_badge(status.state, paused=status.paused is not None),
            await _goal(client, status),
            moment(status.submitted_at),
            _took(status),
            progress_bar(status),
        )
        for status in found.jobs
    ]
    table = listed("Searches, the newest first", _HEAD, rows, none="Nothing was searched for: a Tune job does.")
    return page(request, "Tuning", table, follows="jobs")


@ROUTES.get("/tune/{job_id}", openapi_extra=needs("read"))
async def search(request: Request, client: Client, key: Caller, job_id: str) -> Response:
    """One search."""
    handle, status = await visible(key, client, job_id)
    spec = await handle.spec()
    if not isinstance(spec, Tune):
        raise Problem(404, "NotFound", f"job {job_id} searches for nothing: it is a {status.kind} job")
    result = await _result_of(client, status)
    tuned = result if isinstance(result, TuneResult) else None
    trials, is_part = (_of_result(tuned), False) if tuned else await _so_far(client, spec, job_id)
    found = _Search(Goal.parse(spec.goal), trials, is_part, tuned, list(spec.space))
    best = "Best settings" if tuned else "Best of the newest trials" if is_part else "Best so far"
    drawn = await plots(request, handle) if tuned else _chart(found)
    return page(
        request,
        f"Tuning {status.model or status.summary}",
        tag(
            "div",
            _summary(status, spec, found),
            section(best, _best(found)),
            class_="beside",
        ),
        section("Plots", drawn),
        section("Trials", _table(found)),
        # One that has ended stays as it is: its report need not be read at every news.
        follows="" if status.state.final else "jobs",
    )


async def _goal(client: AsyncClient, status: JobStatus) -> str:
    try:
        spec = await (await client.job(status.id)).spec()
    except StokerError:
        # Its page says why; the others are to be seen.
        return ""
    return spec.goal if isinstance(spec, Tune) else ""


async def _result_of(client: AsyncClient, status: JobStatus) -> Result | None:
    """What a job has given; None if it has not, or that cannot be had."""
    if status.state is not JobState.SUCCEEDED:
        return None
    try:
        return await (await client.job(status.id)).result(0)
    except StokerError:
        # Its state says why; the page of the job, in words.
        return None


def _of_result(result: TuneResult) -> list[_Trial]:
    return [_ended(trial) for trial in result.trials]


def _ended(trial: TunedTrial) -> _Trial:
    state = JobState.CANCELLED if trial.state == "OPEN" else JobState(trial.state)
    seconds = duration(trial.run_s)
    return _Trial(
        trial.number, trial.job, state, trial.value, trial.epochs, seconds, trial.settings, trial.reason or ""
    )


async def _so_far(client: AsyncClient, spec: Tune, job_id: str) -> tuple[list[_Trial], bool]:
    """The newest trials of a search that goes on, or has ended without a result; whether there may be older ones."""
    children = await client.jobs(parent=job_id, limit=_LIVE)
    found = await asyncio.gather(*(_trial(client, spec, child) for child in children))
    return sorted((trial for trial in found if trial), key=lambda trial: trial.number), len(children) == _LIVE


async def _trial(client: AsyncClient, search: Tune, status: JobStatus) -> _Trial | None:
    """A job as a trial; None for the last training, for a comparison, and for one that has been forgotten just now."""
    try:
        spec = await (await client.job(status.id)).spec()
    except JobNotFound:
        return None
    trial = spec.trial if isinstance(spec, Train | Run) else None
    if trial is None or trial.note:
        return None
    metrics = _metrics(await _result_of(client, status), status)
    value = metrics.get(Goal.parse(search.goal).metric)
    value = float(value) if isinstance(value, int | float) and math.isfinite(value) else None
    epoch = status.progress.epoch if isinstance(status.progress, Epoch) else None
    settings = from_numbers(search.space, trial.settings)
    return _Trial(
        trial.number, status.id, status.state, value, epoch, took(status), settings,
        status.reason or "",
    )  # fmt: skip


def _metrics(result: Result | None, status: JobStatus) -> Mapping[str, Any]:
    """What a trial has measured, at its end or by now."""
    match result:
        case TrainResult():
            return result.metrics
        case RunResult(value=Mapping()):
            return dict(result.value)
    return status.progress.metrics if isinstance(status.progress, Epoch) else {}


def _summary(status: JobStatus, spec: Tune, found: _Search) -> Html:
    result = found.result
    rows = [
        ("State", state_badge(status.state, paused=status.paused is not None)),
        ("Progress", progress_bar(status) if not status.state.final else ""),
        ("Goal", spec.goal),
        ("Job", job_link(status.id)),
        ("Submitted", moment(status.submitted_at)),
        ("Took", _took(status)),
        ("Ended, for", result.why if result else ""),
        ("Model", model_link(result.model) if result and result.model else ""),
        ("What came of it", "; ".join(result.notes) if result else ""),
    ]
    return facts(rows)


def _took(status: JobStatus) -> str:
    """For how long a search has gone on: its own attempts are moments."""
    return duration(((status.finished_at or datetime.now(UTC)) - status.submitted_at).total_seconds())


def _best(found: _Search) -> Html:
    best = found.best
    if best is None:
        return tag("p", "No trial has ended well yet.", class_="none")
    value = found.result.value if found.result else best.value or 0.0
    settings = found.result.settings if found.result else best.settings
    shown = tag("p", f"{found.goal.metric} {value:.4g}", class_="big")
    by = tag("p", "in ", _trial_link(best), class_="hint")
    return tag("div", shown, by, facts([(name, cell(value)) for name, value in settings.items()]))


def _chart(found: _Search) -> Html:
    """The value of each trial, and the best so far, while there is no report."""
    ended = [(float(each.number), each.value) for each in found.trials if each.value is not None and each.state.final]
    if not ended:
        return tag("p", "No trial has ended yet.", class_="none")
    better = max if found.goal.mode == "max" else min
    best = list(itertools.accumulate((value for _, value in ended), better))
    so_far = [(number, value) for (number, _), value in zip(ended, best, strict=True)]
    line = "the best of these" if found.is_part else "the best so far"
    return tag("div", chart(found.goal.metric, {"of each trial": ended, line: so_far}, over="trial"), class_="charts")


def _trial_link(trial: _Trial) -> Html:
    # The first characters of the jobs of a search are all the same.
    return link(f"{ROOT}/jobs/{trial.job}", f"trial {trial.number}")


def _table(found: _Search) -> Html:
    head = ("Trial", "State", found.goal.metric, "Epochs", "Took", *found.names, "Why")
    rows = [
        (
            _trial_link(trial),
            state_badge(trial.state),
            "" if trial.value is None else f"{trial.value:.4g}",
            "" if trial.epochs is None else str(trial.epochs),
            trial.seconds,
            *(cell(trial.settings[name]) if name in trial.settings else "" for name in found.names),
            trial.reason,
        )
        for trial in found.ranking[:_LISTED]
    ]
    table = listed("Trials, the best first", head, rows, none="It has asked for none yet.")
    is_part = found.is_part or len(found.trials) > len(rows)
    return tag("div", table, tag("p", f"These are {len(rows)} of them.", class_="hint") if is_part else "")
