"""BentoML: one service with an endpoint per model, batching on."""

import bentoml
import numpy as np

from .. import model

MAX_BATCH = 256


class Served:
    """All models in the worker process."""

    def __init__(self) -> None:
        self._models = {name: model.load(name) for name in model.names()}

    @bentoml.api(batchable=True, max_batch_size=MAX_BATCH)  # type: ignore[untyped-decorator]
    def mlp(self, rows: np.ndarray) -> np.ndarray:
        """Predict digits of 64 pixels."""
        return self._models["mlp"](rows.astype(np.float32))

    @bentoml.api(batchable=True, max_batch_size=MAX_BATCH)  # type: ignore[untyped-decorator]
    def cnn(self, rows: np.ndarray) -> np.ndarray:
        """Predict images of 28 × 28 pixels."""
        return self._models["cnn"](rows.astype(np.float32))


service = bentoml.service(Served, name="bench", workers=1)
