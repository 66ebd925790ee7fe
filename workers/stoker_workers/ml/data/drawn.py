"""Sample sets of pictures, drawn by numpy, the same on every machine."""

import numpy as np
from numpy.typing import NDArray

from .source import Values

_SEED = 20_260_101
_SIDE = 32
_SHAPES, _SPOTS = 1_200, 400
_NAMES = ("disc", "ring", "square", "triangle")


def shapes() -> dict[str, Values]:
    """Coloured shapes of any place and size on a noisy ground, and which shape it is."""
    random = np.random.default_rng(_SEED)
    labels = random.integers(0, len(_NAMES), _SHAPES)
    down, right, radius = _places(random, _SHAPES, least=5, most=12)
    distance = np.hypot(down, right)
    inside = np.select(
        [labels[:, None, None] == place for place in range(len(_NAMES))],
        [
            distance < radius,
            (distance < radius) & (distance > 0.6 * radius),
            np.maximum(abs(down), abs(right)) < 0.85 * radius,
            (down < 0.8 * radius) & (down > 2 * abs(right) - 0.9 * radius),
        ],
    )
    names = np.array(_NAMES, dtype=object)
    return {"image": _painted(inside, random), "label": names[labels]}


def spots() -> dict[str, Values]:
    """Spots on a noisy ground; the mask is 0 on the ground, 1 in small ones and 2 in large ones."""
    random = np.random.default_rng(_SEED)
    mask = np.zeros((_SPOTS, _SIDE, _SIDE), np.uint8)
    for kind, (least, most) in ((1, (2, 4)), (1, (2, 4)), (2, (6, 9))):
        down, right, radius = _places(random, _SPOTS, least=least, most=most)
        mask[np.hypot(down, right) < radius] = kind
    return {"image": _painted(mask > 0, random), "mask": mask}


def _places(
    random: np.random.Generator, count: int, *, least: float, most: float
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """How far each pixel is below and right of a centre that is drawn for each picture, and a radius."""
    radius = random.uniform(least, most, (count, 1, 1))
    rows, columns = (radius + random.uniform(0, 1, (count, 1, 1)) * (_SIDE - 2 * radius) for _ in range(2))
    axis = np.arange(_SIDE) + 0.5
    down, right = np.broadcast_arrays(axis[:, None] - rows, axis[None, :] - columns)
    return down, right, radius


def _painted(inside: NDArray[np.bool_], random: np.random.Generator) -> NDArray[np.uint8]:
    """Pictures of a bright colour inside, and a dark one elsewhere, with noise."""
    count = len(inside)
    bright, dark = (random.uniform(low, low + 120, (count, 1, 1, 3)) for low in (130, 0))
    levels = np.where(inside[..., None], bright, dark) + random.normal(0, 12, (*inside.shape, 3))
    return levels.clip(0, 255).astype(np.uint8)
