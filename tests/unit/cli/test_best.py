"""`stoker models best`, on a registry in memory: what it asks, prints and exits with."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer

from stoker import InvalidArgument, testing
from stoker.cli import best as command
from stoker.testing.ledger import Ledger


@pytest.fixture
def ledger(monkeypatch: pytest.MonkeyPatch) -> Iterator[Ledger]:
    with testing.Client() as client:
        monkeypatch.setattr(command, "Client", lambda: testing.Client(client.ledger))
        for _ in range(9):
            client.add_model("shop", inputs=("age",), classes=("no", "yes"), target="left")
        yield client.ledger


@pytest.fixture
def table(tmp_path: Path) -> str:
    (tmp_path / "later.csv").write_text("age,left\n31,no\n")
    return str(tmp_path / "later.csv")


@pytest.mark.usefixtures("ledger")
def test_many_versions_are_not_measured_before_somebody_agrees(
    table: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin.isatty", lambda: False, raising=False)
    with pytest.raises(InvalidArgument, match=r"Measure 9 versions, such as shop@1, shop@9, shop@8, on .*later.csv\?"):
        command.best("max accuracy", table, as_json=True)
    for agreed in ({"yes": True}, {"most": 9}):
        command.best("max accuracy", table, as_json=True, **agreed)
        document = json.loads(capsys.readouterr().out)
        assert (document["chosen"], len(document["models"])) == ("shop@1", 9)
    command.best("max accuracy", table, most=2, as_json=True)
    assert len(json.loads(capsys.readouterr().out)["left_out"]) == 7


@pytest.mark.usefixtures("ledger")
def test_where_none_is_chosen_the_status_says_so(table: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(typer.Exit) as ended:
        command.best("max accuracy where parameters > 1e6", table)
    assert ended.value.exit_code == 1
    told = capsys.readouterr().out.splitlines()
    assert told[0].startswith("none chosen")
    assert "None of the 9 registered versions fits" in told[1]
    assert told[2].startswith("not measured: shop@9, shop@8, shop@7, shop@6 and 5 more: has 0 parameters, not > 1e6")
