"""What a job prints becomes log events of the level that its line begins with."""

import logging
import os
import time
from pathlib import Path

import pytest

import stoker
from stoker.events import Log
from stoker.models.access import Access
from stoker.models.store import Store
from stoker_workers.attempt import runner
from stoker_workers.attempt.lines import as_event
from stoker_workers.attempt.messages import Emitted
from stoker_workers.attempt.runner import Runner
from stoker_workers.ml.run import Outcome, Run, Stopped

from ..conftest import PATIENCE_S

SHOWN = [
    "printed by the job",
    "INFO my_package: logged by the job",
    "INFO: I am the job's own",
    "WARNING stoker_workers.ml: careful",
    "W0000 00:00:1732612345.678901    4711 gpu_device.cc:2022] careful",
    "ERROR tensorflow: it failed",
]
HIDDEN = [
    "INFO: Created TensorFlow Lite XNNPACK delegate for CPU.",
    "I0000 00:00:1732612345.678901    4711 gpu_device.cc:2022] created",
    "2026-11-26 08:00:00.123456: I tensorflow/core/platform/cpu_feature_guard.cc:210] fast",
    "WARNING: All log messages before absl::InitializeLog() is called are written to STDERR",
]


def talk(_spec: object, _run: Run) -> Outcome:
    """Write what a job, its libraries and native code do, and end."""
    for line in (SHOWN[0], SHOWN[2], SHOWN[4], *HIDDEN):
        os.write(2, f"{line}\n".encode())
    logging.getLogger("my_package").info("logged by the job")
    for library in ("stoker_workers.ml.prediction.predictor", "absl", "tensorflow"):
        logging.getLogger(library).info("its inner workings")
    logging.getLogger("stoker_workers.ml").warning("careful")
    logging.getLogger("tensorflow").error("it failed")
    raise Stopped("cancel")


def test_a_job_shows_its_own_lines_and_all_warnings_but_not_what_libraries_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner, "execute", talk)
    url = str(tmp_path)
    run = Run(job="job", store=Store(url), builders=(), access=Access([], url), models=(), checkpoints=())
    lines, deadline = [], time.monotonic() + PATIENCE_S
    with Runner(stoker.Train(model="m", data="sample://iris"), run) as running:
        while time.monotonic() < deadline:
            messages = list(running.receive(0.1))
            told = [message.event for message in messages if isinstance(message, Emitted)]
            lines += [event.line for event in told if isinstance(event, Log)]
            if len(told) < len(messages):
                break
    assert sorted(lines) == sorted(SHOWN)


@pytest.mark.parametrize(
    ("line", "level"),
    [
        ("WARNING root: careful", "warning"),
        ("ERROR stoker: it failed", "error"),
        ("CRITICAL root: it burns", "error"),
        ("W tensorflow/core: careful", "warning"),
        ("E0000 00:00:1732612345.678901    4711 cuda_executor.cc:1228] no driver", "error"),
        ("W1126 08:00:00.123456 4711 gpu_device.cc:2344] cannot dlopen", "warning"),
        ("I0000 00:00:1732612345.678901    4711 gpu_device.cc:2022] created", "info"),
        ("F0000 00:00:1732612345.678901    4711 status.cc:1] fatal", "error"),
        ("2026-11-26 08:00:00.123456: W external/local_tsl/tsl/framework/bfc_allocator.cc:1] ran out", "warning"),
        ("2026-11-26 08:00:00.123456: E external/local_xla/xla/stream_executor/cuda.cc:1] no", "error"),
        ("2026-11-26 08:00:00.123456: I tensorflow/core/platform/cpu_feature_guard.cc:210] fast", "info"),
        ("Epoch 1 of 3", "info"),
        ("Everything is well", "info"),
        ("WARNINGS are none", "info"),
    ],
)
def test_a_line_has_the_level_that_it_begins_with(line: str, level: str) -> None:
    assert as_event(line).event.model_dump()["level"] == level
