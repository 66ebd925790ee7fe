"""Both clients, with a ledger in memory."""

import itertools
import uuid
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from ..client import asking
from ..client.aio import AsyncClient as RealAsyncClient
from ..client.asking import Asking, Replies
from ..client.async_job import AsyncJob
from ..client.blocking import Client as RealClient
from ..client.inference import InferCall
from ..client.job import Job
from ..client.tables import Rows
from ..errors import InvalidJob
from ..events import Event
from ..kinds import Priority
from ..kinds.base import JobSpec
from ..lanes.frames import Answered
from ..lanes.later import as_lists
from ..models.manifest import ModelVersion
from ..models.tensors import decode_tensors, encode_tensors
from ..settings import Settings
from .connections import AsyncMemoryConnection, MemoryConnection
from .ledger import Ledger, not_played
from .outcomes import Planned, returns
from .registry import Answer

_URL = "redis://memory.invalid"


class _Scripted:
    """What a test says to either client.

    Attributes:
        ledger: what the client talks to; several clients may share one.
    """

    ledger: Ledger

    def on(self, spec: type[JobSpec[Any]], *planned: Planned, model: str | None = None) -> None:
        """Say what comes of the next jobs of a kind, one after the other; of all later ones what comes of the last.

        Args:
            spec: the kind, by the class of its specs.
            model: only jobs that make or read this model.
        """
        self.ledger.plans.add(spec, planned, model)

    def report(self, job: Job[Any] | AsyncJob[Any], *events: Event) -> None:
        """Let a job that runs send events."""
        self.ledger.report(job.id, events)

    def finish(self, job: Job[Any] | AsyncJob[Any], planned: Planned | None = None) -> None:
        """End a job that runs; None makes its result up."""
        self.ledger.finish(job.id, planned or returns())

    def add_model(
        self, name: str, *, inputs: Sequence[str] = (), classes: Sequence[str] = (), target: str | None = None
    ) -> ModelVersion:
        """Register a version that no job of the test has made.

        Args:
            inputs: its columns, all of which are numbers; empty for an array of any width.
            classes: the labels that it predicts; empty for a number.
        """
        return self.ledger.models.add(name, inputs=inputs, classes=classes, target=target)

    def on_predict(self, model: str, answer: Answer | Callable[[Any], Any]) -> None:
        """Say what a model answers from now on, to `infer` and `predict`.

        Args:
            model: its name, for all its versions.
            answer: for every row the same label or number, for one row after the other those of a list; or a function
                that takes the model's tensors and gives its output, as an array.
        """
        self.ledger.models.answers[model] = answer


class Client(RealClient, _Scripted):
    """`stoker.Client` in memory.

    Args:
        ledger: one that another client talks to as well; None makes one.
    """

    def __init__(self, ledger: Ledger | None = None) -> None:
        self.ledger, self._closes = ledger or Ledger(), ledger is None
        super().__init__(settings=_settings(self.ledger))

    def close(self) -> None:
        """See `stoker.Client.close`; a ledger of its own goes with it."""
        super().close()
        if self._closes:
            self.ledger.close()

    def infer_later(
        self, model: str, inputs: Rows, *, timeout: float = 30.0, priority: Priority = "normal", key: str | None = None
    ) -> str:
        """See `stoker.Client.infer_later`: what Celery would give for the id is in `ledger.later`."""
        asking.place_of(key)
        return _answered_later(self.ledger, self._drive(self._models.call(model, inputs, timeout, priority)))

    def workers(self) -> NoReturn:
        """No test has workers.

        Raises:
            StokerError: always.
        """
        raise not_played("workers")

    def _open(self) -> MemoryConnection:
        return MemoryConnection(self.ledger)

    def _ask(self, asked: Asking) -> Replies | InvalidJob:
        return _replies(self.ledger, asked)


class AsyncClient(RealAsyncClient, _Scripted):
    """`stoker.AsyncClient` in memory; see `Client`."""

    def __init__(self, ledger: Ledger | None = None) -> None:
        self.ledger, self._closes = ledger or Ledger(), ledger is None
        super().__init__(settings=_settings(self.ledger))

    async def close(self) -> None:
        """See `Client.close`."""
        await super().close()
        if self._closes:
            self.ledger.close()

    async def infer_later(
        self,
        model: str,
        inputs: Rows,
        *,
        timeout: float = 30.0,  # noqa: ASYNC109  # the request's
        priority: Priority = "normal",
        key: str | None = None,
    ) -> str:
        """See `Client.infer_later`."""
        asking.place_of(key)
        return _answered_later(self.ledger, await self._drive(self._models.call(model, inputs, timeout, priority)))

    async def workers(self) -> NoReturn:
        """See `Client.workers`."""
        raise not_played("workers")

    def _open(self) -> AsyncMemoryConnection:
        return AsyncMemoryConnection(self.ledger)

    async def _ask(self, asked: Asking) -> Replies | InvalidJob:
        return _replies(self.ledger, asked)


def _settings(ledger: Ledger) -> Settings:
    # In memory nothing is signed: what an app's own settings trust and encrypt with does not concern it.
    off: dict[str, None] = dict.fromkeys(("signing_key", "trusted_keys", "encryption_key"))
    return Settings(redis_url=_URL, store_url=ledger.store_url, encryption_recipients=(), **off)


def _replies(ledger: Ledger, asked: Asking) -> Replies:
    version = ledger.models.version(asked.call.model)
    outputs = [ledger.models.outputs(version.ref, decode_tensors(request)) for request in asked.requests]
    answers = {
        number: Answered(encode_tensors(output), version.version)
        for number, output in zip(itertools.islice(ledger.request_numbers, len(outputs)), outputs, strict=True)
    }
    return Replies(ledger.client, answers)


def _answered_later(ledger: Ledger, call: InferCall) -> str:
    result_id = str(uuid.uuid4())
    ledger.later[result_id] = as_lists(ledger.models.outputs(call.model, call.tensors))
    return result_id
