"""The controller: sees to what workers and messages left undone. Several may run; one leads, the others stand by."""

import argparse
import logging
import math
import os
import platform
import signal
import sys
import time
import uuid
from collections.abc import Callable
from contextlib import ExitStack
from types import FrameType
from typing import TypeVar

from redis.exceptions import ResponseError

from stoker import lanes, ledger
from stoker.connection import HICCUP_S, Call, Connection
from stoker.errors import InvalidSettings, StokerError
from stoker.local import redis_url_of
from stoker.settings import FOLLOWED, Settings
from stoker.store import Store

from .fleet.loop import FleetScaler
from .metrics import LedgerCollector, served
from .mirror import ResultMirror

T = TypeVar("T")
_log = logging.getLogger(__name__)

# A leader that dies is replaced when its lease runs out; it renews it with every round.
LEAD_S = 5.0
ROUND_S = 1.0
# How long a message may be under way between its queue and a claim before the job is rung for again.
RING_AGAIN_S = 10.0
# Of each long list of jobs, so that a round stays short.
_PARTS_A_ROUND = 20


class _WatchedConnection(Connection):
    """A connection that notes when Redis was away for so long that leases may have run out meanwhile.

    Attributes:
        away_at: when that was so last, by the monotonic clock.
    """

    away_at = -math.inf

    def run(self, call: Call[T], *, patience_s: float | None = None) -> T:
        """Run a call as `Connection` does."""
        started = time.monotonic()
        try:
            return super().run(call, patience_s=patience_s)
        finally:
            if time.monotonic() - started > HICCUP_S:
                self.away_at = time.monotonic()


class Controller:
    """One of the controllers.

    Every round, the leader takes jobs from workers that went silent, queues those whose time has come, rings again
    where a message was lost, copies results, forgets what is old, deletes checkpoints that nobody needs, and scales the
    fleets. Each step is one script in Redis over an index, so that a round costs as little with a million jobs as with
    ten, and a second leader for a moment does no harm.
    """

    def __init__(self, settings: Settings, redis_url: str) -> None:
        self._settings = settings
        self._connection = _WatchedConnection.open(settings, redis_url)
        self._results = ResultMirror(settings, self._connection)
        self._store = Store(settings.store)
        self._scaler = FleetScaler(settings, self._connection, redis_url)
        self._name = f"{platform.node()}/{os.getpid()}/{uuid.uuid4().hex[:8]}"
        self._leads = False

    def run(self) -> None:
        """Work until an exception, such as `SystemExit`, ends it; then give up the lead."""
        try:
            self._guarded(self._results.start)
            while True:
                self._guarded(self._round)
                time.sleep(ROUND_S)
        finally:
            self._scaler.rest()
            self._guarded(lambda: self._connection.run(ledger.resign(self._name)))
            self._connection.close()

    def _round(self) -> None:
        leads = self._connection.run(ledger.lead(self._name, LEAD_S))
        if leads != self._leads:
            _log.info("controller %s %s", self._name, "leads" if leads else "stands by")
            self._leads = leads
        if leads:
            self._reclaim()
            self._read_settings_anew()
            self._lay_down_quotas()
            self._connection.run(ledger.wake())
            for job_id in self._connection.run(ledger.ring_again(RING_AGAIN_S)):
                _log.warning("job %s: its message was lost, rung again", job_id)
            for job_id in self._connection.run(ledger.fall_back(self._settings.gpu_wait_s)):
                _log.warning("job %s: no GPU was free for %g s, a CPU takes it", job_id, self._settings.gpu_wait_s)
            self._connection.run(ledger.expire(self._settings.keep_finished, self._settings.keep_finished_s))
            if returned := self._connection.run(lanes.sweep()):
                _log.warning("%d inference requests of silent workers went back to their lanes", returned)
            self._results.deliver()
            self._delete_discarded()
            self._take_in()
            self._scaler.step(self._settings.fleet)
        else:
            self._scaler.rest()

    def _read_settings_anew(self) -> None:
        """Follow the settings of tenants and fleets; all others hold until the controller is started again."""
        try:
            now = Settings()
        except InvalidSettings as error:
            _log.warning("the settings of tenants and fleets stay as they were: %s", error)
            return
        followed = [name for name in FOLLOWED if self._settings.origin(name) != "argument"]
        self._settings = self._settings.model_copy(update={name: getattr(now, name) for name in followed})

    def _lay_down_quotas(self) -> None:
        if self._connection.run(ledger.lay_down(self._settings.tenants, self._settings.ageing_s)):
            _log.info("quotas now: %s", self._settings.tenants or "none")

    def _reclaim(self) -> None:
        expired = self._connection.run(ledger.expired())
        # While Redis was away nobody could renew a lease: first let those speak who still work.
        if time.monotonic() - self._connection.away_at < self._settings.lease_s:
            return
        for lost in expired:
            state = self._connection.run(ledger.reclaim(lost))
            if state:
                _log.warning("job %s: worker %s went silent, now %s", lost.job_id, lost.worker, state)

    def _take_in(self) -> None:
        """Finish what clients had submitted and did not live to see taken in."""
        for intake in self._connection.run(ledger.accepted()):
            for _ in range(_PARTS_A_ROUND):
                if not self._connection.run(ledger.take_in(intake)):
                    break

    def _delete_discarded(self) -> None:
        for job_id, artifact in self._connection.run(ledger.discarded()):
            self._store.of_job(job_id).delete(artifact)
            self._connection.run(ledger.deleted(job_id, artifact))
        for job_id in self._connection.run(ledger.ended()):
            self._store.of_job(job_id).clear()
            self._connection.run(ledger.cleared(job_id))

    def _guarded(self, step: Callable[[], object]) -> None:
        try:
            step()
        except (StokerError, ResponseError) as error:
            _log.warning("nothing done this round: %s", error)


def main() -> None:
    """Run a controller until SIGTERM or Ctrl-C."""
    argparse.ArgumentParser(prog="python -m stoker_workers.controller", description=__doc__).parse_args()
    logging.basicConfig(format="[%(asctime)s: %(levelname)s] %(message)s", level=logging.INFO)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _exit)
    try:
        _control(Settings())
    except InvalidSettings as error:
        sys.exit(error.message)


def _control(settings: Settings) -> None:
    redis_url = redis_url_of(settings)
    with ExitStack() as stack:
        if settings.metrics_port is not None:
            collector = LedgerCollector(settings, redis_url)
            stack.enter_context(served(collector, settings.metrics_host, settings.metrics_port))
        Controller(settings, redis_url).run()


def _exit(_number: int, _frame: FrameType | None) -> None:
    # A step that this interrupts is one script in Redis: done or not done, never half.
    sys.exit(0)


if __name__ == "__main__":
    main()
