"""The one size that pictures get: as asked for, or read off them."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from stoker.models.pictures import Size

MOST_SIDE = 128
"""Larger pictures are made smaller unless a size is asked for: on a CPU, work grows with the square of it."""
# Beyond this ratio, a picture is visibly out of shape.
_STRETCH = 1.05


@dataclass
class Survey:
    """What the headers of pictures say.

    Attributes:
        sizes: how many have each size.
        grey: how many have one channel.
        broken: how many are none, and examples of what is wrong.
    """

    sizes: Counter[Size] = field(default_factory=Counter)
    grey: int = 0
    broken: int = 0
    examples: list[str] = field(default_factory=list)

    @property
    def count(self) -> int:
        """How many pictures there are."""
        return sum(self.sizes.values())

    @property
    def channels(self) -> int:
        """1 if all are grey."""
        return 1 if self.grey == self.count else 3


def choose_size(survey: Survey, wanted: Size | None) -> Size:
    """The size for all: as wanted, or the one that most have, or the median; the larger side is at most `MOST_SIDE`."""
    if wanted:
        return wanted
    height, width = _usual(survey)
    shrink = min(MOST_SIDE / max(height, width), 1.0)
    return max(round(height * shrink), 1), max(round(width * shrink), 1)


def words(name: str, survey: Survey, size: Size, wanted: Size | None) -> Iterator[str]:
    """What is said of a column's pictures, and of what is made of them."""
    count, grey = survey.count, survey.grey
    colours = "grey" if survey.channels == 1 else f"in colour ({grey:,} grey ones, too)" if grey else "in colour"
    of_size = f"of {_shown(next(iter(survey.sizes)))}" if len(survey.sizes) == 1 else f"of {len(survey.sizes):,} sizes"
    yield f"{name}: {count:,} pictures {of_size}, {colours}"
    if set(survey.sizes) == {size}:
        return
    why = "as image_size says"
    if not wanted:
        usual = _usual(survey)
        of = "the commonest size" if _is_common(survey, usual) else "the median size"
        why = of if usual == size else f"{of}, {_shown(usual)}, so that no side is above {MOST_SIDE}"
        why += "; image_size sets another"
    yield f"{name}: pictures are resized to {_shown(size)} ({why})"
    if stretched := sum(number for had, number in survey.sizes.items() if _is_stretched(had, size)):
        yield f"{name}: {stretched:,} of {count:,} pictures have other proportions, and are stretched"


def _usual(survey: Survey) -> Size:
    [(commonest, _)] = survey.sizes.most_common(1)
    if _is_common(survey, commonest):
        return commonest
    counts = list(survey.sizes.values())
    height, width = (int(np.median(np.repeat([size[axis] for size in survey.sizes], counts))) for axis in (0, 1))
    return height, width


def _is_common(survey: Survey, size: Size) -> bool:
    return 2 * survey.sizes[size] > survey.count


def _is_stretched(had: Size, size: Size) -> bool:
    ratio = (had[0] / had[1]) / (size[0] / size[1])
    # Whole pixels allow no better proportions than this.
    return max(ratio, 1 / ratio) > max(_STRETCH, 1 + 1 / min(size))


def _shown(size: Size) -> str:
    return f"{size[0]:,} × {size[1]:,}"
