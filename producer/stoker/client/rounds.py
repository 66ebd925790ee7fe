"""The comparisons that answer `client.best`, one round after the other, and the answer that they make together."""

from collections.abc import Awaitable, Callable, Generator, Iterator, Sequence
from dataclasses import replace
from itertools import accumulate, compress, islice
from os import PathLike

from ..errors import JobDead, JobFailed
from ..kinds import Compare, ComparedModel, CompareResult, Data, as_data
from ..kinds.compare import MOST_COMPARED, MOST_LEFT_OUT
from ..kinds.compared import COST_AXES, on_front
from ..kinds.rules import Rule
from ..models.manifest import ModelVersion
from ..models.model_files import served_bytes
from .candidates import Candidates, Question

# The most that one process loads: so many bytes of files take some times as much memory.
_MOST_BYTES = 1 << 30
# How many of several comparisons' best meet in the last one.
_FINALISTS = 8

Ended = CompareResult | JobFailed | JobDead
"""What comes of a comparison: one that fails does not keep others from being measured."""
Rounds = Generator[list[Compare], list[Ended], CompareResult]
"""Comparisons that are asked for, and sent what came of them; at last the answer."""


def rounds(asked: Question, found: Candidates) -> Rounds:
    """The comparisons that answer a question, one round after the other.

    Raises:
        JobDead, JobFailed: all comparisons of a round did.
    """
    if not found.versions:
        return _nothing(asked, found)
    groups = [*_groups(found.versions)]
    alone = len(groups) == 1
    known = _shown(found)
    ended = yield [_of(asked, [version.ref for version in group], known if alone else {}) for group in groups]
    results = _succeeded(ended)
    failed = {
        version.ref: each.message
        for group, each in zip(groups, ended, strict=True)
        if not isinstance(each, CompareResult)
        for version in group
    }
    found = replace(found, left_out={**found.left_out, **failed})
    last = results[0]
    if not alone and (finalists := _finalists(asked, results)):
        [last] = _succeeded((yield [_of(asked, finalists, _shown(found))]))
    return _joined(asked, found, results, last)


def outcome(result: Callable[[], CompareResult]) -> Ended:
    """What comes of a comparison, for whose result `result` waits."""
    try:
        return result()
    except (JobFailed, JobDead) as error:
        return error


async def later_outcome(result: Awaitable[CompareResult]) -> Ended:
    """See `outcome`."""
    try:
        return await result
    except (JobFailed, JobDead) as error:
        return error


def compare(data: str | PathLike[str] | Data, rule: str, refs: list[str], target: str | None, device: str) -> Compare:
    """A comparison as `client.best` has it."""
    fields = {"models": refs, "data": data, "choose": rule, "target": target, "device": device, "strict": False}
    return Compare.model_validate(fields)


def _of(asked: Question, refs: list[str], left_out: dict[str, str]) -> Compare:
    """A comparison of a question, whose page says of others why they are left out."""
    spec = compare(asked.data, asked.rule, refs, asked.target, asked.device)
    return spec.model_copy(update={"left_out": left_out})


def _shown(found: Candidates) -> dict[str, str]:
    """What the page of the last comparison says of those that are left out."""
    return {ref: reason[:1000] for ref, reason in islice(found.left_out.items(), MOST_LEFT_OUT)}


def _succeeded(ended: Sequence[Ended]) -> list[CompareResult]:
    """The results of a round.

    Raises:
        JobDead, JobFailed: there is none.
    """
    results: list[CompareResult] = []
    failures: list[JobFailed | JobDead] = []
    for each in ended:
        if isinstance(each, CompareResult):
            results.append(each)
        else:
            failures.append(each)
    if not results:
        raise failures[0]
    return results


def _groups(versions: Sequence[ModelVersion]) -> Iterator[list[ModelVersion]]:
    """Versions by the comparison that measures them, of which each fits into one process."""
    group: list[ModelVersion] = []
    held = 0
    for version in versions:
        size = served_bytes(version)
        if group and (len(group) == MOST_COMPARED or held + size > _MOST_BYTES):
            yield group
            group, held = [], 0
        group.append(version)
        held += size
    yield group


def _finalists(asked: Question, results: Sequence[CompareResult]) -> list[str]:
    """The best that meet the conditions, the best first: two, and as many more as fit into one process."""
    rule = Rule.parse(asked.rule)
    fitting = [model for result in results for model in result.models if _meets(rule, model)]
    ordered = sorted(fitting, key=lambda model: _order(rule, model))[:_FINALISTS]
    held = accumulate(model.file_bytes for model in ordered)
    fits = (place < 2 or size <= _MOST_BYTES for place, size in enumerate(held))
    return [model.model for model in compress(ordered, fits)]


def _joined(asked: Question, found: Candidates, results: Sequence[CompareResult], last: CompareResult) -> CompareResult:
    """The last comparison, with what was measured and left out before it."""
    rule = Rule.parse(asked.rule)
    again = {model.model for model in last.models}
    best = next((model for model in last.models if model.model == last.chosen), None)
    others = [_told(rule, model, best) for result in results for model in result.models if model.model not in again]
    models = sorted([*last.models, *others], key=lambda model: (model.model != last.chosen, *_order(rule, model)))
    fronts = on_front(models, last.headlines, COST_AXES)
    told = tuple(model.model_copy(update={"on_front": front}) for model, front in zip(models, fronts, strict=True))
    left_out = dict(found.left_out)
    warnings: dict[str, None] = {}
    for result in results:
        left_out |= result.left_out
        warnings |= dict.fromkeys(result.warnings)
    update = {"models": told, "left_out": left_out, "warnings": tuple(warnings), "why": _why(results, last)}
    return last.model_copy(update=update)


def _why(results: Sequence[CompareResult], last: CompareResult) -> str:
    """The reasons of the last comparison, and whose best met in it; those of all where none did."""
    if last is results[0]:
        return " ".join(result.why for result in results)
    count = sum(len(result.models) for result in results)
    return f"{last.why} They are the best of {count} models, which were measured in {len(results)} comparisons before."


def _told(rule: Rule, model: ComparedModel, best: ComparedModel | None) -> ComparedModel:
    """A model that was measured beside others than the one that is chosen."""
    if not _meets(rule, model):
        return model
    if best is None:
        return model.model_copy(update={"verdict": "met the conditions, but was not among the best that met again"})
    behind = abs(best.values[rule.metric] - model.values[rule.metric])
    return model.model_copy(update={"verdict": f"{rule.metric} is behind by {behind:.4g}"})


def _meets(rule: Rule, model: ComparedModel) -> bool:
    values = model.values
    return rule.metric in values and all(
        each.metric in values and each.holds(values[each.metric]) for each in rule.conditions
    )


def _order(rule: Rule, model: ComparedModel) -> tuple[bool, float, int]:
    """Those first that meet the conditions, and of these the best, and of equals the smallest."""
    value = model.values.get(rule.metric, float("-inf") if rule.goal == "max" else float("inf"))
    return not _meets(rule, model), -value if rule.goal == "max" else value, model.file_bytes


def _nothing(asked: Question, found: Candidates) -> CompareResult:
    """The answer where there is nothing to be measured."""
    count = len(found.left_out)
    why = (
        f"None of the {count} registered versions fits {as_data(asked.data).ref} and the rule."
        if count
        else ("No version is registered that could be meant.")
    )
    return CompareResult(
        data=as_data(asked.data).ref, rows=0, models=(), axes=(), chosen=None, why=why, files={},
        left_out=dict(found.left_out),
    )  # fmt: skip
