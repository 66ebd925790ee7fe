"""The registry in memory: versions of models, and what they predict."""

import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from itertools import cycle, islice
from typing import Any

import numpy as np

from ..errors import InvalidJob, ModelNotFound
from ..models.manifest import CHAMPION, ModelVersion, Signature, TensorSpec
from ..models.tensors import Array, Outputs, Tensors
from .records import as_bytes, flat

Answer = str | float | Sequence[str | float]
# The probability of the label that a test lets a model predict.
_SURE = 0.9


class Models:
    """Every version of every model.

    Attributes:
        answers: what models predict, by name, where a test has said so.
    """

    def __init__(self) -> None:
        self._versions: dict[str, dict[int, ModelVersion]] = {}
        self._aliases: dict[str, dict[str, int]] = {}
        self.answers: dict[str, Answer | Callable[[Any], Any]] = {}

    def register(self, name: str, alias: str | None, **manifest: Any) -> ModelVersion:
        """Register the next version; the first one is the champion."""
        versions = self._versions.setdefault(name, {})
        number = len(versions) + 1
        version = ModelVersion(name=name, version=number, created_at=datetime.now(UTC), **manifest)
        versions[number] = version
        aliases = self._aliases.setdefault(name, {CHAMPION: 1})
        if alias:
            aliases[alias] = number
        return version

    def add(self, name: str, *, inputs: Sequence[str], classes: Sequence[str], target: str | None) -> ModelVersion:
        """See `Client.add_model`."""
        signature = signature_of(dict.fromkeys(inputs, "number"), tuple(classes), target)
        return self.register(
            name, None, signature=signature, metrics={}, files={}, parameters=0, job="testing", data=""
        )

    def move(self, ref: str, alias: str) -> ModelVersion:
        """Point an alias at a version."""
        version = self.version(ref)
        self._aliases[version.name][alias] = version.version
        return version

    def version(self, ref: str) -> ModelVersion:
        """The version behind a reference.

        Raises:
            ModelNotFound: there is none.
        """
        name, _, pick = ref.partition("@")
        number = self._number(name, pick or CHAMPION)
        if number is None:
            raise ModelNotFound(f"there is no model {ref}")
        return self._versions[name][number]

    def resolved(self, names: Sequence[str]) -> list[list[Any]]:
        """For names and picks in turn, a version as JSON and its model's aliases: see `registry.resolve_all`."""
        answer = []
        for name, pick in zip(names[::2], names[1::2], strict=True):
            number = self._number(name, pick)
            raw = None if number is None else self._versions[name][number].model_dump_json().encode()
            answer.append([raw, self._alias_words(name), None])
        return answer

    def all(self) -> list[list[Any]]:
        """Every model: see `registry.catalogue`."""
        return [
            [
                name.encode(),
                flat((as_bytes(number), each.model_dump_json().encode()) for number, each in versions.items()),
                self._alias_words(name),
                [],
            ]
            for name, versions in self._versions.items()
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

    def _number(self, name: str, pick: str) -> int | None:
        versions = self._versions.get(name, {})
        if pick == "latest":
            return max(versions, default=None)
        number = self._aliases.get(name, {}).get(pick) or (int(pick) if pick.isdigit() else 0)
        return number if number in versions else None

    def _alias_words(self, name: str) -> list[bytes]:
        return flat((alias.encode(), as_bytes(number)) for alias, number in self._aliases.get(name, {}).items())


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
