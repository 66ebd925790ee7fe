"""Small models, described as the registry would."""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from types import SimpleNamespace

import keras
import pytest

from stoker.models.manifest import ModelVersion
from stoker.models.signature import Signature, TensorSpec
from stoker_workers.ml.prediction.runtime import choice


@pytest.fixture(scope="session")
def describe() -> Callable[..., ModelVersion]:
    """Describes a model with these inputs: `describe(spec, spec, …)`."""

    def describe_one(*inputs: TensorSpec) -> ModelVersion:
        return ModelVersion(
            name="model",
            version=1,
            created_at=datetime(2026, 1, 1, tzinfo=UTC),
            signature=Signature(
                inputs=inputs, outputs=(TensorSpec(name="output", shape=(2,), dtype="float32"),), task="regression"
            ),
            metrics={},
            files={},
            parameters=0,
            job="job",
            data="sample://digits",
        )

    return describe_one


@pytest.fixture(autouse=True)
def _same_weights_every_time() -> None:
    keras.utils.set_random_seed(0)


@pytest.fixture(autouse=True)
def _engines_are_measured_by_what_they_compute(models_converted: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """What other processes take of the processor makes no engine slower than another."""
    monkeypatch.setattr(choice, "time", SimpleNamespace(perf_counter=time.process_time))
