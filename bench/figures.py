"""What every benchmark shares: waiting for a worker, spreads, and writing figures down."""

import json
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import stoker

Figures = dict[str, float]
RESULTS = Path(__file__).parent / "results"
_WORKER_S = 120.0


def await_worker(client: stoker.Client) -> None:
    """Wait until a worker serves."""
    deadline = time.monotonic() + _WORKER_S
    while not client.workers():
        if time.monotonic() > deadline:
            raise stoker.Timeout(f"no worker came up within {_WORKER_S:g} s")
        time.sleep(0.1)


def median(figures: Sequence[Figures], name: str) -> float:
    """The median of one figure over the rounds."""
    return statistics.median(figure[name] for figure in figures)


def spread(figures: Sequence[Figures], name: str) -> str:
    """One figure over the rounds: median (lowest-highest)."""
    values = sorted(figure[name] for figure in figures)
    return f"{statistics.median(values):.3f} ({values[0]:.3f}-{values[-1]:.3f})"


def summary(rounds: Sequence[Mapping[str, object]]) -> dict[str, dict[str, float]]:
    """Median, lowest and highest of each figure over the rounds that have it."""
    found: dict[str, list[float]] = {}
    for figures in rounds:
        for name, value in figures.items():
            if isinstance(value, int | float):
                found.setdefault(name, []).append(value)
    return {
        name: {"median": statistics.median(values), "low": min(values), "high": max(values)}
        for name, values in found.items()
    }


def read(name: str, folder: Path = RESULTS) -> dict[str, Any] | None:
    """A benchmark's figures from <name>.json; None if there are none."""
    path = folder / f"{name}.json"
    return json.loads(path.read_text())["figures"] if path.exists() else None


def write(name: str, report: Mapping[str, object], folder: Path | None = RESULTS) -> None:
    """Write a benchmark's figures to <name>.json, with the machine they are from; without a folder, to a new one."""
    folder = folder or Path(tempfile.mkdtemp(prefix="stoker-bench-"))
    folder.mkdir(exist_ok=True)
    machine = {"cores": os.cpu_count(), "platform": platform.platform(), "python": platform.python_version()}
    document = {"measured_at": datetime.now(UTC).isoformat(timespec="seconds"), "machine": machine, "figures": report}
    path = folder / f"{name}.json"
    path.write_text(json.dumps(document, indent=1) + "\n")
    print(f"written to {path}")
