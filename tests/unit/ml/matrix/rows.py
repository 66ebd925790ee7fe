"""The rows of a case of the test matrix, as Python's own values."""

import io
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import numpy as np
from numpy.random import Generator
from PIL import Image

from .cases import Case

ROWS = 60
PIXELS = 6
LENGTH = 4
Columns = dict[str, list[Any]]


class Rows:
    """What a case is about, as Python's own values; None where one is missing.

    Attributes:
        features, targets: by column.
        kinds: of the features.
        key: of folders by which files may be divided; None where none are.
        times: of a forecast, by column.
    """

    def __init__(self, case: Case) -> None:
        random = np.random.default_rng(sum(map(ord, str(case))))
        even = case.container == "npz"
        self.cause = random.random(ROWS).round(4).clip(max=0.999)
        self.features: Columns = {}
        self.kinds: dict[str, str] = {}
        for kind in case.kinds:
            name = case.name(kind)
            values = _VALUES[kind](self.cause, random, even)
            if case.gaps:
                values = [None if at % 9 == 4 else value for at, value in enumerate(values)]
            self.features[name], self.kinds[name] = values, kind
        self.key: str | None = None
        if any(packing == "hive" for _, packing in case.written):
            self.key = "region"
            self.features["region"] = ["east" if at < ROWS // 2 else "west" for at in range(ROWS)]
            self.kinds["region"] = "category"
        self.times: Columns = {}
        if case.task == "forecast":
            self.times = {"hour": [_moment(2024) + timedelta(hours=at) for at in range(ROWS)]}
        self.targets = _targets(case, self.cause, random)
        if case.gaps and self._can_lack_targets(case):
            for values in self.targets.values():
                values[7] = None

    def _can_lack_targets(self, case: Case) -> bool:
        """Whether a row can be without its target; a folder is one, and an array of texts has no gaps."""
        texts = any(isinstance(value, str) for values in self.targets.values() for value in values)
        is_held = case.container == "pictures" or (case.container == "npz" and texts)
        return case.task not in ("reconstruction", "pixels", "forecast") and not is_held

    @property
    def labelled(self) -> list[int]:
        """The rows that have their targets."""
        return [at for at in range(ROWS) if all(values[at] is not None for values in self.targets.values())]

    def one(self, at: int) -> dict[str, Any]:
        """A row as an app has it."""
        return {name: _raw(values[at]) for name, values in self.features.items()}


def _moment(year: int) -> datetime:
    return datetime(year, 1, 1)  # noqa: DTZ001 - most files name no zone


def _words(cause: float, at: int, low: str, high: str) -> str:
    return f"{high if cause > 0.5 else low} lines, read on day {at} of {at % 7}"


_VALUES: dict[str, Callable[[Any, Generator, bool], list[Any]]] = {
    "number": lambda cause, random, even: (1_000 * cause + random.normal(0, 10, ROWS)).round(2).tolist(),
    "category": lambda cause, random, even: [("Ulm", "Köln", "Bonn")[int(3 * each)] for each in cause],
    "text": lambda cause, random, even: [_words(each, at, "dull", "lively") for at, each in enumerate(cause)],
    "time": lambda cause, random, even: [
        _moment(2023) + timedelta(days=int(700 * each), minutes=at) for at, each in enumerate(cause)
    ],
    "boolean": lambda cause, random, even: (cause > 0.4).tolist(),
    "vector": lambda cause, random, even: (cause[:, None] + random.normal(size=(ROWS, 3))).round(3).tolist(),
    "tokens": lambda cause, random, even: [
        random.integers(1 + int(5 * each), 9, LENGTH if even else 1 + at % LENGTH).tolist()
        for at, each in enumerate(cause)
    ],
    "image": lambda cause, random, even: [
        (random.integers(0, 100, (PIXELS, PIXELS, 3)) + int(150 * each)).astype(np.uint8) for each in cause
    ],
    "sequence": lambda cause, random, even: [
        (each + random.normal(size=LENGTH if even else 1 + at % LENGTH)).round(3).tolist()
        for at, each in enumerate(cause)
    ],
}


def _targets(case: Case, cause: Any, random: Generator) -> Columns:
    price = (500 + 100 * cause + random.normal(size=ROWS)).round(2).tolist()
    area = (7 * cause - random.normal(size=ROWS)).round(3).tolist()
    sold = ["gone" if each > 0.5 else "left" for each in cause]
    alone = case.container == "npz"
    match case.task:
        case "regression":
            return {"y" if alone else "price": price}
        case "binary":
            return {{"npz": "y", "pictures": "label"}.get(case.container, "sold"): sold}
        case "multiclass":
            grades = ["abc"[int(3 * each)] for each in cause]
            return {{"npz": "y", "pictures": "label"}.get(case.container, "grade"): grades}
        case "multilabel":
            hot, big = (cause > 0.4).tolist(), (cause < 0.7).tolist()
            if alone:
                return {"y": [[float(h), float(b), float(h != b)] for h, b in zip(hot, big, strict=True)]}
            return {"hot": hot, "big": big}
        case "numbers":
            pairs: list[Any] = [list(pair) for pair in zip(price, area, strict=True)]
            return {"y": pairs} if alone else {"price": price, "area": area}
        case "outputs":
            return {"price": price, "sold": sold}
        case "forecast":
            return {"kwh": [round(float(np.sin(at / 4)), 3) for at in range(ROWS)]}
        case "pixels":
            masks = [(random.random((PIXELS, PIXELS)) > each).astype(np.uint8) for each in cause]
            return {"y" if alone else "mask": masks}
    return {}


def _raw(value: Any) -> Any:
    """A picture as the bytes of its file; all else as it is."""
    return png(value) if isinstance(value, np.ndarray) else value


def png(pixels: Any) -> bytes:
    """The file of a picture."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()
