"""A checkpoint's file."""

import math
from pathlib import Path

import numpy as np

from stoker_workers.ml.training.checkpoint import Position, Saved


def test_a_position_reads_back_equal_with_what_is_no_number_in_it(tmp_path: Path) -> None:
    written = Position(
        seed=1,
        rows=2,
        epoch=3,
        step=4,
        totals=(math.inf, -math.inf, math.nan),
        history={"loss": [0.5, math.nan, math.inf], "accuracy": [math.nan, 1.0, -math.inf]},
        best=math.nan,
        best_epoch=1,
    )
    Saved(written, [], None).write(tmp_path / "checkpoint.npz")

    read = Saved.read(tmp_path / "checkpoint.npz").position

    np.testing.assert_equal(read.model_dump(), written.model_dump())  # for it, NaN equals NaN
