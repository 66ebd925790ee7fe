"""What is sent and answered about models."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from ...kinds import Priority
from ...models.manifest import ModelVersion
from ...models.prediction import Prediction

LONGEST_S = 300.0


class VersionList(BaseModel):
    """Registered versions."""

    models: list[ModelVersion]


class Rows(BaseModel):
    """Rows to predict.

    Attributes:
        rows: plain records, each the columns of a row by name; or rows of numbers, for a model that takes these.
        timeout: seconds to wait for the answer.
        priority: requests that wait are taken in the order of their priorities.
        key: where two versions share the requests to an alias, those of one key go to one of them.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    rows: list[dict[str, Any]] | list[list[Any]] = Field(min_length=1, max_length=100_000)
    timeout: float = Field(default=30.0, gt=0, le=LONGEST_S)
    priority: Priority = "normal"
    key: str | None = Field(default=None, max_length=1000)


class Predictions(BaseModel):
    """What a model predicts, for each row in its order."""

    predictions: list[Prediction]
