"""The engines that compute a model, and the choice of the quickest."""

from .choice import MEASURED_ROWS, EngineChoice, choose, pilot
from .convert import converted
from .engine import Engine, ModelFailed
from .inputs import sample
from .pace import Pace
from .tensorflow import TensorFlowEngine

__all__ = [
    "MEASURED_ROWS",
    "Engine",
    "EngineChoice",
    "ModelFailed",
    "Pace",
    "TensorFlowEngine",
    "choose",
    "converted",
    "pilot",
    "sample",
]
