"""A checkpoint's file."""

import io
import math
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import ArrayLike

from stoker_workers.ml.resuming import UnreadableCheckpoint
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


@pytest.fixture
def content(tmp_path: Path) -> bytes:
    """A checkpoint's bytes."""
    Saved(Position(seed=1, rows=2), [np.arange(3.0)], [np.arange(2.0)]).write(tmp_path / "whole.npz")
    return (tmp_path / "whole.npz").read_bytes()


def unreadable(path: Path, content: bytes) -> bool:
    path.write_bytes(content)
    try:
        Saved.read(path)
    except UnreadableCheckpoint:
        return True
    return False


def test_no_part_of_a_checkpoint_is_taken_for_one(tmp_path: Path, content: bytes) -> None:
    assert all(unreadable(tmp_path / "cut.npz", content[:size]) for size in range(len(content)))


def npz(**arrays: ArrayLike) -> bytes:
    file = io.BytesIO()
    np.savez(file, allow_pickle=False, **arrays)
    return file.getvalue()


def npy() -> bytes:
    file = io.BytesIO()
    np.save(file, np.arange(3))
    return file.getvalue()


@pytest.mark.parametrize(
    "content", [npy(), npz(), npz(position=1), npz(position="{}"), npz(position="null"), b"nonsense"]
)
def test_what_is_no_checkpoint_is_unreadable(tmp_path: Path, content: bytes) -> None:
    assert unreadable(tmp_path / "nonsense.npz", content)
