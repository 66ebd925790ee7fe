"""One process of a gang: it trains, and tells what came of it."""

import tempfile
from collections.abc import Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Literal

import numpy as np
import tensorflow as tf
from pydantic import TypeAdapter

from stoker.events import Checkpoint, Event, Log
from stoker.kinds import Train
from stoker.models.access import Access
from stoker.models.manifest import Artifact
from stoker.models.store import Store
from stoker_workers.kinds.train import run as train
from stoker_workers.ml.run import Run, Stopped
from stoker_workers.ml.training.checkpoint import Saved

_ARTIFACTS: TypeAdapter[tuple[Artifact, ...]] = TypeAdapter(tuple[Artifact, ...])


def tell(pipe: Connection, devices: int, *arguments: Any) -> None:
    """Train on so many logical CPU devices, in a process of its own, and send the outcome."""
    [cpu] = tf.config.list_physical_devices("CPU")
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * devices)
    pipe.send(outcome(*arguments))


def outcome(
    spec: Train,
    folder: Path,
    place: int = 0,
    addresses: Sequence[str] = (),
    drain_at_call: int | None = None,
    device: Literal["cpu", "gpu"] = "cpu",
) -> dict[str, Any]:
    """Train, from the last checkpoint on that this member, or another one before it, has left in the folder.

    Args:
        drain_at_call: the call of the loop from which on it is asked to drain.
        device: what it is to compute on.
    """
    left = folder / "checkpoints.json"
    earlier = _ARTIFACTS.validate_json(left.read_bytes()) if left.exists() else ()
    checkpoints: list[Artifact] = []
    warnings: list[str] = []
    asked = 0

    def emit(event: Event) -> None:
        if isinstance(event, Checkpoint):
            checkpoints.append(event.artifact)
            left.write_bytes(_ARTIFACTS.dump_json((*earlier, *checkpoints)))
        elif isinstance(event, Log) and event.level == "warning":
            warnings.append(event.line)

    def stop_requested() -> Literal["drain"] | None:
        nonlocal asked
        asked += 1
        return "drain" if drain_at_call is not None and asked >= drain_at_call else None

    store, scratch = Store(str(folder)), Path(tempfile.mkdtemp(dir=folder))
    run = Run(
        job="job",
        store=store,
        scratch=scratch,
        builders=(),
        access=Access(["/"], str(folder)),
        models=(),
        checkpoints=earlier,
        emit=emit,
        stop_requested=stop_requested,
        gang=tuple(addresses),
        place=place,
        device=device,
    )
    told: dict[str, Any] = {"warnings": warnings}
    try:
        told["history"] = train(spec, run).result.model_dump()["history"]
    except Stopped as stop:
        told["stopped"] = stop.reason
    if checkpoints:
        last = Saved.read(store.of_job("job").fetch(checkpoints[-1], scratch))
        told |= {
            "weights": [float(np.abs(value).sum()) for value in last.variables],
            "checkpoints": len(checkpoints),
        }
    return told
