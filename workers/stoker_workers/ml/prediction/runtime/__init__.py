"""The engines that compute a model, and the choice of the quickest."""

from .batches import FixedBatches
from .choice import MEASURED_ROWS, EngineChoice, choose, pilot
from .convert import converted, why_alone
from .engine import Engine, ModelFailed, Reference, Say, distinct
from .inputs import sample
from .litert import LiteRTFile, Quantised
from .onnx import ONNX_DTYPES, OnnxFile, onnx_session
from .pace import Pace
from .staged import StagedEngine
from .tensorflow import Exported, TensorFlowEngine, computed

__all__ = [
    "MEASURED_ROWS",
    "ONNX_DTYPES",
    "Engine",
    "EngineChoice",
    "Exported",
    "FixedBatches",
    "LiteRTFile",
    "ModelFailed",
    "OnnxFile",
    "Pace",
    "Quantised",
    "Reference",
    "Say",
    "StagedEngine",
    "TensorFlowEngine",
    "choose",
    "computed",
    "converted",
    "distinct",
    "onnx_session",
    "pilot",
    "sample",
    "why_alone",
]
