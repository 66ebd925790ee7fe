"""The example that goes from data to the model that is served runs as it stands, and its page tells why."""

import re
import runpy
from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer

import stoker

from .test_examples import DOCS

SCRIPT = DOCS / "examples" / "better.py"
_KNOWN = 400


def write_cells(folder: Path) -> None:
    """Measures of cells, of which 169 are known only later."""
    cells = load_breast_cancer()
    order = np.random.default_rng(0).permutation(len(cells.target))
    names = [cells.target_names[label] for label in cells.target]
    lines = [",".join([*map(str, cells.data[row].tolist()), names[row]]) for row in order]
    head = ",".join([*cells.feature_names, "diagnosis"])
    for name, rows in (("cells.csv", lines[:_KNOWN]), ("later.csv", lines[_KNOWN:])):
        (folder / name).write_text("\n".join([head, *rows]))


def test_the_page_shows_the_script() -> None:
    assert SCRIPT.read_text() in (DOCS / "examples" / "better.md").read_text()
    lines = [line for line in SCRIPT.read_text().splitlines() if line.strip() and not line.lstrip().startswith("#")]
    assert len(lines) <= 45


@pytest.mark.slow
@pytest.mark.usefixtures("operator")
def test_better(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_cells(tmp_path)
    names = runpy.run_path(str(SCRIPT))
    best = names["best"]
    assert isinstance(best, stoker.CompareResult)
    assert best.chosen
    told = capsys.readouterr().out
    assert best.why in told
    page = (tmp_path / "choice.html").read_text()
    assert f"Chosen: {best.chosen}" in page
    assert "(int8 of cells@" in page
    assert re.search(r"of the answers are right, on 169 rows\. On other rows like these", page)
