"""Deployments that go on step by step: their jobs wait without a slot, and the leading controller goes on with them.

What an attempt has kept is a `Rollout`. The controller looks at each about once a second, and writes what it decides
in the place of that before it does it: so another one, which finds it decided, can do it again. At the end it wakes the
job, whose last attempt tells what came of it.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..events import Progress, Waiting
from ..kinds.rollout import Approval, Rollout
from ..redis.calls import Call
from .scripts import script


@dataclass(frozen=True)
class Followed:
    """A job that waits, and that a controller goes on with.

    Attributes:
        spec, kept: as JSON that may have been written by anyone.
        said: what somebody has said to it who may approve it, as such JSON; empty for nothing.
        is_routed, is_ready: whether its route is open, and whether a worker has loaded the new version.
        counted: what was counted of the route, by name; and how and why it was closed, if it was.
    """

    job_id: str
    spec: bytes
    kept: bytes
    said: bytes
    is_routed: bool
    is_ready: bool
    counted: Mapping[str, str]


@dataclass(frozen=True)
class News:
    """What a controller says of a job that it goes on with.

    Attributes:
        why: what the job waits for now; "" for the same as before.
        happened: an event in words; "" for none.
        progress: how far it is; None for as far as before.
        heard: what somebody has said about the version, who was asked for it; None for nothing new.
    """

    why: str = ""
    happened: str = ""
    progress: Progress | None = None
    heard: Approval | None = None


def followed() -> Call[list[Followed]]:
    """The jobs that wait and that a controller goes on with; those that are paused wait for longer."""

    def decode(answer: list[list[Any]]) -> list[Followed]:
        return [
            Followed(job_id.decode(), spec, kept, said, bool(routed), bool(ready), _texts(counted))
            for job_id, spec, kept, said, routed, ready, counted in answer
        ]

    return Call((), decode, script("followed"))


def go_on(job: Followed, rollout: Rollout, news: News, *, wakes: bool = False) -> Call[bool]:
    """Write down what was decided of a job; False if it does not wait any more, or another has decided.

    Args:
        rollout: what its next attempt gets.
        wakes: whether that is due.
    """
    event = Waiting(reason=news.happened).model_dump_json(exclude={"id", "at"}) if news.happened else ""
    progress = news.progress.model_dump_json(exclude={"id", "at"}) if news.progress else ""
    words = (job.job_id, job.kept, rollout.model_dump_json(), news.why, event, progress, int(wakes))
    return Call((*words, *_heard(rollout, news.heard)), bool, script("go_on"))


def _heard(rollout: Rollout, said: Approval | None) -> tuple[str, str, str]:
    """The role, the model, and the change of it, as its log has it."""
    if said is None:
        return "", "", ""
    name, _, number = rollout.model.partition("@")
    change = {
        "asked": int(number),
        "how": "approved" if said.is_granted else "refused",
        "by": said.by,
        "why": said.note,
    }
    return said.role, name, json.dumps(change)


def _texts(words: list[bytes]) -> dict[str, str]:
    pairs = zip(words[::2], words[1::2], strict=True)
    return {name.decode(errors="replace"): value.decode(errors="replace") for name, value in pairs}
