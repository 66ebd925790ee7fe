"""The rows of data for a function, by the readers of trainings."""

from collections.abc import Iterator
from typing import Literal

from stoker.kinds import Data

from ..ml.data import Values
from ..ml.data.source import loaded
from ..ml.opening import open_data
from ..ml.run import Run


class Rows:
    """Rows that can be read any number of times, always in the same order.

    Attributes:
        columns: their names.
        count: how many rows there are; None where only reading them shows that.
    """

    def __init__(self, ref: str | Data, subset: Literal["train", "test"], run: Run) -> None:
        self._source = open_data(ref, subset, run)
        self.columns = tuple(column.name for column in self._source.columns)
        self.count = self._source.rows

    def batches(self, rows: int) -> Iterator[dict[str, Values]]:
        """So many rows at a time, as an array for each column; the last batch may be shorter."""
        return self._source.batches(rows)

    def arrays(self) -> dict[str, Values]:
        """All rows, as an array for each column."""
        whole = loaded(self._source)
        return next(whole.batches(max(whole.rows, 1)), {})
