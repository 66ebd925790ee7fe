"""What the results of all jobs have in common."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self

from ..models.described import Described
from ..models.manifest import Artifact


@dataclass(frozen=True)
class Shown:
    """A result as the command line shows it.

    Attributes:
        subject: what it is about, such as the model.
        about: what comes behind that.
        table: a head and rows; empty for none.
        cut: the columns of the table that are cut where a terminal is narrow; empty for the first one.
        notes: lines below.
        warnings: lines below those, which should be read.
        files: what lies in the store.
    """

    subject: str
    about: str = ""
    table: tuple[tuple[str, ...], ...] = ()
    cut: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    files: Mapping[str, Artifact] = field(default_factory=dict)


class JobResult(Described, ABC):
    """What a job gives."""

    def words(self) -> str:
        """The result in a few words, as Flower and logs show it."""
        return self.shown().subject

    def gives_model(self) -> str | None:
        """The exact reference of the model that a job coming after this one may name it by; None if there is none."""
        return None

    def brief(self) -> Self:
        """The result as the job sees it that asked for it as a trial, among hundreds: without what is long."""
        return self

    def with_version(self, field: str, ref: str) -> Self:
        """The result, naming a version that was registered with it in one of its fields."""
        return self.model_copy(update={field: ref})

    @abstractmethod
    def shown(self) -> Shown:
        """The result for people."""

    def _repr_html_(self) -> str:
        return _page(self.shown())


def _page(shown: Shown) -> str:
    """A result as a notebook shows it."""
    from ..terminal.html import table, tag  # what only notebooks need

    parts = [tag("p", tag("b", shown.subject), " ", shown.about)]
    if shown.table:
        head, *rows = shown.table
        parts.append(table(head, rows))
    parts += [tag("p", note) for note in shown.notes]
    parts += [tag("p", tag("b", "warning: "), warning) for warning in shown.warnings]
    if shown.files:
        rows = [(name, file.name, f"{file.size:,}") for name, file in shown.files.items()]
        parts.append(table(("in the store", "file", "bytes"), rows))
    return tag("div", *parts)
