"""What Prometheus scrapes: the ledger as it is at that moment, read from indexes and counters, never job by job."""

import logging
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector
from redis.exceptions import ResponseError

from stoker import lanes, ledger
from stoker.connection import Connection
from stoker.errors import InvalidSettings, StokerError
from stoker.events import JobState
from stoker.jobs import KINDS
from stoker.settings import Settings
from stoker.topology import DEVICES, queues

_log = logging.getLogger(__name__)

# A scrape is given up after ten seconds by default; until then it must have heard that Redis is away.
_ANSWER_S = 3.0
_FINAL = (JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED, JobState.DEAD)
_HOW_ATTEMPTS_END = (*_FINAL, "drained", "lost")


@contextmanager
def served(collector: Collector, host: str, port: int) -> Iterator[None]:
    """Serve a collector's metrics over HTTP, from a thread of their own, for the length of a with block.

    Raises:
        InvalidSettings: the address cannot be listened on.
    """
    registry = CollectorRegistry()
    registry.register(collector)
    try:
        server, thread = start_http_server(port, host, registry)
    except OSError as error:
        raise InvalidSettings(
            f"metrics cannot be served on {host}:{port} ({error.strerror}): choose another metrics_host and port"
        ) from error
    _log.info("metrics are at http://%s:%d/metrics", host, port)
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class LedgerCollector(Collector):
    """The metrics of everything that shares one Redis; docs/metrics.md lists them.

    Labels are kinds, states, queues, devices and reasons: their number is bounded, whatever is submitted.
    """

    def __init__(self, settings: Settings, redis_url: str) -> None:
        limits = {
            "connect_timeout_s": min(settings.connect_timeout_s, _ANSWER_S),
            "socket_timeout_s": min(settings.socket_timeout_s, _ANSWER_S),
        }
        self._connection = Connection.open(settings.model_copy(update=limits), redis_url, patience_s=0)

    def collect(self) -> Iterable[Metric]:
        """Read everything; if Redis is away, there is only `stoker_up`, and it is 0."""
        try:
            found = [*self._jobs(), *self._queues(), *self._tallies(), *self._lanes(), *self._workers()]
        except (StokerError, ResponseError) as error:
            _log.warning("nothing to scrape: %s", error)
            found = []
        yield _gauge("stoker_up", "Whether Redis answered this scrape: 1 or 0.", bool(found))
        yield from found

    def _jobs(self) -> Iterator[Metric]:
        counts = self._connection.run(ledger.counts())
        yield _gauges(
            "stoker_jobs",
            "Jobs that the ledger holds; finished ones until they are forgotten.",
            ("kind", "state"),
            {(kind, state.value): count for (kind, state), count in counts.items()},
        )

    def _queues(self) -> Iterator[Metric]:
        health = self._connection.run(ledger.health())
        yield _gauge("stoker_leader_present", "Whether a controller leads: 1 or 0.", health.leader is not None)
        yield _gauge(
            "stoker_leases_overdue", "Running jobs whose lease ran out more than ten seconds ago.", health.overdue
        )
        by_queue = {(found.queue,): found for found in health.queues}
        yield _gauges(
            "stoker_queue_jobs",
            "Jobs that are QUEUED.",
            ("queue",),
            {queue: found.jobs for queue, found in by_queue.items()},
        )
        yield _gauges(
            "stoker_queue_messages",
            "Celery messages on the queue, doorbells of lanes included.",
            ("queue",),
            {queue: found.messages for queue, found in by_queue.items()},
        )
        yield _gauges(
            "stoker_queue_oldest_wait_seconds",
            "For how long the job that waits longest has been QUEUED; 0 if none is.",
            ("queue",),
            {queue: found.oldest_s for queue, found in by_queue.items()},
        )

    def _tallies(self) -> Iterator[Metric]:
        tallies = self._connection.run(ledger.tallies())
        ended = [(kind, state.value) for kind in KINDS for state in _FINAL]
        yield _counters(
            "stoker_jobs_finished",
            "Jobs that ended.",
            ("kind", "state"),
            {labels: tallies.finished.get(labels, 0) for labels in ended},
        )
        yield _seconds(
            "stoker_job_wait_seconds",
            "From QUEUED to the claim.",
            ("queue",),
            {(queue,): tallies.waits[queue] for queue in queues() if queue in tallies.waits},
        )
        how = [(kind, str(how)) for kind in KINDS for how in _HOW_ATTEMPTS_END]
        yield _seconds(
            "stoker_attempt_seconds",
            "From the claim to the attempt's end.",
            ("kind", "how"),
            {labels: tallies.attempts[labels] for labels in how if labels in tallies.attempts},
        )
        batches = HistogramMetricFamily("stoker_lane_batch_requests", "Requests that were answered together.")
        batches.add_metric([], [_bucket(*bucket) for bucket in tallies.batches.buckets], tallies.batches.total)
        yield batches
        yield _counters(
            "stoker_lane_requests_refused",
            "Requests refused because their lane was full.",
            (),
            {(): tallies.refused_requests},
        )
        reasons = self._connection.run(ledger.quarantined())
        yield _counters(
            "stoker_messages_quarantined",
            "Messages put aside because they were no jobs.",
            ("reason",),
            {(reason.value,): reasons.get(reason, 0) for reason in ledger.QuarantineReason},
        )

    def _lanes(self) -> Iterator[Metric]:
        census = self._connection.run(lanes.census())
        yield _gauge("stoker_lanes", "Lanes that hold requests.", census.lanes)
        yield _gauge("stoker_lane_requests", "Requests that wait in lanes.", census.waiting)
        yield _gauge("stoker_lane_requests_in_hand", "Requests taken and not answered yet.", census.in_hand)
        yield _gauge("stoker_lane_drainers", "Predictors that drain a lane.", census.drainers)

    def _workers(self) -> Iterator[Metric]:
        workers = self._connection.run(ledger.workers())
        yield _gauges(
            "stoker_workers",
            "Celery workers heard of lately.",
            ("device",),
            {(device,): sum(worker.device == device for worker in workers) for device in DEVICES},
        )
        yield _gauges(
            "stoker_slots",
            "Jobs that these workers can run at once.",
            ("device",),
            {(device,): sum(worker.slots for worker in workers if worker.device == device) for device in DEVICES},
        )


Values = Mapping[tuple[str, ...], float]


def _gauge(name: str, told: str, value: float) -> Metric:
    return GaugeMetricFamily(name, told, value=value)


def _gauges(name: str, told: str, labels: Sequence[str], values: Values) -> Metric:
    family = GaugeMetricFamily(name, told, labels=labels)
    for words, value in values.items():
        family.add_metric(words, value)
    return family


def _counters(name: str, told: str, labels: Sequence[str], values: Values) -> Metric:
    family = CounterMetricFamily(name, told, labels=labels)
    for words, value in values.items():
        family.add_metric(words, value)
    return family


def _seconds(
    name: str, told: str, labels: Sequence[str], histograms: Mapping[tuple[str, ...], ledger.Histogram]
) -> Metric:
    """Histograms of milliseconds, in seconds."""
    family = HistogramMetricFamily(name, told, labels=labels)
    for words, histogram in histograms.items():
        buckets = [_bucket(bound / 1000, count) for bound, count in histogram.buckets]
        family.add_metric(words, buckets, histogram.total / 1000)
    return family


def _bucket(bound: float, count: int) -> tuple[str, float]:
    return "+Inf" if math.isinf(bound) else str(float(bound)), count
