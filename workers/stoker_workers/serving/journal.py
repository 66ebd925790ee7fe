"""Which models a predictor process loads and computes, in memory that its slot can read after the process has died."""

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from multiprocessing.sharedctypes import RawArray

from pydantic import BaseModel, ValidationError

from stoker.models.manifest import ModelVersion

_ACTIVITY_BYTES = 512


class Activity(BaseModel):
    """Loading or computing one model.

    Attributes:
        created_at: when its version was registered, ISO.
        since: start time, by the monotonic clock that all processes of a machine share.
    """

    ref: str
    created_at: str
    since: float


class Journal:
    """One activity for the model that is loaded, one for the model that computes. Made before the process is forked."""

    def __init__(self) -> None:
        # Without a lock, which a killed process would never release.
        self._loading = RawArray("c", _ACTIVITY_BYTES)
        self._computing = RawArray("c", _ACTIVITY_BYTES)

    @contextmanager
    def load(self, version: ModelVersion) -> Iterator[None]:
        """Enter a version that is loaded, for the length of a with block."""
        self._loading.value = activity_of(version)
        try:
            yield
        finally:
            self._loading.value = b""

    @contextmanager
    def compute(self, activity: bytes) -> Iterator[None]:
        """Enter a model that computes, for the length of a with block; `activity` is from `activity_of`."""
        self._computing.value = activity
        try:
            yield
        finally:
            self._computing.value = b""

    @property
    def loading(self) -> Activity | None:
        """The model that is loaded, or was when the process died."""
        return _read(self._loading.value)

    @property
    def computing(self) -> Activity | None:
        """The model that computes, or did when the process died; `since` is when it had been loaded."""
        return _read(self._computing.value)


def activity_of(version: ModelVersion) -> bytes:
    """An encoded activity that starts now."""
    activity = Activity(ref=version.ref, created_at=version.created_at.isoformat(), since=time.monotonic())
    return activity.model_dump_json().encode()


def _read(raw: bytes) -> Activity | None:
    # An activity may be half written: the next check reads it.
    with suppress(ValidationError):
        return Activity.model_validate_json(raw)
    return None
