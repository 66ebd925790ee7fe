"""Every form in which apps hold rows becomes the same columns by name."""

from collections.abc import Iterator, Mapping
from datetime import date
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

import stoker
from stoker.client.inference import ModelCache
from stoker.client.tables import Rows, tensors_of
from stoker.models.columns import ColumnKind
from stoker.models.inputs import Inputs
from stoker.models.signature import Signature, TensorSpec

ROWS = [{"age": 3, "city": "Bonn"}, {"age": None, "city": None}, {"age": 5.5, "city": "Ulm"}]


class Frame:
    """A table as polars has it: names in `columns`, and columns that numpy can read."""

    def __init__(self, columns: Mapping[Any, list[object]]) -> None:
        self._columns = columns

    @property
    def columns(self) -> list[Any]:
        return list(self._columns)

    def __len__(self) -> int:
        return len(next(iter(self._columns.values())))

    def __getitem__(self, name: Any) -> "Series":
        return Series(self._columns[name])

    def __array__(self, dtype: object = None, copy: object = None) -> Any:
        return np.array(list(self._columns.values())).T


class PandasFrame(Frame):
    """A table as pandas has it: with the keys of a dict, too."""

    def keys(self) -> list[Any]:
        return self.columns


class Series:
    """A column of a table."""

    def __init__(self, values: list[object]) -> None:
        self._values = values

    def __array__(self, dtype: object = None, copy: object = None) -> Any:
        return np.array(self._values, dtype=object)

    def __len__(self) -> int:
        return len(self._values)

    def __iter__(self) -> Iterator[object]:
        return iter(self._values)


class NAType:
    """What pandas has for a missing value: neither true nor false, and equal to nothing."""

    def __eq__(self, other: object) -> Any:
        return self

    def __hash__(self) -> int:
        return 0

    def __bool__(self) -> bool:
        raise TypeError("boolean value of NA is ambiguous")


COLUMNS: dict[str, list[object]] = {"age": [3, None, 5.5], "city": ["Bonn", None, "Ulm"]}
NAN = float("nan")


@pytest.fixture(scope="module")
def inputs() -> Inputs:
    return Inputs(
        Signature(
            inputs=(
                TensorSpec(name="features", shape=(1,), dtype="float32", kind="number", gaps=True, columns=("age",)),
                TensorSpec(
                    name="categories", shape=(1,), dtype="string", kind="category", gaps=True, columns=("city",)
                ),
            ),
            outputs=(TensorSpec(name="output", shape=(1,), dtype="float32"),),
            task="regression",
            target="bought",
        ),
        "shop@1",
    )


@pytest.mark.parametrize(
    "rows",
    [
        COLUMNS,
        {"city": np.array(COLUMNS["city"], object), "age": np.array([3, NAN, 5.5])},
        ROWS,
        tuple(ROWS),
        [{"city": "Bonn", "age": 3}, {}, {"age": Decimal("5.5"), "city": "Ulm"}],
        [{"city": "Bonn", "age": 3}, {"age": NAType(), "city": NAType()}, {"age": 5.5, "city": "Ulm"}],
        Frame(COLUMNS),
        PandasFrame(COLUMNS),
        PandasFrame({"city": ["Bonn", NAType(), "Ulm"], "age": [3, NAType(), 5.5]}),
        pa.table(COLUMNS),
        pa.table({"city": pa.array(COLUMNS["city"]).dictionary_encode(), "age": COLUMNS["age"]}),
        pa.record_batch(COLUMNS),
    ],
    ids=lambda rows: type(rows).__name__,
)
def test_every_form_gives_the_same_tensors(inputs: Inputs, rows: Rows) -> None:
    expected = inputs.encoded(COLUMNS)
    assert isinstance(expected, dict)
    given = inputs.encoded(tensors_of(rows))
    assert isinstance(given, dict)
    assert given.keys() == expected.keys()
    for name, array in expected.items():
        np.testing.assert_array_equal(given[name], array)


def test_a_dict_of_single_values_is_one_row(inputs: Inputs) -> None:
    for row in ({"age": np.float32(3), "city": "Bonn"}, {"city": np.str_("Bonn"), "age": np.array(3)}):
        tensors = inputs.encoded(tensors_of(row))
        assert isinstance(tensors, dict)
        assert (tensors["features"].tolist(), tensors["categories"].tolist()) == ([[3.0]], [["Bonn"]])
    one = tensors_of({"note": "a text", "on": date(2026, 1, 31)})
    assert isinstance(one, dict)
    assert {name: values.tolist() for name, values in one.items()} == {"note": ["a text"], "on": [date(2026, 1, 31)]}


@pytest.mark.parametrize("rows", [{"age": [], "city": []}, Frame({"age": [], "city": []}), pa.table(COLUMNS)[:0]])
def test_a_table_without_rows_has_tensors_without_rows(inputs: Inputs, rows: Rows) -> None:
    tensors = inputs.encoded(tensors_of(rows))
    assert isinstance(tensors, dict)
    assert {name: array.shape for name, array in tensors.items()} == {"features": (0, 1), "categories": (0, 1)}


def test_vectors_are_rows_of_one_array() -> None:
    for column in ([[1, 2], [3, 4]], pa.array([[1, 2], [3, 4]], pa.list_(pa.int64(), 2))):
        tensors = tensors_of(pa.table({"x": column}))
        assert isinstance(tensors, dict)
        assert tensors["x"].tolist() == [[1, 2], [3, 4]]


def test_arrays_stay_as_they_are_and_lists_become_arrays() -> None:
    array = np.zeros((2, 3))
    assert tensors_of(array) is array
    numbered = tensors_of(Frame({0: [1, 2], 1: [3, 4]}))
    assert isinstance(numbered, np.ndarray)
    assert numbered.tolist() == [[1, 3], [2, 4]]
    np.testing.assert_array_equal(tensors_of([[1, None], [2, 3.5]]), [[1, NAN], [2, 3.5]])


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        (3.0, r"inputs must be rows, shape \(rows, …\), not the single value"),
        ("text", "must be rows, not the single text 'text': give one row as a dict"),
        ([[1], [1, 2]], "rows of one shape"),
        ({"a": [1, 2], "b": [1]}, "different numbers of rows: 2 in 'a', 1 in 'b'"),
        ({"a": 1, "b": [1, 2]}, "'a' is one value, but 'b' several: give a list for each column or, for one row"),
        ([{"a": 1}, [2]], "row 1 .* is a list, but the first one has names"),
        ({"a": 1, 2: 3}, "the columns 'a' and 2; give all of them names that are text"),
        ([{"a": 1}, {3: 1}], "row 1 .* has names that are no text"),
        (pa.Table.from_arrays([[1], [2]], names=["a", "a"]), "names a column twice: 'a', 'a'"),
    ],
)
def test_what_is_no_rows_is_refused(rows: Any, says: str) -> None:
    with pytest.raises(stoker.InvalidJob, match=says):
        tensors_of(rows)


def test_numbers_alone_go_by_name_too() -> None:
    numbers = Inputs(
        Signature(
            inputs=(TensorSpec(name="features", shape=(2,), dtype="float32", columns=("a", "b")),),
            outputs=(),
            task="regression",
        ),
        "m@1",
    )
    for rows in ({"a": [1, 2], "b": [3, 4]}, [{"b": 3, "a": 1}, {"a": 2, "b": 4}], Frame({"b": [3, 4], "a": [1, 2]})):
        tensors = numbers.encoded(tensors_of(rows))
        assert isinstance(tensors, dict)
        assert tensors["features"].tolist() == [[1, 3], [2, 4]]
    with pytest.raises(stoker.InvalidJob, match="the data has no column 'b', which the model takes; it has 'a'"):
        numbers.encoded(tensors_of([{"a": 1}, {"a": 2}]))


def test_a_model_of_an_array_without_names_takes_no_columns() -> None:
    digits = Inputs(
        Signature(inputs=(TensorSpec(name="x", shape=(2,), dtype="float32"),), outputs=(), task="regression"),
        "digits@1",
    )
    with pytest.raises(stoker.InvalidJob, match="digits@1 was trained on an array 'x' without names of columns; got"):
        digits.encoded(tensors_of({"a": [1], "b": [2]}))
    assert set(digits.encoded(tensors_of({"x": [[1, 2]], "id": [7]}))) == {"x"}


def test_columns_that_are_not_read_are_ignored_with_one_warning(inputs: Inputs) -> None:
    models = ModelCache()
    row = {"age": 3, "city": "Bonn", "bought": 1}
    models._checked(inputs, row)
    with pytest.warns(UserWarning, match=r"shop@1 does not read the column\(s\) 'id', which are ignored") as warned:
        models._checked(inputs, row | {"id": 1})
    assert [warning.filename for warning in warned] == [__file__]
    models._checked(inputs, row | {"id": 2})
    with pytest.warns(UserWarning, match="'id', 'at'"):
        models._checked(inputs, row | {"id": 1, "at": 2})


@pytest.mark.parametrize("kind", ["tags", "tokens", "sequence", "vector"])
def test_a_dict_of_single_values_and_of_lists_where_the_model_takes_them_is_one_row(kind: ColumnKind) -> None:
    texts, shape = kind == "tags", () if kind == "tags" else (2,)
    each = TensorSpec(
        name="list", shape=shape, dtype="string" if texts else "float32", kind=kind, columns=("list",), gaps=True
    )
    price = TensorSpec(name="features", shape=(1,), dtype="float32", kind="number", columns=("price",))
    inputs = Inputs(Signature(inputs=(each, price), outputs=(), task="regression"), "m@1")
    value: list[Any] = ["war", "love story"] if texts else [3, 4]

    def encoded(rows: Rows) -> str:
        given = inputs.encoded(tensors_of(rows, inputs.lists))
        assert isinstance(given, dict)
        return str({name: array.tolist() for name, array in given.items()})  # as text, NaN is NaN

    for listed in (value, tuple(value), np.array(value)):
        assert encoded({"list": listed, "price": 1}) == encoded([{"list": value, "price": 1}])
    if kind != "vector":
        assert encoded({"list": [], "price": 1}) == encoded([{"list": [], "price": 1}])
    for unclear in ({"list": [value], "price": 1}, {"list": value, "price": 1, "id": [2]}):
        with pytest.raises(stoker.InvalidJob, match=r"'price' is one value, but '(list|id)' several"):
            encoded(unclear)
    with pytest.raises(stoker.InvalidJob):  # two rows by the prices, one by the list
        encoded({"list": value, "price": [1, 2]})
