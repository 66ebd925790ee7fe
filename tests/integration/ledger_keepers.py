"""What people do to registered models, each step done to the ledger's model and to a real server."""

from collections.abc import Callable

import hypothesis.strategies as st
from hypothesis.stateful import precondition, rule

from stoker.errors import ModelInUse, ModelNotFound
from stoker.ledger import model_changes
from stoker.redis.calls import Steps, drive

from .ledger_both import BothSides

NAMES = st.sampled_from(["one", "two"])
NUMBERS = st.integers(1, 4)
ALIASES = st.sampled_from(["champion", "live"])


class ModelKeepers(BothSides):
    """Each rule is one step of the model and the same step on the server."""

    @precondition(lambda self: self.model.registry.versions)
    @rule(name=NAMES, alias=ALIASES, number=NUMBERS)
    def alias_a_version(self, name: str, alias: str, number: int) -> None:
        done = self._done(lambda: model_changes.alias(f"{name}@{number}", alias))
        assert done is self.model.registry.alias(name, alias, number)

    @precondition(lambda self: self.model.registry.versions)
    @rule(name=NAMES, alias=ALIASES)
    def drop_an_alias(self, name: str, alias: str) -> None:
        assert self._done(lambda: model_changes.drop_alias(name, alias)) is self.model.registry.alias(name, alias, 0)

    @precondition(lambda self: self.model.registry.versions)
    @rule(name=NAMES, alias=ALIASES)
    def roll_an_alias_back(self, name: str, alias: str) -> None:
        assert self._done(lambda: model_changes.roll_back(name, alias)) is self.model.registry.roll_back(name, alias)

    @precondition(lambda self: self.model.registry.versions)
    @rule(name=NAMES, number=NUMBERS, text=st.sampled_from(["a note", ""]))
    def note_a_version(self, name: str, number: int, text: str) -> None:
        done = self._done(lambda: model_changes.note(f"{name}@{number}", text))
        assert done is self.model.registry.note(name, number, text)

    @precondition(lambda self: self.model.registry.versions)
    @rule(name=NAMES, number=NUMBERS, whole=st.sampled_from([False, False, True]))
    def remove_versions(self, name: str, number: int, whole: bool) -> None:
        going = self.model.registry.of(name) if whole else [number]
        done = self._done(lambda: model_changes.remove(name if whole else f"{name}@{number}"))
        assert done is self.model.registry.remove(name, sorted(going, key=str), whole=whole)

    @precondition(lambda self: self.model.registry.versions)
    @rule(name=NAMES, new=NAMES)
    def rename_a_model(self, name: str, new: str) -> None:
        assert self._done(lambda: model_changes.rename(name, new)) is self.model.registry.rename(name, new)

    def _done(self, steps: Callable[[], Steps[object]]) -> bool:
        """Whether the server agrees to a change."""
        try:
            drive(steps(), self.connection.run)
        except (ModelInUse, ModelNotFound):
            return False
        return True
