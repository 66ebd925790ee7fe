"""What a row of the network's tensor holds behind its plain numbers: codes to be embedded, and sequences."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Codes:
    """Places of a row that hold codes for an embedding: of a category, the first for unseen ones; of a list of ids, 0
    for none.

    Attributes:
        count: how many codes there are.
        length: how many places there are.
        is_list: whether the places are a list.
        column: the column's name.
        longest: how many words its longest text has; of other columns, 0.
    """

    count: int
    length: int = 1
    is_list: bool = False
    column: str = ""
    longest: int = 0


@dataclass(frozen=True)
class Steps:
    """Places of a row that hold a sequence: for each step its numbers, then 1, or 0 if it is only padding.

    Attributes:
        steps: how many steps there are.
        channels: how many numbers a step has.
        columns: the columns that they are from.
    """

    steps: int
    channels: int
    columns: tuple[str, ...] = ()

    @property
    def length(self) -> int:
        """How many places there are."""
        return self.steps * (self.channels + 1)


Part = Codes | Steps


@dataclass(frozen=True)
class Words:
    """How a text becomes ids.

    Attributes:
        most: the commonest words have an id each; the others share one.
        length: words of a text; longer ones are cut. None takes the longest text, if it is not too long.
    """

    most: int
    length: int | None


@dataclass(frozen=True)
class Needs:
    """What a network takes besides plain numbers.

    Attributes:
        embed_above: columns of more categories than this become codes; None for none.
        steps: whether it takes sequences.
        words: how it takes texts; None for the weights of their terms.
    """

    embed_above: int | None = None
    steps: bool = False
    words: Words | None = None
