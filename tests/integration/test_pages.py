"""Pages whose jobs take long: what their examples and commands call is there, and results in memory have that shape.

They run as they stand, on real workers, in `make slow`: see test_examples.py and test_guides.py.
"""

import shlex
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import typer

import stoker
from stoker import testing
from stoker.cli import app

from .test_examples import PAGES, code
from .test_guides import LONG, blocks

# Whose data have the shape of what is made up.
EXAMPLES = [page for page in PAGES if page.stem in ("inputs", "recommender", "texts")]


@pytest.fixture(autouse=True)
def _in_memory(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """Every client is one in memory, where every result is made up."""
    monkeypatch.chdir(tmp_path)
    with ExitStack() as clients:
        monkeypatch.setattr(stoker, "Client", lambda: clients.enter_context(testing.Client()))
        yield


@pytest.mark.parametrize("page", EXAMPLES, ids=lambda page: page.stem)
def test_what_an_example_calls_is_there(page: Path) -> None:
    exec(compile(code(page), page.name, "exec"), {})


@pytest.mark.parametrize("page", LONG)
def test_what_a_guide_calls_is_there(page: str) -> None:
    programs = blocks(page, "python")
    exec(compile("\n".join(programs if page == "notebook" else programs[:1]), page, "exec"), {})


def test_what_explains_all_of_the_data_is_there(capsys: pytest.CaptureFixture[str]) -> None:
    with stoker.Client() as client:
        client.submit(stoker.Train(model="leavers", data="sample://churn", target="churned"))
        exec(compile(blocks("explaining", "python")[1], "explaining", "exec"), {"stoker": stoker, "client": client})
    assert "falls by" in capsys.readouterr().out


def test_what_makes_a_forecast_is_there() -> None:
    [page] = [page for page in PAGES if page.stem == "forecast"]
    names: dict[str, object] = {}
    exec(compile(code(page).partition("with stoker.Client")[0], page.name, "exec"), names)
    assert isinstance(names["spec"], stoker.Train)


@pytest.mark.parametrize("page", LONG)
def test_the_commands_of_a_guide_are_there(page: str) -> None:
    for block in blocks(page, "console"):
        for line in block.splitlines():
            words = shlex.split(line.removeprefix("$ stoker "), comments=True)
            command = typer.main.get_command(app)
            while isinstance(command, typer.core.TyperGroup):
                command = command.commands[words.pop(0)]
            command.make_context("stoker", words)
