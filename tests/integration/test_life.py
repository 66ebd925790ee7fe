"""The example of a model's whole life runs: a version is replaced while it serves, and again when its inputs drift.

Its calls are checked with the types of all of docs/examples; what they do, in the tests of each kind of job.
"""

import runpy
from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer

import stoker

from .test_examples import DOCS

SCRIPT = DOCS / "examples" / "life.py"
_KNOWN = 400
# What a new instrument makes of each measure.
_CHANGE = 1.3


def write_cells(folder: Path) -> None:
    """Measures of cells: known ones and later ones, by the old instrument and by the new one."""
    cells = load_breast_cancer()
    order = np.random.default_rng(0).permutation(len(cells.target))
    head = ",".join([*cells.feature_names, "diagnosis"])
    for name, rows, change in (
        ("cells.csv", order[:_KNOWN], 1.0),
        ("later.csv", order[_KNOWN:], 1.0),
        ("changed.csv", order[_KNOWN:], _CHANGE),
        ("diagnosed.csv", order[:_KNOWN], _CHANGE),
    ):
        values = [
            [*map(str, (cells.data[row] * change).tolist()), cells.target_names[cells.target[row]]] for row in rows
        ]
        (folder / name).write_text("\n".join([head, *map(",".join, values)]))


def test_the_page_shows_the_script() -> None:
    assert SCRIPT.read_text() in (DOCS / "examples" / "life.md").read_text()
    lines = [line for line in SCRIPT.read_text().splitlines() if line.strip() and not line.lstrip().startswith("#")]
    assert len(lines) <= 65


@pytest.mark.usefixtures("reader")
def test_life(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_cells(tmp_path)
    names = runpy.run_path(str(SCRIPT))
    told = capsys.readouterr().out
    chosen = names["compared"].chosen
    with stoker.Client() as client:
        deployed = client.job(names["deployed"].id).result()
        champion = client.model("cells")
        changes = [alarm.what for alarm in client.alarms() if alarm.model.startswith("cells@")]
    assert isinstance(deployed, stoker.DeployResult)
    assert [step.share for step in deployed.steps] == [0.0, 0.2, 0.5]
    assert champion.ref not in {chosen, names["first"].model}
    assert champion.data.endswith("diagnosed.csv")
    assert changes[-1] == "promoted"
    assert f"{champion.ref} serves" in told
    assert chosen in (tmp_path / "watched.html").read_text()
    assert champion.ref in (tmp_path / "deployed.html").read_text()
