"""Two versions of Stoker, each in a folder of its own: this one, and one that knows more."""

import shutil
from pathlib import Path

ROOT = Path(__file__).parents[2]

# A kind of jobs: a file in each half.
_FILES = {
    "stoker/kinds/echo.py": """\
from typing import Literal

from ..models.manifest import ModelRef
from .base import JobSpec
from .kind import Kind
from .result import JobResult, Shown


class Echo(JobSpec):
    kind: Literal["echo"] = "echo"
    model: ModelRef


class EchoResult(JobResult):
    kind: Literal["echo"] = "echo"
    model: str

    def words(self) -> str:
        return self.model

    def shown(self) -> Shown:
        return Shown(self.model)


KIND = Kind(name="echo", spec=Echo, queue="batch", usual_s=1.0, summary=lambda spec: spec.model)
""",
    "stoker_workers/kinds/echo.py": """\
from stoker.events import Echoed
from stoker.kinds.echo import Echo, EchoResult

from ..ml.run import Outcome, Run


def run(spec: Echo, run: Run) -> Outcome:
    run.emit(Echoed())
    return Outcome(EchoResult(model=spec.model))
""",
}
_ECHOED = """\
class Echoed(_Event):
    type: Literal["echoed"] = "echoed"

    def words(self) -> str:
        return "echoed"


"""
_FIELD = '    novelty: str = "new"\n'
# What the newer version has more: a kind of job, a type of event, and a field in whatever is described and told. Each
# entry is a file, what it says, and what the newer version says before or behind that.
_BEFORE = (
    ("stoker/events.py", "class Finished(_Event):", _ECHOED),
    ("stoker/events.py", "| Finished", "| Echoed "),
    ("stoker/kinds/__init__.py", "from .deploy import ", "from . import echo\nfrom .echo import Echo, EchoResult\n"),
)
_BEHIND = (
    ("stoker/kinds/__init__.py", "Spec = Annotated[\n    Train", "\n    | Echo"),
    ("stoker/kinds/__init__.py", "    TrainResult\n", "    | EchoResult\n"),
    ("stoker/kinds/__init__.py", "for each in (", "echo, "),
    ("stoker_workers/kinds/__init__.py", "from . import ", "echo, "),
    ("stoker_workers/kinds/__init__.py", '"train": train.run,\n', '        "echo": echo.run,\n'),
    ("stoker/models/manifest.py", "    name: ModelName\n", _FIELD),
    ("stoker/ledger/presence.py", "    host: str\n    pid: int\n", _FIELD),
    ("stoker/kinds/training/trained.py", "    seed: int\n    run_s: float\n", _FIELD),
)


def build(folder: Path) -> tuple[Path, Path]:
    """Copy this version, and the same with more in it; gives both folders, each fit for PYTHONPATH."""
    old, new = folder / "old", folder / "new"
    for version in (old, new):
        # With what Python has compiled of it.
        for package in ("producer/stoker", "workers/stoker_workers"):
            shutil.copytree(ROOT / package, version / Path(package).name)
    for name, text in _FILES.items():
        (new / name).write_text(text)
    for name, known, more in _BEFORE:
        _edit(new / name, known, more + known)
    for name, known, more in _BEHIND:
        _edit(new / name, known, known + more)
    return old, new


def _edit(path: Path, known: str, instead: str) -> None:
    text = path.read_text()
    assert known in text, f"{path.name} has no {known!r} any more: say anew what a newer version has more there"
    path.write_text(text.replace(known, instead, 1))
