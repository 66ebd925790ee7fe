"""Which data a model is trained on in the test matrix: what can be combined, and few cases that hold what matters.

A case is one table in one format, for one task. Of the cases that are possible, a greedy choice by a fixed seed takes
so few that every combination of values that is aimed at, and possible, is in one of them.
"""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import combinations, product

KINDS = ("number", "category", "text", "time", "boolean", "vector", "tokens", "image", "sequence")
CONTAINERS = ("csv", "tsv", "jsonl", "parquet", "arrow", "npz", "tfrecord", "pictures")
PACKINGS = ("plain", "gz", "zst", "bz2", "alias", "glob", "hive")
TASKS = (
    "regression",
    "binary",
    "multiclass",
    "multilabel",
    "numbers",
    "outputs",
    "forecast",
    "reconstruction",
    "pixels",
)

_LISTS = {"vector", "tokens", "sequence"}
_PACKED = {"csv": {"gz", "zst", "bz2"}, "tsv": {"gz", "zst", "bz2"}, "jsonl": {"gz", "zst", "bz2"}, "tfrecord": {"gz"}}
_FOLDER_TASKS = {"binary", "multiclass", "reconstruction", "pixels"}
_RECONSTRUCTED = {"number", "vector", "sequence", "image"}
_ARRAY_TASKS = {"regression", "binary", "multiclass", "multilabel", "numbers", "reconstruction", "pixels"}
_MOST_MORE, _SHARE_OF_SEVERAL = 3, 0.75
_TRIES = 12
# Their columns have names of their own.
_ALONE = {"npz", "pictures"}

# The column of each kind.
_NAMES = {
    "number": "size",
    "category": "town",
    "text": "note",
    "time": "seen",
    "boolean": "open",
    "vector": "grid",
    "tokens": "words",
    "image": "photo",
    "sequence": "pulse",
}

Combination = tuple[tuple[str, str], ...]
"""Values of some factors, each after its factor's name."""


@dataclass(frozen=True)
class Case:
    """One table.

    Attributes:
        kinds: of its features, a column each.
        gaps: whether some cells are missing.
        container, packing: how the file is written that is trained on.
        measured: the same of the file that the model is evaluated on; the same one if None.
    """

    kinds: tuple[str, ...]
    gaps: bool
    container: str
    packing: str
    task: str
    measured: tuple[str, str] | None = None

    def __str__(self) -> str:
        other = "-".join(("", "then", *self.measured)) if self.measured else ""
        parts = ["+".join(self.kinds), "gaps" if self.gaps else "full", self.container, self.packing, self.task]
        return "-".join(parts) + other

    @property
    def written(self) -> list[tuple[str, str]]:
        return [(self.container, self.packing), *([self.measured] if self.measured else [])]

    def name(self, kind: str) -> str:
        """What its column of a kind is called."""
        return {"npz": "x", "pictures": "image"}.get(self.container, _NAMES[kind])

    def combined(self, size: int) -> set[Combination]:
        """The combinations of so many values that it holds."""
        held: set[Combination] = set()
        for container, packing in self.written:
            others = [
                ("gaps", str(self.gaps)),
                ("container", container),
                ("packing", packing),
                ("task", self.task),
                ("columns", "several" if len(self.kinds) > 1 else "one"),
            ]
            held.update(combinations(others, size))
            for kind in self.kinds:
                held.update((("kind", kind), *rest) for rest in combinations(others, size - 1))
        return held


def values(case: Case) -> set[Combination]:
    """Each of its values alone."""
    return case.combined(1)


def triples(case: Case) -> set[Combination]:
    """Whatever three values meet in it, and so whatever two."""
    return case.combined(3)


def cannot_be(case: Case) -> str | None:
    """Why nobody can have such data, or None."""
    container, packing, task, kinds = case.container, case.packing, case.task, set(case.kinds)
    single = len(case.kinds) == 1
    if packing in {"gz", "zst", "bz2"} and packing not in _PACKED.get(container, ()):
        return "compressed inside, or by no reader"
    if packing == "alias" and container == "pictures":
        return "its suffixes are those of pictures"
    if container == "pictures" and (kinds != {"image"} or task not in _FOLDER_TASKS or packing == "hive"):
        return "a folder has pictures and their classes"
    if container == "npz" and (not single or task not in _ARRAY_TASKS or packing == "hive"):
        return "it has one array x, and one array y"
    if container == "npz" and case.gaps and kinds & {"tokens", "boolean", "image"}:
        return "whole numbers and truth values of an array have no gaps"
    if container in {"csv", "tsv"} and kinds & _LISTS:
        return "its cells are no lists"
    if task == "pixels" and (kinds != {"image"} or container == "tfrecord"):
        return "a mask is of a picture"
    if task == "pixels" and container == "pictures" and packing != "plain":
        return "two folders are no pattern"
    return None


def refused(case: Case) -> str | None:
    """A pattern of the message with which a case is refused: what is wrong, where, and the fix; None if it is not."""
    kinds, containers, wrong = set(case.kinds), {container for container, _ in case.written}, []
    if case.gaps and "vector" in kinds and containers & {"parquet", "arrow"}:
        wrong.append(r"\.\w+, row 4 \(the first is 0\), column 'grid': a vector is missing; fill or drop such rows$")
    if case.gaps and "image" in kinds:
        broken = r"\d\d\.png is empty" if case.container == "pictures" else r"'photo' of row 4 \(.*\) is missing"
        wrong.append(
            rf"7 pictures are broken: .*{broken}; .*; repair or remove it, or set skip_broken to leave its row"
        )
    if case.task == "reconstruction" and (kinds - _RECONSTRUCTED or len(kinds) > 1):
        named = "".join(f"(?=.*'{case.name(kind)}' is {kind})" for kind in kinds - _RECONSTRUCTED)
        wrong.append(
            f"takes columns of numbers, or one column of arrays or pictures;{named}.*: name the others in feat"
        )
    # Truth is 0 or 1 where a format has it; where it is a word, it is none.
    numbers = {"number"} if containers & {"csv", "tsv"} else {"number", "boolean"}
    if case.task == "forecast" and (others := kinds - numbers):
        names = "|".join(case.name(kind) for kind in others)
        wrong.append(
            f"a forecast is of numbers and from numbers, and column '({names})' holds others; name a column of"
        )
    return "|".join(wrong) or None  # any of these may be told


def possible(kept: Callable[[Case], bool]) -> list[Case]:
    """All cases of one column that can be, and that are kept."""
    drawn = product(KINDS, (False, True), CONTAINERS, PACKINGS, TASKS)
    cases = (Case((kind,), gaps, container, packing, task) for kind, gaps, container, packing, task in drawn)
    return [case for case in cases if kept(case) and not cannot_be(case)]


def trained(case: Case) -> bool:
    return refused(case) is None


def covering(cases: Sequence[Case], aims: Callable[[Case], set[Combination]], *, measured: bool) -> list[Case]:
    """Few cases that hold all combinations which any of these holds, alone or with another column.

    Args:
        aims: the combinations of a case that matter.
        measured: evaluate each on a file of another format.
    """
    draw = random.Random(0)
    able: dict[Combination, list[Case]] = {}
    for case in cases:
        for wide in (case, *(_with(case, (kind,)) for kind in fellows(case)[:1])):
            for combination in aims(wide):
                able.setdefault(combination, []).append(case)
    wanted, chosen = dict.fromkeys(sorted(able)), []
    while wanted:
        aim = next(iter(wanted))
        drawn = [_completed(draw.choice(able[aim]), aim, draw, measured=measured) for _ in range(_TRIES)]
        best = max(drawn, key=lambda case: len(aims(case) & wanted.keys()))
        if reached := aims(best) & wanted.keys():
            chosen.append(best)
            wanted = {combination: None for combination in wanted if combination not in reached}
    return chosen


@cache
def fellows(case: Case) -> list[str]:
    """The kinds that a case can have beside its own."""
    wide = {kind: _with(case, (kind,)) for kind in KINDS if kind not in case.kinds}
    return [kind for kind, both in wide.items() if not cannot_be(both) and trained(both) == trained(case)]


def _with(case: Case, kinds: Sequence[str]) -> Case:
    return replace(case, kinds=(*case.kinds, *kinds))


def _completed(case: Case, aim: Combination, draw: random.Random, *, measured: bool) -> Case:
    """The case with more columns, and another format, both drawn, as the combination that is aimed at leaves open."""
    columns, others = dict(aim).get("columns"), fellows(case)
    if others and columns != "one" and (columns or draw.random() < _SHARE_OF_SEVERAL):
        case = _with(case, draw.sample(others, min(len(others), draw.randint(1, _MOST_MORE))))
    if not measured:
        return case
    formats = [each for each in product(CONTAINERS, PACKINGS) if each != case.written[0]]
    for container, packing in draw.sample(formats, len(formats)):
        if container != case.container and {container, case.container} & _ALONE:
            continue
        both = replace(case, measured=(container, packing))
        if not cannot_be(replace(case, container=container, packing=packing)) and trained(both) == trained(case):
            return both
    return case
