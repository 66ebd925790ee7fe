"""Raw Celery: one task per call, the models in each child of the pool."""

import os
from typing import Any

import numpy as np
from celery import Celery, signals

from .. import model

MODELS: dict[str, Any] = {}

app = Celery("bench", broker=os.environ["BENCH_URL"], backend=os.environ["BENCH_URL"])


def _load_models(**_: Any) -> None:
    for name in model.names():
        MODELS[name] = model.load(name)
        MODELS[f"{name} by predict"] = model.load_keras(name)


if os.environ.get("BENCH_MODELS"):
    signals.worker_process_init.connect(_load_models)


def _infer(name: str, rows: list[Any]) -> Any:
    return MODELS[name](np.array(rows, np.float32)).tolist()


def _predict(name: str, rows: list[Any]) -> Any:
    return MODELS[f"{name} by predict"].predict(np.array(rows, np.float32), verbose=0).tolist()


def _noop() -> None:
    pass


infer = app.task(_infer, name="infer")
predict = app.task(_predict, name="predict")
noop = app.task(_noop, name="noop")
