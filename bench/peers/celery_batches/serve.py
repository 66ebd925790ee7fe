"""celery-batches: the worker gathers tasks and hands them to the pool together."""

import os
from typing import Any

import numpy as np
from celery import Celery, signals
from celery_batches import Batches, SimpleRequest

from .. import model

MODELS: dict[str, Any] = {}
# A worker reserves prefetch × 2 children; a batch must fit into that.
MAX_BATCH = 256
MAX_WAIT_S = 0.002

app = Celery("bench", broker=os.environ["BENCH_URL"], backend=os.environ["BENCH_URL"])
app.conf.worker_prefetch_multiplier = MAX_BATCH


def _load_models(**_: Any) -> None:
    for name in model.names():
        MODELS[name] = model.load(name)


signals.worker_process_init.connect(_load_models)


def _infer(requests: list[SimpleRequest]) -> None:
    for name in {request.args[0] for request in requests}:
        asked = [request for request in requests if request.args[0] == name]
        answers = MODELS[name](np.array([request.args[1][0] for request in asked], np.float32)).tolist()
        for request, answer in zip(asked, answers, strict=True):
            app.backend.mark_as_done(request.id, [answer], request)


infer = app.task(_infer, name="infer", base=Batches, flush_every=MAX_BATCH, flush_interval=MAX_WAIT_S)
