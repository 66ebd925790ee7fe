"""Executes `Run`: calls a function of the user's."""

import hashlib
import time
from traceback import TracebackException

from stoker import kinds
from stoker.errors import StokerError
from stoker.functions import Arguments
from stoker.kinds import RunResult

from ..functions import context
from ..functions.value import as_json
from ..ml.own import own_job
from ..ml.run import Children, Outcome, Run, Stopped, Wait

# Of a traceback, from the function on: it may call itself.
_MOST_FRAMES = 40
# Those of Stoker, before the function's own.
_OUR_FRAMES = 2


def run(spec: kinds.Run, run: Run) -> Outcome:
    """Call the spec's function; its first attempt and each that gathers the results of its children alike.

    Raises:
        InvalidJob: it is not allowed, not there, does not take these arguments, or returns no plain data.
        Stopped: it was told to stop.
        Children: it asks for other jobs.
        Wait: it goes on later.
    """
    started = time.monotonic()
    function = own_job(spec.function, run.functions)
    parameters = Arguments(function, spec.function)
    arguments = parameters.read(spec.arguments)
    seed = _seed(run.job) if spec.seed is None else spec.seed
    around = context.Run(run, seed=seed)
    if parameters.takes_context:
        arguments["run"] = around
    try:
        returned, made = context.call(function, arguments, around)
    except (StokerError, Stopped, Children, Wait):
        raise
    except BaseException as error:
        around.log(_where(error), level="error")
        raise
    result = RunResult(
        function=spec.function,
        value=as_json(returned, spec.function),
        files=made.files,
        seed=seed,
        run_s=time.monotonic() - started,
    )
    if spec.trial is not None and not spec.trial.note:
        return Outcome(result.model_copy(update={"files": {}}))
    return Outcome(result, tuple(made.models.values()))


def _where(error: BaseException) -> str:
    """The traceback of a function's own error, for its author."""
    told = TracebackException.from_exception(error, limit=_OUR_FRAMES + _MOST_FRAMES)
    del told.stack[:_OUR_FRAMES]
    return "".join(told.format())


def _seed(job: str) -> int:
    """A number that all attempts at a job share."""
    return int.from_bytes(hashlib.sha256(job.encode()).digest()[:4])
