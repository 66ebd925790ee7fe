"""What a predictor process is at, kept where its slot can read it even after the process has died."""

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from multiprocessing.sharedctypes import RawArray

from pydantic import BaseModel, ValidationError

from stoker.models.manifest import ModelVersion

_ENTRY_BYTES = 512


class Entry(BaseModel):
    """Work on one model.

    Attributes:
        created_at: when its version was registered, ISO.
        since: when it began, by the monotonic clock that all processes of a machine share.
    """

    ref: str
    created_at: str
    since: float


class Journal:
    """One entry for the model that is being loaded, one for the model that computes. Made before the process forks."""

    def __init__(self) -> None:
        # Plain shared memory, without a lock that a killed process could hold for ever.
        self._loading = RawArray("c", _ENTRY_BYTES)
        self._computing = RawArray("c", _ENTRY_BYTES)

    @contextmanager
    def load(self, version: ModelVersion) -> Iterator[None]:
        """Note that a version is being loaded, for the length of a with block."""
        self._loading.value = entry_of(version)
        try:
            yield
        finally:
            self._loading.value = b""

    @contextmanager
    def compute(self, entry: bytes) -> Iterator[None]:
        """Note that a model computes, for the length of a with block; `entry` is what `entry_of` gives for it."""
        self._computing.value = entry
        try:
            yield
        finally:
            self._computing.value = b""

    @property
    def loading(self) -> Entry | None:
        """What is being loaded, or was when the process died."""
        return _read(self._loading.value)

    @property
    def computing(self) -> Entry | None:
        """What computes, or did when the process died; `since` is when its model was loaded."""
        return _read(self._computing.value)


def entry_of(version: ModelVersion) -> bytes:
    """Work on a version that begins now."""
    entry = Entry(ref=version.ref, created_at=version.created_at.isoformat(), since=time.monotonic())
    return entry.model_dump_json().encode()


def _read(raw: bytes) -> Entry | None:
    # One that is being written at this moment is half of one: the next look reads it.
    with suppress(ValidationError):
        return Entry.model_validate_json(raw)
    return None
