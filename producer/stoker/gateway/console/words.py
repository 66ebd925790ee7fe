"""Moments, states and sizes as the console writes them."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from urllib.parse import urlencode

from ...events import JobState, Progress
from ...foresight.eta import Eta
from ...kinds.describe import percent
from ...status import JobStatus
from ...terminal.amounts import ago, duration
from ...terminal.html import Html, tag
from .page import ROOT, link

_SHORT_ID = 8
_OF_JOB = "job:"
# A state is told by its word and by a sign, not by its colour alone.
_SIGNS = {
    JobState.WAITING: "◌",
    JobState.QUEUED: "○",
    JobState.RUNNING: "◐",
    JobState.SUCCEEDED: "●",
    JobState.FAILED: "✕",
    JobState.CANCELLED: "⊘",
    JobState.DEAD: "✝",
    JobState.PRUNED: "◍",
}


def moment(at: datetime | None) -> Html:
    """How long ago a moment was, with the moment itself; "" for none."""
    if at is None:
        return Html("")
    return tag("time", ago(at), datetime=at.isoformat(), title=f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC")


def took(status: JobStatus) -> str:
    """For how long a job has run; "" for one that never did."""
    if status.started_at is None:
        return ""
    return duration(((status.finished_at or datetime.now(UTC)) - status.started_at).total_seconds())


def state_badge(state: JobState, *, paused: bool = False) -> Html:
    """A state by sign, word and colour."""
    word = "PAUSED" if paused and not state.final else str(state)
    sign = tag("span", _SIGNS.get(state, "?"), aria_hidden="true")
    return tag("span", sign, f" {word.lower()}", class_=f"state {word.lower()}")


def job_link(job_id: str) -> Html:
    """A link to a job, by the first characters of its id."""
    return link(f"{ROOT}/jobs/{job_id}", job_id[:_SHORT_ID], class_="id", title=job_id)


def model_link(ref: str) -> Html:
    """A link to a model or one of its versions, or to the job that is to make it."""
    if ref.startswith(_OF_JOB):
        return tag("span", "of job ", job_link(ref.removeprefix(_OF_JOB)))
    name, _, version = ref.partition("@")
    if not name:
        return Html("")
    return link(f"{ROOT}/models/{name}" + (f"/{version}" if version else ""), ref)


def progress_bar(status: JobStatus, eta: Eta | None = None) -> Html:
    """How far a job is, and when it starts or ends; why it waits, or has ended, if that is known."""
    parts: list[str] = []
    if status.progress and not status.state.final:
        if (share := _share(status)) is not None:
            parts.append(tag("progress", "", value=f"{share:.3f}", max="1", aria_label=f"{percent(share)} done"))
        parts.append(f" {status.progress.words()} ")
    if eta and (brief := eta.brief()):
        parts.append(tag("span", brief, class_="eta", title=eta.because))
    if status.reason:
        parts.append(tag("span", status.reason, class_="why"))
    if status.outage:
        parts.append(tag("span", status.outage.reason, class_="why"))
    return tag("span", *parts, class_="progress")


def data_words(ref: str) -> Html:
    """A reference to data; an upload by its name alone, with the whole beside it."""
    return tag("span", re.sub("^store://[0-9a-f]{64}/", "", ref), title=ref, class_="data")


def metrics_words(metrics: Mapping[str, float]) -> str:
    """Metrics on one line, four digits each."""
    return ", ".join(f"{name} {value:.4g}" for name, value in metrics.items())


def tags_words(tags: Mapping[str, str]) -> Html:
    """Tags, each a link to the jobs that have it."""
    return tag("span", *(_tag(name, value) for name, value in tags.items()), class_="tags")


def _tag(name: str, value: str) -> Html:
    return link(f"{ROOT}/jobs?{urlencode({'tag': f'{name}={value}'})}", f"{name}={value}", class_="tag")


def _share(status: JobStatus) -> float | None:
    """How much of a job's present stage is done, 0 to 1; None if nobody knows."""
    match status.progress:
        case Progress(done=done, total=total) if total:
            return min(1.0, done / total)
        case None | Progress():
            return None
        case epoch:
            return min(1.0, epoch.epoch / epoch.epochs) if epoch.epochs else None
