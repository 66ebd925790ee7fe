"""Spans of attempts, sent by OTLP over HTTP as the OTEL_… variables say."""

import os
import threading
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import requests
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import SpanKind, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from stoker.ledger.attempt import Attempt

from . import SetEnd

# How long a fork waits for a request that is under way: a collector that does not answer must not delay jobs.
_FORK_WAITS_S = 1.0
# How long the end of a slot waits for its last spans to be sent.
_CLOSE_S = 2.0
_NS_PER_MS = 1_000_000


class OpenTelemetryTracer:
    """Makes a span for each attempt, in the trace that the job's producer began or in one of its own.

    Beside it is a span for the time in the queue. A thread sends ended spans, but not while the process forks: a child
    would inherit locks that the C library holds during a request, and wait for them for ever.
    """

    def __init__(self) -> None:
        # OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES come last, and win.
        resource = Resource({"service.name": "stoker-worker"}).merge(OTELResourceDetector().detect())
        self._provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        self._provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(session=_ForkedAround())))
        self._tracer = self._provider.get_tracer("stoker")

    @contextmanager
    def attempt(self, attempt: Attempt, worker: str) -> Iterator[SetEnd]:
        parent = TraceContextTextMapPropagator().extract({"traceparent": attempt.traceparent})
        attributes: dict[str, str | int] = {
            "stoker.job.id": attempt.job_id,
            "stoker.job.kind": attempt.kind,
            "stoker.queue": attempt.queue,
            "stoker.attempt": attempt.number,
            "stoker.worker": worker,
        }
        if attempt.queued_at_ms:
            # By the clock of Redis, which may be ahead of ours.
            started_ns = min(attempt.queued_at_ms * _NS_PER_MS, time.time_ns())
            self._tracer.start_span("stoker.queued", parent, attributes=attributes, start_time=started_ns).end()
        with self._tracer.start_as_current_span(
            f"stoker.{attempt.kind}", parent, SpanKind.CONSUMER, attributes=attributes
        ) as span:

            def set_end(how: str, reason: str) -> None:
                span.set_attribute("stoker.ended", how)
                if how == "failed":
                    span.set_status(Status(StatusCode.ERROR, reason))
                elif how != "succeeded":
                    span.add_event(how, {"reason": reason})

            yield set_end

    def step(self, name: str) -> AbstractContextManager[object]:
        return self._tracer.start_as_current_span(name)

    def close(self) -> None:
        # A shutdown tries for ten seconds to reach a collector that is away; that cannot be set.
        closing = threading.Thread(target=self._provider.shutdown, daemon=True)
        closing.start()
        closing.join(_CLOSE_S)


class _ForkedAround(requests.Session):
    """A session that makes a fork wait for its request, for a bounded time."""

    def __init__(self) -> None:
        super().__init__()
        self._lock = threading.Lock()
        self._locked = False
        os.register_at_fork(before=self._before_fork, after_in_parent=self._after_fork, after_in_child=self._after_fork)

    def send(self, request: requests.PreparedRequest, **options: Any) -> requests.Response:
        """Send a request, but not during a fork."""
        with self._lock:
            return super().send(request, **options)

    def _before_fork(self) -> None:
        self._locked = self._lock.acquire(timeout=_FORK_WAITS_S)

    def _after_fork(self) -> None:
        if self._locked:
            self._lock.release()
