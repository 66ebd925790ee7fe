"""Whose turn it is, as plain Python: which of the queued jobs gets its message next."""

import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping

from stoker.fleet.topology import queues
from stoker.tenants import Quota

from .ledger_job import ModelJob

# Few, so that jobs are held in tests with few jobs.
WINDOW = 2
RANKED = ("high", "normal", "low")


class SharingModel:
    """Chooses among the jobs that wait for their turn.

    Args:
        jobs: all there are.
        ring: sends a job's message.
        now: how many messages were sent so far, which is the time that tells who was served last.
    """

    def __init__(self, jobs: Mapping[str, ModelJob], ring: Callable[[ModelJob], None], now: Callable[[], int]) -> None:
        self._jobs, self._ring, self._now = jobs, ring, now
        self.quotas: dict[str, Quota] = {}
        self.served: dict[tuple[str, str], int] = {}
        self.paused: set[str] = set()

    def rule(self, tenant: str) -> Quota:
        """What holds for a tenant."""
        return self.quotas.get(tenant, self.quotas.get("default", Quota()))

    def set_quotas(self, quotas: dict[str, Quota]) -> bool:
        """Let other quotas hold; tells whether they are others."""
        default = quotas.get("default", Quota())
        named = {name: default.model_copy(update=own.model_dump(exclude_unset=True)) for name, own in quotas.items()}
        before, self.quotas = self.quotas, {"default": default} | named
        if self.quotas != before:
            for queue in queues():
                for tenant in {tenant for line, tenant in self.served if line.startswith(f"{queue}:")}:
                    self._place(queue, tenant)
                self._fill_all(queue)
        return self.quotas != before

    def set_paused(self, what: str, name: str, paused: bool) -> bool:
        """Pause a queue or a tenant, or let it go on; tells whether it was not so before."""
        entry = f"{what} {name}"
        if (entry in self.paused) == paused:
            return False
        (self.paused.add if paused else self.paused.remove)(entry)
        for queue in [name] if what == "queue" else queues():
            if paused:
                self._call_back(queue, None if what == "queue" else name)
            if what == "tenant":
                self._place(queue, name)
            self._fill_all(queue)
        return True

    def _call_back(self, queue: str, tenant: str | None) -> None:
        for priority in RANKED:
            rung = [job for job in self._jobs.values() if job.number is not None and job.line == f"{queue}:{priority}"]
            for job in sorted(rung, key=lambda job: (job.number or 0) + job.step / 16):
                if tenant in (None, job.tenant):
                    job.number = None
                    self.hold(job)
                    self._place(queue, job.tenant)

    def queued(self) -> Counter[str]:
        """How many jobs have not started, by tenant."""
        return Counter(job.tenant for job in self._jobs.values() if job.state in ("WAITING", "QUEUED"))

    def running(self) -> Counter[str]:
        """How many run, by tenant."""
        return Counter(job.tenant for job in self._jobs.values() if job.state == "RUNNING")

    def load(self) -> Counter[str]:
        """How many run or have a message, by line and tenant."""
        return Counter(f"{job.line}:{job.tenant}" for job in self._jobs.values() if job.has_seat)

    def hold(self, job: ModelJob) -> None:
        """Let a job wait for its turn."""
        job.waits = True
        self.served.setdefault((job.line, job.tenant), self._now())

    def may_start(self, job: ModelJob) -> bool:
        """Whether a job may be claimed; one whose tenant has enough is held again."""
        most = self.rule(job.tenant).running
        if job.waits or most is None or self.running()[job.tenant] < most:
            return not job.waits
        job.number = None
        self.hold(job)
        self.fill(job.line)
        return False

    def message_sent(self, job: ModelJob) -> None:
        """A job that had no seat has got its message."""
        self._place(job.queue, job.tenant)

    def left(self, job: ModelJob, before: str, *, had_message: bool) -> None:
        """A job has changed its state: it had a message, or was held or ran before."""
        if before == "QUEUED" and job.state == "RUNNING":
            self.fill(job.line)
        elif before == "QUEUED" and had_message:
            self._place(job.queue, job.tenant)
            self.fill(job.line)
        elif before == "QUEUED":
            self._leave_if_empty(job.line, job.tenant)
        elif before == "RUNNING":
            self._stop(job)

    def fill(self, line: str) -> None:
        """Ring for the next jobs of a line."""
        while (
            f"queue {line.partition(':')[0]}" not in self.paused
            and sum(job.number is not None and job.line == line for job in self._jobs.values()) < WINDOW
        ):
            tenants = {job.tenant for job in self._waiting(line)}
            ready = [tenant for tenant in tenants if not self._has_enough(line, tenant)]
            if not ready:
                return
            tenant = min(ready, key=lambda name: (*self._turn(line, name), name))
            job = min((job for job in self._waiting(line) if job.tenant == tenant), key=lambda job: job.sequence)
            job.waits = False
            self._leave_if_empty(line, tenant)
            self._ring(job)

    def _fill_all(self, queue: str) -> None:
        for priority in RANKED:
            self.fill(f"{queue}:{priority}")

    def _waiting(self, line: str) -> Iterator[ModelJob]:
        return (job for job in self._jobs.values() if job.waits and job.line == line)

    def _turn(self, line: str, tenant: str) -> tuple[int, int]:
        queue = line.partition(":")[0]
        seats = sum(job.has_seat and job.tenant == tenant and job.queue == queue for job in self._jobs.values())
        return math.floor(seats * 100 / self.rule(tenant).weight), self.served[line, tenant]

    def _has_enough(self, line: str, tenant: str) -> bool:
        most = self.rule(tenant).running
        return f"tenant {tenant}" in self.paused or (
            most is not None and (self.running()[tenant] >= most or self.load()[f"{line}:{tenant}"] >= most)
        )

    def _place(self, queue: str, tenant: str) -> None:
        for priority in RANKED:
            if (f"{queue}:{priority}", tenant) in self.served:
                self.served[f"{queue}:{priority}", tenant] = self._now()

    def _leave_if_empty(self, line: str, tenant: str) -> None:
        if not any(job.tenant == tenant for job in self._waiting(line)):
            self.served.pop((line, tenant), None)

    def _stop(self, job: ModelJob) -> None:
        most = self.rule(job.tenant).running
        self._place(job.queue, job.tenant)
        if most is None:
            return
        had_enough = self.running()[job.tenant] + 1 >= most
        for queue in queues():
            if had_enough or queue == job.queue:
                self._place(queue, job.tenant)
                self._fill_all(queue)
