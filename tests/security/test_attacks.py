"""Classes of attacks that were seen elsewhere, one test each; docs/security.md names these and the others."""

import ast
import json
import os
import re
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

import stoker
import stoker_workers
from stoker.errors import StokerError
from stoker.kinds import parse_spec
from stoker.lanes import frames
from stoker.settings import Settings

ROOT = Path(__file__).parents[2]
PACKAGES = (Path(stoker.__file__).parent, Path(stoker_workers.__file__).parent)
# What makes code of bytes, or hands text to a shell or a template.
DESERIALISERS = {"pickle", "cloudpickle", "dill", "marshal", "shelve", "joblib", "jinja2", "mako"}
CALLS = {"eval", "exec", "compile", "__import__", "system", "popen", "load_module", "unsafe_load", "full_load"}


def sources() -> Iterator[tuple[Path, ast.Module]]:
    for package in PACKAGES:
        for path in package.rglob("*.py"):
            yield path, ast.parse(path.read_text())


def flaws_of(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names) if {alias.name.partition(".")[0] for alias in names} & DESERIALISERS:
                yield f"line {node.lineno} imports {names[0].name}"
            case ast.ImportFrom(module=str(module)) if module.partition(".")[0] in DESERIALISERS:
                yield f"line {node.lineno} imports {module}"
            case ast.Call(func=ast.Name(id=name)) if name in CALLS:
                yield f"line {node.lineno} calls {name}"
            case ast.Call(func=ast.Attribute(value=ast.Name(id="os"), attr=name)) if name in CALLS:
                yield f"line {node.lineno} calls os.{name}"
            case ast.Call(keywords=keywords):
                for keyword in keywords:
                    is_true = isinstance(keyword.value, ast.Constant) and keyword.value.value is True
                    if is_true and keyword.arg in ("shell", "allow_pickle"):
                        yield f"line {node.lineno} has {keyword.arg}=True"


def test_no_bytes_become_code() -> None:
    """Pickles on a socket (CVE-2024-50050, CVE-2026-3059), values in a shell or a template (CVE-2026-33744)."""
    found = {str(path): flaws for path, tree in sources() if (flaws := list(flaws_of(tree)))}
    assert found == {}
    # It would find one.
    assert len(list(flaws_of(ast.parse("import pickle\neval('1')\nrun('x', shell=True)\nos.system('x')")))) == 4


@pytest.mark.parametrize(
    "name",
    [
        "public_class",
        "__doc__",
        "__builtins__",
        "__loader__",
        "Exception",
        "os",
        "",
        7,
        None,
        "json.loads",
        "StokerError",
    ],
)
def test_an_answer_names_errors_and_nothing_else(name: object) -> None:
    """An exception's class from the result backend, resolved by name (CVE-2021-23727)."""
    body = json.dumps([name, "touch canary"]).encode()
    answer = frames._ANSWER.pack(1, frames._ERROR, len(body)) + body
    [(number, error)] = frames.decode_answers(answer)
    assert (number, type(error)) == (1, StokerError)


def test_an_answer_says_whose_error_it_is() -> None:
    sent = frames.encode_answers([(1, stoker.InvalidJob("wrong"), None), (2, stoker.Unavailable("away"), None)])
    kinds = [type(error) for _, error in frames.decode_answers(sent)]
    assert kinds == [stoker.InvalidJob, stoker.Unavailable]
    assert frames.decode_request(b"\x00" * 8 + frames.encode_request(uuid.uuid4(), 1, b"")) is not None


def test_what_listens_listens_to_this_machine_unless_told_otherwise() -> None:
    """A port that is open by design (CVE-2023-48022)."""
    assert Settings().metrics_host == "127.0.0.1"
    assert Settings().metrics_port is Settings().node_metrics_port is None


def test_every_claim_of_the_threat_model_names_a_test_that_there_is() -> None:
    text = (ROOT / "docs" / "security.md").read_text()
    claims = re.findall(r"\[`(test_\w+)`\]\(\.\./([\w/.]+)\)", text)
    assert len(claims) > 30
    for name, path in claims:
        assert re.search(rf"^def {name}\(", (ROOT / path).read_text(), re.MULTILINE), f"{path} has no {name}"


# A search with Optuna, in a process of its own.
SEARCH = """
import sys
from stoker.kinds import read_spec
from stoker_workers.ml.tuning.study import journal_of, study_of
spec = read_spec(sys.argv[1])
assert type(study_of(spec, [])._storage).__name__ == "InMemoryStorage"
assert journal_of(spec, [], "study")
"""


def test_optunas_storages_are_out_of_reach(tmp_path: Path) -> None:
    """Optuna keeps studies in pickles of Redis and of files, if it is asked to: nobody can ask for that here."""
    storages = {"RedisStorage", "RDBStorage", "JournalRedisBackend", "JournalFileBackend", "GrpcStorageProxy"}
    nodes = [node for _, tree in sources() for node in ast.walk(tree)]
    known = {getattr(node, field, None) for node in nodes for field in ("id", "attr", "name")}
    assert "JournalStorage" in known
    assert not known & storages
    # What a spec may say of a search does not name one, …
    train = {"kind": "train", "model": "m", "data": "sample://iris"}
    search = {"kind": "tune", "job": train, "space": {"epochs": [1, 2]}, "goal": "max accuracy", "trials": 2}
    assert parse_spec(search).kind == "tune"
    for named in ({"storage": "redis://127.0.0.1"}, {"study": "x"}, {"sampler": f"sqlite:///{tmp_path}/canary"}):
        with pytest.raises(stoker.InvalidJob):
            parse_spec(search | named)
    # … and one that is made touches none, whatever the environment says.
    environment = os.environ | {"OPTUNA_STORAGE": f"sqlite:///{tmp_path}/canary"}
    told = subprocess.run([sys.executable, "-c", SEARCH, json.dumps(search)], env=environment, cwd=tmp_path, stderr=-1)
    assert told.returncode == 0, told.stderr
    assert not list(tmp_path.iterdir())
