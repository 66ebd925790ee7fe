"""From tests of windows to alarms: what differs in two windows running is drift, until it has not for two."""

from collections.abc import Iterable

from pydantic import Field

from stoker.models.described import Described

from .windows import ColumnTest

_RUNNING = 2


class DriftState(Described):
    """What is known after some windows.

    Attributes:
        differing: by column, in how many windows running it has differed.
        calm: by column that has drifted, in how many windows running it has not differed.
        drifted: the columns that have drifted, and still do.
    """

    differing: dict[str, int] = Field(default_factory=dict)
    calm: dict[str, int] = Field(default_factory=dict)
    drifted: tuple[str, ...] = ()

    def after(self, tests: Iterable[ColumnTest]) -> "DriftState":
        """What is known after another window."""
        differs = {test.column for test in tests if test.differs}
        differing = {name: self.differing.get(name, 0) + 1 for name in sorted(differs)}
        calm = {name: self.calm.get(name, 0) + 1 for name in self.drifted if name not in differs}
        stays = [name for name in self.drifted if calm.get(name, 0) < _RUNNING]
        new = [name for name, windows in differing.items() if windows >= _RUNNING and name not in stays]
        return DriftState(
            differing=differing, calm={name: calm[name] for name in stays if name in calm}, drifted=(*stays, *new)
        )
