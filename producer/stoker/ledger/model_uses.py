"""What uses the versions of a model beside their aliases: jobs that have not ended."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from ..events import JobState
from ..kinds import RESULT
from ..models.manifest import ModelVersion
from ..redis.calls import Call, Steps
from .keys import key
from .registry import JOB_MODEL
from .scripts import script

# How many jobs one step looks at: some milliseconds of the server.
_LOOK = 1000
_UNFINISHED = (JobState.WAITING, JobState.QUEUED, JobState.RUNNING)


@dataclass(frozen=True)
class Uses:
    """The unfinished jobs that name a model.

    Attributes:
        by_ref: the id of such a job, by the reference that it names: "digits", "digits@3", "digits@latest", …
        makers: ids of those that will make a version of it.
        sequence: up to which job they were looked for.
    """

    by_ref: Mapping[str, str]
    makers: Sequence[str]
    sequence: int

    def job_of(self, version: ModelVersion, is_newest: bool) -> str | None:
        """A job that names the version, by its number or, if it is that, as the newest; None if none does."""
        refs = [version.ref, f"{version.name}@latest"] if is_newest else [version.ref]
        return next((self.by_ref[ref] for ref in refs if ref in self.by_ref), None)

    def any_job(self) -> str | None:
        """A job that reads the model in any way, or will make a version of it; None if none does."""
        return next(iter([*self.by_ref.values(), *self.makers]), None)


def uses(name: str) -> Steps[Uses]:
    """Look through all unfinished jobs, in steps that each take little of the server."""
    sequence: int = yield Call(("GET", key("sequence")), lambda answer: int(answer or 0))
    by_ref: dict[str, str] = {}
    makers: list[str] = []
    place: str | None = ""
    while place is not None:
        page, place = yield _page(name, place)
        for job_id, makes, reads in page:
            if makes == name:
                makers.append(job_id)
            for ref in reads:
                is_made = ref.startswith(JOB_MODEL)
                named: str | None = (yield _given_by(ref.removeprefix(JOB_MODEL))) if is_made else ref
                if named and named.partition("@")[0] == name:
                    by_ref.setdefault(named, job_id)
    return Uses(by_ref, makers, sequence)


def _page(name: str, before: str) -> Call[tuple[list[tuple[str, str, list[str]]], str | None]]:
    """Some jobs, with what each makes and reads, and where to go on; None where there are no more."""
    query: dict[str, object] = {
        "limit": _LOOK,
        "look": _LOOK,
        "kinds": [],
        "states": _UNFINISHED,
        "fields": ["parent", "makes", "model"],
        "tags": {},
        "model": name,
        "reads": True,
    }
    if before:
        query["before"] = before

    def decode(answer: list[Any]) -> tuple[list[tuple[str, str, list[str]]], str | None]:
        place, *rows = answer
        # What is no record has no values.
        jobs = [(job_id, *values[1:]) for job_id, values in rows if values]
        page = [(_text(job_id), _text(makes), _text(reads).split()) for job_id, makes, reads in jobs]
        return page, place.decode() or None

    return Call((json.dumps(query),), decode, script("query"))


def _given_by(job_id: str) -> Call[str | None]:
    """The version that a job has made or chosen; None if it has not, or not yet."""

    def decode(answer: bytes | None) -> str | None:
        try:
            return RESULT.validate_json(answer or b"").gives_model()
        except ValidationError:
            return None

    return Call(("HGET", key("job", job_id), "result"), decode)


def _text(value: bytes | None) -> str:
    return (value or b"").decode(errors="replace")
