"""The blocking client: submit jobs, follow them, infer. Safe to share between threads."""

import concurrent.futures
import time
from collections.abc import Iterable, Mapping
from functools import partial
from types import TracebackType
from typing import Self, TypeVar

import numpy as np
from numpy.typing import ArrayLike

from .. import ledger
from ..errors import StokerError
from ..events import JobState, JobStatus
from ..kinds import Priority, Spec
from ..lanes import later, push
from ..lanes.exchange import lane_full
from ..lanes.switchboard import Switchboard
from ..ledger import registry
from ..local import redis_url_of
from ..models.manifest import ModelVersion
from ..models.tensors import Array, encode_tensors
from ..redis.connection import Call, Connection, Steps
from ..redis.scopes import PerProcess
from ..settings import Settings
from . import arguments, inference, submission
from .job import Job
from .listening import Listener
from .tracing import submitting

T = TypeVar("T")


class Client:
    """Everything an app does with Stoker, over one Redis.

    One client serves a whole program: any number of threads use it and its jobs at once. After a fork (gunicorn
    --preload, multiprocessing, Celery's prefork pool) parent and children go on with it, and with jobs made before, as
    if each had made its own; what other threads were waiting for at that moment is waited for in the parent alone. It
    cannot be pickled: a process that is spawned makes its own. In an event loop use `AsyncClient`: this one blocks.

    While Redis is away, a call keeps trying for `settings.patience_s`, a second by default, and then raises
    `Unavailable`; whoever waits for a job or a prediction keeps trying until its timeout.

    Args:
        redis_url: None takes STOKER_REDIS_URL, else the local server of `stoker up`.
        settings: in place of the environment's and stoker.toml's.

    Raises:
        Unavailable: there is no server to talk to.
        InvalidSettings: the settings are wrong.
        ClientClosed: by every method, after `close`.
        InvalidArgument: by every method, for an argument of a wrong type or size; nothing is sent.
    """

    def __init__(self, redis_url: str | None = None, *, settings: Settings | None = None) -> None:
        arguments = {} if redis_url is None else {"redis_url": redis_url}
        self.settings = settings or Settings(**arguments)
        url = redis_url_of(self.settings)
        self._connection = Connection.open(self.settings, url, patience_s=self.settings.patience_s)
        self._switchboard = PerProcess(partial(Switchboard, self._connection))
        self._listener = PerProcess(partial(Listener, self._connection))
        self._known = inference.Known()

    def __reduce__(self) -> str:
        raise TypeError("a Client cannot be pickled: make one in the process that needs it")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close this process' connections; jobs go on. Whoever still waits in another thread is told."""
        self._switchboard.get().close()
        self._listener.get().close()
        self._connection.close()

    def submit(self, spec: Spec, *, idempotency_key: str | None = None) -> "Job":
        """Queue a job. When this returns, the job is stored and will be run to a final state.

        Args:
            idempotency_key: submits with the same key are the same job, as long as its record is kept.

        Raises:
            InvalidJob: the spec or its data is wrong, or the key was used with another spec.
            ModelNotFound: it names a model that does not exist.
            Unavailable, Unauthorized: Redis cannot take it; nothing was queued, or a repeat finds it by its key.
        """
        listed, key = [arguments.spec(spec)], arguments.idempotency_key(idempotency_key)
        with submitting(1):
            [job_id] = self._drive(submission.submit(listed, key))
        return self._job(job_id)

    def submit_many(self, specs: Iterable[Spec]) -> "list[Job]":
        """Queue several jobs: all of them or, on an error, none.

        A spec may come `after` another of the same call, or take the model that it makes, by its place: "#0" is the
        first. So a pipeline is a list of plain specs.

        Raises:
            InvalidJob, ModelNotFound: as `submit` does, for the first spec that is wrong.
            Unavailable, Unauthorized: Redis cannot take them. Nothing was queued or, if it went away at the very
                end, all will be.
        """
        listed = arguments.specs(specs)
        with submitting(len(listed)):
            ids = self._drive(submission.submit(listed))
        return [self._job(job_id) for job_id in ids]

    def job(self, job_id: str) -> "Job":
        """A job submitted before.

        Raises:
            JobNotFound: there is none with this id.
        """
        self._run(ledger.status(arguments.job_id(job_id)))
        return self._job(job_id)

    def jobs(
        self,
        state: JobState | str | None = None,
        kind: str | None = None,
        limit: int = 100,
        *,
        model: str | None = None,
        tags: Mapping[str, str] | None = None,
        before: str | None = None,
    ) -> list[JobStatus]:
        """The newest jobs, the newest first.

        For the next page, give the id of the last job of this one as `before`.

        Args:
            state, kind: only jobs in this state, of this kind; in any case.
            limit: how many at most, up to 10,000.
            model: only jobs of this model: a name stands for all its versions, "digits@3" for itself.
            tags: only jobs that have all of these tags.
            before: only jobs submitted before this one, by its id.

        Raises:
            InvalidArgument: there is no such state or kind; says which was meant.
            JobNotFound: there is no job with the id `before`.
        """
        wanted = arguments.search(state, kind, model, tags)
        return self._drive(ledger.search(wanted, arguments.limit(limit), arguments.job_id_or_none(before)))

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
        order = inference.Order.checked(model, timeout, priority)
        tensors = inference.tensors_of(inputs)
        queue = self._drive(self._known.admit(order.model, tensors))
        return self._predict(order, queue, [encode_tensors(tensors)])[0]

    def infer_many(self, model: str, rows: ArrayLike, *, timeout: float = 30.0, priority: Priority = "normal") -> Array:
        """Predict many rows, shared among the workers, in the order given; see `infer`."""
        order = inference.Order.checked(model, timeout, priority)
        array = inference.rows_of(rows)
        queue = self._drive(self._known.admit(order.model, array))
        return np.concatenate(self._predict(order, queue, inference.parts(array)))

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
        order = inference.Order.checked(model, timeout, priority)
        tensors = inference.tensors_of(inputs)
        queue = self._drive(self._known.admit(order.model, tensors))
        result_id, asked = later.request(order.model, queue, order.priority, order.timeout_s, encode_tensors(tensors))
        [full_at] = self._run(push([asked]))
        if full_at is not None:
            raise lane_full(order.model, full_at)
        return result_id

    def models(self) -> list[ModelVersion]:
        """Every version of every model, by name, the newest first."""
        return self._run(registry.versions())

    def model(self, ref: str) -> ModelVersion:
        """The version behind "name" (its champion), "name@3" or "name@alias".

        Raises:
            ModelNotFound: there is none.
        """
        return self._run(registry.resolve(arguments.model_ref(ref)))

    def workers(self) -> list[ledger.Worker]:
        """The workers heard of in the last seconds."""
        return self._run(ledger.workers())

    def _job(self, job_id: str) -> Job:
        return Job(self._connection, self._listener, job_id)

    def _predict(self, order: inference.Order, queue: str, requests: list[bytes]) -> list[Array]:
        deadline = time.monotonic() + order.timeout_s
        switchboard = self._switchboard.get()
        asked = switchboard.ask(order.model, queue, order.priority, order.timeout_s, requests)
        try:
            return [
                inference.outputs(answer.result(max(0.0, deadline - time.monotonic()))) for answer in asked.values()
            ]
        except concurrent.futures.TimeoutError as error:
            if isinstance(error, StokerError):
                raise
            raise inference.unanswered(order.model, order.timeout_s) from None
        finally:
            switchboard.forget(asked)

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
