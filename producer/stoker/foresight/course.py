"""One way in which things may go on at a fleet, drawn at random: which job starts when, and ends when.

It follows the rules of the ledger's turns.lua: of each line a window of jobs have messages, a free slot takes the
message of the highest priority that came first, and the next message goes to the tenant with the fewest seats for its
weight. Jobs that come meanwhile do so as they came lately.
"""

import heapq
import itertools
from collections import Counter, defaultdict, deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random

from .estimates import Estimate
from .look import JobLook, LineLook, Look, RuleLook

_STEPS = {"high": 0, "normal": 1, "low": 2}
_NO_RULE = RuleLook()
# After so many ends and arrivals a course is over, whatever has not started by then.
_MOVES, _MOVES_A_JOB = 1_000, 20


@dataclass(frozen=True)
class Stream:
    """Jobs that are like one that came lately: so many came in so many ms."""

    job: JobLook
    came: int
    in_ms: float


@dataclass(frozen=True)
class Fleet:
    """What there is to run jobs.

    Attributes:
        slots: those that serve jobs now, busy or not.
        coming: after how many ms each further slot serves.
    """

    slots: int
    coming: tuple[Estimate, ...] = ()


@dataclass(frozen=True)
class Outlook:
    """What a course is drawn from.

    Attributes:
        seconds: what each job of the look takes in all, by id; of a running one, given how far it is.
    """

    look: Look
    fleet: Fleet
    seconds: Mapping[str, Estimate]
    streams: Sequence[Stream] = ()


class _Job:
    """A job of one course."""

    __slots__ = ("id", "queue", "queued_at", "seconds", "slots", "step", "tenant")

    def __init__(self, look: JobLook, seconds: Estimate, queued_at: float, *, is_known: bool) -> None:
        self.id = look.id if is_known else ""
        self.queue, self.tenant, self.slots = look.queue, look.tenant, look.slots
        self.step = _STEPS.get(look.priority, 1)
        self.seconds, self.queued_at = seconds, queued_at


@dataclass
class _Line:
    """A line with its jobs that have messages, and by tenant those that wait for one."""

    look: LineLook
    rung: deque[tuple[int, _Job]] = field(default_factory=deque)
    held: dict[str, deque[_Job]] = field(default_factory=dict)


class Course:
    """Draws one course, until all the jobs asked for have ended or can get no further.

    Attributes:
        starts, ends: in ms from the look on, by id; of a running job only its end.
        before: how many others of the look start before a queued job.
    """

    def __init__(self, outlook: Outlook, random: Random) -> None:
        self._outlook = outlook
        self._random = random
        self._now = 0.0
        self._numbers = itertools.count()
        self._served: dict[str, int] = {}
        self._tenant_served: dict[tuple[str, str], int] = {}
        self._seats: Counter[tuple[str, str]] = Counter()
        self._runs: Counter[str] = Counter()
        self._rules = outlook.look.rules
        self._has_rules = bool(outlook.look.paused_tenants) or any(
            rule.running is not None for rule in self._rules.values()
        )
        self._ends: list[tuple[float, int, _Job | None]] = []
        self._lines = {(line.queue, line.priority): self._line(line) for line in outlook.look.lines}
        # So few came that their rate is not known well: each course has one that may have brought as many.
        rates = [random.gammavariate(stream.came, 1 / stream.in_ms) for stream in outlook.streams]
        self._arrivals = [
            (random.expovariate(rate), number, rate, stream.job)
            for number, (rate, stream) in enumerate(zip(rates, outlook.streams, strict=True))
        ]
        heapq.heapify(self._arrivals)
        self.starts: dict[str, float] = {}
        self.ends: dict[str, float] = {}
        self.before: dict[str, int] = {}
        self._idle = outlook.fleet.slots - sum(job.slots for job in outlook.look.running)
        for rule_of, rule in self._rules.items():
            self._runs[rule_of] = rule.runs
        for job in outlook.look.running:
            self.ends[job.id] = self._occupy(self._known(job), self._rest_ms(job))
        for estimate in outlook.fleet.coming:
            self._push(estimate.drawn(random), None)

    def run(self, ids: Iterable[str]) -> None:
        """Go on until these jobs have ended."""
        wanted = set(ids) - self.ends.keys()
        # Where more comes than can be run, the turn of some never comes.
        for _ in range(_MOVES + _MOVES_A_JOB * len(self._outlook.seconds)):
            while self._idle > 0 and (job := self._next()):
                self._start(job)
            if wanted <= self.ends.keys() or not self._advance():
                break

    def _line(self, look: LineLook) -> _Line:
        line = _Line(look)
        for job in look.rung:
            self._seats[look.queue, job.tenant] += 1
            line.rung.append((next(self._numbers), self._known(job)))
        for jobs in look.held:
            line.held[jobs[0].tenant] = deque(map(self._known, jobs))
        return line

    def _known(self, job: JobLook) -> _Job:
        return _Job(job, self._outlook.seconds[job.id], job.queued_at, is_known=True)

    def _rest_ms(self, job: JobLook) -> float:
        """How much longer a running job runs."""
        elapsed_s = max(0.0, (self._outlook.look.at - job.started_at) / 1000)
        return 1000 * (self._outlook.seconds[job.id].drawn_above(elapsed_s, self._random) - elapsed_s)

    def _occupy(self, job: _Job, for_ms: float) -> float:
        """Let a job have its slots; gives when it ends."""
        self._seats[job.queue, job.tenant] += 1
        for slot in range(job.slots):
            self._push(for_ms, job if slot == 0 else None)
        return self._now + for_ms

    def _push(self, after_ms: float, job: _Job | None) -> None:
        heapq.heappush(self._ends, (self._now + after_ms, next(self._numbers), job))

    def _start(self, job: _Job) -> None:
        """A slot takes a job. One that needs several waits for the others with its first."""
        self._idle -= job.slots
        self._runs[job.tenant] += 1
        self._seats[job.queue, job.tenant] -= 1
        ends = self._occupy(job, 1000 * job.seconds.drawn(self._random))
        if job.id:
            self.before[job.id] = len(self.before)
            self.starts[job.id], self.ends[job.id] = self._now, ends

    def _advance(self) -> bool:
        """Go on to what happens next; returns whether anything does."""
        ends_at = self._ends[0][0] if self._ends else None
        comes_at = self._arrivals[0][0] if self._arrivals else None
        if ends_at is None:
            return False
        if comes_at is not None and comes_at < ends_at:
            self._now, number, rate, job = heapq.heappop(self._arrivals)
            heapq.heappush(self._arrivals, (self._now + self._random.expovariate(rate), number, rate, job))
            self._come(job)
            return True
        self._now, _, ended = heapq.heappop(self._ends)
        self._idle += 1
        if ended:
            self._runs[ended.tenant] -= 1
            self._seats[ended.queue, ended.tenant] -= 1
            for line in self._lines.values() if self._has_rules else ():
                self._fill(line)
        return True

    def _come(self, like: JobLook) -> None:
        job = _Job(like, self._outlook.seconds[like.id], self._outlook.look.at + self._now, is_known=False)
        line = self._lines.get((like.queue, like.priority))
        if line is None:
            look = LineLook(queue=like.queue, priority=like.priority, window=2 * max(2, self._outlook.fleet.slots))
            line = self._lines[like.queue, like.priority] = _Line(look)
        line.held.setdefault(job.tenant, deque()).append(job)
        self._fill(line)

    def _next(self) -> _Job | None:
        """The job whose message a free slot takes."""
        best: tuple[tuple[int, int, int], _Line] | None = None
        for line in self._lines.values():
            if self._has_rules:
                self._hold_back(line)
            if line.rung and not line.look.paused:
                number, job = line.rung[0]
                place = (self._step(job), self._served.get(line.look.queue, -1), number)
                if best is None or place < best[0]:
                    best = place, line
        if best is None:
            return None
        line = best[1]
        _, job = line.rung.popleft()
        self._served[line.look.queue] = next(self._numbers)
        self._fill(line)
        return job

    def _hold_back(self, line: _Line) -> None:
        """Messages are dropped of those whose tenants have enough by now; their jobs wait for others."""
        while line.rung and self._has_enough(line.rung[0][1].tenant):
            _, job = line.rung.popleft()
            self._seats[job.queue, job.tenant] -= 1
            line.held.setdefault(job.tenant, deque()).appendleft(job)
            self._fill(line)

    def _step(self, job: _Job) -> int:
        waited = self._outlook.look.at + self._now - job.queued_at
        return max(0, job.step - int(max(0.0, waited) // max(1.0, self._outlook.look.ageing_ms)))

    def _fill(self, line: _Line) -> None:
        queue = line.look.queue
        while line.held and len(line.rung) < line.look.window and not line.look.paused:
            tenants = [tenant for tenant, jobs in line.held.items() if jobs and not self._has_enough(tenant)]
            if not tenants:
                return
            tenant = tenants[0] if len(tenants) == 1 else min(tenants, key=lambda each: self._place(queue, each))
            self._tenant_served[queue, tenant] = next(self._numbers)
            self._seats[queue, tenant] += 1
            line.rung.append((next(self._numbers), line.held[tenant].popleft()))
            if not line.held[tenant]:
                del line.held[tenant]

    def _place(self, queue: str, tenant: str) -> tuple[int, int]:
        weight = self._rules.get(tenant, _NO_RULE).weight
        return int(self._seats[queue, tenant] * 100 / weight), self._tenant_served.get((queue, tenant), -1)

    def _has_enough(self, tenant: str) -> bool:
        if not self._has_rules:
            return False
        most = self._rules.get(tenant, _NO_RULE).running
        return tenant in self._outlook.look.paused_tenants or (most is not None and self._runs[tenant] >= most)


def by_rate(jobs: Iterable[JobLook], since: float, until: float) -> list[Stream]:
    """The jobs that came in a stretch of time, each as a stream of its like."""
    came = [job for job in jobs if since <= job.submitted_at <= until]
    grouped: defaultdict[tuple[str, str, str, str, str | None, int], list[JobLook]] = defaultdict(list)
    for job in came:
        grouped[job.kind, job.queue, job.priority, job.tenant, job.likeness, job.slots].append(job)
    length_ms = max(1.0, until - since)
    return [Stream(same[0], len(same), length_ms) for same in grouped.values()]
