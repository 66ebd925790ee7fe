"""Models that could not be loaded: what their callers are answered, and when a worker tries again.

A failure is remembered by exact version, for all workers, so that one model that ends the process which loads it does
not end one after the other. Callers are refused with the reason until `retry_at`; then one worker tries. The pause
doubles with each failure in a row. Another version of the model is not affected.
"""

from datetime import datetime
from functools import partial
from typing import Literal

from pydantic import BaseModel

from ..errors import InvalidJob, Unavailable
from ..ledger.readable import all_readable, readable
from ..models.manifest import ModelVersion
from ..redis.connection import Call
from . import _script

# For how long the others are refused while one worker tries again.
_TRIAL_MS = 30_000


class LoadFailure(BaseModel):
    """Why a version cannot be served.

    Attributes:
        model: its exact reference.
        error: what callers are raised: `InvalidJob`, or `Unavailable` where another machine or moment may do.
        worker: who failed last.
        failures: in a row.
        since: the first of them, UTC.
        retry_at: when it is tried again, UTC.
    """

    model: str
    error: Literal["InvalidJob", "Unavailable"]
    reason: str
    worker: str
    failures: int
    since: datetime
    retry_at: datetime

    def as_error(self) -> InvalidJob | Unavailable:
        """What a caller is raised."""
        told = f"{self.reason} (since {self.since:%H:%M:%S} UTC; tried again from {self.retry_at:%H:%M:%S} on)"
        return InvalidJob(told) if self.error == "InvalidJob" else Unavailable(told)


def admit_load(version: ModelVersion) -> Call[LoadFailure | None]:
    """Ask before a version is loaded: None to go ahead, or why its callers are to be refused."""
    words = (version.ref, version.created_at.isoformat(), _TRIAL_MS)
    return Call(words, partial(readable, LoadFailure), _script("admit_load"))


def load_failed(
    ref: str,
    created_at: str,
    error: InvalidJob | Unavailable,
    worker: str,
    *,
    excused: bool = False,
    computed: bool = False,
) -> Call[LoadFailure]:
    """Note that a version could not be loaded.

    Args:
        created_at: when the version was registered, ISO: a registry begun anew counts from 1 again.
        excused: whether it may have been for another reason; then the first time has no consequence.
        computed: whether it was loaded and ended its process when it computed: then loading it again proves nothing.
    """
    kind = "Unavailable" if isinstance(error, Unavailable) else "InvalidJob"
    words = (ref, created_at, kind, error.message, worker, int(excused), int(computed))
    return Call(words, LoadFailure.model_validate_json, _script("load_failed"))


def loaded(version: ModelVersion) -> Call[None]:
    """Note that a version has been loaded."""
    return Call((version.ref,), lambda _: None, _script("loaded"))


def load_failures() -> Call[list[LoadFailure]]:
    """The versions whose callers are refused, by reference."""

    def decode(answer: list[bytes]) -> list[LoadFailure]:
        return sorted(all_readable(LoadFailure, answer), key=lambda failure: failure.model)

    return Call((), decode, _script("load_failures"))
