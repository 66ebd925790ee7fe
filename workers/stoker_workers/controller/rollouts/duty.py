"""The duty that goes on with deployments: what `plan` says, done to routes and noted in the ledger."""

import logging
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from pydantic import ValidationError

from stoker.errors import InvalidJob, ModelInUse, ModelNotFound
from stoker.kinds import Deploy, read_spec
from stoker.kinds.rollout import Approval, Rollout, Step
from stoker.ledger import clock, rollouts, routes, waits
from stoker.ledger.readable import readable
from stoker.ledger.rollouts import Followed
from stoker.redis.calls import drive
from stoker.redis.connection import Connection

from ..duties import for_each
from .plan import Move, Seen, decided, next_move

_log = logging.getLogger(__name__)


class Rollouts:
    """Goes on with all deployments that wait.

    Each step may end at any point, and another controller may take the same one: a share is given before it is noted,
    which may be done twice; an end is noted before it is done, which the next look does again.

    Args:
        now: the time; that of Redis if it is left out, so that it is the same for all controllers.
    """

    def __init__(self, connection: Connection, now: Callable[[], datetime] | None = None) -> None:
        self._connection = connection
        self._now = now or (lambda: connection.run(clock.now()))

    def step(self) -> None:
        """Look at each deployment once."""
        if jobs := self._connection.run(rollouts.followed()):
            now = self._now()
            for_each(jobs, lambda job: self._go_on(job, now))

    def _go_on(self, job: Followed, now: datetime) -> None:
        try:
            spec, rollout = read_spec(job.spec), Rollout.model_validate_json(job.kept)
        except (InvalidJob, ValidationError):
            _log.debug("job %s is of a newer version, or damaged: another controller goes on with it", job.job_id)
            return
        if not isinstance(spec, Deploy):
            return
        if rollout.outcome:
            self._end(job, rollout, now)
            return
        seen = _seen(job, now)
        move = next_move(spec, rollout, seen)
        if move and move.begins:
            move = self._begun(job, spec, move, rollout, seen)
        if move and self._connection.run(rollouts.go_on(job, move.rollout, move.news)):
            if move.news.happened:
                _log.info("job %s: %s", job.job_id, move.news.happened)
            if move.rollout.outcome:
                self._end(replace(job, kept=move.rollout.model_dump_json().encode()), move.rollout, now)

    def _begun(self, job: Followed, spec: Deploy, move: Move, before: Rollout, seen: Seen) -> Move:
        """Give the new version the share of a step; what speaks against it ends the deployment."""
        step = move.rollout.steps[-1]
        try:
            self._give_share(job, spec, move.rollout, step)
        except (ModelInUse, ModelNotFound) as error:
            return decided(before, "rolled back", error.message, seen.now)
        return move

    def _give_share(self, job: Followed, spec: Deploy, rollout: Rollout, step: Step) -> None:
        is_shadow = not step.share
        if len(rollout.steps) == 1:
            name = rollout.model.partition("@")[0]
            opening = routes.open_(
                job.job_id,
                f"{name}@{spec.alias}",
                _number(rollout.model),
                step.share,
                before=_number(rollout.before or ""),
                shadow=is_shadow,
            )
            drive(opening, self._connection.run)
        else:
            self._connection.run(routes.move(job.job_id, share=step.share, shadow=is_shadow, step=step.number))

    def _end(self, job: Followed, rollout: Rollout, now: datetime) -> None:
        """Do what was decided, and have the job tell of it."""
        if rollout.steps:
            try:
                promotes = rollout.outcome == "promoted"
                self._connection.run(routes.close(job.job_id, promote=promotes, why=rollout.why))
            except ModelInUse as error:
                if rollout.outcome == "promoted":
                    # Somebody has ended its route meanwhile, and for another reason.
                    move = decided(rollout, "rolled back", error.message, now)
                    self._connection.run(rollouts.go_on(job, move.rollout, move.news, wakes=True))
                    return
        self._connection.run(waits.wake(job.job_id))


def _seen(job: Followed, now: datetime) -> Seen:
    counted = {name: int(count) for name, count in job.counted.items() if count.isdigit()}
    closed, error = job.counted.get("closed", "it is not known why"), job.counted.get("error", "")
    return Seen(now, readable(Approval, job.said), job.is_routed, job.is_ready, counted, closed, error)


def _number(ref: str) -> int:
    """The number of an exact reference."""
    return int(ref.rpartition("@")[2])
