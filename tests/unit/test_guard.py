"""Guards: which rows and which answers they refuse, and with which words."""

from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

import stoker
from stoker.ledger import guards
from stoker.models.signature import Signature, TensorSpec
from stoker.models.tensors import Tensors

SIGNATURE = Signature(
    inputs=(
        TensorSpec(name="numbers", shape=(2,), dtype="float32", columns=("age", "income")),
        TensorSpec(name="country", dtype="string", columns=("country",)),
    ),
    outputs=(TensorSpec(name="y", shape=(3,), dtype="float32"),),
    task="multiclass",
    classes=("a", "b", "c"),
)
ROWS: Tensors = {
    "numbers": np.array([[30, 1000], [212, np.nan], [-1, 5]], np.float32),
    "country": np.array(["at", "de", "somewhere"]),
}


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, []),
        ({"ranges": {"age": (0, 120)}}, [(1, "age is 212, and may be 0 to 120")]),
        ({"ranges": {"age": (0, None)}}, [(2, "age is -1, and may be at least 0")]),
        ({"ranges": {"age": (None, 40)}}, [(1, "age is 212, and may be at most 40")]),
        ({"ranges": {"income": (0, 10_000)}}, []),
        ({"ranges": {"numbers": (0, 10_000)}}, [(2, "numbers is -1, and may be 0 to 10000")]),
        ({"categories": {"country": ("at", "de")}}, [(2, "country is 'somewhere', and may be at, de")]),
        ({"longest_text": 4}, [(2, "country is 'somewhere', and may have 4 characters")]),
        ({"most_rows": 3}, []),
    ],
)
def test_the_first_row_of_each_check_is_told(fields: dict[str, Any], expected: list[tuple[int, str]]) -> None:
    assert list(stoker.Guard(**fields).flaws(SIGNATURE, ROWS)) == expected


def test_too_many_rows_are_told_and_nothing_else_is_looked_at() -> None:
    flaws = list(stoker.Guard(most_rows=2, ranges={"age": (0, 1)}).flaws(SIGNATURE, ROWS))
    assert {why for _, why in flaws} == {"there are 3 rows, and may be 2 in one request"}


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ([0.2, 0.3, 0.5], None),
        ([0.2, 0.3, 0.51], None),
        ([0.2, 0.3, 0.6], "sum"),
        ([0.0, 0.0, 0.0], "sum"),
        ([-0.5, 0.5, 1.0], "below 0"),
        ([0.0, 1.5, -0.5], "above 1"),
        ([np.nan, 0.5, 0.5], "not finite"),
        ([np.inf, 0.0, 0.0], "not finite"),
        ([0.5, 0.5], "2 numbers for the 3 classes"),
    ],
)
def test_an_answer_is_a_distribution_over_the_declared_classes(row: list[float], says: str | None) -> None:
    flaw = stoker.Guard().flaw_of_outputs(SIGNATURE, np.array([row], np.float32))
    assert (flaw is None) if says is None else says in (flaw or "")
    assert stoker.Guard(outputs=False).flaw_of_outputs(SIGNATURE, np.array([row], np.float32)) is None


def test_raw_scores_and_numbers_need_only_be_finite() -> None:
    scores = SIGNATURE.model_copy(update={"logits": True})
    number = SIGNATURE.model_copy(update={"task": "regression", "classes": ()})
    for signature in (scores, number):
        assert stoker.Guard().flaw_of_outputs(signature, np.array([[9.0, -9.0, 3.0]])) is None
        assert stoker.Guard().flaw_of_outputs(signature, np.array([[9.0, np.nan, 3.0]]))


def test_each_of_several_outputs_is_looked_at_also_one_without_a_meaning() -> None:
    kind = SIGNATURE.model_copy(update={"inputs": ()})
    outputs = tuple(TensorSpec(name=name, shape=(3,), dtype="float32") for name in ("kind", "size", "other"))
    size = kind.model_copy(update={"task": "regression", "classes": (), "outputs": outputs[1:2]})
    parts = {"kind": kind.model_copy(update={"outputs": outputs[:1]}), "size": size}
    fields = {"task": "several", "classes": (), "outputs": outputs, "parts": parts}
    several = SIGNATURE.model_copy(update=fields)
    good = {"kind": [[0.2, 0.3, 0.5]], "size": [[7.0, -7.0, 0.0]], "other": [[9.0, 0.0, 0.0]]}

    def flaw(**changes: list[list[float]]) -> str | None:
        rows = {name: np.array(values, np.float32) for name, values in (good | changes).items()}
        return stoker.Guard().flaw_of_outputs(several, rows)

    assert flaw() is None
    assert flaw(kind=[[0.2, 0.3, 0.9]]) == "of its output 'kind', its probabilities sum to 1.4 or 0.6, not to 1"
    for name in ("size", "other"):
        assert flaw(**{name: [[np.nan, 0.0, 0.0]]}) == f"of its output {name!r}, a number of it is not finite"


def test_what_no_guard_can_be_is_refused() -> None:
    for fields in ({"ranges": {"age": (2, 1)}}, {"most_rows": 0}, {"categories": {"a": ()}}, {"colour": "red"}):
        with pytest.raises(ValidationError):
            stoker.Guard(**fields)
    assert stoker.Guard(ranges={"country": (0, 1), "ages": (0, 1)}, categories={"age": ("x",)}).unknown(SIGNATURE) == [
        "age",
        "ages",
        "country",
    ]


def test_bytes_that_are_no_utf_8_are_a_flaw_and_no_error() -> None:
    rows: Tensors = {"numbers": np.array([[30, 1000]], np.float32), "country": np.array([b"a\xff"])}
    flaws = list(stoker.Guard(categories={"country": ("at",)}, longest_text=1).flaws(SIGNATURE, rows))
    assert [why for _, why in flaws] == [
        "country is 'a\N{REPLACEMENT CHARACTER}', and may have 1 characters",
        "country is 'a\N{REPLACEMENT CHARACTER}', and may be at",
    ]
    german: Tensors = {"country": np.array(["münchen".encode()])}
    assert not list(stoker.Guard(categories={"country": ("münchen",)}).flaws(SIGNATURE, german))


def test_a_guard_of_a_later_version_holds_as_far_as_it_is_understood() -> None:
    read = guards.of("credit").decode
    assert read(b'{"most_rows":3,"colours":["red"]}') == stoker.Guard(most_rows=3)
    assert read(None) is None
    for junk in (b"", b"[]", b'{"most_rows":"many"}'):
        with pytest.raises(stoker.InvalidJob, match="the guard of credit cannot be read, so requests are refused"):
            read(junk)
