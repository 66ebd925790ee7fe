"""Two versions of Stoker, each in a folder of its own: this one, and one that knows more."""

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[2]

_ECHO = """\
class Echo(Infer):
    kind: Literal["echo"] = "echo"


class EchoResult(Described):
    kind: Literal["echo"] = "echo"
    model: str


"""
_ECHOED = """\
class Echoed(_Event):
    type: Literal["echoed"] = "echoed"

    def words(self) -> str:
        return "echoed"


"""
_EXECUTE = """\
        case Echo():
            run.emit(Echoed())
            return Outcome(EchoResult(model=spec.model))
"""
_IMPORTS = "from stoker.events import Echoed\nfrom stoker.kinds.infer import Echo, EchoResult\n"
_FIELD = '    novelty: str = "new"\n'
# What the newer version has more: a kind of job, a type of event, and a field in whatever is described and told. Each
# entry is a file, what it says, and what the newer version says before or behind that.
_BEFORE = (
    ("stoker/kinds/infer.py", "class InferResult(Described):", _ECHO),
    ("stoker/events.py", "class Finished(_Event):", _ECHOED),
    ("stoker/events.py", "| Finished, Field(", "| Echoed "),
    ("stoker_workers/kinds/__init__.py", "        case Train():\n", _EXECUTE),
    ("stoker_workers/kinds/__init__.py", "from stoker.kinds import", _IMPORTS),
)
_BEHIND = (
    ("stoker/kinds/__init__.py", "import PART_KIND, Infer, InferResult", ", Echo, EchoResult"),
    ("stoker/kinds/__init__.py", "Train | Evaluate | Deploy | Infer", " | Echo"),
    ("stoker/kinds/__init__.py", "| InferResult", " | EchoResult"),
    ("stoker/kinds/__init__.py", '"deploy", "infer"', ', "echo"'),
    ("stoker/fleet/topology.py", '"infer": "batch"', ', "echo": "batch"'),
    ("stoker/models/manifest.py", "    name: ModelName\n", _FIELD),
    ("stoker/ledger/presence.py", "    host: str\n    pid: int\n", _FIELD),
    ("stoker/kinds/train.py", "    seed: int\n    run_s: float\n", _FIELD),
)


def build(folder: Path) -> tuple[Path, Path]:
    """Unpack this version's wheel, and the same with more in it; gives both folders, each fit for PYTHONPATH."""
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(folder), str(ROOT)]
    subprocess.run(command, check=True, capture_output=True, text=True)
    [wheel] = folder.glob("stoker-*.whl")
    old, new = folder / "old", folder / "new"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(old)
    shutil.copytree(old, new)
    for name, known, more in _BEFORE:
        _edit(new / name, known, more + known)
    for name, known, more in _BEHIND:
        _edit(new / name, known, known + more)
    return old, new


def _edit(path: Path, known: str, instead: str) -> None:
    text = path.read_text()
    assert known in text, f"{path.name} has no {known!r} any more: say anew what a newer version has more there"
    path.write_text(text.replace(known, instead, 1))
