"""Samples of what models are asked and answer: predictors keep them, and the job that watches the model takes windows.

Nothing is kept of a model that no job watches. What is kept is bounded: four windows, and 16 MB, the oldest dropped and
counted. In the step in which the job ends, all of it goes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Any

from pydantic import BaseModel, ConfigDict

from ..redis.calls import Call
from .attempt import Attempt
from .keys import key
from .readable import counts, readable
from .scripts import script


class Sampling(BaseModel):
    """What of a model is sampled.

    Attributes:
        job: the id of the job that watches it; "" before it has begun.
        share: of the requests, 0 to 1.
        off: the columns of which nothing is kept.
        window: rows of a window.
        horizon_s: for how many seconds after an answer a label counts.
        most_bytes: what may wait of one version.
        most_answers: how many answers can get a label.
    """

    model_config = ConfigDict(frozen=True)

    job: str = ""
    share: float
    off: tuple[str, ...] = ()
    window: int
    horizon_s: float
    most_bytes: int = 16 << 20
    most_answers: int = 20_000


@dataclass(frozen=True)
class Window:
    """What an attempt of a Monitor finds.

    Attributes:
        batches: as predictors have kept them; none if there are too few rows for a window.
        waiting: rows for the windows to come.
        kept, dropped: rows that were ever kept of the version, and of those dropped for want of room.
        labels: how many answers of the version have got a label.
        outcomes: what the newest of those said: "1" for right, "0" for wrong; or the number predicted, and the true
            one.
    """

    batches: tuple[bytes, ...] = ()
    waiting: int = 0
    kept: int = 0
    dropped: int = 0
    labels: int = 0
    outcomes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Watched:
    """What a Monitor has of one version so far.

    Attributes:
        kept, dropped: rows that were sampled, and those of them that were dropped for want of room.
        labels: answers that have got a label.
        windows: how many its job has tested, of all versions.
        differ: how many columns differ in the newest of them.
    """

    kept: int = 0
    dropped: int = 0
    labels: int = 0
    windows: int = 0
    differ: int = 0


class Taken(Exception):
    """Another job samples the model already.

    Attributes:
        job: its id.
    """

    def __init__(self, job: str) -> None:
        super().__init__(job)
        self.job = job


class Feedback(StrEnum):
    """What became of a label."""

    ACCEPTED = "ok"
    """It counts."""
    DUPLICATE = "duplicate"
    """The same was said before, and counts once."""
    CONTRADICTORY = "contradictory"
    """Something else was said before, and stays."""
    LATE = "late"
    """It came later than the labels' horizon after the answer."""
    UNKNOWN = "unknown"
    """The request was not sampled, or so long ago that it is forgotten."""
    UNJUDGED = "unjudged"
    """It was sampled, and no single label can be held against its answer: that is of several rows or outputs, or is
    neither a class nor a number."""
    UNLIKE = "unlike"
    """The model predicts numbers, and the label is none."""
    UNWATCHED = "unwatched"
    """No Monitor watches the model."""


def wanted(model: str) -> Call[Sampling | None]:
    """What of a model is sampled; None where nothing is."""
    return Call(("HGET", key("sampling"), model), lambda raw: readable(Sampling, raw))


def all_wanted() -> Call[dict[str, Sampling]]:
    """What is sampled, by model."""

    def decode(answer: Mapping[bytes, bytes]) -> dict[str, Sampling]:
        read = {name.decode(errors="replace"): readable(Sampling, raw) for name, raw in answer.items()}
        return {name: sampling for name, sampling in read.items() if sampling}

    return Call(("HGETALL", key("sampling")), decode)


def watched(model: str) -> Call[dict[str, Watched]]:
    """What there is of a model, by version."""

    def decode(answer: Mapping[bytes, bytes]) -> dict[str, Watched]:
        of: dict[str, dict[str, int]] = {}
        for field, count in counts(answer).items():
            ref, _, what = field.partition(" ")
            of.setdefault(ref, {})[what] = count
        return {
            ref: Watched(**{each.name: found.get(each.name, 0) for each in fields(Watched)})
            for ref, found in of.items()
        }

    return Call(("HGETALL", key("sampled", model)), decode)


def keep(job: str, ref: str, batch: bytes, answers: Mapping[str, str] | None = None) -> Call[bool]:
    """Keep a batch of samples; False if the job samples no more.

    Args:
        ref: the version that answered, exactly.
        batch: <its rows as uint32><the rest>.
        answers: by request, what was predicted: "c:<label>" or "n:<number>"; "-" where no label can be held against it.
    """
    words = [word for pair in (answers or {}).items() for word in pair]
    return Call((ref.partition("@")[0], job, ref, batch, *words), bool, script("keep_samples"))


def take(attempt: Attempt, ref: str, sampling: Sampling, tested: int) -> Call[Window | None]:
    """Sample a model from now on, and take the next window of its version, again if it was taken for the same number.

    Args:
        tested: how many windows the job has tested.

    Returns:
        None if the attempt has lost its job.

    Raises:
        Taken: by decoding, if another job samples the model.
    """
    model = ref.partition("@")[0]

    def decode(answer: list[Any]) -> Window | None:
        what, *rest = answer
        if what == b"taken":
            raise Taken(rest[0].decode())
        if what == b"lost":
            return None
        waiting, dropped, kept, labels, *lists = rest
        end = lists.index(b"")
        outcomes = tuple(outcome.decode() for outcome in lists[:end])
        return Window(tuple(lists[end + 1 :]), waiting, kept, dropped, labels, outcomes)

    words = (attempt.job_id, attempt.owner, model, ref, sampling.model_dump_json(exclude={"job"}), tested)
    return Call(words, decode, script("take_samples"))


def feedback(model: str, labels: Sequence[tuple[str, str]]) -> Call[list[Feedback]]:
    """Take in labels of requests to a model, by the requests' ids; says what became of each."""
    words = [word for pair in labels for word in pair]
    return Call((model, *words), lambda answer: [Feedback(word.decode()) for word in answer], script("feedback"))
