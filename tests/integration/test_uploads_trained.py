"""What was uploaded, used by workers: pictures in a folder, rows that are added, a model's file."""

from collections.abc import Iterator
from pathlib import Path

import keras
import numpy as np
import pytest
from PIL import Image

import stoker
from stoker.local import redis_url_of
from stoker.settings import Settings

from ..conftest import PATIENCE_S


@pytest.fixture
def client(stack: Settings) -> Iterator[stoker.Client]:
    with stoker.Client(redis_url_of(stack), settings=stack) as client:
        yield client


def rows(first: int) -> dict[str, list[float]]:
    return {"age": [first + n * n / 7 for n in range(40)], "target": [n % 2 for n in range(40)]}


def test_a_folder_of_pictures(client: stoker.Client, tmp_path: Path) -> None:
    for label, grey in (("dark", 20), ("light ☀", 230)):
        (tmp_path / "photos" / label).mkdir(parents=True)
        for number in range(12):
            Image.new("L", (8, 8), grey + number).save(tmp_path / "photos" / label / f"{number}.png")
    data = client.upload(tmp_path / "photos")
    spec = stoker.Train(model="uploaded-photos", data=data, epochs=1, batch_size=8, device="cpu")
    result = client.submit(spec).result(timeout=PATIENCE_S)
    assert client.model(result.model).signature.classes == ("dark", "light ☀")
    part = client.submit(stoker.Describe(data=f"{data}/dark/*.png", device="cpu")).result(timeout=PATIENCE_S)
    assert part.rows == 12


def test_rows_that_are_added(client: stoker.Client) -> None:
    first, more = client.upload(rows(20), name="first"), client.upload(rows(60), name="more")
    made = client.submit(stoker.Train(model="uploaded-rows", data=first, epochs=1, device="cpu", seed=1))
    version = made.result(timeout=PATIENCE_S).model
    spec = stoker.Train(model="uploaded-rows", add_data=more, init_from=version, epochs=1, device="cpu", seed=1)
    assert client.submit(spec).result(timeout=PATIENCE_S).rows == 36 + 40, "four were held out"


def test_a_models_file(client: stoker.Client, tmp_path: Path) -> None:
    network = keras.Sequential([keras.layers.Input((3,)), keras.layers.Dense(2)])
    network.save(tmp_path / "net.keras")
    source = client.upload(tmp_path / "net.keras")
    client.submit(stoker.Import(model="uploaded-net", source=source, device="cpu")).result(timeout=PATIENCE_S)
    x = np.ones((2, 3), np.float32)
    assert np.allclose(client.infer("uploaded-net", x), network(x), atol=1e-5)


def test_a_failure_names_the_upload(client: stoker.Client, tmp_path: Path) -> None:
    (tmp_path / "nothing.csv").touch()
    data = client.upload(tmp_path / "nothing.csv")
    job = client.submit(stoker.Train(model="uploaded-nothing", data=data, target="a", device="cpu"))
    with pytest.raises(stoker.JobFailed) as failed:
        job.result(timeout=PATIENCE_S)
    assert str(failed.value).startswith(f"{data} is empty")
