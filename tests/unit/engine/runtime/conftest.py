"""Small models, described as the registry would."""

from collections.abc import Callable
from datetime import UTC, datetime

import keras
import pytest

from stoker.artifacts import ModelVersion, Signature, TensorSpec


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
