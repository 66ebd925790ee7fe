"""What a version has learned from, as its manifest notes it: so that a training can go on with all of it."""

from pydantic import Field, JsonValue

from .described import Described


class UsedData(Described):
    """Data that a training has read.

    Attributes:
        ref: the reference, as workers find it.
        options: what the job said of how to read it: the fields of `stoker.Data` but `ref`.
        rows: how many there were; None if they were not counted.
        digest: SHA-256 of the files, and of the names that rows are read from; empty where that would not show every
            change, for the files name pictures, or where more columns are described than a manifest holds.
    """

    ref: str
    options: dict[str, JsonValue] = Field(default_factory=dict)
    rows: int | None = None
    digest: str = ""


class HeldOut(Described):
    """By what the rows are found again that a training has held out of its data.

    Attributes:
        seed, share: of the draw.
        stratify, group, time, task: as the job said.
        digest: SHA-256 of a byte for each row in order: 1 where it was held out, else 0.
    """

    seed: int
    share: float
    stratify: bool | str | None = None
    group: str | None = None
    time: str | None = None
    task: str | None = None
    digest: str


class LearnedFrom(Described):
    """What a version was trained on, and validated on.

    Attributes:
        data: what it was first trained on, and then what jobs have added, in their order; all of it was mixed.
        held_out: which rows of the first data it was validated on; None if there were none, and of forecasts.
        validation: other data that it was validated on; None if there were none.
    """

    data: tuple[UsedData, ...]
    held_out: HeldOut | None = None
    validation: UsedData | None = None
