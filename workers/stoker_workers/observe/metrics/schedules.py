"""Metrics of schedules."""

from collections.abc import Callable, Iterator

from prometheus_client.core import Metric

from stoker.ledger import schedules
from stoker.redis.connection import Connection
from stoker.schedules.schedule import ScheduleState

from .families import Family, Samples, counters, gauges

# Bounds the label's values.
_MOST_SCHEDULES = 100
_FAMILIES: tuple[tuple[Family, str, str, Callable[[ScheduleState], float | None]], ...] = (
    (counters, "stoker_schedule_starts", "Times at which a schedule has started jobs.", lambda state: state.started),
    (
        counters,
        "stoker_schedule_missed",
        "Times at which it has not: missed, too soon after another, or refused.",
        lambda state: state.skipped,
    ),
    (
        gauges,
        "stoker_schedule_last_start_timestamp_seconds",
        "For which time it has started jobs last; nothing before the first.",
        lambda state: state.last.at.timestamp() if state.last else None,
    ),
    (
        gauges,
        "stoker_schedule_failing",
        "Whether the newest start could not submit its jobs: 1 or 0.",
        lambda state: state.problem is not None,
    ),
)


def schedule_families(connection: Connection) -> Iterator[Metric]:
    """The families of schedules, by name."""
    raw = connection.run(schedules.states())
    states = {name: state for name in sorted(raw)[:_MOST_SCHEDULES] if (state := schedules.read_state(raw[name]))}
    for family, metric, documentation, value in _FAMILIES:
        samples: Samples = {(name,): number for name, state in states.items() if (number := value(state)) is not None}
        yield family(metric, documentation, ("schedule",), samples)
