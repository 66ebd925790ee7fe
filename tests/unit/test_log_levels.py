"""What a job prints becomes log events of the level that its line begins with."""

import pytest

from stoker_workers.attempt.runner import _logged


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
    assert _logged(line).event.model_dump()["level"] == level
