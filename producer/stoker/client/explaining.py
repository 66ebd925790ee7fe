"""Explaining rows that an app has in hand: the part of both clients that does it by an `Explain` job."""

import os
import warnings
from collections.abc import Mapping
from dataclasses import dataclass

from ..errors import InvalidJob, Timeout
from ..kinds import Data, Explain, ExplainResult, Explanation, Priority
from ..kinds.explain import MOST_INLINE
from ..kinds.explanation import MOST_ROWS, BaselineKind
from ..models.inline import inlined
from ..models.manifest import ModelVersion
from ..redis.calls import Steps
from ..redis.scopes import PerLoop, PerProcess
from ..security.signatures import Signatures
from . import submission
from .async_job import AsyncJob
from .calls import AsyncCalls, Calls
from .inference import InferCall, ModelCache, callers_level
from .job import Job
from .listening import AsyncListener, Listener
from .submitted import Submitted
from .tables import Rows
from .tracing import submitting

DataRef = str | os.PathLike[str] | Data
_TIMEOUT_S = 300.0


@dataclass(frozen=True)
class _Wanted:
    """What a caller wants to know of some rows."""

    model: str
    rows: Rows
    output: str | None
    baseline: BaselineKind | None
    data: DataRef | None
    timeout_s: float
    priority: Priority


class ExplainCalls(Calls):
    """A part of the blocking client."""

    _listener: PerProcess[Listener]
    _models: ModelCache

    def explain(
        self,
        model: str,
        rows: Rows,
        *,
        output: str | None = None,
        baseline: BaselineKind | None = None,
        data: DataRef | None = None,
        timeout: float = _TIMEOUT_S,
        priority: Priority = "normal",
    ) -> list[Explanation]:
        """Say what each column, word or pixel of some rows contributes to what a model predicts of them.

        It is an `Explain` job, which has the rows with it. Attributions add up to what is predicted minus the same for
        the baseline; where they do not, within 1 %, a warning says so.

        Args:
            model: a model reference.
            rows: as `predict` takes them; at most 256.
            output: what is explained: a class, a number's column, one of several outputs, or "output.class"; None
                takes the class that is predicted, and every number up to 16.
            baseline: from what attributions are counted: "mean" of `data`, "missing" for a row of which nothing is
                known, or "zero". None takes zeros for pictures, else the mean if there is `data`, else missing.
            data: a data reference, for the mean.
            timeout: seconds to wait for the job, which is cancelled after them.

        Returns:
            An explanation for each row, in the order of the rows.

        Raises:
            InvalidJob: the rows do not fit the model, or are too many.
            ModelNotFound: no model has this name.
            JobFailed: the model has no gradients, or gives no such output; says what works.
            Timeout: the job has not ended in time.
            Unavailable: Redis cannot take the job.
        """
        wanted = _Wanted(model, rows, output, baseline, data, timeout, priority)
        with submitting(1):
            new = self._drive(_submitted(self._models, wanted, self._signatures))
        job: Job[ExplainResult] = Job(self._connection, self._listener, new.id, self.settings, new.spec)
        try:
            return _explanations(job.result(timeout))
        except Timeout:
            job.cancel()
            raise


class AsyncExplainCalls(AsyncCalls):
    """A part of the asyncio client."""

    _listener: PerLoop[AsyncListener]
    _models: ModelCache

    async def explain(
        self,
        model: str,
        rows: Rows,
        *,
        output: str | None = None,
        baseline: BaselineKind | None = None,
        data: DataRef | None = None,
        timeout: float = _TIMEOUT_S,
        priority: Priority = "normal",
    ) -> list[Explanation]:
        """See `Client.explain`."""
        wanted = _Wanted(model, rows, output, baseline, data, timeout, priority)
        with submitting(1):
            new = await self._drive(_submitted(self._models, wanted, self._signatures))
        job: AsyncJob[ExplainResult] = AsyncJob(self._connection, self._listener, new.id, self.settings, new.spec)
        try:
            return _explanations(await job.result(timeout))
        except Timeout:
            await job.cancel()
            raise


def _submitted(models: ModelCache, wanted: _Wanted, signatures: Signatures) -> Steps[Submitted]:
    """Check the rows, and submit the job."""
    version, call = yield from models.call_of_version(wanted.model, wanted.rows, wanted.timeout_s, wanted.priority)
    [new] = yield from submission.submit([_spec(version, call, wanted)], signatures=signatures)
    return new


def _spec(version: ModelVersion, call: InferCall, wanted: _Wanted) -> Explain:
    first = next(iter(call.tensors.values())) if isinstance(call.tensors, Mapping) else call.tensors
    count = len(first)
    if not 1 <= count <= MOST_ROWS:
        raise InvalidJob(
            f"there are {count:,} rows to explain, and one call takes 1 to {MOST_ROWS}: give some of them, or submit "
            "stoker.Explain(data=…, rows=[…]) for rows of a data set"
        )
    given = inlined(call.tensors)
    if len(given) > MOST_INLINE:
        raise InvalidJob(
            f"these {count:,} rows are {len(given):,} bytes, and a job takes {MOST_INLINE:,} with it: give fewer at "
            "once, or submit stoker.Explain(data=…, rows=[…]) for rows of a data set"
        )
    return Explain(
        model=version.ref,
        data=wanted.data,
        methods=["gradients"],
        output=wanted.output,
        baseline=wanted.baseline,
        given=given,
        priority=wanted.priority,
    )


def _explanations(result: ExplainResult) -> list[Explanation]:
    for warning in result.warnings:
        warnings.warn(warning, stacklevel=callers_level())
    return list(result.explanations)
