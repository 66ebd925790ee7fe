"""By a rule from measured models to the one that is chosen, and to why."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from stoker.errors import InvalidJob
from stoker.kinds import ComparedModel, Interval
from stoker.kinds.rules import Condition, Rule

from ..data.source import Floats
from .report.parts import between, number, size
from .stability import interval

# A file so much smaller is worth a sentence where the model may be as good.
_SMALLER = 0.8
Draws = Mapping[str, Mapping[str, Floats]]
"""Each model's metrics on every resample."""


@dataclass(frozen=True)
class Choice:
    """The model that a rule chooses.

    Attributes:
        chosen: its exact reference; None if there is none.
        why: in sentences.
        verdicts: of each model, in words.
    """

    chosen: str | None
    why: str
    verdicts: Mapping[str, str] = field(default_factory=dict)


def choose(choose: str | None, models: Sequence[ComparedModel], draws: Draws, *, strict: bool) -> Choice:
    """The model that the rule chooses, and why.

    Raises:
        InvalidJob: if it is strict: none meets the conditions, or what the rule names could not be told of a model.
    """
    if choose is None:
        return Choice(None, "No rule was given, so none is chosen.")
    rule = Rule.parse(choose)
    misses = {model.model: _misses(rule, model, strict=strict) for model in models}
    fitting = sorted((model for model in models if not misses[model.model]), key=lambda model: _order(rule, model))
    missed = {ref: ", ".join(each) for ref, each in misses.items() if each}
    if not fitting:
        return _none(choose, rule, models, missed, strict=strict)
    best, *others = fitting
    why = [f"By {choose!r}, {best.model} is chosen: its {rule.metric} is {_value(best, rule.metric)}."]
    if others:
        why.append(_comparison(rule, best, others[0], draws))
    why += _cheaper(rule, best, others, draws)
    if missed:
        told = "; ".join(f"{ref} does not: {each}" for ref, each in missed.items())
        why.append(f"{len(fitting)} of {len(models)} models meet the conditions; {told}.")
    elif rule.conditions:
        why.append(f"{len(fitting)} of {len(models)} models meet the conditions.")
    verdicts = {best.model: "chosen", **{other.model: _behind(rule, best, other, draws) for other in others}, **missed}
    return Choice(best.model, " ".join(why), verdicts)


def _none(
    choose: str, rule: Rule, models: Sequence[ComparedModel], missed: Mapping[str, str], *, strict: bool
) -> Choice:
    told = "; ".join(f"{ref} does not: {each}" for ref, each in missed.items())
    why = f"none of the {len(models)} models meets the conditions of {choose!r}: {told}"
    if strict:
        raise InvalidJob(why)
    nearest = min(models, key=lambda model: _distance(rule, model), default=None)
    if nearest is None:
        return Choice(None, "None of the models could be measured.")
    why = (
        f"None of the {len(models)} models meets the conditions of {choose!r}. The nearest is {nearest.model}: "
        f"{missed[nearest.model]}."
    )
    return Choice(None, why, missed)


def _order(rule: Rule, model: ComparedModel) -> tuple[float, int]:
    """The best first; of equals the smaller file, and then the one that is named first."""
    return -_sign(rule) * model.values[rule.metric], model.file_bytes


def _sign(rule: Rule) -> int:
    return 1 if rule.goal == "max" else -1


def _misses(rule: Rule, model: ComparedModel, *, strict: bool) -> list[str]:
    """Why a model cannot be chosen: the conditions that it does not meet, and by how much."""
    values = model.values
    untold = [metric for metric in dict.fromkeys(rule.metrics) if metric not in values]
    if untold and strict:
        raise InvalidJob(
            f"choose names {untold[0]}, which could not be told of {model.model}; choose by another metric"
        )
    return [
        *(f"{metric} could not be told" for metric in untold),
        *(
            _missed(each, values[each.metric])
            for each in rule.conditions
            if each.metric in values and not each.holds(values[each.metric])
        ),
    ]


def _missed(condition: Condition, value: float) -> str:
    off = number(abs(value - condition.limit))
    return f"{condition.metric} is {number(value)}, not {condition.operator} {condition.text}, off by {off}"


def _distance(rule: Rule, model: ComparedModel) -> tuple[int, float]:
    """How far a model is from meeting the conditions: how many it misses, and by what shares of their limits."""
    off = [
        abs(model.values[each.metric] - each.limit) / (abs(each.limit) or 1.0) if each.metric in model.values else 1.0
        for each in rule.conditions
        if each.metric not in model.values or not each.holds(model.values[each.metric])
    ]
    return len(off), sum(off)


def _comparison(rule: Rule, best: ComparedModel, other: ComparedModel, draws: Draws) -> str:
    """The best model against the next one, and how sure their order is."""
    metric = rule.metric
    first, second = best.values[metric], other.values[metric]
    if first == second:
        by = "the smaller file" if best.file_bytes < other.file_bytes else "the first named"
        return f"{other.model} is equal to it, and of equals {by} is chosen."
    told = f"Next is {other.model} with {_value(other, metric)}"
    if metric not in best.intervals:
        return f"{told}."
    overlap = _overlap(first, best.intervals[metric], second, other.intervals[metric])
    ahead = _ahead(rule, best, other, draws)
    verdict = "may be chance" if ahead.low <= 0 else "is more than chance"
    lead = f"on the same resamples it is ahead by {number(abs(first - second))} ({between(ahead)}), which {verdict}"
    return f"{told}: {overlap}; {lead}."


def _behind(rule: Rule, best: ComparedModel, other: ComparedModel, draws: Draws) -> str:
    """Why a model that meets the conditions is not the best, in a few words."""
    behind = abs(best.values[rule.metric] - other.values[rule.metric])
    if not behind:
        return "equal, with a larger file" if best.file_bytes < other.file_bytes else "equal, and named later"
    words = f"{rule.metric} is behind by {number(behind)}"
    if rule.metric not in best.intervals:
        return words
    return f"{words}, which {'may be' if _may_be_chance(rule, best, other, draws) else 'is more than'} chance"


def _cheaper(rule: Rule, best: ComparedModel, others: Sequence[ComparedModel], draws: Draws) -> list[str]:
    """A sentence of the model with the smallest file that may be as good, if it is much smaller."""
    if rule.metric not in best.intervals:
        return []
    alike = [other for other in others if _may_be_chance(rule, best, other, draws)]
    smallest = min(alike, key=lambda other: other.file_bytes, default=best)
    if smallest.file_bytes > _SMALLER * best.file_bytes:
        return []
    sizes = f"{size(smallest.file_bytes)} in place of {size(best.file_bytes)}"
    return [f"{smallest.model} may be as good, with a file of {sizes}."]


def _may_be_chance(rule: Rule, best: ComparedModel, other: ComparedModel, draws: Draws) -> bool:
    return _ahead(rule, best, other, draws).low <= 0


def _ahead(rule: Rule, best: ComparedModel, other: ComparedModel, draws: Draws) -> Interval:
    """By how much the best one is ahead on the same resamples."""
    return interval(_sign(rule) * (draws[best.model][rule.metric] - draws[other.model][rule.metric]))


def _overlap(first: float, of_first: Interval, second: float, of_second: Interval) -> str:
    if of_first.low <= second <= of_first.high and of_second.low <= first <= of_second.high:
        return "each is within the other's interval"
    if of_first.low <= of_second.high and of_second.low <= of_first.high:
        return "their intervals overlap"
    return "their intervals do not overlap"


def _value(model: ComparedModel, metric: str) -> str:
    told = number(model.values[metric])
    return f"{told} ({between(model.intervals[metric])})" if metric in model.intervals else told
