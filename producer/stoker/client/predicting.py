"""Predictions, by both clients."""

import asyncio
import concurrent.futures
import time
from collections.abc import Awaitable, Iterable
from typing import Any, TypeVar

from ..errors import InvalidJob, StokerError
from ..kinds import Priority
from ..lanes.aio import AsyncLaneClient
from ..lanes.blocking import LaneClient
from ..lanes.frames import Answered
from ..models.answer import Answer
from ..models.prediction import Prediction
from ..models.tensors import Outputs
from ..redis.calls import Call, drive, drive_async
from ..redis.scopes import PerLoop, PerProcess
from . import asking, inference
from .asking import Asking, Predicting, Replies
from .calls import AsyncCalls, Calls
from .inference import InferCall, ModelCache
from .tables import Rows

T = TypeVar("T")


class PredictCalls(Calls):
    """Predictions by the blocking client."""

    _models: ModelCache
    _lanes: PerProcess[LaneClient]

    def infer(
        self,
        model: str,
        inputs: Rows,
        *,
        timeout: float = 30.0,
        priority: Priority = "normal",
        key: str | None = None,
    ) -> Outputs:
        """Predict rows with a registered model.

        Rows whose columns have names go by these, in any order; None and NaN are missing values. Columns that the
        model does not read are ignored, with a warning.

        Args:
            model: a model reference.
            inputs: an array of shape (rows, …), as the model's signature says; a dict of columns; a list of dicts, one
                for each row; a dict of single values, which is one row; or a table of pandas, polars or pyarrow.
            timeout: seconds to wait for the answer.
            priority: waiting requests are taken in the order of their priorities.
            key: where two versions share the requests to an alias, those of one key go to one of them: "user-7".

        Returns:
            The model's output, shape (rows, …); of several outputs a dict of these by name.

        Raises:
            InvalidJob: the inputs do not fit the model; nearly always raised before anything is sent.
            ModelNotFound: no model has this name.
            Timeout: no answer came in time.
            Unavailable: Redis cannot take the request.
        """
        return self._predicted(asking.infer(self._models, model, inputs, timeout, priority, key, asking.one_request))

    def ask(
        self,
        model: str,
        inputs: Rows,
        *,
        timeout: float = 30.0,
        priority: Priority = "normal",
        key: str | None = None,
    ) -> Answer:
        """`infer`, and say which version answered, and under which id feedback on the answer is given.

        Raises:
            InvalidJob, ModelNotFound, Timeout, Unavailable: as `infer`.
        """
        return self._predicted(asking.ask(self._models, model, inputs, timeout, priority, key))

    def infer_many(
        self, model: str, rows: Rows, *, timeout: float = 30.0, priority: Priority = "normal", key: str | None = None
    ) -> Outputs:
        """Predict many rows on several workers at once; the outputs are in the order of the rows. See `infer`."""
        return self._predicted(asking.infer(self._models, model, rows, timeout, priority, key, inference.encode_rows))

    def predict(
        self, model: str, rows: Rows, *, timeout: float = 30.0, priority: Priority = "normal", key: str | None = None
    ) -> list[Prediction]:
        """Predict rows, and say what the model's output means: labels with probabilities, or numbers.

        Many rows are shared by several workers. Each prediction names the version that it is of.

        Args:
            rows: as the `inputs` of `infer`.
            key: as of `infer`.

        Raises:
            InvalidJob: the rows do not fit the model, or what it gives are no probabilities.
            ModelNotFound, Timeout, Unavailable: as `infer`.
        """
        return self._predicted(asking.predict(self._models, model, rows, timeout, priority, key))

    def infer_later(
        self, model: str, inputs: Rows, *, timeout: float = 30.0, priority: Priority = "normal", key: str | None = None
    ) -> str:
        """Request a prediction without waiting: `celery.result.AsyncResult(id)` has it, as nested lists, for an hour.

        Unlike with `infer`, Redis stores the result as JSON for that hour, whether or not it is read. If no worker
        takes the request within `timeout` seconds, the result is `Timeout`.

        Returns:
            The id of the result.

        Raises:
            InvalidJob, ModelNotFound, Unavailable: as `infer`.
        """
        return self._drive(self._models.send_later(model, inputs, timeout, priority, asking.place_of(key)))

    def _predicted(self, steps: Predicting[T]) -> T:
        return drive(steps, lambda asked: self._ask(asked) if isinstance(asked, Asking) else self._run(asked))

    def _ask(self, asked: Asking) -> Replies | InvalidJob:
        call = asked.call
        deadline = time.monotonic() + call.timeout_s
        lanes = self._lanes.get()
        answers = lanes.send(call.model, call.queue, call.priority, call.timeout_s, asked.requests, asked.place)
        try:
            return Replies(
                lanes.client,
                {number: answer.result(max(0.0, deadline - time.monotonic())) for number, answer in answers.items()},
            )
        except InvalidJob as error:
            return error
        except concurrent.futures.TimeoutError as error:
            if isinstance(error, StokerError):
                raise
            raise inference.unanswered(call) from None
        finally:
            lanes.forget(answers)


class AsyncPredictCalls(AsyncCalls):
    """Predictions by the asyncio client."""

    _models: ModelCache
    _lanes: PerLoop[AsyncLaneClient]

    async def infer(
        self,
        model: str,
        inputs: Rows,
        *,
        timeout: float = 30.0,
        priority: Priority = "normal",
        key: str | None = None,
    ) -> Outputs:
        """See `Client.infer`."""
        steps = asking.infer(self._models, model, inputs, timeout, priority, key, asking.one_request)
        return await drive_async(steps, self._answered)

    async def ask(
        self,
        model: str,
        inputs: Rows,
        *,
        timeout: float = 30.0,
        priority: Priority = "normal",
        key: str | None = None,
    ) -> Answer:
        """See `Client.ask`."""
        return await drive_async(asking.ask(self._models, model, inputs, timeout, priority, key), self._answered)

    async def infer_many(
        self, model: str, rows: Rows, *, timeout: float = 30.0, priority: Priority = "normal", key: str | None = None
    ) -> Outputs:
        """See `Client.infer_many`."""
        steps = asking.infer(self._models, model, rows, timeout, priority, key, inference.encode_rows)
        return await drive_async(steps, self._answered)

    async def predict(
        self, model: str, rows: Rows, *, timeout: float = 30.0, priority: Priority = "normal", key: str | None = None
    ) -> list[Prediction]:
        """See `Client.predict`."""
        return await drive_async(asking.predict(self._models, model, rows, timeout, priority, key), self._answered)

    async def infer_later(
        self, model: str, inputs: Rows, *, timeout: float = 30.0, priority: Priority = "normal", key: str | None = None
    ) -> str:
        """See `Client.infer_later`."""
        return await self._drive(self._models.send_later(model, inputs, timeout, priority, asking.place_of(key)))

    def _answered(self, asked: Call[Any] | Asking) -> Awaitable[Any]:
        return self._ask(asked) if isinstance(asked, Asking) else self._run(asked)

    async def _ask(self, asked: Asking) -> Replies | InvalidJob:
        call, lanes = asked.call, self._lanes.get()
        answers = lanes.send(call.model, call.queue, call.priority, call.timeout_s, asked.requests, asked.place)
        # A bare timer is cheaper than `asyncio.timeout`, and there is one for each call.
        expiry = asyncio.get_running_loop().call_later(call.timeout_s, _expire, answers.values(), call)
        got: dict[int, Answered] = {}
        try:
            for number, answer in answers.items():
                got[number] = await answer
        except InvalidJob as error:
            return error
        finally:
            expiry.cancel()
            if len(got) < len(answers):
                lanes.forget(answers)
                for answer in answers.values():
                    # The first error is raised; asyncio would log the others if nobody retrieved them.
                    answer.cancel() or answer.cancelled() or answer.exception()
        return Replies(lanes.client, got)


def _expire(answers: Iterable[asyncio.Future[Answered]], call: InferCall) -> None:
    """Raise `Timeout` in the first answer that has not come, which is the one awaited."""
    if unanswered := next((answer for answer in answers if not answer.done()), None):
        unanswered.set_exception(inference.unanswered(call))
