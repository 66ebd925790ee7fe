"""The scripts that change the registry, in memory: each takes a script's arguments, and gives its reply."""

import json
from typing import Any

from .records import now_ms
from .registry import REMOVED, Model, Models


class ModelKeeping:
    """Changes of models: aliases, notes, names, and versions that go.

    Between the calls of one change the test's own threads submit nothing: so no script looks for jobs that came
    meanwhile.
    """

    def __init__(self, models: Models) -> None:
        self._models = models.by_name
        self._changes_of_gone = models.changes

    def changes(self, name: str, most: int) -> list[bytes]:
        """The newest changes."""
        noted = self._models[name].changes if name in self._models else self._changes_of_gone.get(name, [])
        return [json.dumps(change).encode() for change in noted[:most]]

    def alias(self, name: str, alias: str, number: int | str, by: str, change_id: str, _who: str) -> bytes:
        """See alias_model.lua."""
        model, to = self._models.get(name, Model()), int(number) if number else None
        if to is None and alias not in model.aliases:
            return b"alias"
        if to is not None and not model.has(to):
            return b"version"
        if model.aliases.get(alias) != to:
            model.move(alias, to, by=by, id=change_id)
        return b"ok"

    def roll_back(self, name: str, alias: str, by: str, change_id: str, _who: str) -> bytes:
        """See rollback_model.lua."""
        model = self._models.get(name, Model())
        for number in reversed(_path(model, alias)):
            if number != model.aliases.get(alias) and model.has(number):
                model.move(alias, number, by=by, id=change_id, back=True)
                return b"ok"
        return b"none"

    def note(self, name: str, number: int, text: str, by: str, change_id: str) -> bytes:
        """See note_model.lua."""
        model = self._models.get(name, Model())
        if not model.has(number):
            return b"version"
        model.notes.pop(number, None)
        if text:
            model.notes[number] = text
        model.note_change(noted=number, by=by, id=change_id)
        return b"ok"

    def remove(self, name: str, is_whole: int, _: int, why: str, by: str, change_id: str, *named: int) -> list[bytes]:
        """See remove_versions.lua."""
        model = self._models.get(name, Model())
        there = list(filter(model.has, model.versions))
        numbers = there if is_whole else list(named)
        for number in numbers:
            if not model.has(number):
                return [b"version", str(number).encode()]
            for alias, at in model.aliases.items():
                if not is_whole and at == number:
                    return [b"alias", str(number).encode(), alias.encode()]
        if kin := self._child_of({f"{name}@{number}" for number in numbers}):
            return [b"parent", *(ref.encode() for ref in kin)]
        for number in numbers:
            rest = json.dumps({"by": by, "why": why}).removeprefix("{").encode()
            model.versions[number] = REMOVED + str(now_ms()).encode() + b"," + rest
            model.notes.pop(number, None)
            model.note_change(removed=number, why=why, by=by, id=change_id)
        if len(numbers) == len(there):
            model.note_change(ended=True, by=by, id=change_id)
            self._changes_of_gone[name] = model.changes
            self._models.pop(name, None)
        return [b"ok"]

    def rename(self, name: str, new: str, _: int, by: str, change_id: str, *versions: Any) -> bytes:
        """See rename_model.lua."""
        if name not in self._models:
            return b"model"
        if new in self._models:
            return b"taken"
        for of, number, _sha1, manifest in zip(*(iter(versions),) * 4, strict=True):
            self._models[of].versions[int(number)] = manifest.encode()
        self._models[new] = model = self._models.pop(name)
        self._changes_of_gone.pop(new, None)
        model.note_change(renamed=name, by=by, id=change_id)
        return b"ok"

    def _child_of(self, refs: set[str]) -> tuple[str, str] | None:
        """A version made from one of these, and none of them: the parent and the child."""
        for name, model in self._models.items():
            for number, raw in model.versions.items():
                parent, child = json.loads(raw).get("parent"), f"{name}@{number}"
                if parent in refs and child not in refs:
                    return parent, child
        return None


def _path(model: Model, alias: str) -> list[int | None]:
    """What an alias has pointed at, the newest at the end; a step back ends what it left."""
    lately: list[dict[str, Any]] = []
    for change in model.changes:
        if change.get("ended"):
            break
        if change.get("alias") == alias:
            lately.insert(0, change)
    path: list[int | None] = [lately[0]["from"]] if lately and "from" in lately[0] else []
    for change in lately:
        if change.get("back"):
            path.pop()
            while path and path[-1] != change["to"]:
                path.pop()
        else:
            path.append(change.get("to"))
    return path
