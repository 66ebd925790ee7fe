"""Training by several slots: the chief's side and a member's.

1. The slot that claims a training for several workers is the chief. It sends messages for members until all have come.
   Meanwhile it holds its slot, and they hold theirs.
2. Then all fork a runner each, which find each other by their addresses and train in step.
3. The chief alone reports on the job: it renews the lease, sends events and checkpoints, and commits the end.
4. A member sends a heartbeat every tick. If one falls silent or its runner dies, the chief gives the attempt up,
   and the job goes on from its checkpoint with a new gang; if the attempt ends, so do its members. A member that meets
   an outage says so when it leaves, and the job waits for the end of that.
5. A cancel or a drain of any of them is obeyed by all behind the same step: their runners agree on it.
"""

import logging
import socket
import time
from contextlib import closing
from dataclasses import replace

from stoker.errors import InvalidJob, Unavailable, Untrusted
from stoker.events import Progress
from stoker.kinds import kind_of
from stoker.kinds.needs import lacking
from stoker.ledger import gangs
from stoker.ledger.attempt import Attempt
from stoker.ledger.gangs import Gang
from stoker.outages import DependencyUnavailable, Outage
from stoker.urls import endpoint

from ..ml.run import Run
from .admission import admitted
from .extras import Extra, GaveUp
from .memory import Allowance
from .messages import Away, Blocked, End, Failed, Halted, Lost, Note, Outgrown, OutOfMemory
from .preparation import prepared
from .runner import Runner
from .slot import Slot

_log = logging.getLogger(__name__)

# How often a member looks at its gang and at its runner.
TICK_S = 0.5
# How often in a row a member finds that its runner uses too much memory, until it ends it: the chief, whose own runner
# needs as much, looks as often, and can have the job tried with more.
_LOOKS_OVER = 3
# How long a chief holds slots for a gang that does not come together, before it lets others have them.
_GATHER_S = 300.0
_PROMISED = "the worker's memory is promised to others"


class Chief(Extra):
    """The chief's side of one attempt."""

    def __init__(self, slot: Slot, attempt: Attempt, wanted: int) -> None:
        self._slot = slot
        self._attempt = attempt
        self._wanted = wanted
        self._address = free_address(slot.redis_url)
        self._addresses: tuple[str, ...] = ()
        self._gives_up_at = time.monotonic() + _GATHER_S

    def missing(self) -> Progress | None:
        """The members."""
        gang = self._look()
        self._addresses = gang.addresses if gang else self._addresses
        if gang and gang.state == "complete":
            return None
        come = len(self._addresses)
        if gang and time.monotonic() > self._gives_up_at:
            raise GaveUp(f"only {come} of {self._wanted} workers came within {_GATHER_S:g} s")
        return Progress(stage="gathering workers", done=come, total=self._wanted, unit="workers")

    def prepared(self, run: Run) -> Run:
        """With the addresses of all, its own first."""
        return replace(run, gang=self._addresses)

    def looked_at(self, end: End | None, runner: int) -> End | None:  # noqa: ARG002
        """If a member has left, that is how the attempt ends; it may look like a failure of the runner here."""
        if end and not isinstance(end, Lost | Failed):
            return end
        gang = self._look()
        if gang is None or gang.state != "broken":
            return end
        if gang.outage:
            return Away(outage=gang.outage, elsewhere=True)
        return Lost(reason=f"the worker at {gang.addresses[0]}, which trained it too, was lost")

    def close(self) -> None:
        """Let the members go."""
        try:
            self._slot.connection.run(gangs.disband(self._attempt))
        except Unavailable as error:
            _log.warning("job %s: its gang ends by itself: %s", self._attempt.job_id, error)

    def _look(self) -> Gang | None:
        """The members so far; None while Redis is away."""
        call = gangs.gather(self._attempt, self._address, self._wanted, self._slot.settings.lease_s)
        try:
            return self._slot.connection.run(call, patience_s=0)
        except Unavailable as error:
            _log.warning("job %s: its gang was not looked at: %s", self._attempt.job_id, error)
            return None


class Member:
    """A slot that has taken a `stoker.join` message, for as long as it takes part."""

    def __init__(self, slot: Slot, argument: str) -> None:
        self._slot = slot
        self._job_id = gangs.job_of(argument)
        self._address = free_address(slot.redis_url)
        self._owner = ""

    def take_part(self) -> str:
        """Wait until the gang is complete, and train; gives what to show for it in Celery's log."""
        if missing := self._slot.dependencies.missing():
            return f"job {self._job_id}: not joined: {missing.reason}"
        with self._slot.reserved_share() as has_share:
            if hindrance := self._reserve() if has_share else _PROMISED:
                return f"job {self._job_id}: not joined: {hindrance}"
            return self._join()

    def _reserve(self) -> str | None:
        """Reserve what the attempt was granted; gives why that cannot be, and the chief sends another message then."""
        try:
            attempt = self._slot.connection.run(gangs.attempt_of(self._job_id, ""))
            if lacks := lacking(attempt.needs, self._slot.offers.offers):
                return f"the worker lacks {', '.join(lacks)}"
            return None if Allowance(self._slot, attempt).reserve() else _PROMISED
        except Unavailable as error:
            _log.warning("job %s: what it needs is unknown: %s", self._job_id, error)
            return error.message

    def _join(self) -> str:
        gang = self._attend()
        try:
            while gang.state == "gathering" and not self._slot.draining_s:
                time.sleep(TICK_S)
                gang = self._attend()
            if gang.state != "complete":
                return f"job {self._job_id}: not needed any more"
            return self._train(gang)
        finally:
            self._depart(done=False)

    def _train(self, gang: Gang) -> str:
        attempt = self._slot.connection.run(gangs.attempt_of(self._job_id, gang.owner))
        try:
            spec = admitted(self._slot, attempt)
        except (InvalidJob, Untrusted) as error:
            return f"job {self._job_id}: not joined: {error.message}"
        if kind_of(spec).slots(spec) < 2:
            return f"job {self._job_id}: a {spec.kind} job has no gang"
        place = gang.addresses.index(self._address)
        run = replace(prepared(self._slot, attempt, spec), gang=gang.addresses, place=place)
        end: End
        try:
            with Runner(spec, run) as runner:
                end = self._follow(runner, Allowance(self._slot, attempt))
        except DependencyUnavailable as error:
            end = Away(outage=error.outage)
            self._end(end)
        self._slot.uses(0)
        return f"job {self._job_id}: {end.reason if isinstance(end, Halted | Lost) else end.type}"

    def _follow(self, runner: Runner, allowance: Allowance) -> End:
        """Watch the runner until it ends, uses too much memory, or the attempt ends."""
        look_at, is_stopping, over = 0.0, False, 0
        while True:
            for message in runner.receive(TICK_S):
                if isinstance(message, Blocked):
                    if message.outage:
                        self._slot.dependencies.met(message.outage)
                elif not isinstance(message, Note):
                    self._end(message)
                    return message
            if self._slot.hurrying:
                return Halted(reason="drain")
            if self._slot.draining_s and not is_stopping:
                runner.stop("drain")
                is_stopping = True
            if time.monotonic() >= look_at:
                if self._attend().state == "gone":
                    return Lost(reason="the attempt has ended")
                outgrown = allowance.outgrown(runner.pid)
                over = over + 1 if outgrown else 0
                if outgrown and over == _LOOKS_OVER:
                    self._end(outgrown)
                    return outgrown
                look_at = time.monotonic() + TICK_S

    def _attend(self) -> Gang:
        """Send a heartbeat, which gives the gang; the last one if Redis does not answer."""
        call = gangs.attend(self._job_id, self._owner, self._address, self._slot.settings.lease_s)
        try:
            gang = self._slot.connection.run(call)
        except Unavailable as error:
            _log.warning("job %s: no heartbeat this time: %s", self._job_id, error)
            return Gang("gathering", self._owner, ())
        self._owner = gang.owner or self._owner
        return gang

    def _end(self, end: End) -> None:
        if isinstance(end, Away):
            self._slot.dependencies.met(end.outage)
            self._depart(done=False, outage=end.outage)
        elif isinstance(end, Failed | OutOfMemory | Outgrown):
            # What ends this runner most likely ends the chief's too, which must get to say so; if not, the chief
            # misses this member when its lease runs out.
            self._owner = ""
        else:
            self._depart(done=isinstance(end, Halted))

    def _depart(self, *, done: bool, outage: Outage | None = None) -> None:
        if not self._owner:
            return
        try:
            self._slot.connection.run(gangs.depart(self._owner, self._address, done=done, outage=outage))
        except Unavailable as error:
            _log.warning("job %s: could not say goodbye: %s", self._job_id, error)
        self._owner = ""


def free_address(redis_url: str) -> str:
    """An address of this machine at which a process can listen, on the network that leads to Redis."""
    family, kind, _, _, redis = socket.getaddrinfo(*endpoint(redis_url), type=socket.SOCK_DGRAM)[0]
    with closing(socket.socket(family, kind)) as towards_redis:
        towards_redis.connect(redis)  # sends nothing: it only chooses the interface
        host = towards_redis.getsockname()[0]
    with closing(socket.socket(family, socket.SOCK_STREAM)) as free:
        free.bind((host, 0))
        port = free.getsockname()[1]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
