"""Rows in, answers out: a model of a table with gaps, asked by every form of rows, by a job and by the command line."""

import asyncio
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import pytest

import stoker
from stoker.client.tables import Rows
from stoker.local import redis_url_of
from stoker.settings import Settings

from .. import commands
from ..conftest import PATIENCE_S

SHOP = {
    "id": list(range(60)),
    "age": [None if row % 7 == 0 else float(20 + row) for row in range(60)],
    "city": [None if row % 11 == 0 else ("Bonn", "Ulm")[row % 2] for row in range(60)],
    "bought": ["yes" if row > 30 else "no" for row in range(60)],
}
ASKED: dict[str, list[object]] = {"city": ["Ulm", None, "Bonn"], "age": [70.0, 22.0, None]}
RECORDS = [{"age": 70, "city": "Ulm"}, {"age": 22}, {"city": "Bonn"}]


@pytest.fixture(scope="module")
def model(stack: Settings, tmp_path_factory: pytest.TempPathFactory) -> str:
    data = tmp_path_factory.mktemp("shop") / "shop.parquet"
    pa.parquet.write_table(pa.table(SHOP), data)
    spec = stoker.Train(
        model="shop", data=str(data), target="bought", features=["age", "city"], epochs=200, batch_size=8, seed=1,
        architecture=stoker.MLP(hidden=[8], output="linear"), loss="sparse_categorical_crossentropy",
    )  # fmt: skip
    with stoker.Client(settings=stack) as client:
        client.submit(spec).result(timeout=PATIENCE_S)
    return "shop"


def test_every_form_of_rows_has_the_same_answers(client: stoker.Client, model: str) -> None:
    assert client.model(model).signature.logits
    forms: list[Rows] = [ASKED, RECORDS, pa.table(ASKED), pa.table(ASKED).select(["age", "city"])]

    asked = [client.predict(model, rows, timeout=PATIENCE_S) for rows in forms]

    for predicted in asked:
        assert [each.label for each in predicted] == [each.label for each in asked[0]]
        assert all(sum(each.probabilities.values()) == pytest.approx(1) for each in predicted)
    assert [each.label for each in asked[0][:2]] == ["yes", "no"]
    scores = client.infer(model, RECORDS, timeout=PATIENCE_S)
    np.testing.assert_allclose(client.infer_many(model, pa.table(ASKED), timeout=PATIENCE_S), scores, rtol=1e-5)
    odds = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    np.testing.assert_allclose([each.probabilities["yes"] for each in asked[0]], odds[:, 1], rtol=1e-4)
    [single] = client.predict(model, {"age": 70, "city": "Ulm"}, timeout=PATIENCE_S)
    assert single.label == "yes"
    with pytest.raises(stoker.InvalidJob, match="no column 'city'"):
        client.predict(model, {"age": [1, 2]})
    with pytest.warns(UserWarning, match="'shoe'") as warned:
        client.predict(model, {"age": 70, "city": "Ulm", "shoe": 43, "bought": "no"}, timeout=PATIENCE_S)
    assert [warning.filename for warning in warned] == [__file__]


def test_asyncio_has_the_same_answers(client: stoker.Client, stack: Settings, model: str) -> None:
    async def predicted() -> list[stoker.Prediction]:
        async with stoker.AsyncClient(settings=stack) as asked:
            with pytest.warns(UserWarning, match="'shoe'") as warned:
                return_value = await asked.predict(model, [*RECORDS, {"shoe": 43}], timeout=PATIENCE_S)
            assert [warning.filename for warning in warned] == [__file__]
            return return_value

    for ours, theirs in zip(asyncio.run(predicted()), client.predict(model, RECORDS, timeout=PATIENCE_S), strict=False):
        assert ours.probabilities == pytest.approx(theirs.probabilities, rel=1e-4)


def test_the_command_line_answers_rows(stack: Settings, model: str) -> None:
    url = {"STOKER_REDIS_URL": redis_url_of(stack)}
    shown = commands.run("predict", model, json.dumps(RECORDS[0]), env=url)
    assert (shown.returncode, shown.stdout.split()[:6]) == (0, ["row", "label", "no", "yes", "0", "yes"])

    listed = commands.run("predict", model, "-", "--json", env=url, stdin=json.dumps([*RECORDS, {"shoe": 43}]))
    assert [each["label"] for each in json.loads(listed.stdout)[:2]] == ["yes", "no"]
    assert "warning: shop@1 does not read the column(s) 'shoe'" in listed.stderr

    wrong = commands.run("predict", model, "{age: 3}", env=url)
    assert wrong.returncode == 2
    assert "ROWS is not JSON: Expecting property name" in wrong.stderr


@pytest.mark.parametrize(
    "suffix", ["csv", *(pytest.param(each, marks=pytest.mark.slow) for each in ("parquet", "npy"))]
)
def test_the_command_line_writes_one_file_of_what_children_predicted(
    client: stoker.Client, stack: Settings, model: str, tmp_path: Path, suffix: str
) -> None:
    rows = 70_000
    data, target = tmp_path / "rows.parquet", tmp_path / f"out.{suffix}"
    pa.parquet.write_table(pa.table({"age": np.arange(rows) % 90, "city": ["Ulm"] * rows, "id": range(rows)}), data)
    columns = () if suffix == "npy" else ("--columns", "id")

    done = commands.run(
        "infer", model, str(data), "-o", str(target), *columns,
        env={"STOKER_REDIS_URL": redis_url_of(stack), "STOKER_STORE_URL": stack.store},
    )  # fmt: skip

    assert done.returncode == 0, done.stderr
    assert f"70,000 rows predicted by shop@1 are in {target}" in done.stdout
    assert client.jobs(parent=client.jobs(kind="infer", limit=1)[0].id)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([data.name, target.name])
    if suffix == "npy":
        assert np.load(target).shape == (rows, 2)
        return
    table = (pa.parquet.read_table if suffix == "parquet" else pa.csv.read_csv)(target)
    assert table.column_names == ["id", "label", "probability_no", "probability_yes"]
    assert table["id"].to_pylist() == list(range(rows))
    assert table["label"].to_pylist()[69:72] == ["yes"] * 3


def test_what_cannot_be_written_is_refused_before_the_work(stack: Settings, model: str) -> None:
    url = {"STOKER_REDIS_URL": redis_url_of(stack)}
    for target, says in (("out.xlsx", "end it with .parquet, .csv, .npy"), ("/nowhere/out.csv", "no folder /nowhere")):
        done = commands.run("infer", model, "sample://iris", "-o", target, env=url)
        assert (done.returncode, says in " ".join(done.stderr.split())) == (2, True), done.stderr
