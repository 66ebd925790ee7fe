"""The registry as plain Python: models, their versions, aliases and notes, and what may become of them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field


@dataclass
class RegistryModel:
    """All of it. Each method is one change, and gives its answer.

    Attributes:
        named: gives what the unfinished jobs name: models that they make, references that they read.
        paths: by model and alias, what it pointed at, the newest at the end; 0 where it was taken away.
        removed_ever: how many versions were removed by hand.
        alarms: what was told of models.
    """

    named: Callable[[], set[str]]
    versions: dict[str, list[int]] = field(default_factory=dict)
    removed: dict[str, set[int]] = field(default_factory=dict)
    aliases: dict[str, dict[str, int]] = field(default_factory=dict)
    notes: dict[str, dict[int, str]] = field(default_factory=dict)
    changes: dict[str, list[tuple[str, object]]] = field(default_factory=dict)
    paths: dict[tuple[str, str], list[int]] = field(default_factory=dict)
    removed_ever: int = 0
    alarms: list[str] = field(default_factory=list)

    def of(self, model: str) -> list[int]:
        """The versions that a model has."""
        return self.versions.get(model, [])

    def next_number(self, model: str) -> int:
        """The number of the next version."""
        return len(self.of(model)) + len(self.removed.get(model, ())) + 1

    def register(self, model: str, version: int) -> None:
        """Adds a version, which is the champion if there is none."""
        self.versions.setdefault(model, []).append(version)
        if "champion" not in self.aliases.setdefault(model, {}):
            self.move_alias(model, "champion", version)
        self.alarms.append(f"registered {model}@{version}")

    def alias(self, model: str, alias: str, version: int) -> bool:
        """Whether it was moved, to 0 if it was taken away."""
        before = self.aliases.get(model, {}).get(alias)
        if version not in (self.of(model) if version else [before and 0]):
            return False
        if before != version:
            self.move_alias(model, alias, version)
        return True

    def move_alias(self, model: str, alias: str, version: int) -> None:
        """Points it there, wherever it points."""
        self.aliases.setdefault(model, {})[alias] = version
        if not version:
            del self.aliases[model][alias]
        self.paths.setdefault((model, alias), []).append(version)
        self._note(model, alias, version or None)

    def roll_back(self, model: str, alias: str) -> bool:
        """Whether there is something to go back to."""
        path, now = self.paths.get((model, alias), []), self.aliases.get(model, {}).get(alias)
        while path and (path[-1] == now or path[-1] not in self.of(model)):
            path = path[:-1]
        if path:
            self.move_alias(model, alias, path[-1])
            self.paths[model, alias] = path
        return bool(path)

    def note(self, model: str, version: int, text: str) -> bool:
        """Whether there is such a version."""
        if version not in self.of(model):
            return False
        notes = self.notes.setdefault(model, {})
        notes[version] = text
        if not text:
            del notes[version]
        self._note(model, "noted", version)
        return True

    def remove(self, model: str, going: Sequence[int], *, whole: bool) -> bool:
        """Whether they may go, all of them, and are there."""
        if not going or not set(going) <= set(self.of(model)) or self._is_used(model, going, whole=whole):
            return False
        for version in going:
            self.versions[model].remove(version)
            self.removed.setdefault(model, set()).add(version)
            self.notes.get(model, {}).pop(version, None)
            self._note(model, "removed", version)
        self.removed_ever += len(going)
        if not self.versions[model]:
            for of_model in (self.versions, self.aliases, self.removed, self.notes):
                of_model.pop(model, None)
            self.paths = {key: path for key, path in self.paths.items() if key[0] != model}
            self._note(model, "ended", None)
        return True

    def _is_used(self, model: str, versions: Sequence[int], *, whole: bool) -> bool:
        named = self.named()
        if whole:
            return any(ref.partition("@")[0] == model for ref in named)
        return not {*self.aliases[model].values()}.isdisjoint(versions) or not named.isdisjoint(
            f"{model}@{version}" for version in versions
        )

    def rename(self, model: str, new: str) -> bool:
        """Whether it may have that name, and is there."""
        if not self.of(model) or self.of(new) or any(ref.partition("@")[0] in (model, new) for ref in self.named()):
            return False
        self.versions[new] = self.versions.pop(model)
        self.aliases[new] = self.aliases.pop(model)
        self.removed[new] = self.removed.pop(model, set())
        self.notes[new] = self.notes.pop(model, {})
        self.changes[new] = self.changes.pop(model)
        self.paths = {(new if name == model else name, alias): path for (name, alias), path in self.paths.items()}
        self._note(new, "renamed", model)
        return True

    def _note(self, model: str, what: str, value: object) -> None:
        self.changes.setdefault(model, []).insert(0, (what, value))
