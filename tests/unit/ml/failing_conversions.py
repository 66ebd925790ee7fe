"""Conversions that fail, in a process that has computed nothing: what the jobs say, a line for each.

python -m tests.unit.ml.failing_conversions FOLDER [FORM …], where the folder has lstm.keras, unknown.keras, or both.
"""

import errno
import multiprocessing
import os
import signal
import sys
import tempfile
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import numpy as np

from stoker.errors import InvalidJob, Unavailable
from stoker.kinds import Optimize
from stoker.models.access import Access
from stoker.models.manifest import ModelVersion
from stoker.models.signature import Signature
from stoker.models.store import Store
from stoker.outages import Dependency, DependencyUnavailable, Outage
from stoker_workers.ml.optimisation import making
from stoker_workers.ml.optimisation.apart import Crashed, apart
from stoker_workers.ml.optimisation.forms import Given
from stoker_workers.ml.run import Run

SHAPES = {"lstm": (200, 3), "unknown": (8,)}


def version(name: str, store: Store, folder: Path) -> ModelVersion:
    signature = Signature.model_validate(
        {
            "inputs": [{"name": "x", "shape": SHAPES[name], "dtype": "float32", "low": 0.0, "high": 1.0}],
            "outputs": [{"name": "output", "shape": (2,), "dtype": "float32"}],
            "task": "binary",
            "classes": ("a", "b"),
        }
    )
    return ModelVersion(
        name=name, version=1, signature=signature, metrics={}, parameters=1, job="", data="",
        files={"keras": store.put_file(folder / f"{name}.keras")}, created_at=datetime.now(UTC),
    )  # fmt: skip


def said(form: str, name: str, store: Store, folder: Path) -> str:
    """What a job says that makes a form of a model."""
    np.savez(folder / f"{name}.npz", x=np.random.default_rng(0).random((40, *SHAPES[name])), y=np.arange(40) % 2)
    made_of = version(name, store, folder)
    own = Path(tempfile.mkdtemp(dir=folder))
    run = Run(
        job="job", store=store, scratch=own, builders=(), access=Access(["/"], store.url), models=(made_of,),
        checkpoints=(),
    )  # fmt: skip
    fields = {"calibration": str(folder / f"{name}.npz")} if form == "int8" else {}
    spec = Optimize.model_validate({"model": name, "data": "unused", "to": form, **fields})
    try:
        made = making.make(form, Given(spec, made_of, run, own))
    except InvalidJob as error:
        return error.message
    return f"made: {made.words}"


def crash(_run: Run) -> None:
    os.kill(os.getpid(), signal.SIGSEGV)


def away(_run: Run) -> None:
    raise DependencyUnavailable(Outage(of=Dependency.STORE, reason="the store is away"))


def full(_run: Run) -> None:
    raise OSError(errno.ENOSPC, "No space left on device", f"{tempfile.gettempdir()}/model.keras")


def wrong(_run: Run) -> None:
    raise ValueError("no such layer")


def ended() -> Literal["drain"]:
    """A stop that is asked for when the work has just ended."""
    for child in multiprocessing.active_children():
        child.join()
    return "drain"


def main(folder: Path) -> None:
    store = Store(str(folder / "store"))
    for form in sys.argv[2:] or ("int8",):
        for name in sorted(path.stem for path in folder.glob("*.keras")):
            print(f"{form} {name}: {said(form, name, store, folder)}", flush=True)
    run = Run(job="", store=store, builders=(), access=Access([], ""), models=(), checkpoints=())
    for work in (crash, away, full, wrong):
        try:
            apart(work, run)
        except (Crashed, Unavailable, RuntimeError) as error:
            print(f"{work.__name__}: {type(error).__name__}: {str(error).splitlines()[0]}")
    print("stopped late:", apart(lambda _: "given", replace(run, stop_requested=ended)))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
