"""`client.best`: the best of all registered versions that fit some data, measured by comparisons."""

from collections.abc import Mapping, Sequence
from functools import partial
from os import PathLike
from typing import TypedDict, Unpack

from ..errors import InvalidArgument
from ..kinds import Compare, CompareResult, Data
from ..kinds.problems import short
from ..redis.calls import drive, drive_async
from ..redis.scopes import PerLoop, PerProcess
from . import arguments, submission
from .async_job import AsyncJob
from .calls import AsyncCalls, Calls
from .candidates import MOST, MOST_EVER, Candidates, Question, candidates
from .following import Deadline
from .job import Job
from .listening import AsyncListener, Listener
from .rounds import Ended, compare, later_outcome, outcome, rounds
from .tracing import submitting


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
            JobFailed, JobDead: the data cannot be read, or none of the comparisons has a result.
            Timeout, Unavailable: as `Job.result`.
        """
        asked = question(data, rule, among)
        deadline = Deadline(arguments.timeout_or_none(timeout), self._connection.patience_s)

        def compared(specs: list[Compare]) -> list[Ended]:
            with submitting(len(specs)):
                submitted = self._drive(submission.submit(specs, signatures=self._signatures))
            jobs: list[Job[CompareResult]] = [
                Job(self._connection, self._listener, new.id, self.settings, new.spec) for new in submitted
            ]
            return [outcome(partial(job.result, _left_s(deadline))) for job in jobs]

        return drive(rounds(asked, self._drive(candidates(asked))), compared)


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

        async def compared(specs: list[Compare]) -> list[Ended]:
            with submitting(len(specs)):
                submitted = await self._drive(submission.submit(specs, signatures=self._signatures))
            jobs: list[AsyncJob[CompareResult]] = [
                AsyncJob(self._connection, self._listener, new.id, self.settings, new.spec) for new in submitted
            ]
            return [await later_outcome(job.result(_left_s(deadline))) for job in jobs]

        return await drive_async(rounds(asked, await self._drive(candidates(asked))), compared)


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
    spec = compare(data, rule, ["any"], among.get("target"), among.get("device", "auto"))
    return Question(
        data=spec.data,
        rule=rule,
        models=tuple(models),
        tags=arguments.tags(among.get("tags")),
        target=spec.target,
        most=most,
        device=spec.device,
    )


def _left_s(deadline: Deadline) -> float | None:
    return None if deadline.timeout_s is None else max(0.0, deadline.left_s())
