"""The pages of docs/examples and of networks run as they stand, and end with an answer to raw rows."""

import re
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from PIL import Image

from stoker_workers.ml.data.drawn import shapes, spots
from stoker_workers.ml.data.generated import churn

DOCS = Path(__file__).parents[2] / "docs"
# What has a test of its own, because it is a module of a package, or a whole program.
SCRIPT = DOCS / "examples" / "own_script.md"
APART = {SCRIPT, DOCS / "examples" / "better.md", DOCS / "examples" / "life.md"}
PAGES = [*sorted({*(DOCS / "examples").glob("*.md")} - APART), DOCS / "networks.md"]
# What a reader takes in at a glance.
MOST_LINES = 15
# Those that run on real workers in `make test`; what others call is tried in memory, test_pages.py.
SHORT = ("anomalies", "churn", "networks")
# As few as are learned in seconds.
PHOTOGRAPHS, SPOTS = 300, 200


def write_photographs(folder: Path) -> None:
    """Shapes in folders of their classes, and one that no training sees."""
    table = shapes()
    for at, (pixels, label) in enumerate(zip(table["image"][:PHOTOGRAPHS], table["label"][:PHOTOGRAPHS], strict=True)):
        path = folder / "photographs" / label / f"{at}.{('png', 'JPG')[at % 2]}"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).resize((32 + at % 4, 32)).save(path, quality=95)
    square = next(at for at, label in enumerate(table["label"]) if label == "square")
    Image.fromarray(table["image"][square, :, ::-1]).resize((64, 64)).save(folder / "new.png")


def write_spots(folder: Path) -> None:
    """Pictures of spots and their masks, and one that no training sees."""
    table = spots()
    for name, column in (("images", "image"), ("masks", "mask")):
        (folder / "spots" / name).mkdir(parents=True)
        for at, pixels in enumerate(table[column][:SPOTS]):
            Image.fromarray(pixels).save(folder / "spots" / name / f"{at}.png")
    Image.fromarray(table["image"][0, ::-1]).save(folder / "new.png")


def write_month(folder: Path) -> None:
    """A month's customers."""
    table = churn()
    rows = zip(*(values[:200].tolist() for values in table.values()), strict=True)
    lines = (",".join("" if value is None or value != value else str(value) for value in row) for row in rows)
    (folder / "month.csv").write_text("\n".join([",".join(table), *lines]))


# Writes the files that a page's reader has, into the folder that it runs in; by the page's name.
FILES: Mapping[str, Callable[[Path], None]] = {
    "continue": write_month,
    "photographs": write_photographs,
    "pixels": write_spots,
}


def code(page: Path) -> str:
    """The example of a page: what is under later headings shows parts of others."""
    example = page.read_text().partition("\n## ")[0]
    return "\n".join(re.findall(r"```python\n(.*?)```", example, re.DOTALL))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_an_example_is_short_and_ends_with_a_served_prediction(page: Path) -> None:
    lines = [line for line in code(page).splitlines() if line.strip()]
    assert 0 < len(lines) <= MOST_LINES
    assert re.search(r"client\.(predict|infer)\(.*\n +print\(.*$", "\n".join(lines))


@pytest.mark.parametrize(
    "page", [pytest.param(page, id=page.stem, marks=[pytest.mark.slow] * (page.stem not in SHORT)) for page in PAGES]
)
@pytest.mark.usefixtures("reader")
def test_an_example_runs_as_it_stands(page: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    if write := FILES.get(page.stem):
        write(tmp_path)
    exec(compile(code(page), page.name, "exec"), {})
    printed = capsys.readouterr().out.splitlines()
    # Each page says behind its last line what that prints, the first word of it exactly.
    promised = re.findall(r"print\(.*\)  # (\w+)", code(page))
    assert promised
    assert [line.split()[0] for line in printed[-len(promised) :]] == promised
