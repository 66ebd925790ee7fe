"""Attributions as a result holds them: rounded, sorted, and bounded in number."""

from collections.abc import Mapping, Sequence

import numpy as np

from stoker.kinds.explanation import MOST_COLUMNS, MOST_WORDS, Attribution

from ..data.source import Floats
from .explained import Explained
from .integration import Integral

# Numbers of all maps of pixels together: what Redis keeps of a job, and a client reads at once.
_MOST_PIXELS = 1 << 16
_LARGEST_SIDE = 128
# Names and words of all explanations together, likewise.
_MOST_NAMES = 1 << 15
_FEWEST = 8


def pixel_block(shapes: Sequence[tuple[int, ...]], explanations: int) -> int:
    """How many pixels of a side become one place of a map, so that all maps are small enough."""
    block, largest = 1, max((side for shape in shapes for side in shape), default=1)
    while block < largest and any(
        max(-(-side // block) for side in shape) > _LARGEST_SIDE
        or explanations * len(shapes) * -(-shape[0] // block) * -(-shape[1] // block) > _MOST_PIXELS
        for shape in shapes
    ):
        block += 1
    return block


def listed_names(explanations: int, most: int) -> int:
    """How many columns, or words, of each of so many attributions are named, so that a result is small enough."""
    return max(min(most, _MOST_NAMES // max(explanations, 1)), _FEWEST)


def attribution(
    columns: Mapping[str, float],
    words: Mapping[str, Sequence[tuple[str, float]]],
    pixels: Mapping[str, Floats],
    block: int,
    explained: Explained,
    integral: Integral,
    row: int,
    explanations: int,
) -> Attribution:
    """A row's attributions.

    Args:
        explanations: how many of these there are.
    """
    ordered = sorted(columns.items(), key=lambda each: -abs(each[1]))
    most, most_words = listed_names(explanations, MOST_COLUMNS), listed_names(explanations, MOST_WORDS)
    return Attribution(
        target=explained.label(int(integral.units[row])),
        value=_rounded(integral.values[row]),
        base=_rounded(integral.bases[row]),
        columns={name: _rounded(share) for name, share in ordered[:most]},
        rest=_rounded(sum(share for _, share in ordered[most:])),
        words={
            name: tuple((word, _rounded(share)) for word, share in each[:most_words]) for name, each in words.items()
        },
        pixels={name: _listed(_blocks(each, block)) for name, each in pixels.items()},
        steps=int(integral.steps[row]),
        error=_rounded(integral.errors[row]),
        complete=bool(integral.complete[row]),
    )


def _rounded(value: float) -> float:
    """Seven digits, as float32 has them."""
    return float(f"{value:.7g}")


def _listed(pixels: Floats) -> tuple[tuple[float, ...], ...]:
    return tuple(tuple(float(f"{share:.4g}") for share in line) for line in pixels.tolist())


def _blocks(pixels: Floats, block: int) -> Floats:
    """The sums of squares of pixels."""
    height, width = pixels.shape
    padded = np.pad(pixels, ((0, -height % block), (0, -width % block)))
    sums: Floats = padded.reshape(padded.shape[0] // block, block, padded.shape[1] // block, block).sum(axis=(1, 3))
    return sums
