"""The table of `bench.tables`: a number with gaps, a category, a time, and a target that depends on all three."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

_CHUNK_ROWS = 1_000_000
_CHANNELS = np.array([f"{way} {place}" for way in ("shop", "web", "phone", "agent") for place in "ABC"])
_GAPS = 0.1
_FIRST, _SECONDS = np.datetime64("2024-01-01", "us"), 2 * 365 * 86_400


def write_table(path: Path, rows: int) -> Path:
    """Write a table of so many rows, the same every time."""
    random = np.random.default_rng(0)
    effects = random.normal(size=len(_CHANNELS))
    with pq.ParquetWriter(path, _chunk(random, effects, 1).schema) as writer:
        for start in range(0, rows, _CHUNK_ROWS):
            writer.write_table(_chunk(random, effects, min(_CHUNK_ROWS, rows - start)))
    return path


def _chunk(random: np.random.Generator, effects: np.ndarray[tuple[int], np.dtype[np.float64]], rows: int) -> pa.Table:
    amount = random.lognormal(3, 1, rows)
    channel = random.integers(len(_CHANNELS), size=rows)
    seconds = random.integers(_SECONDS, size=rows)
    hour = seconds % 86_400 / 3600
    score = np.log(amount) - 3 + effects[channel] + np.cos((hour - 18) * np.pi / 12)
    gaps = random.random(rows) < _GAPS
    return pa.table(
        {
            "amount": pa.array(amount, mask=gaps),
            "channel": pa.array(_CHANNELS[channel]),
            "at": _FIRST + seconds.astype("timedelta64[s]"),
            "returned": (score + random.logistic(size=rows) > 0).astype(np.int64),
        }
    )
