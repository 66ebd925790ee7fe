"""LitServe: an endpoint and a worker process per model, batching on."""

import os
from typing import Any
from urllib.parse import urlsplit

import litserve
import numpy as np

from .. import model

MAX_BATCH = 256
BATCH_TIMEOUT_S = 0.002

Rows = np.ndarray[Any, np.dtype[np.float32]]


class Served(litserve.LitAPI):  # type: ignore[misc]  # not installed where types are checked
    """One model; a request carries any number of rows."""

    def setup(self, _device: str) -> None:
        """In the worker process: load the model."""
        self._predict = model.load(self.api_path.removeprefix("/"))

    def decode_request(self, request: dict[str, Any]) -> Rows:
        """The rows of one request."""
        return np.array(request["rows"], np.float32)

    def batch(self, inputs: list[Rows]) -> tuple[list[int], Rows]:
        """All rows, and where each request's end."""
        return list(np.cumsum([len(rows) for rows in inputs])), np.concatenate(inputs)

    def predict(self, batch: tuple[list[int], Rows]) -> tuple[list[int], Rows]:
        """Run the model once."""
        ends, rows = batch
        return ends, self._predict(rows)

    def unbatch(self, output: tuple[list[int], Rows]) -> list[Rows]:
        """Each request's predictions."""
        ends, answers = output
        return np.split(answers, ends[:-1])

    def encode_response(self, output: Rows) -> list[list[float]]:
        """As JSON."""
        answer: list[list[float]] = output.tolist()
        return answer


def main() -> None:
    """Serve until told to stop."""
    apis = [
        Served(max_batch_size=MAX_BATCH, batch_timeout=BATCH_TIMEOUT_S, api_path=f"/{name}") for name in model.names()
    ]
    server = litserve.LitServer(apis, accelerator="cpu", workers_per_device=1)
    where = urlsplit(os.environ["BENCH_URL"])
    server.run(host=where.hostname, port=where.port, log_level="warning", generate_client_file=False)


if __name__ == "__main__":
    main()
