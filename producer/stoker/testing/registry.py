"""The registry in memory: versions of models, and what they predict."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import cycle, islice
from typing import Any

import numpy as np

from ..errors import InvalidJob, ModelNotFound
from ..models.manifest import CHAMPION, Artifact, ModelVersion
from ..models.signature import Signature, TensorSpec
from ..models.tensors import Array, Outputs, Tensors
from .records import Record, as_bytes, flat, now_ms

Answer = str | float | Sequence[str | float]
# How what stands in the place of a removed version begins: see versions.lua.
REMOVED = b'{"removed_at":'
# What a version is served from that no job of the test has made; it is not in the store.
_FILE = Artifact(name="model.keras", digest="0" * 64, size=1)
# The probability of the label that a test lets a model predict.
_SURE = 0.9


@dataclass
class Model:
    """A model.

    Attributes:
        versions: their JSON by number; of a removed one what stands in its place.
        notes: by number.
        changes: the newest first.
    """

    versions: dict[int, bytes] = field(default_factory=dict)
    aliases: dict[str, int] = field(default_factory=dict)
    notes: dict[int, str] = field(default_factory=dict)
    changes: list[dict[str, Any]] = field(default_factory=list)

    def has(self, number: int | None) -> bool:
        """Whether there is such a version."""
        return number is not None and not is_removed(self.versions.get(number, REMOVED))

    def number(self, pick: str) -> int | None:
        """The number of the version behind an alias or a number; None if there is none."""
        if pick == "latest":
            return max(filter(self.has, self.versions), default=None)
        return self.aliases.get(pick) or (int(pick) if pick.isdigit() else None)

    def move(self, alias: str, to: int | None, **change: Any) -> None:
        """Point an alias at a version, or at none."""
        before = self.aliases.pop(alias, None)
        if to is not None:
            self.aliases[alias] = to
        self.note_change(alias=alias, **({"from": before} if before else {}), **({"to": to} if to else {}), **change)

    def note_change(self, **change: Any) -> None:
        """Note a change."""
        self.changes.insert(0, {"at": now_ms(), **change})

    @property
    def alias_words(self) -> list[bytes]:
        """Its aliases and their numbers, as Redis answers them."""
        return flat((alias.encode(), as_bytes(number)) for alias, number in self.aliases.items())


class Models:
    """Every version of every model.

    Attributes:
        by_name: those that have a version.
        changes: of models that are gone, by their names.
        answers: what models predict, by name, where a test has said so.
        alarms: what happened to models, the oldest first: ids and alarms as JSON.
    """

    def __init__(self) -> None:
        self.by_name: dict[str, Model] = {}
        self.changes: dict[str, list[dict[str, Any]]] = {}
        self.answers: dict[str, Answer | Callable[[Any], Any]] = {}
        self.alarms: list[tuple[tuple[int, int], bytes]] = []

    def register(self, name: str, alias: str | None, *, job: str, **manifest: Any) -> ModelVersion:
        """Register the next version; the first one is the champion."""
        model = self.by_name.setdefault(name, Model(changes=self.changes.pop(name, [])))
        number = len(model.versions) + 1
        version = ModelVersion(name=name, version=number, created_at=datetime.now(UTC), job=job, **manifest)
        model.versions[number] = version.model_dump_json().encode()
        for moved in dict.fromkeys([*([] if CHAMPION in model.aliases else [CHAMPION]), *([alias] if alias else [])]):
            model.move(moved, number, by=job)
        self.raise_alarm(what="registered", model=version.ref, job=job, text=f"{version.ref} is registered")
        return version

    def raise_alarm(self, **alarm: str) -> None:
        """Tell of something that happened to a model."""
        self.alarms.append(((now_ms(), len(self.alarms)), json.dumps(alarm).encode()))

    def newest_alarms(self, _name: str, _last: str, _first: str, _count: str, most: int) -> list[Any]:
        """What XREVRANGE replies."""
        return [_alarm_entry(*alarm) for alarm in self.alarms[: -most - 1 : -1]]

    def alarms_since(self, _name: str, start: str, _last: str, _count: str, most: int) -> list[Any]:
        """What XRANGE replies."""
        ms, _, n = start.removeprefix("(").partition("-")
        first = (int(ms), int(n or 0) + start.startswith("("))
        return [_alarm_entry(*alarm) for alarm in self.alarms if alarm[0] >= first][:most]

    def add(self, name: str, *, inputs: Sequence[str], classes: Sequence[str], target: str | None) -> ModelVersion:
        """See `Client.add_model`."""
        signature = signature_of(dict.fromkeys(inputs, "number"), tuple(classes), target)
        return self.register(
            name, None, signature=signature, metrics={}, files={"keras": _FILE}, parameters=0, job="testing", data=""
        )

    def move(self, ref: str, alias: str, job: str) -> ModelVersion:
        """Point an alias at a version, as a job asks for it."""
        version = self.version(ref)
        self.by_name[version.name].move(alias, version.version, by=job)
        return version

    def version(self, ref: str) -> ModelVersion:
        """The version behind a reference.

        Raises:
            ModelNotFound: there is none.
        """
        name, _, pick = ref.partition("@")
        model = self.by_name.get(name, Model())
        number = model.number(pick or CHAMPION)
        if number is None or not model.has(number):
            raise ModelNotFound(f"there is no model {ref}")
        return ModelVersion.model_validate_json(model.versions[number])

    def still_has(self, record: Record, job_id: str) -> bool:
        """Whether there still is the version that a job has made; True if it has made none."""
        ref = json.loads(record.text("result")).get("model") if record.text("makes") else ""
        try:
            return not ref or self.version(ref).job == job_id
        except ModelNotFound:
            return False

    def resolved(self, *names: str) -> list[list[Any]]:
        """For names and picks in turn, a version as JSON, its model's aliases, its note: see `registry.resolve_all`."""
        answer: list[list[Any]] = []
        for name, pick in zip(names[::2], names[1::2], strict=True):
            model = self.by_name.get(name, Model())
            number = model.number(pick) or 0
            note = model.notes.get(number)
            answer.append([model.versions.get(number), model.alias_words, note and note.encode()])
        return answer

    def moved(self, models: str) -> bool:
        """Whether references lead elsewhere than they did: see `registry.led_to`."""
        for name, pick, number, job in json.loads(models):
            model = self.by_name.get(name, Model())
            if str(model.number(pick)) != number or not model.has(int(number)):
                return True
            if self.version(f"{name}@{number}").job != job:
                return True
        return False

    def all(self) -> list[list[Any]]:
        """Every model: see `registry.catalogue`."""
        return [
            [
                name.encode(),
                flat((as_bytes(number), raw) for number, raw in model.versions.items()),
                model.alias_words,
                flat((as_bytes(number), note.encode()) for number, note in model.notes.items()),
            ]
            for name, model in self.by_name.items()
        ]

    def outputs(self, ref: str, tensors: Tensors) -> Outputs:
        """What a model predicts: what the test says, else something of the right shape.

        Raises:
            InvalidJob: what the test says does not fit the model.
        """
        version = self.version(ref)
        answer = self.answers.get(version.name, version.signature.classes[:1] or 0.0)
        if callable(answer):
            return np.asarray(answer(tensors))
        rows = len(tensors) if isinstance(tensors, np.ndarray) else len(next(iter(tensors.values())))
        each = list(answer) if isinstance(answer, Sequence) and not isinstance(answer, str) else [answer]
        return np.stack([_row(version, value) for value in islice(cycle(each), rows)]).astype(np.float32)


def _alarm_entry(place: tuple[int, int], raw: bytes) -> tuple[bytes, dict[bytes, bytes]]:
    return b"%d-%d" % place, {b"alarm": raw}


def is_removed(raw: bytes) -> bool:
    """Whether this stands in the place of a version that was removed."""
    return raw.startswith(REMOVED)


def signature_of(columns: dict[str, str], classes: tuple[str, ...], target: str | None) -> Signature:
    """The signature of a model of columns by name, each a "number" or a "category"; without any, of an array."""
    numbers = tuple(name for name, kind in columns.items() if kind == "number")
    texts = tuple(name for name, kind in columns.items() if kind != "number")
    inputs = []
    if numbers:
        size = (len(numbers),)
        inputs.append(
            TensorSpec(name="numbers", shape=size, dtype="float32", kind="number", columns=numbers, gaps=True)
        )
    if texts:
        size = (len(texts),)
        inputs.append(
            TensorSpec(name="categories", shape=size, dtype="string", kind="category", columns=texts, gaps=True)
        )
    if not inputs:
        inputs.append(TensorSpec(name="x", shape=(None,), dtype="float32"))
    units = 1 if len(classes) <= 2 else len(classes)
    task = "binary" if len(classes) == 2 else "multiclass" if classes else "regression"
    output = TensorSpec(name="output", shape=(units,), dtype="float32")
    return Signature(inputs=tuple(inputs), outputs=(output,), task=task, classes=classes, target=target)


def _row(version: ModelVersion, value: str | float) -> Array:
    classes = version.signature.classes
    if not classes:
        if isinstance(value, str):
            raise InvalidJob(f"{version.ref} predicts a number, and the test lets it answer {value!r}")
        return np.full([size or 1 for size in version.signature.outputs[0].shape], value)
    if str(value) not in classes:
        raise InvalidJob(f"{version.ref} has the classes {json.dumps(classes)}, and the test lets it answer {value!r}")
    at = classes.index(str(value))
    if len(classes) == 2:
        return np.array([_SURE if at else 1 - _SURE])
    row = np.full(len(classes), (1 - _SURE) / max(len(classes) - 1, 1))
    row[at] = _SURE
    return row
