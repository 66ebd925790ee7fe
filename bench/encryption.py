"""What encryption at rest costs: memory and speed of 1 GiB, and what is added to a model's way to a job.

Each figure is of a store in a folder, plain and encrypted in turn. Memory is what a fresh process held at most beyond
what it held before, as the system says of it. A training reads its data and writes its model; a prediction reads
its model once: what the store adds to a small file's way there and back is what either begins with.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from stoker.models.encryption import Encryption, StorePlace, new_key
from stoker.models.store import Store

_GIB = 1 << 30
_TURNS = 30


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench encryption", description=__doc__)
    parser.add_argument("--bytes", type=int, default=_GIB, help="of the large file")
    parser.add_argument("--of", nargs=3, metavar=("FOLDER", "KEY", "WHAT"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.of:
        folder, key, what = options.of
        print(json.dumps(_measured(Path(folder), key or None, what, options.bytes)))
        return
    with tempfile.TemporaryDirectory() as folder:
        new_key(key := Path(folder) / "artifacts.key")
        with (Path(folder) / "large").open("wb") as file:
            for _ in range(options.bytes >> 20):
                file.write(os.urandom(1 << 20))
        for name in ("", str(key)):
            for what in ("put", "fetch", "small"):
                command = [sys.executable, "-m", "bench.encryption", "--bytes", str(options.bytes)]
                done = subprocess.run(
                    [*command, "--of", folder, name, what], check=True, capture_output=True, text=True
                )
                print(f"{'encrypted' if name else 'plain':9} {what:5} {done.stdout.strip()}")


def _measured(folder: Path, key: str | None, what: str, size: int) -> dict[str, float]:
    store = Store(StorePlace(str(folder / ("encrypted" if key else "plain")), Encryption(key)))
    small = store.put_bytes(os.urandom(1 << 20), "small")
    if what == "small":
        return _median_ms(lambda: store.fetch(small, folder))
    _forget_most()
    before, began = _most_bytes(), time.perf_counter()
    if what == "put":
        artifact = store.put_file(folder / "large")
        (folder / "artifact.json").write_text(artifact.model_dump_json())
    else:
        artifact = type(small).model_validate_json((folder / "artifact.json").read_text())
        (own := folder / "fetched").mkdir(exist_ok=True)
        store.fetch(artifact, own)
    took = time.perf_counter() - began
    return {
        "extra_mib": round((_most_bytes() - before) / (1 << 20), 1),
        "s": round(took, 2),
        "mib_per_s": round(size / took / (1 << 20)),
    }


def _median_ms(work: Callable[[], object]) -> dict[str, float]:
    """Of some turns, by the clock and by the processor, which other work on the machine does not lengthen."""
    walls, processors = [], []
    for _ in range(_TURNS):
        wall, processor = time.perf_counter(), time.process_time()
        work()
        walls.append((time.perf_counter() - wall) * 1000)
        processors.append((time.process_time() - processor) * 1000)
    return {
        "fetch_1_mib_ms": round(statistics.median(walls), 2),
        "fetch_1_mib_cpu_ms": round(statistics.median(processors), 2),
    }


def _forget_most() -> None:
    """Have the system count anew how much memory this process holds at most."""
    Path("/proc/self/clear_refs").write_text("5")


def _most_bytes() -> int:
    [line] = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM:")]
    return int(line.split()[1]) * 1024


if __name__ == "__main__":
    main()
