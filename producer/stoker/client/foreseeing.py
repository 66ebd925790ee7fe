"""When jobs start and end: what is read for it, and what is said of it."""

from collections.abc import Iterable, Sequence

from ..errors import InvalidArgument
from ..events import JobState
from ..fleet.bounds import Decision
from ..fleet.topology import WorkDevice, device_of
from ..foresight.course import Fleet
from ..foresight.estimates import Estimate
from ..foresight.eta import Eta, When
from ..foresight.look import Look
from ..foresight.outlook import Foreseen, foresee
from ..foresight.starts import time_to_start
from ..kinds import Spec
from ..kinds.problems import short
from ..ledger import autoscaling, foresight, presence, records
from ..ledger.presence import Worker
from ..redis.calls import Steps
from ..status import JobStatus
from . import arguments
from .calls import AsyncCalls, Calls


class ForesightCalls(Calls):
    """A part of the blocking client."""

    def etas(self, jobs: Iterable[str | JobStatus]) -> dict[str, Eta]:
        """When jobs start and end, by id; of all together it costs hardly more than of one: see `Job.eta`.

        Args:
            jobs: their ids; or what `jobs` has listed, of which nothing is read again.

        Raises:
            JobNotFound: there is no job of one of these ids.
        """
        return self._drive(etas_of(_known(jobs)))


class AsyncForesightCalls(AsyncCalls):
    """A part of the asyncio client."""

    async def etas(self, jobs: Iterable[str | JobStatus]) -> dict[str, Eta]:
        """See `Client.etas`."""
        return await self._drive(etas_of(_known(jobs)))


def _known(jobs: Iterable[str | JobStatus]) -> list[str | JobStatus]:
    if isinstance(jobs, str) or not isinstance(jobs, Iterable):
        raise InvalidArgument(f"etas is for several jobs: pass a list of their ids, not {short(jobs)}")
    return [each if isinstance(each, JobStatus) else arguments.job_id(each) for each in jobs]


def etas_of(jobs: Sequence[str | JobStatus]) -> Steps[dict[str, Eta]]:
    """See `Client.etas`."""
    statuses: dict[str, JobStatus] = {}
    for each in jobs:
        status: JobStatus = each if isinstance(each, JobStatus) else (yield records.status(each))
        statuses[status.id] = status
    return (yield from etas(list(statuses.values())))


def etas(statuses: Sequence[JobStatus]) -> Steps[dict[str, Eta]]:
    """When jobs start and end, by id."""
    found: dict[str, Eta] = {}
    devices: dict[WorkDevice, list[JobStatus]] = {}
    for status in statuses:
        devices.setdefault(device_of(status.queue), []).append(status)
    workers: list[Worker] = yield presence.workers()
    for device, its in devices.items():
        look: Look = yield foresight.look(device)
        serving = [worker for worker in workers if worker.device == device]
        decisions: list[Decision] = yield autoscaling.decisions(device, 1)
        fleet = _fleet(serving, decisions, look)
        open_ids = {status.id for status in its if status.state in (JobState.QUEUED, JobState.RUNNING)}
        foreseen: dict[str, Foreseen] = {}
        if open_ids:
            kinds = sorted({job.kind for job in (*look.queued, *look.running, *look.ended)})
            examples = {}
            for kind in kinds:
                examples[kind] = yield foresight.examples(device, kind)
            foreseen = foresee(look, fleet, examples, open_ids)
        for status in its:
            if status.state is JobState.WAITING:
                spec: Spec = yield records.spec(status.id)
                found[status.id] = _eta(status, look, _why_waiting(status, spec))
            else:
                found[status.id] = _eta_of_open(status, look, fleet, foreseen.get(status.id))
    return found


def _fleet(workers: Sequence[Worker], decisions: Sequence[Decision], look: Look) -> Fleet:
    """The slots that serve jobs, and those that the autoscaler has asked for."""
    slots, busy = sum(worker.slots for worker in workers), sum(worker.busy for worker in workers)
    # Those that are busy with lanes take no jobs for now.
    lanes = max(0, busy - sum(job.slots for job in look.running))
    missing = 0
    for decision in decisions:
        if look.moment(0) - decision.at < autoscaling.DECIDED_WITHIN:
            missing = max(0, decision.wanted - slots)
    return Fleet(max(slots - lanes, min(slots, 1)), (time_to_start(),) * missing)


def _eta(
    status: JobStatus,
    look: Look,
    because: str,
    start: When | None = None,
    end: When | None = None,
    position: int | None = None,
) -> Eta:
    at = look.moment(0)
    return Eta(id=status.id, state=status.state, at=at, position=position, start=start, end=end, because=because)


def _eta_of_open(status: JobStatus, look: Look, fleet: Fleet, foreseen: Foreseen | None) -> Eta:
    """Of a job that is queued, runs, or has ended."""
    started = When.at(status.started_at) if status.started_at else None
    if status.state.final:
        ended = When.at(status.finished_at) if status.finished_at else None
        return _eta(status, look, f"it is {status.state}", started, ended)
    if status.state is JobState.RUNNING or status.id in {job.id for job in (*look.running, *look.ended)}:
        because = _basis(foreseen.seconds) if foreseen else "it has only just started"
        return _eta(status, look, because, started, _when(look, foreseen.end) if foreseen else None)
    if foreseen is None:
        because = f"more than {foresight.MOST_QUEUED} jobs are queued, and it is not among those looked at"
        return _eta(status, look, because)
    if foreseen.start is None:
        return _eta(status, look, _why_held(status, look, fleet))
    before = f"{foreseen.before} queued jobs before it" if foreseen.before != 1 else "a queued job before it"
    slots = f"{fleet.slots} slots" if fleet.slots != 1 else "one slot"
    coming = f" and {len(fleet.coming)} to come" if fleet.coming else ""
    because = f"{before}, {slots}{coming}; {_basis(foreseen.seconds)}"
    start, end = _when(look, foreseen.start), _when(look, foreseen.end)
    return _eta(status, look, because, start, end, foreseen.before + 1)


def _when(look: Look, quantiles: tuple[float, ...] | None) -> When | None:
    if quantiles is None:
        return None
    earliest, likely, latest = map(look.moment, quantiles)
    return When(earliest=earliest, likely=likely, latest=latest)


def _basis(seconds: Estimate) -> str:
    return f"its time by {seconds.basis}"


def _why_waiting(status: JobStatus, spec: Spec) -> str:
    if status.paused:
        return "it is paused: `stoker resume` lets it go on"
    if status.outage:
        return f"it waits for the end of an outage: {status.outage.reason}"
    if status.reason:
        return status.reason
    if status.attempt:
        return "it waits for what it has asked for, or a little after a lost attempt: its events say which"
    if len(spec.after) == 1:
        return f"it waits for job {spec.after[0]}"
    if spec.after:
        return (
            f"it waits for those of {len(spec.after)} jobs that have not ended, the first of which is {spec.after[0]}"
        )
    if spec.not_before:
        return f"it is to start no earlier than {spec.not_before:%Y-%m-%d %H:%M:%S} UTC"
    return "it waits: its events say for what"


def _why_held(status: JobStatus, look: Look, fleet: Fleet) -> str:
    device = device_of(status.queue)
    tenant = status.tags.get("tenant", "")
    if any(line.paused for line in look.lines if line.queue == status.queue):
        return f"queue {status.queue} is paused: `stoker resume --queue {status.queue}` lets it go on"
    if tenant in look.paused_tenants:
        return f"tenant {tenant!r} is paused: `stoker resume --tenant {tenant}` lets it go on"
    if not fleet.slots and not fleet.coming:
        return f"no {device} worker is running, and none is asked for: start one with `stoker worker`"
    return (
        "its turn may not come: others that come meanwhile go first, its tenant has as many jobs running as it may, "
        "or it needs more slots than there are"
    )
