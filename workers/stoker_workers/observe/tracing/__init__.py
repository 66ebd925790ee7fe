"""Traces of attempts, sent to OpenTelemetry if the settings say so."""

import importlib.util
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Protocol

from stoker.errors import InvalidSettings
from stoker.ledger.attempt import Attempt
from stoker.settings import Settings

SetEnd = Callable[[str, str], None]
"""Takes how an attempt ended, and the reason."""


class Tracer(Protocol):
    """Makes spans of attempts. A tracer belongs to the process that made it."""

    def attempt(self, attempt: Attempt, worker: str) -> AbstractContextManager[SetEnd]:
        """A span for an attempt that begins now."""

    def step(self, name: str) -> AbstractContextManager[object]:
        """A span for a step of the current attempt."""

    def close(self) -> None:
        """Send the spans that are not sent yet."""


class Untraced:
    """Makes no spans."""

    def attempt(self, attempt: Attempt, worker: str) -> AbstractContextManager[SetEnd]:  # noqa: ARG002
        return nullcontext(lambda _how, _reason: None)

    def step(self, name: str) -> AbstractContextManager[object]:  # noqa: ARG002
        return nullcontext()

    def close(self) -> None:
        """See `Tracer.close`."""


def check(settings: Settings) -> None:
    """Check that traces can be sent, if the settings want them.

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
