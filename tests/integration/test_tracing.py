"""One trace from an app's own span to the commit, as a collector of OpenTelemetry gets it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import redis
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

import stoker
from stoker.ledger import attempts, intake, results
from stoker.ledger.intake import NewJob
from stoker.ledger.replies import Refusal
from stoker.redis.connection import Connection
from stoker.settings import Settings

from ..conftest import PATIENCE_S
from .collector import collecting
from .conftest import serving

# An app as its authors write it: it sets OpenTelemetry up, and says nothing of Stoker.
APP = """
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

import stoker

provider = TracerProvider()
provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
trace.set_tracer_provider(provider)
with stoker.Client() as client, trace.get_tracer("app").start_as_current_span("the app's request"):
    train = stoker.Train(model="traced", data="sample://iris", epochs=1, optimizer="sgd", validation_split=0)
    good, bad = client.submit_many([train, train.model_copy(update={"timeout": 0.001})])
    good.result()
    bad.wait()
provider.shutdown()
print(good.id, bad.id)
"""


def attribute(span: Span, name: str) -> str:
    [found] = [pair.value for pair in span.attributes if pair.key == name]
    return str(found.string_value or found.int_value)


def test_one_trace_leads_from_the_app_through_the_queue_to_the_commit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Settings(home=tmp_path / "home", slots=2, traces=True)
    with collecting() as collector:
        for name, value in collector.variables().items():
            monkeypatch.setenv(name, value)
        with serving(settings) as stack:
            ran = subprocess.run(
                [sys.executable, "-c", APP],
                env=os.environ | {"STOKER_REDIS_URL": stack.redis_url},
                capture_output=True,
                text=True,
                timeout=2 * PATIENCE_S,
            )
        assert ran.returncode == 0, ran.stderr
        good, bad = ran.stdout.split()
    # The worker has ended, and has sent what it still had.
    by_name: dict[str, list[Span]] = {}
    for _, span in collector.spans:
        by_name.setdefault(span.name, []).append(span)
    [app], [submit] = by_name["the app's request"], by_name["stoker.submit"]
    assert {span.trace_id for _, span in collector.spans} == {app.trace_id}
    assert submit.parent_span_id == app.span_id
    assert submit.kind == Span.SPAN_KIND_PRODUCER
    attempts = {attribute(span, "stoker.job.id"): span for span in by_name["stoker.train"]}
    assert set(attempts) == {good, bad}
    for span in attempts.values():
        assert span.parent_span_id == submit.span_id
        assert span.kind == Span.SPAN_KIND_CONSUMER
        assert attribute(span, "stoker.queue") == "cpu.train"
        assert attribute(span, "stoker.attempt") == "1"
        [queued] = [
            other
            for other in by_name["stoker.queued"]
            if attribute(other, "stoker.job.id") == attribute(span, "stoker.job.id")
        ]
        assert queued.parent_span_id == submit.span_id
        assert queued.end_time_unix_nano <= span.end_time_unix_nano
        parts = [other.name for _, other in collector.spans if other.parent_span_id == span.span_id]
        assert sorted(parts) == ["stoker.commit", "stoker.run"]
    assert attribute(attempts[good], "stoker.ended") == "succeeded"
    assert attempts[bad].status.code == Status.STATUS_CODE_ERROR
    assert "timeout" in attempts[bad].status.message
    assert {service for service, span in collector.spans if span in attempts.values()} == {"stoker-worker"}


@pytest.mark.parametrize("installed", [True, False])
def test_an_app_that_has_set_up_no_tracer_submits_as_ever(redis_url: str, *, installed: bool) -> None:
    program = """
import sys
if sys.argv[1] == "False":
    sys.modules["opentelemetry"] = None  # as if it were not there
import stoker

with stoker.Client() as client:
    print(client.submit(stoker.Train(model="plain", data="sample://iris")).id)
"""
    ran = subprocess.run(
        [sys.executable, "-c", program, str(installed)],
        env=os.environ | {"STOKER_REDIS_URL": redis_url},
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
    )
    assert ran.returncode == 0, ran.stderr
    with redis.Redis.from_url(redis_url) as client:
        assert client.hexists(f"stoker:job:{ran.stdout.strip()}", "kind")
        assert not client.hexists(f"stoker:job:{ran.stdout.strip()}", "traceparent")


def test_a_trace_that_is_none_is_damage_to_the_record(redis_url: str) -> None:
    connection = Connection.open(Settings(), redis_url)
    new = NewJob("job", stoker.Train(model="digits", data="sample://digits"), "cpu.train", traceparent="no trace")
    connection.run(intake.submit([new]))
    assert connection.run(attempts.claim("job", "owner", "worker", 15)) is Refusal.DAMAGED
    with pytest.raises(stoker.JobFailed, match="traceparent is wrong"):
        connection.run(results.result("job"))
    connection.close()
