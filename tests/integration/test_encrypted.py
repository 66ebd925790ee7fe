"""A stack with encryption switched on works as any, and leaves nothing plain in its store."""

import json
import re
from pathlib import Path

import pytest

import stoker
from stoker.local import redis_url_of
from stoker.models.encryption import key_id, new_key
from stoker.models.store import Locked, Store
from stoker.settings import Settings

from .. import commands
from ..conftest import PATIENCE_S
from .conftest import serving

PAGE = Path(__file__).parents[2] / "docs" / "security.md"
MAGIC = b"age-encryption.org/v1\n"


def example() -> str:
    [code] = [code for code in re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL) if "visits" in code]
    return str(code)


def test_a_job_leaves_nothing_plain(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    public = new_key(key := tmp_path / "artifacts.key")
    settings = Settings(home=tmp_path / "home", slots=2, lease_s=5, part_s=1e-5, encryption_key=str(key))
    with serving(settings), stoker.Client(settings=settings) as client:
        variables = settings.environment() | {"STOKER_REDIS_URL": redis_url_of(settings)}
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        exec(compile(example(), PAGE.name, "exec"), {})
        [upload] = client.uploads()
        infer = client.submit(stoker.Infer(model="visits", data=upload.ref, format="csv"))
        evaluate = client.submit(stoker.Evaluate(model="visits", data=upload.ref, target="y"))
        predictions, report = infer.result(timeout=PATIENCE_S), evaluate.result(timeout=PATIENCE_S)
        assert len(client.predict("visits", [{"x": 1.0}, {"x": 2.0}], timeout=PATIENCE_S)) == 2
        assert b"<html" in client.download(report.files["html"], tmp_path).read_bytes()
        assert client.download(upload.ref, tmp_path / "again").read_bytes().startswith(b"PK")
        stored = [path for path in Path(settings.store).rglob("*") if path.is_file() and "audit" not in path.parts]
        assert len(stored) > 5
        assert {path.read_bytes()[: len(MAGIC)] for path in stored} == {MAGIC}
        assert all(f"~{key_id(public)}~" in path.name for path in stored)
        with pytest.raises(Locked, match="STOKER_ENCRYPTION_KEY is not set"):
            Store(settings.store).read(predictions.chunks[0])
        doctor = json.loads(commands.run("doctor", "--json", env=variables).stdout)
        [check] = [check for check in doctor["checks"] if check["name"] == "encryption"]
        assert check["verdict"] == "ok"
