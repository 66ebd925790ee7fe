"""The controller: sees to what workers and messages left undone. Several may run; one leads, the others stand by."""

import argparse
import logging
import signal
import sys
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from types import FrameType

from stoker import lanes, origins
from stoker.access.loading import load_missing
from stoker.fleet.topology import DEVICES, queues
from stoker.lanes.keys import key as lane_key
from stoker.ledger import approvals, backups, damage, intake, quotas, routes, upkeep
from stoker.ledger.keys import key
from stoker.local import redis_url_of
from stoker.models.manifest import Artifact
from stoker.models.store import Store
from stoker.redis.calls import drive
from stoker.security.audit.sealing import Sealer
from stoker.security.signatures import signatures_of
from stoker.settings import FOLLOWED, Settings
from stoker.terminal import exits
from stoker.webhooks.addresses import Addresses

from ..observe.metrics import LedgerCollector, served
from ..observe.result_mirror import ResultMirror
from .autoscaler.loop import FleetScaler
from .duties import Duty, DutyThread, for_each
from .lead import Lead
from .leftovers import LeftoverSearch
from .look import Look
from .old_versions import remove_old_versions
from .rollouts.duty import Rollouts
from .schedules import Schedules
from .watched import WatchedConnection
from .webhooks.duty import Webhooks

_log = logging.getLogger(__name__)

ROUND_S = 1.0
# For duties that nothing is known to do for. A run then mends what can have come from outside alone.
REST_S = 10.0
# The whole registry is read for this one.
OLD_VERSIONS_S = 60.0
# How long the end waits for duties under way. What is cut off is done by the next leader: none does anything by halves.
END_S = 5.0
# How long a message may be under way between its queue and a claim before it is sent again: one that is taken and not
# claimed went to a worker that is cut off or dead, and one too many is dropped.
RING_AGAIN_S = 3.0
# Of each long list of jobs, so that a round stays short.
_CHUNKS_A_ROUND = 20
# While the ledger is damaged. Each takes some milliseconds of the server, and others have their turn in between.
_LOOKS_A_ROUND = 10


class Controller:
    """One of the controllers.

    The leader takes jobs from workers that went silent, queues those whose time has come, sends lost messages again,
    copies results, forgets what is old, deletes checkpoints that nobody needs, and scales the fleets. Each of
    these is a duty. What a duty does to the ledger is one script in Redis over an index: it costs as little with a
    million jobs as with ten, and a second leader for a moment does no harm.
    """

    def __init__(self, settings: Settings, redis_url: str) -> None:
        self._settings = settings
        self._sources: object = None
        self._connection = WatchedConnection.open(settings, redis_url)
        self._results = ResultMirror(settings, self._connection)
        self._store = Store(settings.store_place)
        leftovers = LeftoverSearch(self._store, self._connection, removes=settings.remove_leftovers)
        self._scaler = FleetScaler(settings, self._connection, redis_url)
        signatures = signatures_of(settings)
        self._sealer = Sealer(settings.store, self._connection, signatures.signer, signatures.trust)
        self._webhooks = Webhooks(self._connection, Addresses(settings.webhook_roots))
        self._looked_up_to = "0"
        starting = Schedules(self._connection, signatures=signatures)
        by_thread = {
            "ledger": self._duties_to_the_ledger(),
            "scripts": [Duty("load scripts", ROUND_S, self._load_scripts, self._load_scripts)],
            "schedules": [_duty("start schedules", starting.step, kept=(key("schedule_states"),))],
            "results": [Duty("copy results", ROUND_S if settings.result_url else REST_S, self._copy_results)],
            "store": [
                _duty("delete checkpoints", self._delete_checkpoints, kept=(key("discarded"),)),
                _duty("clear ended jobs", self._clear_ended, kept=(key("ended"),)),
                _duty("find leftovers", leftovers.step),
            ],
            "audit": [_duty("seal the audit", self._seal, kept=(key("audits"),))],
            "webhooks": [_duty("deliver webhooks", self._webhooks.step, kept=(key("hooked"),))],
            "fleets": [
                Duty(
                    "scale fleets",
                    ROUND_S,
                    self._scale,
                    self._scaler.rest,
                    rest_s=REST_S,
                    kept=tuple(key("fleet", device) for device in DEVICES),
                )
            ],
        }
        duties = [duty for of_thread in by_thread.values() for duty in of_thread]
        self._lead = Lead(self._connection, [duty.name for duty in duties])
        self._threads = [DutyThread(name, those, self._leads, self._connection) for name, those in by_thread.items()]
        self._look = Look(duties, self._threads, self._leads, self._connection, ROUND_S)

    def run(self) -> None:
        """Work until an exception, such as `SystemExit`, ends it; then give up the lead."""
        try:
            self.start()
            threading.Event().wait()
        finally:
            self.end()

    def start(self) -> None:
        """Take the lead, if nobody has it, and see to the duties."""
        self._lead.start()
        for thread in (*self._threads, self._look):
            thread.start()

    def end(self) -> None:
        """Leave the lead and the duties to another controller."""
        self._look.end()
        self._webhooks.end()
        for thread in self._threads:
            thread.end()
        self._lead.resign()
        deadline = time.monotonic() + END_S
        for each in (self._look, *self._threads):
            each.join(max(0.0, deadline - time.monotonic()))
        self._scaler.rest()
        self._connection.close()

    def _leads(self) -> bool:
        return self._lead.leads

    def _duties_to_the_ledger(self) -> list[Duty]:
        on_gpus = tuple(key("fallback", queue) for queue in queues() if queue.startswith("gpu."))
        return [
            Duty("follow settings", ROUND_S, self._follow_settings),
            _duty("set quotas", self._set_quotas),
            _duty("set roles", self._set_roles),
            _duty("reclaim jobs", self._reclaim, due=(key("leases"),)),
            _duty("go on with deployments", Rollouts(self._connection).step, kept=(key("followed"),)),
            _duty("wake jobs", self._wake, due=(key("due"),), kept=(key("posted"), key("needs"))),
            # Windows are fitted to the slots as well, for jobs that are yet to come: that may wait for a rest.
            _duty("ring again", self._resend, kept=(key("queued"), key("seats"))),
            _duty("fall back to CPUs", self._fall_back, kept=on_gpus),
            _duty("forget old jobs", self._forget_old),
            _duty("return requests", self._return_requests, kept=(lane_key("lanes"), lane_key("drainers"))),
            _duty("end routes", lambda: self._connection.run(routes.sweep()), kept=(key("routes"),)),
            _duty("take lists in", self._take_in, kept=(key("intakes"),)),
            _duty("repair the ledger", self._repair, kept=(key("damaged"),)),
            Duty("remove old versions", OLD_VERSIONS_S, self._remove_old_versions),
        ]

    def _load_scripts(self) -> None:
        """Load what a server that was started again lacks; every controller those of its version."""
        if loaded := drive(load_missing(), self._connection.run):
            _log.info("%d scripts are loaded", loaded)
            # The server was started again, perhaps from an older state, or another one has taken its place.
            self._look.wake_all()

    def _follow_settings(self) -> None:
        """Follow the settings of tenants, fleets and retention; all others hold until the controller starts again."""
        if (sources := origins.sources(self._settings.home)) == self._sources:
            return
        now = Settings()
        followed = [name for name in FOLLOWED if self._settings.origin(name) != "argument"]
        self._settings = self._settings.model_copy(update={name: getattr(now, name) for name in followed})
        # Not before: what is invalid is refused again and again.
        self._sources = sources
        self._look.wake_all()

    def _set_quotas(self) -> None:
        if self._connection.run(quotas.set_quotas(self._settings.tenants, self._settings.ageing_s)):
            _log.info("quotas now: %s", self._settings.tenants or "none")

    def _set_roles(self) -> None:
        if self._connection.run(approvals.set_roles(self._settings.roles)):
            _log.info("roles now: %s", self._settings.roles or "none")

    def _reclaim(self) -> None:
        # While Redis was away nobody could renew a lease: it lasts for so much longer.
        expired = self._connection.run(upkeep.expired())
        self._connection.takes_writes()
        for_each((lost for lost in expired if lost.overdue_s >= self._away_s(lost)), self._reclaim_job)

    def _away_s(self, lost: upkeep.Expired) -> float:
        """For how long Redis was away since the lease of an attempt was renewed."""
        return self._connection.away_s(self._settings.lease_s + lost.overdue_s)

    def _reclaim_job(self, lost: upkeep.Expired) -> None:
        if state := self._connection.run(upkeep.reclaim(lost)):
            _log.warning("job %s: worker %s went silent, now %s", lost.job_id, lost.worker, state)

    def _wake(self) -> int:
        return self._connection.run(upkeep.wake())

    def _resend(self) -> None:
        for job_id in self._connection.run(upkeep.resend(RING_AGAIN_S)):
            _log.warning("job %s: its message was lost and is sent again", job_id)

    def _fall_back(self) -> None:
        for job_id in self._connection.run(upkeep.fall_back(self._settings.gpu_wait_s)):
            _log.warning("job %s: no GPU was free for %g s, a CPU takes it", job_id, self._settings.gpu_wait_s)

    def _forget_old(self) -> int:
        return self._connection.run(upkeep.expire(self._settings.keep_finished, self._settings.keep_finished_s))

    def _return_requests(self) -> None:
        if returned := self._connection.run(lanes.sweep()):
            _log.warning("%d inference requests of silent workers went back to their lanes", returned)

    def _take_in(self) -> None:
        """Finish what clients had submitted and did not live to see taken in."""

        def take_in(list_id: str) -> None:
            for _ in range(_CHUNKS_A_ROUND):
                if not self._connection.run(intake.take_in(list_id)):
                    break

        for_each(self._connection.run(intake.accepted()), take_in)

    def _repair(self) -> bool:
        """Go on looking for damage where the last look ended; where there is some, in more steps, not longer ones."""
        for _ in range(_LOOKS_A_ROUND):
            look = self._connection.run(damage.repair(self._looked_up_to))
            self._looked_up_to = look.cursor
            for flaw in look.damages:
                _log.warning("something else than Stoker has written to Redis: %s; mended", flaw)
            if not look.is_damaged:
                break
        return self._looked_up_to != "0"

    def _seal(self) -> None:
        self._sealer.step(is_on=self._settings.audit)

    def _remove_old_versions(self) -> None:
        remove_old_versions(self._connection, self._settings.retention)

    def _copy_results(self) -> None:
        self._results.start()
        self._results.deliver()

    def _delete_checkpoints(self) -> None:
        def delete(discarded: tuple[str, Artifact]) -> None:
            job_id, artifact = discarded
            self._store.of_job(job_id).delete(artifact)
            self._connection.run(upkeep.deleted(job_id, artifact))

        discarded = self._connection.run(upkeep.discarded())
        # Asked last: then no record of a backup names what is to go.
        if not self._connection.run(backups.goes_on()):
            for_each(discarded, delete)

    def _clear_ended(self) -> None:
        def clear(job_id: str) -> None:
            self._store.of_job(job_id).clear()
            self._connection.run(upkeep.cleared(job_id))

        ended = self._connection.run(upkeep.ended())
        if not self._connection.run(backups.goes_on()):
            for_each(ended, clear)

    def _scale(self) -> bool:
        return self._scaler.step(self._settings.fleet)


def _duty(name: str, run: Callable[[], object], *, due: tuple[str, ...] = (), kept: tuple[str, ...] = ()) -> Duty:
    """A duty that rests while there is nothing to do."""
    return Duty(name, ROUND_S, run, rest_s=REST_S, due=due, kept=kept)


def main() -> None:
    """Run a controller until SIGTERM or Ctrl-C."""
    argparse.ArgumentParser(prog="python -m stoker_workers.controller", description=__doc__).parse_args()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _exit)
    sys.exit(exits.status(lambda: _control(Settings())))


def _control(settings: Settings) -> None:
    settings.log("controller").begin()
    redis_url = redis_url_of(settings)
    with ExitStack() as stack:
        if settings.metrics_port is not None:
            collector = LedgerCollector(settings, redis_url)
            stack.enter_context(served(collector, settings.metrics_host, settings.metrics_port))
        Controller(settings, redis_url).run()


def _exit(_number: int, _frame: FrameType | None) -> None:
    # A step that this interrupts is one script in Redis: done or not done, never half.
    sys.exit(0)
