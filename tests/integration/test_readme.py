"""The README keeps its word: its examples run, its commands and files exist."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

import stoker
from stoker.local import redis_url_of
from stoker.models.store import Store
from stoker.settings import Settings

from ..conftest import PATIENCE_S
from .secured import user_url

REPOSITORY = Path(__file__).parents[2]
README = (REPOSITORY / "README.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def test_the_first_example_runs_as_it_stands(reader: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    names: dict[str, object] = {}
    exec(compile(blocks("python")[0], "README.md", "exec"), names)
    assert isinstance(names["result"], stoker.TrainResult)
    assert "epoch 10/10" in capsys.readouterr().out


def write_customers(folder: Path) -> None:
    """A table as an office saves it: a title, semicolons, decimal commas, gaps, days first, and no UTF-8."""
    lines = ["Kundenliste für 2026;;;;", "age;plan;since;monthly;churned"]
    for number in range(300):
        age, plan = "" if number % 9 == 0 else 18 + number % 50, ("basic", "plus", " basic")[number % 3]
        churned = "" if number == 7 else "yes" if plan != "plus" and number % 2 else "no"
        lines.append(f"{age};{plan};{1 + number % 28:02}.{1 + number % 12:02}.2024;{19 + number % 2},90;{churned}")
    (folder / "customers.csv").write_bytes("\r\n".join(lines).encode("cp1252"))


def test_the_example_on_data_as_it_is_runs_as_it_stands(
    reader: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_customers(tmp_path)
    [command] = re.findall(r"\$ stoker (describe [^#\n]*)", README)
    described = subprocess.run(
        [sys.executable, "-m", "stoker.cli", *command.split()], capture_output=True, text=True, timeout=PATIENCE_S
    )
    assert described.returncode == 0, described.stderr
    assert "what is above line 2 is left out" in described.stdout
    exec(compile(blocks("python")[1], "README.md", "exec"), {})
    assert re.fullmatch(r"(yes|no) \{'no': [\d.e-]+, 'yes': [\d.e-]+\}\n", capsys.readouterr().out)


def test_the_pipeline_example_runs_as_it_stands(reader: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    names: dict[str, object] = {}
    exec(compile(blocks("python")[2], "README.md", "exec"), names)
    assert "alias='champion'" in capsys.readouterr().out


def test_the_comparison_example_runs_as_it_stands(reader: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    names: dict[str, object] = {}
    exec(compile(blocks("python")[3], "README.md", "exec"), names)
    result = names["compared"]
    assert isinstance(result, stoker.CompareResult)
    small, large = result.models
    assert small.parameters < large.parameters
    assert result.chosen == large.model
    assert result.rows == 359
    told = capsys.readouterr().out
    assert result.why in told
    assert f"model={result.chosen!r} alias='champion'" in told
    page = Store(reader.store_place).read(result.files["html"]).decode()
    assert f"Chosen: {result.chosen}" in page


def test_the_celery_example_runs_as_it_stands(reader: Settings) -> None:
    with stoker.Client(settings=reader) as client:
        job = client.submit(stoker.Train(model="readme", data="sample://iris", epochs=1))
        job.wait(timeout=PATIENCE_S)
    # Where users are told apart, it is a worker's that asks Celery's workers: docs/security.md.
    url = user_url(redis_url_of(reader), "worker")
    given = f"from types import SimpleNamespace\nredis_url, job = {url!r}, SimpleNamespace(id={job.id!r})\n"
    program = [sys.executable, "-c", given + blocks("python")[4]]
    done = subprocess.run(program, capture_output=True, text=True, timeout=PATIENCE_S)
    assert done.returncode == 0, done.stderr


def test_every_command_it_names_exists() -> None:
    told = subprocess.run(
        [sys.executable, "-m", "stoker.cli", "--help"], capture_output=True, text=True, check=True, timeout=PATIENCE_S
    ).stdout
    named = set(re.findall(r"(?:\$ |`)stoker ([a-z]+)", README))
    assert named >= {"up", "worker", "submit", "config"}
    assert all(re.search(rf"│ {command} ", told) for command in named)


def test_every_file_it_links_to_exists() -> None:
    links = re.findall(r"\]\((?!https?:)([^)#]+)\)", README)
    assert "docs/settings.md" in links
    assert [link for link in links if not (REPOSITORY / link).exists()] == []
