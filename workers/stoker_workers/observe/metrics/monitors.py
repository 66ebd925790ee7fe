"""Metrics of models that a Monitor watches."""

from collections.abc import Callable, Iterator

from prometheus_client.core import Metric

from stoker.ledger import sampling
from stoker.ledger.sampling import Watched
from stoker.redis.connection import Connection

from .families import Family, counters, gauges

# Bounds the label's values.
_MOST_MODELS = 50
_FAMILIES: tuple[tuple[Family, str, str, Callable[[Watched], float]], ...] = (
    (counters, "stoker_monitor_rows_sampled", "Rows that were sampled for a Monitor.", lambda of: of.kept),
    (counters, "stoker_monitor_rows_dropped", "Those of them dropped for want of room.", lambda of: of.dropped),
    (counters, "stoker_monitor_labels", "Answers that have got a label.", lambda of: of.labels),
    (counters, "stoker_monitor_windows", "Windows that were tested.", lambda of: of.windows),
    (gauges, "stoker_monitor_columns_differing", "Columns that differ in the newest window.", lambda of: of.differ),
)


def monitors(connection: Connection) -> Iterator[Metric]:
    """The families of all models that are watched, by version."""
    models = sorted(connection.run(sampling.all_wanted()))[:_MOST_MODELS]
    of = {
        ref: watched
        for model in models
        for ref, watched in connection.run(sampling.watched(model)).items()
        if "@" in ref
    }
    for family, name, documentation, value in _FAMILIES:
        yield family(name, documentation, ("model",), {(ref,): value(watched) for ref, watched in of.items()})
