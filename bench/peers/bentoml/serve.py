"""BentoML: one service with an endpoint per model, batching on."""

import bentoml
import numpy as np

from .. import model

MAX_BATCH = 256
MAX_LATENCY_MS = 60_000


class Served:
    """Both models in each worker process."""

    def __init__(self) -> None:
        self._mlp = model.load("mlp")
        self._cnn = model.load("cnn")

    @bentoml.api(batchable=True, max_batch_size=MAX_BATCH, max_latency_ms=MAX_LATENCY_MS)  # type: ignore[untyped-decorator]
    def mlp(self, rows: np.ndarray) -> np.ndarray:
        """Predict digits of 64 pixels."""
        return self._mlp(rows.astype(np.float32))

    @bentoml.api(batchable=True, max_batch_size=MAX_BATCH, max_latency_ms=MAX_LATENCY_MS)  # type: ignore[untyped-decorator]
    def cnn(self, rows: np.ndarray) -> np.ndarray:
        """Predict images of 28 × 28 pixels."""
        return self._cnn(rows.astype(np.float32))


service = bentoml.service(Served, name="bench", workers=1)
