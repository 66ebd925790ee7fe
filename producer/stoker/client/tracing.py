"""A span around each submit, in an app that has set up OpenTelemetry; Stoker does not import it otherwise."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def submitting(jobs: int) -> Iterator[None]:
    """A span, if the app traces: the parent of the workers' spans for these jobs."""
    if not _app_traces():
        yield
        return
    from opentelemetry import trace

    tracer = trace.get_tracer("stoker")
    with tracer.start_as_current_span("stoker.submit", kind=trace.SpanKind.PRODUCER, attributes={"stoker.jobs": jobs}):
        yield


def traceparent() -> str:
    """The current span in W3C's trace context format; "" for none."""
    if not _app_traces():
        return ""
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    carrier: dict[str, str] = {}
    TraceContextTextMapPropagator().inject(carrier)
    return carrier.get("traceparent", "")


def _app_traces() -> bool:
    # redis-py imports OpenTelemetry wherever it is installed: that it is loaded does not mean that the app traces.
    if "opentelemetry.trace" not in sys.modules:
        return False
    from opentelemetry import trace

    return not isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider)
