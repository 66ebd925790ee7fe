"""Where a job's trace begins: a span around the submit, in an app that has set up a tracer with OpenTelemetry.

Nothing is installed or imported for it.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def submitting(jobs: int) -> Iterator[None]:
    """A span, if the app has a tracer: the parent of all that workers do for these jobs."""
    if not _app_traces():
        yield
        return
    from opentelemetry import trace

    tracer = trace.get_tracer("stoker")
    with tracer.start_as_current_span("stoker.submit", kind=trace.SpanKind.PRODUCER, attributes={"stoker.jobs": jobs}):
        yield


def traceparent() -> str:
    """The span that is current, as W3C's trace context writes it; "" for none."""
    if not _app_traces():
        return ""
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    carrier: dict[str, str] = {}
    TraceContextTextMapPropagator().inject(carrier)
    return carrier.get("traceparent", "")


def _app_traces() -> bool:
    # redis-py, for one, imports OpenTelemetry wherever it finds it: so that it is loaded says nothing.
    if "opentelemetry.trace" not in sys.modules:
        return False
    from opentelemetry import trace

    return not isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider)
