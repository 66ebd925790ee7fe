"""Metrics of the ledger: read from indexes and counters at each scrape, never job by job."""

import logging
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime

from prometheus_client.core import HistogramMetricFamily, Metric
from prometheus_client.registry import Collector
from redis.exceptions import ResponseError

from stoker import lanes
from stoker.errors import StokerError
from stoker.events import JobState
from stoker.fleet.topology import DEVICES, queues
from stoker.kinds import KINDS
from stoker.lanes.failures import load_failures
from stoker.ledger import (
    autoscaling,
    duty_runs,
    monitoring,
    pauses,
    presence,
    quarantine,
    records,
    store_files,
    uploads,
)
from stoker.ledger.counters import NO_TIMES, Tallies, read_tallies
from stoker.outages import Dependency
from stoker.settings import Settings

from .families import Family, Samples, bucket, counters, gauge, gauges, histograms_of_ms
from .monitors import monitors
from .schedules import schedule_families
from .serving import hurried
from .webhooks import webhook_families

_log = logging.getLogger(__name__)

# Bounds the label's values: more models than these cannot be loaded for one common reason.
_MOST_MODELS = 20
_FINAL = tuple(state for state in JobState if state.final)
# Of each family: its name, its documentation, and its value.
_QUEUE_GAUGES: tuple[tuple[str, str, Callable[[monitoring.QueueHealth], float]], ...] = (
    ("stoker_queue_jobs", "Jobs that are QUEUED.", lambda queue: queue.jobs),
    (
        "stoker_queue_jobs_over_quota",
        "Those of them whose tenants have as many running as they may.",
        lambda queue: queue.over_quota,
    ),
    (
        "stoker_queue_jobs_paused",
        "Those of them that are held because the queue or their tenants are paused.",
        lambda queue: queue.paused,
    ),
    (
        "stoker_queue_messages",
        "Celery messages on the queue, doorbells of lanes included.",
        lambda queue: queue.messages,
    ),
    (
        "stoker_queue_oldest_wait_seconds",
        "For how long the job that waits longest has been QUEUED; 0 if none is.",
        lambda queue: queue.oldest_s,
    ),
)
_WORKER_GAUGES: tuple[tuple[str, str, Callable[[list[presence.Worker]], float]], ...] = (
    ("stoker_nodes", "Nodes that have a worker.", lambda workers: len({worker.node for worker in workers})),
    ("stoker_workers", "Celery workers heard of lately.", len),
    ("stoker_slots", "Jobs that these workers can run at once.", lambda workers: sum(w.slots for w in workers)),
    ("stoker_slots_busy", "Slots that have a job or a lane in hand.", lambda workers: sum(w.busy for w in workers)),
)
_DUTY_FAMILIES: tuple[tuple[Family, str, str, Callable[[duty_runs.DutyState], float]], ...] = (
    (counters, "stoker_duty_runs", "Runs of the leading controller's duties.", lambda duty: duty.runs),
    (counters, "stoker_duty_failures", "Those of them that failed.", lambda duty: duty.failures),
    (counters, "stoker_duty_busy_seconds", "What these runs took together.", lambda duty: duty.busy_ms / 1000),
    (
        gauges,
        "stoker_duty_failing_seconds",
        "For how long every run has failed; 0 if the last one did not.",
        lambda duty: duty.failing_s,
    ),
    (gauges, "stoker_duty_idle_seconds", "Since the last run ended.", lambda duty: duty.idle_s),
)
_HOW_ATTEMPTS_END = (*_FINAL, "drained", "paused", "outgrown", "outage", "children", "lost")


class LedgerCollector(Collector):
    """The metrics of everything that shares one Redis; docs/metrics.md lists them.

    Labels are kinds, states, queues, devices and reasons: their number is bounded, whatever is submitted.
    """

    def __init__(self, settings: Settings, redis_url: str) -> None:
        self._connection = hurried(settings, redis_url)

    def collect(self) -> Iterable[Metric]:
        """All metrics; only `stoker_up` = 0 if Redis is away."""
        try:
            metrics = [
                *self._jobs(),
                *self._queues(),
                *self._tallies(),
                *self._lanes(),
                *self._workers(),
                *self._fleets(),
                *self._duties(),
                *self._store(),
                *monitors(self._connection),
                *schedule_families(self._connection),
                *webhook_families(self._connection),
            ]
        except (StokerError, ResponseError) as error:
            _log.warning("nothing to scrape: %s", error)
            metrics = []
        yield gauge("stoker_up", "Whether Redis answered this scrape: 1 or 0.", bool(metrics))
        yield from metrics

    def _jobs(self) -> Iterator[Metric]:
        counts = self._connection.run(records.counts())
        yield gauges(
            "stoker_jobs",
            "Jobs that the ledger holds; finished ones until they are forgotten.",
            ("kind", "state"),
            {(kind, state.value): count for (kind, state), count in counts.items()},
        )

    def _queues(self) -> Iterator[Metric]:
        health = self._connection.run(monitoring.health())
        paused = self._connection.run(pauses.paused(limit=1))
        yield gauges(
            "stoker_paused",
            "What is paused: jobs, queues, tenants.",
            ("what",),
            {("jobs",): paused.jobs, ("queues",): len(paused.queues), ("tenants",): len(paused.tenants)},
        )
        yield gauge("stoker_leader_present", "Whether a controller leads: 1 or 0.", health.leader is not None)
        yield gauge(
            "stoker_leases_overdue", "Running jobs whose lease ran out more than ten seconds ago.", health.overdue
        )
        longest = max((job.silent_s for job in self._connection.run(monitoring.silent()).longest), default=0.0)
        yield gauge(
            "stoker_job_longest_silence_seconds",
            "For how long the running job that is silent longest has told nothing; 0 if none runs.",
            longest,
        )
        for name, documentation, value in _QUEUE_GAUGES:
            yield gauges(name, documentation, ("queue",), {(queue.queue,): value(queue) for queue in health.queues})

    def _fleets(self) -> Iterator[Metric]:
        wanted: dict[tuple[str, ...], float] = {}
        for device in DEVICES:
            for decision in self._connection.run(autoscaling.decisions(device, limit=1)):
                wanted[device,] = decision.wanted
        yield gauges(
            "stoker_fleet_slots_wanted", "Slots that the autoscaler wants a fleet to have.", ("fleet",), wanted
        )

    def _duties(self) -> Iterator[Metric]:
        duties = self._connection.run(duty_runs.duties())
        for family, name, documentation, value in _DUTY_FAMILIES:
            yield family(name, documentation, ("duty",), {(duty.name,): value(duty) for duty in duties})

    def _store(self) -> Iterator[Metric]:
        leftovers = self._connection.run(store_files.leftovers())
        where = "in the store that nothing names, as last found."
        stored = "of all files in the store, as last found."
        yield gauge("stoker_store_files", f"Number {stored}", leftovers.stored_files if leftovers else 0)
        yield gauge("stoker_store_bytes", f"Bytes {stored}", leftovers.stored_size if leftovers else 0)
        yield gauge("stoker_store_leftover_files", f"Files {where}", leftovers.files if leftovers else 0)
        yield gauge("stoker_store_leftover_bytes", f"Bytes of the files {where}", leftovers.size if leftovers else 0)
        yield gauge(
            "stoker_uploads", "What apps have uploaded: files and folders.", self._connection.run(uploads.count())
        )
        uploaded = leftovers.uploaded_size if leftovers else 0
        yield gauge("stoker_upload_bytes", "Bytes of what apps have uploaded, as last found.", uploaded)

    def _tallies(self) -> Iterator[Metric]:
        tallies = self._connection.run(read_tallies())
        ended = [(kind, state.value) for kind in KINDS for state in _FINAL]
        yield counters(
            "stoker_jobs_finished",
            "Jobs that ended.",
            ("kind", "state"),
            {labels: tallies.finished.get(labels, 0) for labels in ended},
        )
        yield histograms_of_ms(
            "stoker_job_wait_seconds",
            "From QUEUED to the claim.",
            ("queue",),
            {(queue,): tallies.waits.get(queue, NO_TIMES) for queue in queues()},
        )
        how = [(kind, str(how)) for kind in KINDS for how in _HOW_ATTEMPTS_END]
        yield histograms_of_ms(
            "stoker_attempt_seconds",
            "From the claim to the attempt's end.",
            ("kind", "how"),
            {labels: tallies.attempts.get(labels, NO_TIMES) for labels in how},
        )
        yield from _lane_tallies(tallies)
        yield counters(
            "stoker_ledger_repairs",
            "Damages to the ledger, by something else than Stoker, that were found and mended.",
            (),
            {(): tallies.repairs},
        )
        yield counters(
            "stoker_model_versions_removed",
            "Versions of models that were removed.",
            ("why",),
            {(why,): tallies.removed_versions.get(why, 0) for why in ("asked", "retention")},
        )
        yield counters(
            "stoker_store_removed_bytes",
            "Bytes of files that were removed from the store because nothing named them.",
            (),
            {(): tallies.removed_bytes},
        )
        reasons = self._connection.run(quarantine.quarantined())
        yield counters(
            "stoker_messages_quarantined",
            "Messages put aside because they were no jobs.",
            ("reason",),
            {(reason.value,): reasons.get(reason, 0) for reason in quarantine.QuarantineReason},
        )

    def _lanes(self) -> Iterator[Metric]:
        counts = self._connection.run(lanes.counts())
        yield gauge("stoker_lanes", "Lanes that hold requests.", counts.lanes)
        yield gauge("stoker_lane_requests", "Requests that wait in lanes.", counts.waiting)
        yield gauge("stoker_lane_requests_in_hand", "Requests taken and not answered yet.", counts.taken)
        yield gauge("stoker_lane_drainers", "Predictors that drain a lane.", counts.drainers)
        failures = self._connection.run(load_failures())
        yield gauges(
            "stoker_model_load_failures",
            "How often in a row a version could not be loaded whose callers are refused for it.",
            ("model",),
            {(failure.model,): failure.failures for failure in failures[:_MOST_MODELS]},
        )

    def _workers(self) -> Iterator[Metric]:
        by_device: dict[str, list[presence.Worker]] = {device: [] for device in DEVICES}
        for worker in self._connection.run(presence.workers()):
            by_device[worker.device].append(worker)
        yield _outages(worker for workers in by_device.values() for worker in workers)

        for name, documentation, value in _WORKER_GAUGES:
            samples: Samples = {(device,): value(workers) for device, workers in by_device.items()}
            yield gauges(name, documentation, ("device",), samples)


def _outages(workers: Iterable[presence.Worker]) -> Metric:
    now = datetime.now(UTC)
    # A data host that is away concerns single jobs, not workers.
    lasts_s = {of.value: 0.0 for of in Dependency if of != Dependency.DATA}
    for outage in (outage for worker in workers for outage in worker.outages):
        if outage.of in lasts_s:
            lasts_s[outage.of] = max(lasts_s[outage.of], (now - outage.since).total_seconds())
    return gauges(
        "stoker_outage_seconds",
        "For how long workers have missed what jobs need; 0 if none does.",
        ("of",),
        {(of,): seconds for of, seconds in lasts_s.items()},
    )


def _lane_tallies(tallies: Tallies) -> Iterator[Metric]:
    batches = HistogramMetricFamily("stoker_lane_batch_requests", "Requests that were answered together.")
    batches.add_metric([], [bucket(*counted) for counted in tallies.batches.buckets], tallies.batches.total)
    yield batches
    yield counters(
        "stoker_lane_requests_refused",
        "Requests refused because their lane was full.",
        (),
        {(): tallies.refused_requests},
    )
    yield counters(
        "stoker_guard_refused",
        "Requests and answers that guards of models have refused: for an input, an output, or the rate of a user.",
        ("reason",),
        {(reason,): tallies.guard_refusals.get(reason, 0) for reason in ("input", "output", "rate")},
    )
