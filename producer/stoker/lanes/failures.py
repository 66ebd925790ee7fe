"""Models that cannot be loaded: which error their callers get, and when a worker tries again.

A failure is stored per version, for all workers, so that a model that kills the process which loads it does not kill
one process after the other. Callers get the error until `retry_at`; then one worker tries again. The pause doubles
with each failure in a row. Other versions of the model are not affected.
"""

from collections.abc import Sequence
from datetime import datetime
from functools import partial
from typing import Literal

from pydantic import BaseModel

from ..errors import InvalidJob, Unavailable
from ..ledger.readable import all_readable, readable
from ..models.manifest import ModelVersion
from ..redis.calls import Call
from . import script
from .keys import key

# How long the other workers refuse requests while one tries again.
_TRIAL_MS = 30_000


class LoadFailure(BaseModel):
    """Why a version cannot be served.

    Attributes:
        model: its exact reference.
        error: the error that callers get; `Unavailable` where another worker, or a later try, may succeed.
        worker: the worker that failed last.
        failures: how many in a row.
        since: time of the first, UTC.
        retry_at: time of the next try, UTC.
    """

    model: str
    error: Literal["InvalidJob", "Unavailable"]
    reason: str
    worker: str
    failures: int
    since: datetime
    retry_at: datetime

    def as_error(self) -> InvalidJob | Unavailable:
        """The error that a caller gets."""
        message = f"{self.reason} (since {self.since:%H:%M:%S} UTC; tried again from {self.retry_at:%H:%M:%S} on)"
        return InvalidJob(message) if self.error == "InvalidJob" else Unavailable(message)


def admit_load(version: ModelVersion) -> Call[LoadFailure | None]:
    """Ask for leave to load a version: None to go ahead, or the failure to refuse its callers with."""
    words = (version.ref, version.created_at.isoformat(), _TRIAL_MS)
    return Call(words, partial(readable, LoadFailure), script("admit_load"))


def load_failed(
    ref: str,
    created_at: str,
    error: InvalidJob | Unavailable,
    worker: str,
    *,
    excused: bool = False,
    computed: bool = False,
) -> Call[LoadFailure]:
    """Store that a version could not be loaded.

    Args:
        created_at: when the version was registered, ISO: a new registry counts versions from 1 again.
        excused: whether the model may not be the cause; then the first failure has no effect.
        computed: whether it loaded, and its process died while computing; then a successful load clears nothing.
    """
    kind = "Unavailable" if isinstance(error, Unavailable) else "InvalidJob"
    words = (ref, created_at, kind, error.message, worker, int(excused), int(computed))
    return Call(words, LoadFailure.model_validate_json, script("load_failed"))


def loaded(version: ModelVersion) -> Call[None]:
    """Clear the failures of a version that has been loaded."""
    return Call((version.ref,), lambda _: None, script("loaded"))


def forget(refs: Sequence[str]) -> Call[None]:
    """Forget the failures of versions that were removed."""
    return Call(("HDEL", key("load_failures"), *refs), lambda _: None)


def load_failures() -> Call[list[LoadFailure]]:
    """The failures of versions whose callers are refused, sorted by reference."""

    def decode(answer: list[bytes]) -> list[LoadFailure]:
        return sorted(all_readable(LoadFailure, answer), key=lambda failure: failure.model)

    return Call((), decode, script("load_failures"))
