"""From what was read of a fleet to when its jobs start and end."""

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from random import Random

from ..kinds import KINDS
from .course import Course, Fleet, Outlook, by_rate
from .estimates import Estimate, Example, Shown
from .look import JobLook, Look

# What a kind that this version does not know is taken to run.
_UNKNOWN_S = 20.0
# Courses that are drawn: more of short queues, so that one answer takes a fraction of a second.
_MOST_COURSES, _LEAST_COURSES, _STARTS = 100, 40, 6_000
# How far the pace of a job may mislead, as the spread of a logarithm, when a hundredth of it is done.
_PACE_SPREAD = 1.5
# Of a job of which less is done, the pace says nothing.
_LEAST_SHARE = 0.01
# Fewer jobs than this say nothing of how many come.
_LEAST_STREAM = 8
# Loads change as no course knows: what differs from the middle does so by more than the courses show, as measured.
_MORE_EARLY, _MORE_LATE = 1.15, 1.4
SHARES = (0.05, 0.5, 0.95)


@dataclass(frozen=True)
class Foreseen:
    """What the courses show of one job, in ms from the look on.

    Attributes:
        start, end: after how long at the earliest, likely and at the latest: 90 of 100 lie between the outer ones.
            `start` is None of a running job, and both are where it did not come to it.
        before: how many of the jobs that are queued now start before it, in most courses.
        seconds: what it takes by itself.
    """

    start: tuple[float, ...] | None
    end: tuple[float, ...] | None
    before: int
    seconds: Estimate


def estimates(examples: Mapping[str, Sequence[Example]], jobs: Collection[JobLook]) -> dict[str, Estimate]:
    """What each job takes in seconds, by id; of a running one that says how far it is, by its pace, too."""
    shown = {
        kind: Shown(examples.get(kind, ()), KINDS[kind].usual_s if kind in KINDS else _UNKNOWN_S, kind)
        for kind in {job.kind for job in jobs}
    }
    alike: dict[tuple[str, str | None], Estimate] = {}
    found: dict[str, Estimate] = {}
    for job in jobs:
        place = job.kind, job.likeness
        if place not in alike:
            alike[place] = shown[job.kind].estimate(job.alike)
        found[job.id] = _paced(alike[place], job) if job.share else alike[place]
    return found


def foresee(
    look: Look, fleet: Fleet, examples: Mapping[str, Sequence[Example]], ids: Collection[str], seed: int = 1
) -> dict[str, Foreseen]:
    """When jobs of the look start and end, of those that were read."""
    queued = look.queued
    known = (*queued, *look.running, *look.ended)
    seconds = estimates(examples, known)
    since = look.since or min((job.submitted_at for job in known), default=look.at)
    streams = by_rate(known, since, look.at) if len(known) >= _LEAST_STREAM else []
    outlook = Outlook(look, fleet, seconds, streams)
    count = min(_MOST_COURSES, max(_LEAST_COURSES, _STARTS // max(1, len(queued))))
    random, courses = Random(seed), []
    for _ in range(count):
        course = Course(outlook, random)
        course.run(ids)
        courses.append(course)
    return {job.id: _of(job.id, courses, seconds[job.id]) for job in (*queued, *look.running) if job.id in ids}


def _of(job_id: str, courses: Sequence[Course], seconds: Estimate) -> Foreseen:
    ends = [course.ends[job_id] for course in courses if job_id in course.ends]
    before = sorted(course.before[job_id] for course in courses if job_id in course.before)
    if not before:
        return Foreseen(None, _quantiles(ends, courses), 0, seconds)
    starts = [course.starts[job_id] for course in courses if job_id in course.starts]
    wider = _wider(starts)
    later = [end + now - was for end, was, now in zip(ends, starts, wider, strict=True)]
    return Foreseen(_quantiles(wider, courses), _quantiles(later, courses), before[len(before) // 2], seconds)


def _wider(starts: Sequence[float]) -> list[float]:
    """The starts, further from their middle."""
    middle = sorted(starts)[len(starts) // 2]
    return [max(0.0, middle + (start - middle) * (_MORE_LATE if start > middle else _MORE_EARLY)) for start in starts]


def _quantiles(values: Sequence[float], courses: Sequence[Course]) -> tuple[float, ...] | None:
    # Where it does not come to it in one course of ten, nothing is said.
    if len(values) < 0.9 * len(courses):
        return None
    ordered = sorted(values)
    return tuple(ordered[min(len(ordered) - 1, int(share * len(ordered)))] for share in SHARES)


def _paced(known: Estimate, job: JobLook) -> Estimate:
    """An estimate, drawn to what the job's pace says, the more the further it is."""
    elapsed_s = max(1e-3, (job.share_at - job.started_at) / 1000)
    share = min(job.share or 0.0, 1.0)
    if share < _LEAST_SHARE:
        return known
    pace = math.log(elapsed_s / share)
    spread = max(0.01, _PACE_SPREAD * 0.1 * (1 - share) / math.sqrt(share))
    middle = len(known.points) // 2
    own = max(0.01, (known.points[-8] - known.points[7]) / 2 / 1.15)
    weight = own**2 / (own**2 + spread**2)
    width = math.sqrt(weight) * spread / own
    centre = (1 - weight) * known.points[middle] + weight * pace
    points = tuple(centre + width * (point - known.points[middle]) for point in known.points)
    return Estimate(points, f"{known.basis}, and its pace", known.is_known)
