"""Traces: what a slot does for a job, told to OpenTelemetry if the settings say so."""

import importlib.util
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Protocol

from stoker.errors import InvalidSettings
from stoker.ledger import Attempt
from stoker.settings import Settings

Tell = Callable[[str, str], None]


class Tracer(Protocol):
    """What is told of attempts. A tracer belongs to the process that made it."""

    def attempt(self, attempt: Attempt, worker: str) -> AbstractContextManager[Tell]:
        """An attempt that begins now; gives what takes how it ended, and what there is to tell of that."""

    def step(self, name: str) -> AbstractContextManager[object]:
        """A part of the attempt that is under way."""

    def close(self) -> None:
        """Send what has not been sent yet."""


class Untraced:
    """Tells nothing."""

    def attempt(self, attempt: Attempt, worker: str) -> AbstractContextManager[Tell]:  # noqa: ARG002
        """Nothing."""
        return nullcontext(lambda _how, _told: None)

    def step(self, name: str) -> AbstractContextManager[object]:  # noqa: ARG002
        """Nothing."""
        return nullcontext()

    def close(self) -> None:
        """Nothing."""


def check(settings: Settings) -> None:
    """See whether traces can be made, if they are wanted.

    Raises:
        InvalidSettings: OpenTelemetry is not installed.
    """
    if settings.traces and importlib.util.find_spec("opentelemetry.exporter.otlp.proto.http") is None:
        raise InvalidSettings("traces need OpenTelemetry, which is not installed: pip install 'stoker[otel]'")


def tracer(settings: Settings) -> Tracer:
    """The tracer that the settings ask for."""
    if not settings.traces:
        return Untraced()
    from .otel import OpenTelemetryTracer

    return OpenTelemetryTracer()
