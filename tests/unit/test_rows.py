"""Rows of any spelling become the same tensors."""

from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import numpy as np
import pytest

from stoker.errors import InvalidJob
from stoker.models.data import ColumnKind
from stoker.models.inputs import Inputs
from stoker.models.rows import MISSING_CATEGORY, MISSING_TIME, encode
from stoker.models.signature import Signature, TensorSpec

_DTYPES = {"number": "float64", "boolean": "float32", "category": "string", "time": "int64"}


def one_column(kind: ColumnKind, values: object) -> list[Any]:
    """The tensor of a single column."""
    spec = TensorSpec(name="t", shape=(1,), dtype=_DTYPES[kind], kind=kind, gaps=True, columns=("c",))
    tensor = encode((spec,), {"c": values})["t"]
    assert tensor.shape == (len(tensor), 1)
    column: list[Any] = tensor[:, 0].tolist()
    return column


@pytest.mark.parametrize(
    ("kind", "values", "expected"),
    [
        ("number", [1, None, 2.5], [1, np.nan, 2.5]),
        ("number", np.array([True, False]), [1, 0]),
        ("number", [float("nan"), np.int16(3)], [np.nan, 3]),
        ("boolean", ["yes", "No", None, " TRUE ", "0", ""], [1, 0, np.nan, 1, 0, np.nan]),
        ("boolean", [True, None, False], [1, np.nan, 0]),
        ("boolean", np.array([1.0, np.nan]), [1, np.nan]),
        ("category", ["a", None, " a ", "", float("nan")], ["a", MISSING_CATEGORY, "a", *[MISSING_CATEGORY] * 2]),
        ("category", np.array([1.0, np.nan, 2.5]), ["1", MISSING_CATEGORY, "2.5"]),
        ("category", np.array([1, 2**60]), ["1", str(2**60)]),
        ("category", [True, "False", "true", "TRUE story"], ["true", "false", "true", "TRUE story"]),
    ],
)
def test_spellings_of_one_value_are_one(kind: ColumnKind, values: object, expected: list[Any]) -> None:
    np.testing.assert_equal(one_column(kind, values), expected)


def test_times_of_any_type_are_microseconds_of_utc() -> None:
    moment = datetime(2026, 1, 31, 12, tzinfo=UTC)
    expected = int(moment.timestamp()) * 1_000_000
    berlin = moment.astimezone(timezone(timedelta(hours=1)))
    spellings = [moment, berlin, moment.replace(tzinfo=None), "2026-01-31T12:00:00", "2026-01-31 13:00:00+01:00"]
    assert one_column("time", spellings) == [expected] * 5
    assert one_column("time", np.array(["2026-01-31T12", "NaT"], "datetime64[h]")) == [expected, MISSING_TIME]
    midnight = expected - 43_200_000_000
    for dates in ([20260131, None], [20260131.0, float("nan")], np.array([20260131.0, np.nan])):
        assert one_column("time", dates) == [midnight, MISSING_TIME]
    assert one_column("time", [date(2026, 1, 31), "2026-01-31", None, ""]) == [midnight] * 2 + [MISSING_TIME] * 2


def test_texts_and_lists_have_a_tensor_each() -> None:
    text = TensorSpec(name="text_note", dtype="string", kind="text", gaps=True, columns=("note",))
    ids = TensorSpec(name="tokens_ids", shape=(3,), dtype="int32", kind="tokens", columns=("ids",))
    lists = np.empty(3, dtype=object)
    lists[:] = [[1, 2], None, [1, 2, 3, 4]]
    tensors = encode((text, ids), {"note": ["hello", None, float("nan")], "ids": lists, "other": [1, 2, 3]})
    assert tensors["text_note"].tolist() == ["hello", "", ""]
    assert tensors["tokens_ids"].tolist() == [[1, 2, 0], [0, 0, 0], [1, 2, 3]]


@pytest.mark.parametrize(
    ("kind", "values", "message"),
    [
        ("number", ["1", "2"], "column 'c' holds text; expected numbers, not '1': convert it"),
        ("number", [1, "oops"], r"column 'c' holds 'oops' in row 1 \(the first row is 0\); expected a number"),
        ("number", [1.0, np.inf], "column 'c' holds inf in row 1.*expected a finite number"),
        ("number", [[1, 2]], r"column 'c' has rows of shape \(2,\); expected one value per row"),
        ("boolean", ["yes", "maybe"], "column 'c' holds 'maybe' in row 1.*expected yes or no"),
        ("category", [["a"], "b"], "column 'c' holds a list.*expected a category"),
        ("time", ["2026-01-31", "31.1.26"], "column 'c' holds '31.1.26' in row 1.*such as 2026-01-31"),
        ("time", [1, 2], r"column 'c' holds .*1.* in row 0 \(the first row is 0\); expected a time such as"),
        ("time", [True], "column 'c' holds bool; expected times"),
    ],
)
def test_what_a_column_cannot_hold_is_refused_with_its_row(kind: ColumnKind, values: object, message: str) -> None:
    with pytest.raises(InvalidJob, match=message):
        one_column(kind, values)


def test_an_id_that_does_not_fit_is_not_taken_for_another() -> None:
    ids = TensorSpec(name="ids", shape=(2,), dtype="int32", kind="tokens")
    rows = np.empty(2, dtype=object)
    rows[:] = [[2**32 + 3, 5], np.array([1e30])]
    most = np.iinfo(np.int32).max
    assert encode((ids,), {"ids": rows})["ids"].tolist() == [[most, 5], [most, 0]]


@pytest.mark.parametrize(("kind", "filler"), [("tokens", 0.0), ("sequence", np.nan)])
def test_lists_that_are_equally_long_are_filled_up_or_cut_as_others_are(kind: ColumnKind, filler: float) -> None:
    spec = TensorSpec(name="t", shape=(3,), dtype="float32", kind=kind, gaps=True, columns=("c",))
    for values in ([[1, 2]], np.array([[1, 2]])):
        np.testing.assert_equal(encode((spec,), {"c": values})["t"], [[1, 2, filler]])
    assert encode((spec,), {"c": [[1, 2, 3, 4]]})["t"].tolist() == [[1, 2, 3]]


@pytest.mark.parametrize("kind", ["tokens", "sequence"])
def test_a_row_without_a_list_is_refused_where_lists_are_taken(kind: ColumnKind) -> None:
    spec = TensorSpec(name="t", shape=(3,), dtype="float32", kind=kind, gaps=True, columns=("c",))
    for values in ([1, 2], ["ab"], np.array([0.5])):
        with pytest.raises(InvalidJob, match=r"column .c. holds .* in row 0 .*expected a list: give one row"):
            encode((spec,), {"c": values})


def test_numbers_of_the_tensors_own_type_are_checked_and_not_copied() -> None:
    spec = TensorSpec(name="x", shape=(2,), dtype="float32")
    x = np.arange(6, dtype=np.float32).reshape(3, 2)
    given = {"rows": x, "read only": np.frombuffer(x.tobytes(), np.float32).reshape(3, 2)}
    for values in given.values():
        assert encode((spec,), {"x": values})["x"] is values
    for other in (x.astype(">f4"), np.asfortranarray(x), x.astype(np.float64), np.repeat(x, 2, axis=0)[::2]):
        tensor = encode((spec,), {"x": other})["x"]
        assert tensor is not other
        assert tensor.dtype == np.float32
        np.testing.assert_array_equal(tensor, x)
    gaps = spec.model_copy(update={"gaps": True})
    x[1, 1] = np.nan
    assert encode((gaps,), {"x": x})["x"] is x
    with pytest.raises(InvalidJob, match=r"column 'x' holds nan in row 1 .*expected a finite number"):
        encode((spec,), {"x": x})
    x[2, 0] = np.inf
    with pytest.raises(InvalidJob, match=r"column 'x' holds inf in row 2 .*expected a finite number"):
        encode((gaps,), {"x": x})


def test_a_column_that_is_missing_is_named() -> None:
    spec = TensorSpec(name="t", shape=(1,), dtype="float32", kind="number", columns=("c",))
    with pytest.raises(InvalidJob, match="the data has no column 'c', which the model takes; it has 'd'"):
        encode((spec,), {"d": [1]})
    array = TensorSpec(name="dense_1", shape=(2,), dtype="float32")
    with pytest.raises(
        InvalidJob, match=r"no column 'dense_1', .*; import .* inputs=\{'dense_1': 'x'\} for an array x"
    ):
        encode((array,), {"d": [1]})


def test_a_client_takes_columns_or_the_tensors_themselves() -> None:
    inputs = Inputs(
        Signature(
            inputs=(
                TensorSpec(name="features", shape=(2,), dtype="float32", kind="number", gaps=True, columns=("a", "b")),
                TensorSpec(name="categories", shape=(1,), dtype="string", kind="category", gaps=True, columns=("c",)),
            ),
            outputs=(TensorSpec(name="output", shape=(1,), dtype="float32"),),
            task="regression",
        ),
        "m@1",
    )
    by_column = inputs.encoded({"c": ["x", None], "b": [1, 2], "a": [None, 3], "unused": [0, 0]})
    assert isinstance(by_column, dict)
    np.testing.assert_equal(by_column["features"], np.array([[np.nan, 1], [3, 2]], np.float32))
    assert by_column["categories"].tolist() == [["x"], [MISSING_CATEGORY]]
    inputs.check(by_column)
    assert set(inputs.encoded(by_column)) == set(by_column)
