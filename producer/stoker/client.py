"""The blocking client: submit jobs, follow them, infer. Safe to share between threads."""

import concurrent.futures
import time
from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import Self, TypeVar

import numpy as np
from numpy.typing import ArrayLike

from . import inference, ledger, registry, submission
from .artifacts import ModelVersion
from .connection import Call, Connection, Steps
from .errors import Timeout
from .events import Event, Finished, JobState, JobStatus
from .following import Deadline, Follower
from .jobs import Priority, Result, Spec
from .lanes import later, push
from .lanes.exchange import lane_full
from .lanes.switchboard import Switchboard
from .local import redis_url_of
from .settings import Settings
from .tensors import Array, encode_tensors
from .tracing import submitting

T = TypeVar("T")


class Client:
    """Everything an app does with Stoker, over one Redis.

    While Redis is away, a call keeps trying for `settings.patience_s`, a second by default, and then raises
    `Unavailable`; whoever waits for a job or a prediction keeps trying until its timeout.

    Args:
        redis_url: None takes STOKER_REDIS_URL, else the local server of `stoker up`.
        settings: in place of the environment's and stoker.toml's.

    Raises:
        Unavailable: there is no server to talk to.
        InvalidSettings: the settings are wrong.
    """

    def __init__(self, redis_url: str | None = None, *, settings: Settings | None = None) -> None:
        arguments = {} if redis_url is None else {"redis_url": redis_url}
        self.settings = settings or Settings(**arguments)
        url = redis_url_of(self.settings)
        self._connection = Connection.open(self.settings, url, patience_s=self.settings.patience_s)
        self._switchboard = Switchboard(self._connection)
        self._known = inference.Known()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections; jobs go on."""
        self._switchboard.close()
        self._connection.close()

    def submit(self, spec: Spec, *, idempotency_key: str | None = None) -> "Job":
        """Queue a job. When this returns, the job is stored and will be run to a final state.

        Args:
            idempotency_key: submits with the same key within 24 hours are the same job.

        Raises:
            InvalidJob: the spec or its data is wrong, or the key was used with another spec.
            ModelNotFound: it names a model that does not exist.
            Unavailable, Unauthorized: Redis cannot take it; nothing was queued, or a repeat finds it by its key.
        """
        with submitting(1):
            [job_id] = self._drive(submission.submit([spec], idempotency_key))
        return Job(self._connection, job_id)

    def submit_many(self, specs: Iterable[Spec]) -> "list[Job]":
        """Queue several jobs: all of them or, on an error, none.

        A spec may come `after` another of the same call, or take the model that it makes, by its place: "#0" is the
        first. So a pipeline is a list of plain specs.

        Raises:
            InvalidJob, ModelNotFound: as `submit` does, for the first spec that is wrong.
            Unavailable, Unauthorized: Redis cannot take them. Nothing was queued or, if it went away at the very
                end, all will be.
        """
        listed = list(specs)
        with submitting(len(listed)):
            ids = self._drive(submission.submit(listed))
        return [Job(self._connection, job_id) for job_id in ids]

    def job(self, job_id: str) -> "Job":
        """A job submitted before.

        Raises:
            JobNotFound: there is none with this id.
        """
        self._run(ledger.status(job_id))
        return Job(self._connection, job_id)

    def jobs(self, state: JobState | None = None, kind: str | None = None, limit: int = 100) -> list[JobStatus]:
        """The newest jobs, the newest first."""
        return self._run(ledger.query([kind] if kind else None, [state] if state else None, limit))

    def infer(
        self,
        model: str,
        inputs: ArrayLike | dict[str, ArrayLike],
        *,
        timeout: float = 30.0,
        priority: Priority = "normal",
    ) -> Array:
        """Predict rows with a registered model.

        Args:
            model: a model reference.
            inputs: shape (rows, …) as the model's signature says; several inputs by name as a dict.
            timeout: seconds to wait for the answer.
            priority: what waits in front of the model is taken in this order.

        Returns:
            The model's output, shape (rows, …).

        Raises:
            InvalidJob: the inputs do not fit the model; as a rule known before anything is sent.
            ModelNotFound: there is no such model.
            Timeout: no answer came in time.
            Unavailable: Redis cannot take the request.
        """
        tensors = inference.tensors_of(inputs)
        queue = self._drive(self._known.admit(model, tensors))
        return self._predict(model, queue, priority, [encode_tensors(tensors)], timeout)[0]

    def infer_many(self, model: str, rows: ArrayLike, *, timeout: float = 30.0, priority: Priority = "normal") -> Array:
        """Predict many rows, shared among the workers, in the order given; see `infer`."""
        array = inference.rows_of(rows)
        queue = self._drive(self._known.admit(model, array))
        return np.concatenate(self._predict(model, queue, priority, inference.parts(array), timeout))

    def infer_later(
        self,
        model: str,
        inputs: ArrayLike | dict[str, ArrayLike],
        *,
        timeout: float = 30.0,
        priority: Priority = "normal",
    ) -> str:
        """Ask for a prediction and do not wait: `celery.result.AsyncResult(id)` has it, as nested lists, for an hour.

        That costs what `infer` does without: Redis holds the result as JSON for the hour, read or not. A worker that
        takes the request after `timeout` seconds leaves `Timeout` in its place.

        Returns:
            The id of the result.

        Raises:
            InvalidJob, ModelNotFound, Unavailable: as `infer`.
        """
        tensors = inference.tensors_of(inputs)
        queue = self._drive(self._known.admit(model, tensors))
        result_id, asked = later.request(model, queue, priority, timeout, encode_tensors(tensors))
        [full_at] = self._run(push([asked]))
        if full_at is not None:
            raise lane_full(model, full_at)
        return result_id

    def models(self) -> list[ModelVersion]:
        """Every version of every model, by name, the newest first."""
        return self._run(registry.versions())

    def model(self, ref: str) -> ModelVersion:
        """The version behind "name" (its champion), "name@3" or "name@alias".

        Raises:
            ModelNotFound: there is none.
        """
        return self._run(registry.resolve(ref))

    def workers(self) -> list[ledger.Worker]:
        """The workers heard of in the last seconds."""
        return self._run(ledger.workers())

    def _predict(
        self, model: str, queue: str, priority: Priority, requests: list[bytes], timeout: float
    ) -> list[Array]:
        deadline = time.monotonic() + timeout
        asked = self._switchboard.ask(model, queue, priority, timeout, requests)
        try:
            return [
                inference.outputs(answer.result(max(0.0, deadline - time.monotonic()))) for answer in asked.values()
            ]
        except concurrent.futures.TimeoutError:
            raise inference.unanswered(model, timeout) from None
        finally:
            self._switchboard.forget(asked)

    def _run(self, call: Call[T]) -> T:
        return self._connection.run(call)

    def _drive(self, steps: Steps[T]) -> T:
        answer = None
        while True:
            try:
                call = steps.send(answer)
            except StopIteration as end:
                return end.value  # type: ignore[no-any-return]  # StopIteration is not generic
            answer = self._run(call)


class Job:
    """A job in the ledger; made by `Client.submit` and `Client.job`.

    Attributes:
        id: also its Celery task id.
    """

    def __init__(self, connection: Connection, job_id: str) -> None:
        self._connection = connection
        self.id = job_id

    def __repr__(self) -> str:
        return f"Job({self.id!r})"

    @property
    def state(self) -> JobState:
        """Where the job stands now."""
        return self.status().state

    def status(self) -> JobStatus:
        """The job as it stands now."""
        return self._connection.run(ledger.status(self.id))

    def spec(self) -> Spec:
        """What was asked for."""
        return self._connection.run(ledger.spec(self.id))

    def events(self, after: str | None = None) -> Iterator[Event]:
        """The job's events, from the first or from behind the event with id `after`; ends with the job.

        Raises:
            Unavailable: Redis has been away for a minute, or for `patience_s` if that is longer.
        """
        return self._events(after, Deadline(None, self._connection.patience_s))

    def wait(self, timeout: float | None = None) -> JobState:
        """Wait for the end and give the final state.

        Raises:
            Timeout: it has not ended after `timeout` seconds.
            Unavailable: Redis is away when the time is up or, without a timeout, has been for as long as in `events`.
        """
        return self._wait(timeout, Deadline(timeout, self._connection.patience_s))

    def result(self, timeout: float | None = None) -> Result:
        """Wait for the end and give the result.

        Raises:
            JobFailed, JobCancelled, JobDead: it ended without one; the message says why.
            Timeout, Unavailable: as `wait` does.
        """
        deadline = Deadline(timeout, self._connection.patience_s)
        ready = self._connection.run(ledger.result(self.id), patience_s=deadline.patience_s())
        if ready is None:
            self._wait(timeout, deadline)
            ready = self._connection.run(ledger.result(self.id), patience_s=deadline.patience_s())
        assert ready is not None, "a job that ended without an error has a result"
        return ready

    def cancel(self) -> None:
        """Ask for the job's end: at once if it is queued, at its next step if it runs; none if it has ended."""
        self._connection.run(ledger.cancel(self.id))

    def _wait(self, timeout: float | None, deadline: Deadline) -> JobState:
        for event in self._events(None, deadline):
            if isinstance(event, Finished):
                return event.state
        status = self.status()
        if status.state.final:
            return status.state
        raise Timeout(submission.late(status, timeout or 0))

    def _events(self, after: str | None, deadline: Deadline) -> Iterator[Event]:
        follower = Follower(self.id, after, deadline, self._connection.longest_block_s)
        while call := follower.next_call():
            yield from follower.take(self._connection.run(call, patience_s=deadline.patience_s()))
