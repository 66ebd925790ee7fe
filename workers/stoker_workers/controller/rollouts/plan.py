"""What follows for a deployment: a pure function of its plan, of what was noted of it, and of what is seen now."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from stoker.events import Progress
from stoker.kinds import Deploy
from stoker.kinds.rollout import Approval, Finding, Outcome, Rollout, Sample, Side, Step
from stoker.ledger import routes
from stoker.ledger.rollouts import News

from .verdict import findings, harms, look_at, p95_ms, with_limits

# What is noted of a deployment is to be kept over a wait, all its steps.
_MOST_SAMPLES = 24


@dataclass(frozen=True)
class Seen:
    """What a controller sees of a deployment.

    Attributes:
        now: the time, UTC.
        said: what somebody has said who may approve it; None for nothing.
        is_routed, is_ready: whether its route is open, and whether a worker has loaded the new version.
        counted: what was counted of the route since it is open, by name.
        closed: why the route was closed; "" if that is not known.
        error: the first error of the new version, in words; "" for none.
    """

    now: datetime
    said: Approval | None = None
    is_routed: bool = False
    is_ready: bool = False
    counted: Mapping[str, int] | None = None
    closed: str = ""
    error: str = ""


@dataclass(frozen=True)
class Move:
    """What follows.

    Attributes:
        rollout: what is to be noted.
        news: what people are to be told.
        begins: whether the route is to get the share of the last step first.
    """

    rollout: Rollout
    news: News
    begins: bool = False


def next_move(spec: Deploy, rollout: Rollout, seen: Seen) -> Move | None:
    """What follows for a deployment of which nothing is decided yet; None for nothing."""
    if spec.approval and rollout.approval is None:
        return _approval(spec, rollout, seen)
    if not spec.shares or rollout.before is None:
        return decided(rollout, "approved", "it was approved", seen.now)
    if rollout.step is None:
        return _next_step(spec, rollout, seen, News())
    if not seen.is_routed:
        return decided(rollout, "rolled back", f"its share of the requests was ended: {seen.closed}", seen.now)
    return _watched(spec, rollout, rollout.step, seen)


def decided(rollout: Rollout, outcome: Outcome, why: str, now: datetime) -> Move:
    """The end of a deployment."""
    steps = rollout.steps
    if rollout.step:
        steps = (*steps[:-1], rollout.step.model_copy(update={"ended": now}))
    ended = rollout.model_copy(update={"outcome": outcome, "why": why, "steps": steps})
    return Move(ended, News(why=f"{outcome}: {why}", happened=f"{outcome}: {why}"))


def _approval(spec: Deploy, rollout: Rollout, seen: Seen) -> Move | None:
    if said := seen.said:
        heard = rollout.model_copy(update={"approval": said})
        if said.is_granted:
            return Move(heard, News(happened=said.words(), heard=said))
        move = decided(heard, "refused", said.words(), seen.now)
        return Move(move.rollout, News(move.news.why, move.news.happened, heard=said))
    if seen.now - rollout.tested < timedelta(seconds=spec.expires):
        return None
    return decided(
        rollout, "expired", f"nobody of {spec.approval} has approved it within {_time(spec.expires)}", seen.now
    )


def _next_step(spec: Deploy, rollout: Rollout, seen: Seen, news: News) -> Move:
    number = len(rollout.steps)
    share = spec.shares[number]
    # A shadow is the step 0, whether there is one or not.
    step = Step(number=number if spec.shadow else number + 1, share=share, began=seen.now, is_ready=bool(rollout.steps))
    base = dict(seen.counted or {})
    begun = rollout.model_copy(update={"steps": (*rollout.steps, step), "base": base})
    told = f"{news.happened}; now {_named(step)}" if news.happened else f"{_named(step)} begins"
    return Move(begun, News(why=_progress(spec, step), happened=told), begins=True)


def _watched(spec: Deploy, rollout: Rollout, step: Step, seen: Seen) -> Move | None:
    """What the evidence of the present step says."""
    lasted = seen.now - step.began
    is_overdue = lasted >= timedelta(seconds=spec.max_wait)
    if not seen.is_ready and not step.is_ready:
        if is_overdue:
            why = f"no worker has loaded {rollout.model} within {_time(spec.max_wait)}"
            return decided(rollout, "rolled back", why, seen.now)
        return None
    if not step.is_ready:
        # From here on both may answer: what the old one did alone before is no evidence beside the new one's.
        ready = step.model_copy(update={"is_ready": True, "began": seen.now})
        return _noted(spec, rollout, ready, dict(seen.counted or {}))
    window = {name: count - rollout.base.get(name, 0) for name, count in (seen.counted or {}).items()}
    evidence = routes.read_evidence(window)
    judged = _judged(spec, step, evidence)
    done = judged.done
    noted = rollout.model_copy(update={"steps": (*rollout.steps[:-1], judged)})
    if harm := [*harms(judged.findings)]:
        told = [*map(_harm, harm)]
        if seen.error and any(each.of == "errors" for each in harm):
            told.append(f"its first error: {seen.error}")
        why = f"at {judged.name}, after {done:,} requests: {'; '.join(told)}"
        return decided(noted, "rolled back", why, seen.now)
    least = spec.min_requests if step.share else spec.shadow
    is_compared = any(each.of == "errors" for each in judged.findings)
    if done >= least and is_compared and lasted >= timedelta(seconds=spec.bake):
        return _passed(spec, noted, judged, evidence, seen)
    if is_overdue:
        of_old = "" if is_compared or done < least else f", and {rollout.before} none beside them"
        too_few = f"{done:,} of at least {least:,} requests within {_time(spec.max_wait)}{of_old}"
        why = f"{_named(judged)} had {too_few}: too few to say"
        return decided(noted, "rolled back", why, seen.now)
    return _noted(spec, rollout, judged, rollout.base)


def _noted(spec: Deploy, rollout: Rollout, step: Step, base: Mapping[str, int]) -> Move | None:
    """The step as it stands; None if it stands as before."""
    if step == rollout.steps[-1]:
        return None
    noted = rollout.model_copy(update={"steps": (*rollout.steps[:-1], step), "base": dict(base)})
    least = spec.min_requests if step.share else spec.shadow
    progress = Progress(stage=_named(step) + _figures(step), done=step.done, total=least, unit="requests")
    return Move(noted, News(why=_progress(spec, step), progress=progress))


def _judged(spec: Deploy, step: Step, evidence: routes.Evidence) -> Step:
    """The step with what was counted, judged if a look is due."""
    new = evidence.to if step.share else evidence.shadow
    counted = step.model_copy(
        update={
            "old": _side(evidence.before),
            "new": _side(new),
            "compared": evidence.compared,
            "disagreed": evidence.disagreed,
        }
    )
    due = look_at(counted.done, spec.min_requests if step.share else spec.shadow)
    if due <= step.looks:
        return counted
    found = findings(evidence, spec.tolerate, due, len(spec.shares), is_shadow=not step.share)
    sample = Sample(requests=counted.done, old=_errors(counted.old), new=_errors(counted.new))
    if not step.share:
        sample = Sample(requests=counted.done, old=0.0, new=counted.disagreed / max(1, counted.compared))
    samples = (*step.samples, sample)[-_MOST_SAMPLES:]
    return counted.model_copy(update={"looks": due, "findings": found, "samples": samples})


def _passed(spec: Deploy, rollout: Rollout, step: Step, evidence: routes.Evidence, seen: Seen) -> Move:
    found = with_limits(step.findings, evidence, step.looks, len(spec.shares))
    ended = step.model_copy(update={"findings": found, "ended": seen.now})
    rollout = rollout.model_copy(update={"steps": (*rollout.steps[:-1], ended)})
    passed = f"{_named(ended)} passed after {ended.done:,} requests: {_all_words(found)}"
    if len(rollout.steps) < len(spec.shares):
        return _next_step(spec, rollout, seen, News(happened=passed))
    limits = [words for each in found if (words := each.limit_words())]
    return decided(rollout, "promoted", "; ".join([passed, *limits[:1]]), seen.now)


def _side(side: routes.Side) -> Side:
    figures = {name: getattr(side, name) for name in ("requests", "errors", "refused", "right", "wrong")}
    return Side(p95_ms=p95_ms(side), **figures)


def _errors(side: Side) -> float:
    return side.errors / side.requests if side.requests else 0.0


def _named(step: Step) -> str:
    return f"canary {step.name}" if step.share else step.name


def _progress(spec: Deploy, step: Step) -> str:
    """Where the deployment is, as `stoker jobs` shows it."""
    if not step.is_ready:
        return f"{_named(step)}: waits for a worker that loads the new version"
    least = spec.min_requests if step.share else spec.shadow
    unit = "requests" if step.share else "rows"
    return f"{_named(step)}: {step.done:,} of at least {least:,} {unit}{_figures(step)}"


def _figures(step: Step) -> str:
    """The first figure of the last look, or nothing before there was one."""
    return f", {step.findings[0].words()}" if step.findings else ""


def _harm(finding: Finding) -> str:
    chance = f"{100 * finding.p:.2g} %"
    return f"{finding.words()}, as two versions that are alike would be in at most {chance} of cases"


def _all_words(found: Sequence[Finding]) -> str:
    return ", ".join(each.words() for each in found)


def _time(seconds: float) -> str:
    for unit, size in (("days", 86_400), ("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds:g} s"
