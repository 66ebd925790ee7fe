"""celery-batches' client: Celery's own, one row per task."""

from collections.abc import Callable, Mapping

import numpy as np
from celery import group

from ...adapter import CALL_TIMEOUT_S, Array
from ...adapter import Adapter as Base
from .serve import infer


class Adapter(Base):
    """One row per task, gathered by the worker."""

    def infer(self, model: str, rows: Array) -> Array:
        return np.array(infer.delay(model, rows.tolist()).get(timeout=CALL_TIMEOUT_S), np.float32)

    def many_ways(self) -> Mapping[str, Callable[[str, Array], Array]]:
        return {"a group of tasks, one per row": self._many_by_group}

    def _many_by_group(self, model: str, rows: Array) -> Array:
        tasks = group(infer.s(model, [row]) for row in rows.tolist())
        return np.array(tasks().get(timeout=CALL_TIMEOUT_S), np.float32)[:, 0]
