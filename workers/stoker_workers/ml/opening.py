"""Opening the data of a job."""

from typing import Literal

from stoker.events import Log
from stoker.kinds import Data

from .data import Source, open_source
from .run import Run


def open_data(data: str | Data, subset: Literal["train", "test"], run: Run) -> Source:
    """The rows of a job's data; what was found by looking at them is said in its events.

    Raises:
        InvalidJob, Unavailable: see `open_source`.
    """
    source = open_source(data, subset, run.access, run.scratch)
    for note in source.notes:
        run.emit(Log(line=note))
    return source
