"""Raw Celery's own client: `delay` and `get`."""

import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from celery import group

from ...adapter import CALL_TIMEOUT_S, LOOK_S, Array
from ...adapter import Adapter as Base
from .serve import app, infer, noop, predict


class Adapter(Base):
    """A `tf.function` in each task."""

    task = infer

    def infer(self, model: str, rows: Array) -> Array:
        return np.array(self.task.delay(model, rows.tolist()).get(timeout=CALL_TIMEOUT_S), np.float32)

    def many_ways(self) -> Mapping[str, Callable[[str, Array], Array]]:
        return {"a group of tasks, one per row": self._many_by_group, "one task for all rows": self.infer}

    def submit_ways(self) -> Mapping[str, Callable[[int], Any]]:
        return {"apply_async": self._submit, "Producer.batch": self._submit_batch}

    def noop(self) -> None:
        noop.delay().get(timeout=CALL_TIMEOUT_S)

    def noops(self, count: int) -> None:
        keys = [app.backend.get_key_for_task(result.id) for result in self._submit(count)]
        while app.backend.client.exists(*keys) < count:
            time.sleep(LOOK_S)

    def _submit(self, count: int) -> list[Any]:
        return [noop.apply_async() for _ in range(count)]

    def _submit_batch(self, count: int) -> None:
        with app.producer_pool.acquire() as producer, producer.batch():
            for _ in range(count):
                noop.apply_async(producer=producer, ignore_result=True)

    def _many_by_group(self, model: str, rows: Array) -> Array:
        tasks = group(self.task.s(model, [row]) for row in rows.tolist())
        return np.array(tasks().get(timeout=CALL_TIMEOUT_S), np.float32)[:, 0]


class PredictAdapter(Adapter):
    """`model.predict` in each task."""

    task = predict

    def many_ways(self) -> Mapping[str, Callable[[str, Array], Array]]:
        return {"one task for all rows": self.infer}
