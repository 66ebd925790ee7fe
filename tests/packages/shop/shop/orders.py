"""Orders of the last weeks, made up."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

ITEMS, FEATURES = 24, 6


def week(number: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """Features of the items in a week, and how many of each were sold."""
    random = np.random.default_rng(number)
    features = random.normal(size=(ITEMS, FEATURES))
    taste = np.linspace(-1, 1, FEATURES)
    return features, features @ taste + 0.1 * random.normal(size=ITEMS)


def forget_all() -> str:
    """What no job is to call."""
    return "forgotten"
