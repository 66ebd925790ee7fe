"""Labels that come after the answers: what a request's true answer was."""

from collections import defaultdict
from collections.abc import Iterable

from ..errors import InvalidArgument
from ..kinds.problems import short
from ..ledger import sampling
from ..ledger.sampling import Feedback
from ..models.requests import RequestId
from ..redis.calls import Steps
from .calls import AsyncCalls, Calls

Label = str | int | float | bool
_LONGEST_LABEL = 256
# Labels in one call of the server.
_CHUNK = 500


class FeedbackCalls(Calls):
    """A part of the blocking client."""

    def feedback(self, request: str, label: Label) -> Feedback:
        """Say what the true answer to a request was, so that its model's Monitor learns how right it is.

        Args:
            request: the request's id: `Prediction.request`, or that of an `Answer`.
            label: a class's label, or a number. Never what a model has predicted.

        Returns:
            What became of it: it counts, was said before, came too late, or the request is not known; see `Feedback`.
        """
        return self.feedback_many([(request, label)])[0]

    def feedback_many(self, labels: Iterable[tuple[str, Label]]) -> list[Feedback]:
        """`feedback` for many requests, given as pairs of id and label; says in their order what became of each."""
        return self._drive(_fed_back(_pairs(labels)))

    def monitors(self) -> dict[str, str]:
        """The id of the job that watches it, by the name of each model that one does."""
        return {name: wanted.job for name, wanted in self._run(sampling.all_wanted()).items()}


class AsyncFeedbackCalls(AsyncCalls):
    """A part of the asyncio client."""

    async def feedback(self, request: str, label: Label) -> Feedback:
        """See `Client.feedback`."""
        return (await self.feedback_many([(request, label)]))[0]

    async def feedback_many(self, labels: Iterable[tuple[str, Label]]) -> list[Feedback]:
        """See `Client.feedback_many`."""
        return await self._drive(_fed_back(_pairs(labels)))

    async def monitors(self) -> dict[str, str]:
        """See `Client.monitors`."""
        return {name: wanted.job for name, wanted in (await self._run(sampling.all_wanted())).items()}


def _fed_back(pairs: list[tuple[RequestId, str]]) -> Steps[list[Feedback]]:
    by_model: defaultdict[str, list[int]] = defaultdict(list)
    for at, (request, _) in enumerate(pairs):
        by_model[request.name].append(at)
    said: dict[int, Feedback] = {}
    for model, places in by_model.items():
        for start in range(0, len(places), _CHUNK):
            chunk = places[start : start + _CHUNK]
            answer: list[Feedback] = yield sampling.feedback(model, [(str(pairs[at][0]), pairs[at][1]) for at in chunk])
            said |= dict(zip(chunk, answer, strict=True))
    return [said[at] for at in range(len(pairs))]


def _pairs(labels: object) -> list[tuple[RequestId, str]]:
    if isinstance(labels, str | bytes) or not isinstance(labels, Iterable):
        raise InvalidArgument(f"labels are pairs of a request's id and its label, got {short(labels)}")
    pairs = []
    for pair in labels:
        if not isinstance(pair, tuple | list) or len(pair) != 2:
            raise InvalidArgument(f"labels are pairs of a request's id and its label, got {short(pair)}")
        pairs.append((RequestId.parse(pair[0]), _label(pair[1])))
    return pairs


def _label(value: object) -> str:
    is_huge = isinstance(value, int) and value.bit_length() > _LONGEST_LABEL
    text = str(value) if isinstance(value, str | int | float) and not is_huge else ""
    # numpy's numbers have no base in common with Python's but for floats.
    if not text and hasattr(value, "item"):
        return _label(value.item())
    if not text or len(text) > _LONGEST_LABEL or not text.isprintable():
        raise InvalidArgument(
            f"a label is a class's name of up to {_LONGEST_LABEL} printable characters, or a number; got {short(value)}"
        )
    return text
