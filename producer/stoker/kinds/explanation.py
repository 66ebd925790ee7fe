"""What is said of single predictions, and of how much a model needs each column."""

from collections.abc import Iterator
from typing import Literal

from pydantic import Field

from ..models.described import Described
from ..models.prediction import Prediction

Method = Literal["importance", "gradients"]
BaselineKind = Literal["mean", "missing", "zero"]
MOST_ROWS = 256
"""Rows that one job explains one by one."""
MOST_COLUMNS = 100
"""Columns of a row that have an attribution each, the largest ones."""
MOST_WORDS = 512
_SHOWN_COLUMNS = 3


class Importance(Described):
    """How much a model needs a column: what is lost when its values are shuffled among the rows.

    Attributes:
        output: which of several outputs it is about; "" where there is one.
        metric: the headline metric of an evaluation, such as "accuracy" or "r2".
        drop: by how much it falls, on average over the repeats; below 0, the shuffled column is the better one.
        spread: the standard deviation of that.
        loss: by how much the loss grows, and `loss_spread`.
    """

    column: str
    output: str = ""
    metric: str
    drop: float
    spread: float
    loss: float
    loss_spread: float


class Attribution(Described):
    """What each column of a row contributes to one number that a model gives of it.

    The attributions add up to `value - base`, within 1 % where `complete` says so.

    Attributes:
        target: the class of which the probability is explained, or the number's column.
        value: the number itself: a probability, or what is predicted.
        base: the same for the baseline, from which attributions are counted.
        columns: by column, the largest first, at most 100; a column of text or a picture has the sum of its parts.
        rest: the sum of all other columns' attributions.
        words: of columns of text, each word in its order and what it contributes; at most 512.
        pixels: of pictures, and arrays with two axes: line by line; of large ones the sums of squares of pixels.
        steps: points at which the gradient was taken.
        error: by how much the sum is off.
        complete: whether that is at most 1 % of `value - base`.
    """

    target: str
    value: float
    base: float
    columns: dict[str, float]
    rest: float = 0.0
    words: dict[str, tuple[tuple[str, float], ...]] = Field(default_factory=dict)
    pixels: dict[str, tuple[tuple[float, ...], ...]] = Field(default_factory=dict)
    steps: int
    error: float
    complete: bool

    @property
    def largest(self) -> str:
        """The columns that contribute most, in a few words."""
        shown = list(self.columns.items())[:_SHOWN_COLUMNS]
        return ", ".join(f"{name} {share:+.4g}" for name, share in shown)


class Explanation(Described):
    """Why a model predicts what it does of one row.

    Attributes:
        row: its number, from 0.
        prediction: what is predicted, as `Client.predict` says it.
        outputs: the attributions of each explained output or number by its name; of most models there is one.
    """

    row: int
    prediction: Prediction
    outputs: dict[str, Attribution]

    @property
    def only(self) -> Attribution:
        """The first of what is explained, which most models have no more of."""
        return next(iter(self.outputs.values()))

    @property
    def target(self) -> str:
        """See `Attribution`."""
        return self.only.target

    @property
    def value(self) -> float:
        """See `Attribution`."""
        return self.only.value

    @property
    def base(self) -> float:
        """See `Attribution`."""
        return self.only.base

    @property
    def columns(self) -> dict[str, float]:
        """See `Attribution`."""
        return self.only.columns

    @property
    def words(self) -> dict[str, tuple[tuple[str, float], ...]]:
        """See `Attribution`."""
        return self.only.words

    @property
    def pixels(self) -> dict[str, tuple[tuple[float, ...], ...]]:
        """See `Attribution`."""
        return self.only.pixels

    def lines(self) -> Iterator[tuple[str, str, str, str]]:
        """A line of a table for each explained number: its name, the number, the baseline's, the largest columns."""
        for name, each in self.outputs.items():
            shown = each.target if name == each.target or len(self.outputs) == 1 else f"{name}: {each.target}"
            yield shown, f"{each.value:.4g}", f"{each.base:.4g}", each.largest

    def _repr_html_(self) -> str:
        from ..terminal.html import table, tag  # what only notebooks need

        head = ("explained", "value", "baseline", "largest attributions")
        return tag("div", tag("p", tag("b", f"row {self.row}")), table(head, self.lines()))
