"""A program that makes one client, lets threads predict with it, and forks children that go on with the same client.

It writes a line of JSON for each child and each thread into the file of its first argument, until SIGTERM ends it.
"""

import json
import multiprocessing
import os
import random
import signal
import sys
import threading
import time
from collections import Counter
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import FrameType

import numpy as np

import stoker

MODEL = "base@1"
_ROWS, _CALLS, _CHILDREN, _THREADS = 16, 20, 3, 2
_SEED = 11
_TIMEOUT_S = 20.0
# How long the first answers may take, while nothing is broken yet and models are loaded.
_FIRST_S = 240.0
# How long one child may insist on its submit while Redis is away.
_INSISTS_S = 90.0
_PAUSE_S = 0.3


@dataclass
class Said:
    """What one caller got.

    Attributes:
        right, wrong: answers that were its own, and that were not.
        refused: names of the errors that it got instead of answers, and how often.
        label: of the job that it submitted; None for a thread.
        job: the id that it was given.
    """

    right: int = 0
    wrong: int = 0
    refused: dict[str, int] = field(default_factory=dict)
    label: str | None = None
    job: str | None = None


def main(evidence: Path) -> None:
    """Call, fork and call until SIGTERM."""
    asked_to_end = threading.Event()

    def end(_number: int, _frame: FrameType | None) -> None:
        asked_to_end.set()

    signal.signal(signal.SIGTERM, end)
    rows = np.random.default_rng(_SEED).uniform(0, 16, (_ROWS, 64)).astype(np.float32)
    with stoker.Client() as client:
        expected = [client.infer(MODEL, row[None], timeout=_FIRST_S) for row in rows]
        _write(evidence, Said(right=len(expected)))
        round_number = 0
        while not asked_to_end.is_set():
            threads = [
                threading.Thread(target=_thread, args=(client, rows, expected, evidence, round_number * _THREADS + n))
                for n in range(_THREADS)
            ]
            for thread in threads:
                thread.start()
            numbers = [round_number * _CHILDREN + n for n in range(_CHILDREN)]
            # While the threads are in the middle of calls, as a server forks its workers.
            children = [
                multiprocessing.get_context("fork").Process(target=_child, args=(client, rows, expected, evidence, n))
                for n in numbers
            ]
            for child in children:
                child.start()
            for child in children:
                child.join()
            for thread in threads:
                thread.join()
            round_number += 1


def _thread(client: stoker.Client, rows: np.ndarray, expected: list[np.ndarray], evidence: Path, seed: int) -> None:
    said = Said()
    _call(client, rows, expected, said, seed)
    _write(evidence, said)


def _child(client: stoker.Client, rows: np.ndarray, expected: list[np.ndarray], evidence: Path, number: int) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    said = Said(label=f"forked-{number:03d}")
    # Before anything is told to Redis: so the checker knows of the job even if this process is killed.
    _write(evidence, Said(label=said.label))
    _call(client, rows, expected, said, number)
    said.job = _submit(client, said.label or "")
    _write(evidence, said)
    os._exit(0)


def _call(client: stoker.Client, rows: np.ndarray, expected: list[np.ndarray], said: Said, seed: int) -> None:
    chance = random.Random(seed)
    refused: Counter[str] = Counter()
    for _ in range(_CALLS):
        n = chance.randrange(_ROWS)
        try:
            answer = client.infer(MODEL, rows[n][None], timeout=_TIMEOUT_S)
        except (stoker.Timeout, stoker.Unavailable) as error:
            refused[type(error).__name__] += 1
            time.sleep(_PAUSE_S)
            continue
        if np.allclose(answer, expected[n], atol=1e-4):
            said.right += 1
        else:
            said.wrong += 1
    said.refused = dict(refused)


def _submit(client: stoker.Client, label: str) -> str | None:
    spec = stoker.Deploy(model=MODEL, alias="forked", max_attempts=100, tags={"label": label})
    until = time.monotonic() + _INSISTS_S
    while time.monotonic() < until:
        try:
            return client.submit(spec, idempotency_key=label).id
        except stoker.Unavailable:
            time.sleep(_PAUSE_S)
    return None


def _write(evidence: Path, said: Said) -> None:
    # One write to a file opened for appending: two processes never mix their lines.
    with evidence.open("ab", buffering=0) as file:
        file.write(f"{json.dumps(asdict(said))}\n".encode())


def read(evidence: Path) -> list[Said]:
    """What every caller has written."""
    return [Said(**json.loads(line)) for line in evidence.read_text().splitlines()] if evidence.exists() else []


if __name__ == "__main__":
    main(Path(sys.argv[1]))
