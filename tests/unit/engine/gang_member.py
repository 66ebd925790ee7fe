"""One process of a gang, as a program: `gang_member.py [OPTION] SPEC FOLDER PLACE [ADDRESS …]`; prints what came of it.

It goes on from the last checkpoint that it, or another one before it, has left in the folder.
`--devices N` trains on so many logical CPU devices; `--drain-at-call N` is asked to drain after that call of the loop;
`--for-gpu 1` is told that it is to compute on a GPU.
"""

import json
import sys
import tempfile
from pathlib import Path
from typing import Literal

import numpy as np
import tensorflow as tf

from stoker.access import Access
from stoker.events import Checkpoint, Event
from stoker.jobs import Train, read_spec
from stoker.store import Store
from stoker_workers.engine.checkpoint import Saved
from stoker_workers.engine.run import Run, Stopped
from stoker_workers.executors.train import train


def main() -> None:
    option, value, arguments = "", 0, sys.argv[1:]
    if arguments[0].startswith("--"):
        option, value, arguments = arguments[0], int(arguments[1]), arguments[2:]
    if option == "--devices":
        [cpu] = tf.config.list_physical_devices("CPU")
        tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * value)
    raw, folder, place, *addresses = arguments
    store, scratch = Store(folder), Path(tempfile.mkdtemp(dir=folder))
    left = Path(folder) / "last-checkpoint.json"
    checkpoints: list[Checkpoint] = []
    asked = 0

    def emit(event: Event) -> None:
        if isinstance(event, Checkpoint):
            checkpoints.append(event)
            left.write_text(event.model_dump_json())

    def stop_requested() -> Literal["drain"] | None:
        nonlocal asked
        asked += 1
        return "drain" if option == "--drain-at-call" and asked >= value else None

    run = Run(
        job="job",
        store=store,
        scratch=scratch,
        builders=(),
        access=Access(["/"], folder),
        model=None,
        resume_from=Checkpoint.model_validate_json(left.read_text()).artifact if left.exists() else None,
        emit=emit,
        stop_requested=stop_requested,
        gang=tuple(addresses),
        place=int(place),
        device="gpu" if option == "--for-gpu" else "cpu",
    )
    spec = read_spec(raw)
    assert isinstance(spec, Train)
    told: dict[str, object] = {}
    try:
        told["history"] = train(spec, run).result.model_dump()["history"]
    except Stopped as stop:
        told["stopped"] = stop.reason
    if checkpoints:
        last = Saved.read(store.of_job("job").fetch(checkpoints[-1].artifact, scratch))
        told |= {
            "weights": [float(np.abs(value).sum()) for value in last.variables],
            "checkpoints": len(checkpoints),
        }
    print(json.dumps(told))


if __name__ == "__main__":
    main()
