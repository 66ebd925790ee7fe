"""Deployments by steps on a real stack: through lanes, to their report."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import stoker
from stoker import JobState, Tolerance
from stoker.models.store import Store
from stoker.models.tensors import Array
from stoker.settings import Settings

from ..conftest import PATIENCE_S, Eventually
from .conftest import SMALL

MODEL = "staged"
PLAN = stoker.Deploy(model=f"{MODEL}@2", steps=(0.5,), min_requests=40, bake=0)


@pytest.fixture(scope="module")
def versions(stack: Settings) -> Iterator[Array]:
    """Two versions; gives a row for which they predict different classes."""
    rows = np.random.default_rng(0).uniform(-20, 20, (400, 4)).astype("float32")
    with stoker.Client(settings=stack) as client:
        for seed in (1, 2):
            spec = stoker.Train(model=MODEL, data="sample://iris", epochs=1, seed=seed, **SMALL)
            client.submit(spec).result(timeout=PATIENCE_S)
        one, two = (client.infer(f"{MODEL}@{number}", rows).argmax(axis=1) for number in (1, 2))
        yield rows[one != two][:1]


def serve_until_decided(client: stoker.Client, job: stoker.Job[stoker.DeployResult], row: Array) -> JobState:
    """Ask for predictions as apps do, one after the other, until the job has ended; none may fail."""
    for _ in range(10_000):
        for _ in range(20):
            assert client.infer(MODEL, row, timeout=PATIENCE_S).shape == (1, 3)
        if (state := job.state).final:
            return state
    raise AssertionError(f"not decided: {job.status().reason}")


def test_a_version_that_predicts_something_else_goes_back_and_one_that_may_is_promoted(
    client: stoker.Client, stack: Settings, versions: Array, eventually: Eventually
) -> None:
    bad = client.submit(PLAN)
    assert serve_until_decided(client, bad, versions) is JobState.FAILED
    with pytest.raises(stoker.JobFailed, match=r"100 % of the predictions fall elsewhere") as failed:
        bad.result()
    page = Path(failed.value.message.rpartition("its report is ")[2]).read_text()
    assert f"{MODEL}@2 was rolled back" in page
    assert client.model(MODEL).version == 1

    good = client.submit(PLAN.model_copy(update={"shadow": 20, "tolerate": Tolerance(predictions=1, disagreement=1)}))
    assert serve_until_decided(client, good, versions) is JobState.SUCCEEDED
    result = good.result()
    assert [step.name for step in result.steps] == ["shadow", "50 %"]
    assert result.steps[0].compared >= 20
    assert result.steps[0].disagreed == result.steps[0].compared
    assert result.steps[1].new.requests >= 40
    assert result.steps[1].old.requests > 0
    assert result.load_test
    assert b"was promoted" in Store(stack.store).read(result.files["html"])
    assert client.model(MODEL).version == 2
    new = client.infer(f"{MODEL}@2", versions)
    # But for last digits, since another engine may compute it by then.
    eventually(lambda: np.allclose(client.infer(MODEL, versions), new, rtol=1e-4))
