"""Cross-validation through the queue: the folds are children, whose fate is their parent's."""

from pathlib import Path

import pytest

import stoker
from stoker.events import JobState

from ..conftest import PATIENCE_S, Eventually
from .conftest import SLOW

SPEC = stoker.Train(
    model="folded",
    data="sample://iris",
    architecture=stoker.MLP(hidden=(4,)),
    optimizer="sgd",
    folds=3,
    epochs=1,
)


def test_folds_are_trained_by_jobs_of_their_own_and_one_model_is_registered(client: stoker.Client) -> None:
    job = client.submit(SPEC.model_copy(update={"folds": 2}))
    result = job.result(timeout=PATIENCE_S)
    assert isinstance(result, stoker.TrainResult)
    assert result.cross_validation is not None
    assert len(result.cross_validation.folds) == 2
    assert [version.ref for version in client.models() if version.name == "folded"] == [result.model]
    children = client.jobs(parent=job.id)
    assert len(children) == 2
    assert all(child.state is JobState.SUCCEEDED for child in children)


def test_a_fold_that_cannot_be_trained_fails_its_parent_and_says_why(client: stoker.Client, tmp_path: Path) -> None:
    lines = [f"{number},{('a', 'b')[number % 2]},{number % 3}" for number in range(60)]
    (tmp_path / "t.csv").write_text("\n".join(["size,shop,label", *lines]))
    spec = SPEC.model_copy(update={"data": str(tmp_path / "t.csv"), "group": "shop"})
    with pytest.raises(stoker.JobFailed, match="group names column 'shop', which has 2 different value"):
        client.submit(spec).result(timeout=PATIENCE_S)


def test_cancelling_a_parent_cancels_its_folds(client: stoker.Client, eventually: Eventually) -> None:
    slow = {"architecture": SLOW, "epochs": 1_000_000}
    job = client.submit(SPEC.model_copy(update=slow))
    eventually(lambda: any(child.state is JobState.RUNNING for child in client.jobs(parent=job.id)))
    job.cancel()
    with pytest.raises(stoker.JobCancelled):
        job.result(timeout=PATIENCE_S)
    eventually(lambda: all(child.state is JobState.CANCELLED for child in client.jobs(parent=job.id)))
