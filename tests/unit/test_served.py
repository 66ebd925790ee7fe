"""How the protocol shows a model: its tensors by its signature, and a request's tensors as rows."""

from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest

from stoker.errors import InvalidJob
from stoker.gateway.oip.served import ServedModel
from stoker.models.inputs import Inputs
from stoker.models.manifest import ModelVersion
from stoker.models.signature import Forecasting, Signature, TensorSpec

OUTPUT = TensorSpec(name="output", shape=(1,), dtype="float32")
LISTS = (
    TensorSpec(name="tags_genres", dtype="string", kind="tags", gaps=True, columns=("genres",)),
    TensorSpec(name="ids", shape=(4,), dtype="int32", kind="tokens", columns=("ids",)),
    TensorSpec(name="pulse", shape=(5,), dtype="float32", kind="sequence", gaps=True, columns=("pulse",)),
    TensorSpec(name="place", shape=(2,), dtype="float32", kind="vector", columns=("place",)),
)
NUMBERS = TensorSpec(name="x", shape=(2,), dtype="float32", columns=("age", "height"))
WINDOW = TensorSpec(name="window", shape=(3, 1), dtype="float32", gaps=True)
FORECAST = Forecasting(window=3, horizon=2, time="day", channels=("sold",), times=False, step=1)


def served(*inputs: TensorSpec, **more: Any) -> ServedModel:
    signature = Signature(inputs=inputs, outputs=(OUTPUT,), task="regression", **more)
    return ServedModel(
        ModelVersion(
            name="m",
            version=3,
            signature=signature,
            metrics={},
            files={},
            parameters=1,
            job="j",
            data="d",
            created_at=datetime.now(UTC),
        )
    )


def texts(*values: Any) -> np.ndarray[Any, Any]:
    array = np.empty(np.shape(values), dtype=object)
    array[...] = values
    return array


def check(model: ServedModel, **tensors: np.ndarray[Any, Any]) -> Any:
    """The rows of a request, which the model takes."""
    rows = model.rows(tensors)
    inputs = Inputs(model.version.signature, model.ref)
    assert isinstance(rows, dict | np.ndarray)
    encoded = inputs.encoded(rows)
    inputs.check(encoded)
    return rows


def test_columns_of_lists_have_a_second_axis() -> None:
    model = served(*LISTS)
    assert [(each["name"], each["datatype"], each["shape"]) for each in model.inputs] == [
        ("genres", "BYTES", [-1, -1]),
        ("ids", "INT64", [-1, -1]),
        ("pulse", "FP64", [-1, -1]),
        ("place", "FP32", [-1, 2]),
    ]
    check(
        model,
        genres=texts([b"war", b""], [b"film noir", b"crime"]),
        ids=np.array([[1, 2, 3], [4, 0, 0]]),
        pulse=np.array([[1.0, 2.0], [3.0, np.nan]]),
        place=np.ones((2, 2), np.float32),
    )


def test_numbers_come_column_by_column_or_as_the_models_own_array() -> None:
    model = served(NUMBERS)
    assert [(each["name"], each["shape"]) for each in model.inputs] == [("age", [-1, 1]), ("height", [-1, 1])]
    columns = check(model, age=np.array([[31.0]]), height=np.array([1.8]))
    assert {name: values.tolist() for name, values in columns.items()} == {"age": [31.0], "height": [1.8]}
    assert check(model, x=np.array([[31, 1.8]])).tolist() == [[31, 1.8]]
    with pytest.raises(InvalidJob, match="lacks the input 'height'"):
        model.rows({"age": np.array([31.0])})
    with pytest.raises(InvalidJob, match="no input 'z'; it takes 'age', 'height'"):
        model.rows({"age": np.array([31.0]), "z": np.array([1])})


def test_a_forecast_takes_windows_or_the_steps_of_a_table() -> None:
    model = served(WINDOW, forecast=FORECAST)
    assert model.inputs == [{"name": "window", "datatype": "FP32", "shape": [-1, 3, 1]}]
    assert check(model, window=np.ones((2, 3, 1), np.float32)).shape == (2, 3, 1)
    rows = check(model, day=np.array([[1], [2], [3], [4]]), sold=np.array([[5.0], [6.0], [7.0], [8.0]]))
    assert rows["sold"].tolist() == [5, 6, 7, 8]


def test_a_text_alone_is_a_row() -> None:
    model = served(TensorSpec(name="text", dtype="string"))
    assert model.inputs == [{"name": "text", "datatype": "BYTES", "shape": [-1]}]
    assert check(model, text=texts([b"a"], ["b"])).tolist() == ["a", "b"]
