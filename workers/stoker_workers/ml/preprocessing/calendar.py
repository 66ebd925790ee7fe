"""Times: how much has elapsed, and where in the day, the week and the year they are."""

from math import pi

import keras
import numpy as np
from keras import ops

from stoker.models.rows import MISSING_TIME

from ..columns.content import time_range
from ..columns.stats import ColumnStats

_DAY = 86_400_000_000  # µs
# From 0000-03-01, the first day of a year that ends with the leap day, to 1970-01-01. All arithmetic is on numbers from
# 0 on, because converted models cut negative quotients towards 0.
# https://howardhinnant.github.io/date_algorithms.html#civil_from_days
_SHIFT_DAYS = 719_468
_FIRST, _LAST = (int(np.datetime64(text, "us").astype(np.int64)) for text in ("0001-01-01", "9999-12-31T23:59:59"))


def calendar(tensor: keras.KerasTensor, stats: list[ColumnStats]) -> list[keras.KerasTensor]:
    """Elapsed time, sine and cosine of the day, week and year, and an indicator where training had gaps.

    Args:
        tensor: (rows, columns) of microseconds since 1970 as int64.
    """
    ranges = [time_range(each) if each.present else (0.0, 1.0) for each in stats]
    starts = np.array([first for first, _ in ranges]).astype(np.int64)
    spans = np.array([max(last - first, 1.0) for first, last in ranges])
    missing = ops.equal(tensor, MISSING_TIME)
    there = ops.cast(ops.logical_not(missing), "float32")
    times = ops.minimum(ops.maximum(ops.where(missing, starts, tensor), _FIRST), _LAST)
    shifted = times + _SHIFT_DAYS * _DAY
    in_day = ops.mod(shifted, _DAY)
    days = ops.cast(ops.round(ops.cast(shifted - in_day, "float32") / float(_DAY)), "int32")
    of_era = ops.mod(days, 146_097)
    year = (of_era - of_era // 1460 + of_era // 36_524 - of_era // 146_096) // 365
    in_year = of_era - (365 * year + year // 4 - year // 100)
    angles = (
        ops.cast(in_day, "float32") * (2 * pi / _DAY),
        ops.cast(ops.mod(days + 2, 7), "float32") * (2 * pi / 7),
        ops.cast(in_year, "float32") * (2 * pi / 365.25),
    )
    elapsed = ops.cast(times - starts, "float32") / spans.astype(np.float32)
    parts = [(elapsed * 2 - 1) * there]
    parts += [wave(angle) * there for angle in angles for wave in (ops.sin, ops.cos)]
    holes = [place for place, each in enumerate(stats) if each.missing]
    if holes:
        parts.append(ops.take(ops.cast(missing, "float32"), np.array(holes, np.int32), axis=-1))
    return parts
