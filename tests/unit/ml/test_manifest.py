"""What a version keeps of how it was trained."""

from collections.abc import Callable

import pytest

from stoker.kinds import Train
from stoker.models.manifest import ModelManifest
from stoker_workers.kinds import execute
from stoker_workers.ml.run import Run

from .conftest import manifest_of

OpenRun = Callable[..., Run]


@pytest.mark.usefixtures("files_checked")
def test_a_version_keeps_what_was_made_of_each_column_and_why(open_run: OpenRun) -> None:
    spec = Train(model="m", data="sample://churn", target="churned", epochs=1, batch_size=1024, time="joined")
    manifest = manifest_of(execute(spec, open_run()))
    columns = {column.name: column for column in manifest.columns}
    assert {name: column.kind for name, column in columns.items()} == {
        "customer": "ignore",
        "joined": "ignore",
        "plan": "category",
        "region": "category",
        "age": "number",
        "monthly": "number",
        "calls": "number",
        "paperless": "boolean",
    }
    assert "rows are split by it" in columns["joined"].why
    assert columns["customer"].missing == 0
    assert columns["joined"].missing is None
    assert 0.05 < (columns["age"].missing or 0) < 0.12
    assert manifest.task_why == "2 different texts"
    assert "by 'joined' the newest" in manifest.split
    assert manifest.tensorflow_why == "it takes text"
    old = manifest.model_dump_json(exclude={"columns", "task_why", "split", "tensorflow_why"})
    read = ModelManifest.model_validate_json(old)
    assert (read.columns, read.tensorflow_why) == ((), "")
