"""The callers, the same for every system: `python -m bench.caller MODULE:ADAPTER URL`, in the system's own Python.

Each line of standard input is a measurement to take, as JSON; its figures are one line of standard output. A caller
is a closed loop: it calls again as soon as it has its answer. Answers are kept, and checked when the time is up.
"""

import asyncio
import functools
import importlib
import json
import os
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from .adapter import Adapter, Array

Figures = dict[str, Any]
# Calls that end in this first share of the time are not counted: the queue is still filling.
_RAMP = 0.25
_WARM_WITHIN_S = 180.0
_WARM_CALLERS = 16
# Before a caller tries again: a system that refuses at once must not be kept busy by it.
_REFUSED_PAUSE_S = 0.05
_TOLERANCE = 1e-3
_FEWEST_ROWS, _MOST_ROWS = 256, 1 << 18


@dataclass
class Load:
    """Callers at work: which rows they send until when, and what came of it.

    Attributes:
        ended: of each call, when it ended and how many seconds it took.
        answers: of each call, which row it sent and what came back.
        failed: how often calls raised what.
    """

    rows: Array
    until: float
    ended: list[tuple[float, float]] = field(default_factory=list)
    answers: list[tuple[int, Array]] = field(default_factory=list)
    failed: Counter[str] = field(default_factory=Counter)

    def note(self, number: int, started: float, answer: Array) -> None:
        """A call was answered."""
        now = time.perf_counter()
        self.ended.append((now, now - started))
        self.answers.append((number, answer))

    def wrong(self, expected: Array) -> int:
        """How many answers are not what the model gives."""
        if not self.answers:
            return 0
        numbers = np.array([number for number, _ in self.answers])
        return _wrong(np.concatenate([answer for _, answer in self.answers]), expected[numbers])


class Measurements:
    """Takes measurements with one adapter: each gives a rate, and how many calls, rows or jobs it took altogether.

    Args:
        models: a folder with `<model>.npz` for each model: rows to send, `x`, and the answers to expect, `y`.
    """

    def __init__(self, adapter: Adapter, models: Path | None) -> None:
        self._adapter = adapter
        self._data = {path.stem: path for path in sorted(models.glob("*.npz"))} if models else {}
        self._loop = asyncio.Runner()

    def warm(self) -> Figures:
        """Wait until the system answers, and until each of its processes has: for each model, or by no-op jobs."""
        deadline = time.monotonic() + _WARM_WITHIN_S
        calls = [functools.partial(self._adapter.infer, model, self._rows(model)[0][:1]) for model in self._data]
        for call in calls:
            _until_it_works(call, deadline)
            _until_it_works(functools.partial(_together, call), deadline)
        if not calls:
            _until_it_works(self._adapter.noop, deadline)
            self._adapter.noops(_WARM_CALLERS)
        return {}

    def ways(self) -> dict[str, list[str]]:
        """The ways that the adapter has of doing what can be done in several."""
        return {"many": list(self._adapter.many_ways()), "submit": list(self._adapter.submit_ways())}

    def infer(self, model: str, style: str, callers: int, seconds: float) -> Figures:
        """One row per call, from callers that are threads or, in style "asyncio", tasks.

        One call comes first: whoever was idle since the last round may have to load the model again.
        """
        rows, expected = self._rows(model)
        self._adapter.infer(model, rows[:1])
        begun = time.perf_counter()
        load = Load(rows, begun + seconds)
        if style == "asyncio":
            self._loop.run(self._call_in_tasks(model, callers, load))
        else:
            self._call_in_threads(model, callers, load)
        figures = _figures(load, begun + _RAMP * seconds)
        return figures | {"wrong": load.wrong(expected), "failed": dict(load.failed)}

    def infer_barely(self, model: str, callers: int, seconds: float) -> Figures:
        """One row per call, from callers without a client, which leave the processor to the server."""
        rows, expected = self._rows(model)
        self._adapter.infer(model, rows[:1])
        begun = time.perf_counter()
        bare = self._adapter.call_barely(model, rows, callers, begun + seconds)
        answers = [(number, self._adapter.bare_answer(head, body)) for number, head, body in bare.answers]
        load = Load(rows, begun + seconds, bare.ended, answers, bare.failed)
        figures = _figures(load, begun + _RAMP * seconds)
        return figures | {"wrong": load.wrong(expected), "failed": dict(load.failed)}

    def many(self, model: str, way: str, seconds: float) -> Figures:
        """One call with many rows: with more and more, until it takes as long as asked for."""
        some_rows, some_answers = self._rows(model)
        predict = self._adapter.many_ways()[way]
        count, calls = _FEWEST_ROWS, 0
        while True:
            rows = np.resize(some_rows, (count, *some_rows.shape[1:]))
            begun = time.perf_counter()
            answers = predict(model, rows)
            took = time.perf_counter() - begun
            calls += count
            if took >= seconds or count >= _MOST_ROWS:
                break
            count *= 4
        expected = np.resize(some_answers, (count, *some_answers.shape[1:]))
        return {"per_s": count / took, "calls": calls, "rows": count, "wrong": _wrong(answers, expected)}

    def submit(self, way: str, count: int) -> Figures:
        """Submit jobs that nobody runs yet, or that run meanwhile where workers are up."""
        begun = time.perf_counter()
        self._adapter.submit_ways()[way](count)
        return {"per_s": count / (time.perf_counter() - begun), "calls": count}

    def noops(self, count: int) -> Figures:
        """Submit no-op jobs and wait for all of their results."""
        begun = time.perf_counter()
        self._adapter.noops(count)
        return {"per_s": count / (time.perf_counter() - begun), "calls": count}

    def noop(self, seconds: float) -> Figures:
        """One no-op job at a time, each waited for."""
        self._adapter.noop()  # wakes those that look ever more rarely while there is nothing to do
        begun = time.perf_counter()
        load = Load(np.zeros(1, np.float32), begun + seconds)
        while (started := time.perf_counter()) < load.until:
            self._adapter.noop()
            now = time.perf_counter()
            load.ended.append((now, now - started))
        return _figures(load, begun + _RAMP * seconds)

    def close(self) -> None:
        """Close the adapter's connections."""
        with self._loop:
            self._loop.run(self._adapter.close())

    def _rows(self, model: str) -> tuple[Array, Array]:
        with np.load(self._data[model]) as arrays:
            return arrays["x"], arrays["y"]

    def _call_in_threads(self, model: str, callers: int, load: Load) -> None:
        def call(first: int) -> None:
            number = first
            while (started := time.perf_counter()) < load.until:
                number = (number + callers) % len(load.rows)
                try:
                    answer = self._adapter.infer(model, load.rows[number : number + 1])
                except Exception as error:  # noqa: BLE001  # a call that a system under load refuses is a figure, too
                    load.failed[type(error).__name__] += 1
                    time.sleep(_REFUSED_PAUSE_S)
                else:
                    load.note(number, started, answer)

        threads = [threading.Thread(target=call, args=(first,)) for first in range(callers)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    async def _call_in_tasks(self, model: str, callers: int, load: Load) -> None:
        async def call(first: int) -> None:
            number = first
            while (started := time.perf_counter()) < load.until:
                number = (number + callers) % len(load.rows)
                try:
                    answer = await self._adapter.infer_async(model, load.rows[number : number + 1])
                except Exception as error:  # noqa: BLE001  # as above
                    load.failed[type(error).__name__] += 1
                    await asyncio.sleep(_REFUSED_PAUSE_S)
                else:
                    load.note(number, started, answer)

        await asyncio.gather(*(call(first) for first in range(callers)))


def _together(call: Callable[[], object]) -> None:
    with ThreadPoolExecutor(_WARM_CALLERS) as pool:
        for answer in [pool.submit(call) for _ in range(4 * _WARM_CALLERS)]:
            answer.result()


def _until_it_works(call: Callable[[], object], deadline: float) -> None:
    while True:
        try:
            call()
        except Exception:
            # Whatever a system that is not up yet may raise.
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)
        else:
            return


def _wrong(answers: Array, expected: Array) -> int:
    """How many rows of answers are not what the model gives."""
    return int((np.abs(answers - expected).max(axis=1) > _TOLERANCE).sum())


def _figures(load: Load, counted_from: float) -> Figures:
    """Rate and latencies of the calls that ended while all callers were at work."""
    taken = np.array([took for ended, took in load.ended if counted_from <= ended <= load.until])
    if not len(taken):
        return {"per_s": 0.0, "calls": len(load.ended), "p50_ms": None, "p99_ms": None}
    p50, p99 = np.percentile(taken, [50, 99]) * 1000
    rate = len(taken) / (load.until - counted_from)
    return {"per_s": rate, "calls": len(load.ended), "p50_ms": float(p50), "p99_ms": float(p99)}


def main() -> None:
    """Answer one line after another until the input ends."""
    named, url = sys.argv[1:]
    # What libraries print must not come between the figures.
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    module, _, name = named.partition(":")
    adapter: Adapter = getattr(importlib.import_module(module), name)(url)
    models = os.environ.get("BENCH_MODELS")
    measurements = Measurements(adapter, Path(models) if models else None)
    for line in sys.stdin:
        asked = json.loads(line)
        figures = getattr(measurements, asked.pop("measure"))(**asked)
        answers.write(json.dumps(figures) + "\n")
    measurements.close()


if __name__ == "__main__":
    main()
