"""What became of a job's attempts that have ended."""

from collections.abc import Iterable

from ..ledger.dead_jobs import PastAttempt
from ..terminal.amounts import duration
from .output import say, say_block


def say_attempts(attempts: Iterable[PastAttempt]) -> None:
    """Print a line for each attempt, and the last lines of its log."""
    for past in attempts:
        lasted = duration((past.ended_at - past.started_at).total_seconds())
        why = f": {past.reason}" if past.reason else ""
        say(
            f"  attempt {past.attempt} on {past.worker}, {past.started_at:%Y-%m-%d %H:%M:%S} UTC for {lasted}, "
            f"{past.how}{why}"
        )
        say_block(past.log, before="    │ ", style="dim")
