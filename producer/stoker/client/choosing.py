"""`client.best`: the best of all registered versions that fit some data, measured by comparisons."""

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from itertools import accumulate, compress, islice
from os import PathLike
from typing import TypedDict, Unpack

from ..errors import InvalidArgument
from ..kinds import Compare, ComparedModel, CompareResult, Data, as_data
from ..kinds.compare import MOST_COMPARED, MOST_LEFT_OUT
from ..kinds.compared import COST_AXES, on_front
from ..kinds.problems import short
from ..kinds.rules import Rule
from ..models.manifest import ModelVersion
from ..models.model_files import served_bytes
from ..redis.scopes import PerLoop, PerProcess
from . import arguments, submission
from .async_job import AsyncJob
from .calls import AsyncCalls, Calls
from .candidates import MOST, MOST_EVER, Candidates, Question, candidates
from .following import Deadline
from .job import Job
from .listening import AsyncListener, Listener
from .tracing import submitting

# The most that one process loads: so many bytes of files take some times as much memory.
_MOST_BYTES = 1 << 30
# How many of several comparisons' best meet in the last one.
_FINALISTS = 8

Rounds = Generator[list[Compare], list[CompareResult], CompareResult]
"""Comparisons that are asked for, and sent their results; at last the answer."""


class Among(TypedDict, total=False):
    """Which versions are meant, and how they are measured.

    Attributes:
        models: names, for all versions of a model, and references of single ones; empty for all that are registered.
        tags: only versions whose jobs have all of these tags, among the newest 10,000 jobs that have.
        target: the column to predict; None for the one that the models were trained on.
        most: how many versions are measured at most, 32 if not said: champions first, then those with another alias,
            then the newest.
        device: "cpu" or "gpu"; the rule may say it, too.
    """

    models: Sequence[str]
    tags: Mapping[str, str] | None
    target: str | None
    most: int
    device: str


class ChoiceCalls(Calls):
    """A part of the blocking client."""

    _listener: PerProcess[Listener]

    def candidates(self, data: str | PathLike[str] | Data, rule: str, **among: Unpack[Among]) -> Candidates:
        """List the versions that `best` would measure, and why it would not measure others; nothing is loaded."""
        return self._drive(candidates(question(data, rule, among)))

    def best(
        self,
        data: str | PathLike[str] | Data,
        rule: str,
        *,
        timeout: float | None = None,
        **among: Unpack[Among],
    ) -> CompareResult:
        """Choose the best of all registered versions that fit the data, by a rule.

            best = client.best("later.csv", "max accuracy where p99_ms < 2 on cpu and bytes < 1MB")
            print(best.chosen, best.why)

        Which ones fit, their signatures tell: the columns, the target, the task. Conditions on `bytes` and `parameters`
        leave versions out before anything is loaded. All others are measured on the same rows by `Compare` jobs, up to
        32 by one; of more, the best of each meet in another.

        Args:
            data: what to measure on, which no model should have seen.
            rule: see `Compare`.
            timeout: seconds to wait; the jobs go on after them. None waits for ever.
            among: which versions are meant; see `Among`.

        Returns:
            The comparison: `chosen`, which is None if no version fits or meets the conditions; `why`; `models`, the
            best first, each with its `verdict`; and in `left_out` why others were not measured.

        Raises:
            InvalidArgument: the versions that fit are of several tasks or targets; says how to name one.
            InvalidJob: the rule or the data is wrong.
            ModelNotFound: there is no model of a name.
            JobFailed: the data cannot be read.
            Timeout, Unavailable: as `Job.result`.
        """
        asked = question(data, rule, among)
        deadline = Deadline(arguments.timeout_or_none(timeout), self._connection.patience_s)

        def compared(specs: list[Compare]) -> list[CompareResult]:
            with submitting(len(specs)):
                ids = self._drive(submission.submit(specs))
            jobs: list[Job[CompareResult]] = [
                Job(self._connection, self._listener, each, self.settings.store) for each in ids
            ]
            return [job.result(_left_s(deadline)) for job in jobs]

        return played(rounds(asked, self._drive(candidates(asked))), compared)


class AsyncChoiceCalls(AsyncCalls):
    """A part of the asyncio client."""

    _listener: PerLoop[AsyncListener]

    async def candidates(self, data: str | PathLike[str] | Data, rule: str, **among: Unpack[Among]) -> Candidates:
        """See `Client.candidates`."""
        return await self._drive(candidates(question(data, rule, among)))

    async def best(
        self,
        data: str | PathLike[str] | Data,
        rule: str,
        *,
        timeout: float | None = None,
        **among: Unpack[Among],
    ) -> CompareResult:
        """See `Client.best`."""
        asked = question(data, rule, among)
        deadline = Deadline(arguments.timeout_or_none(timeout), self._connection.patience_s)
        playing = rounds(asked, await self._drive(candidates(asked)))
        results: list[CompareResult] | None = None
        while True:
            try:
                specs = next(playing) if results is None else playing.send(results)
            except StopIteration as end:
                return end.value  # type: ignore[no-any-return]  # StopIteration is not generic
            with submitting(len(specs)):
                ids = await self._drive(submission.submit(specs))
            jobs: list[AsyncJob[CompareResult]] = [
                AsyncJob(self._connection, self._listener, each, self.settings.store) for each in ids
            ]
            results = [await job.result(_left_s(deadline)) for job in jobs]


def question(data: str | PathLike[str] | Data, rule: str, among: Among) -> Question:
    """What is asked, checked.

    Raises:
        InvalidArgument, InvalidJob: a part of it is wrong.
    """
    if not isinstance(rule, str):
        raise InvalidArgument(f"a rule is text such as 'max accuracy', got {short(rule)}")
    models = among.get("models", ())
    if not isinstance(models, list | tuple | set | frozenset) or not all(isinstance(each, str) for each in models):
        raise InvalidArgument(f"models are names or references of models, in a list; got {short(models)}")
    most = among.get("most", MOST)
    if isinstance(most, bool) or not isinstance(most, int) or not 1 <= most <= MOST_EVER:
        raise InvalidArgument(f"most is a whole number from 1 to {MOST_EVER:,}, got {short(most)}")
    # Refuses data, a rule and a device that are none, as the comparison will.
    spec = _compare(data, rule, ["any"], among.get("target"), among.get("device", "auto"))
    return Question(
        data=spec.data,
        rule=rule,
        models=tuple(models),
        tags=arguments.tags(among.get("tags")),
        target=spec.target,
        most=most,
        device=spec.device,
    )


def rounds(asked: Question, found: Candidates) -> Rounds:
    """The comparisons that answer a question, one round after the other."""
    if not found.versions:
        return _nothing(asked, found)
    groups = [*_groups(found.versions)]
    # What the page of the last comparison says, too.
    known = {ref: reason[:1000] for ref, reason in islice(found.left_out.items(), MOST_LEFT_OUT)}
    alone = len(groups) == 1
    results = yield [_of(asked, [version.ref for version in group], known if alone else {}) for group in groups]
    last = results[0]
    if not alone and (finalists := _finalists(asked, results)):
        [last] = yield [_of(asked, finalists, known)]
    return _joined(asked, found, results, last)


def played(playing: Rounds, compared: Callable[[list[Compare]], list[CompareResult]]) -> CompareResult:
    """The answer, where `compared` runs the comparisons of a round."""
    results: list[CompareResult] | None = None
    while True:
        try:
            specs = next(playing) if results is None else playing.send(results)
        except StopIteration as end:
            return end.value  # type: ignore[no-any-return]  # StopIteration is not generic
        results = compared(specs)


def _of(asked: Question, refs: list[str], left_out: dict[str, str]) -> Compare:
    spec = _compare(asked.data, asked.rule, refs, asked.target, asked.device)
    return spec.model_copy(update={"left_out": left_out})


def _compare(data: str | PathLike[str] | Data, rule: str, refs: list[str], target: str | None, device: str) -> Compare:
    fields = {"models": refs, "data": data, "choose": rule, "target": target, "device": device, "strict": False}
    return Compare.model_validate(fields)


def _left_s(deadline: Deadline) -> float | None:
    return None if deadline.timeout_s is None else max(0.0, deadline.left_s())


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
