"""Running a loaded model: the engines that can compute it, and which of them is quickest."""

from .choice import JOB_ROWS, REQUESTS_ROWS, EngineChoice, choose, time_for
from .convert import converted
from .engine import Engine, ModelFailed
from .inputs import sample
from .pace import Pace
from .tensorflow import TensorFlowEngine

__all__ = [
    "JOB_ROWS",
    "REQUESTS_ROWS",
    "Engine",
    "EngineChoice",
    "ModelFailed",
    "Pace",
    "TensorFlowEngine",
    "choose",
    "converted",
    "sample",
    "time_for",
]
