"""What happened to models, for whoever watches them: alarms of drift and performance, promotions, registrations.

All of it is one stream. A script raises an alarm in the same step as what it tells of, by the function `raise_alarm`.
"""

import json
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime

from pydantic import BaseModel, ConfigDict, Field

from ..redis.calls import Call
from .keys import key
from .readable import readable
from .scripts import script

OF_MODELS = ("drift", "performance", "registered", "promoted", "rolled back")
"""What is told of models."""


class Alarm(BaseModel):
    """Something that happened to a model.

    Attributes:
        id: its place in the stream: `client.alarms(since=id)` gives those after it.
        at: when, UTC, by the Redis server's clock.
        what: "drift", "performance", "registered", "promoted", "rolled back"; "budget", of a tenant and no model; or
            what a newer version tells of.
        model: the version, or the model's name; "" where it is about none.
        job: the id of the job that it comes from; None if it comes from none.
        text: what happened, in a sentence.
        figures: what was measured, by name.
    """

    model_config = ConfigDict(frozen=True)

    id: str
    at: datetime
    what: str
    model: str = ""
    job: str | None = None
    text: str
    figures: Mapping[str, float | str | None] = Field(default_factory=dict)


def raise_(
    what: str, text: str, *, model: str = "", job: str | None = None, figures: Mapping[str, float | str] | None = None
) -> Call[str]:
    """Raise an alarm, which a repeat of the call does not raise again; gives its id."""
    alarm = {"id": uuid.uuid4().hex, "what": what, "text": text, "model": model, "figures": dict(figures or {})}
    words = (json.dumps(alarm | ({"job": job} if job else {})),)
    return Call(words, lambda answer: answer.decode(), script("raise_alarm"))


def since(place: str | datetime, limit: int) -> Call[list[Alarm]]:
    """The alarms after one, by its id, or from a moment on, the oldest first."""
    start = f"{int(place.timestamp() * 1000)}-0" if isinstance(place, datetime) else f"({place}"
    return Call(("XRANGE", key("alarms"), start, "+", "COUNT", limit), _alarms)


def newest(limit: int) -> Call[list[Alarm]]:
    """The newest alarms, the oldest of them first."""
    return Call(("XREVRANGE", key("alarms"), "+", "-", "COUNT", limit), lambda answer: _alarms(answer)[::-1])


def _alarms(answer: list[tuple[bytes, dict[bytes, bytes] | None]]) -> list[Alarm]:
    """What can be read of the stream's entries."""
    return [alarm for place, fields in answer if (alarm := _alarm(place.decode(), (fields or {}).get(b"alarm")))]


def _alarm(place: str, raw: bytes | None) -> Alarm | None:
    told = readable(_Told, raw)
    if told is None:
        return None
    at = datetime.fromtimestamp(int(place.partition("-")[0]) / 1000, UTC)
    return Alarm(id=place, at=at, **dict(told))


class _Told(BaseModel):
    """An alarm as it lies in the stream."""

    what: str
    model: str = ""
    job: str | None = None
    text: str
    figures: dict[str, float | str | None] = Field(default_factory=dict)
