"""Opening a model's file, whatever its format: it is checked first, and only then does a framework see it."""

import logging
import math
import os
import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

import keras
import onnx
import tensorflow as tf
from ai_edge_litert import schema_py_generated as schema

from stoker.errors import InvalidJob
from stoker.kinds.problems import short
from stoker.models.manifest import ModelVersion
from stoker.models.model_files import PREPROCESSING, predicting_file
from stoker.models.signature import Signature
from stoker.models.store import Store

from ..garbage import collect
from .loading import load_saved, loading
from .one_file import one_file
from .runtime import (
    Engine,
    Exported,
    FixedBatches,
    LiteRTFile,
    OnnxFile,
    Reference,
    Say,
    StagedEngine,
    TensorFlowEngine,
    converted,
    why_alone,
)
from .screening.litert_file import check_litert
from .screening.members import DAMAGED, checked_members, unpack
from .screening.onnx_file import check_onnx
from .screening.savedmodel import check_savedmodel

_LARGEST_UNPACKED = 1 << 40
FAILS = "it fails on rows that are made up from the ranges of its inputs"
_FIXED = "every call takes as many rows as it was made for"


@dataclass(frozen=True)
class Content:
    """A model that its engine takes as bytes."""

    format: Literal["litert", "onnx"]
    data: bytes


@dataclass(frozen=True)
class Staged:
    """A model of two files: what one prepares, the other takes.

    Attributes:
        front: gives the tensors that the network takes, in its order.
        network: of LiteRT.
    """

    front: "keras.Model | Content"
    network: Content


Model: TypeAlias = keras.Model | Exported | Content | Staged
"""A loaded model."""


def open_model(path: Path, file_format: str, signature: Signature, ref: str, custom: Sequence[str] = ()) -> Model:
    """A registered version's model.

    Args:
        path: its file, which is not needed any more afterwards; beside it is room for more.
        ref: the model's name in messages.
        custom: modules whose Keras classes it may have.

    Raises:
        NoMemory: there is not enough memory for it.
        InvalidJob: it is refused, or cannot be loaded.
    """
    if file_format in ("keras", "h5"):
        return load_saved(path, ref, custom)
    with loading(ref), one_file(path) as path:
        if file_format == "savedmodel":
            with unpacked_savedmodel(path, path.name) as folder:
                check_savedmodel(folder, path.name)
                return load_exported(folder, signature.entry)
        if file_format == "litert":
            check_litert(path, path.name)
            return Content("litert", path.read_bytes())
        check_onnx(path, path.name)
        return Content("onnx", path.read_bytes())


def open_version(version: ModelVersion, store: Store, scratch: Path, custom: Sequence[str] = ()) -> Model:
    """A registered version's model, of all files that it is computed from.

    Args:
        scratch: an existing folder for the files, which are deleted again.
        custom: modules whose Keras classes it may have.

    Raises:
        NoMemory: there is not enough memory for it.
        InvalidJob: it has no file of a model, or one that cannot be loaded.
        Corrupt, Unavailable: the store does not give a file.
    """
    with loading(version.ref):
        file_format, file = predicting_file(version)
        path = store.fetch(file, scratch)
        try:
            model = open_model(path, file_format, version.signature, version.ref, custom)
        finally:
            path.unlink()
        if PREPROCESSING not in version.files:
            return model
        path = store.fetch(version.files[PREPROCESSING], scratch)
        try:
            return open_staged(path, model, version.ref, custom)
        finally:
            path.unlink()


def open_staged(path: Path, network: Model, ref: str, custom: Sequence[str] = ()) -> Staged:
    """A version's model, of the network that was opened and the file that prepares its rows.

    Raises:
        NoMemory: there is not enough memory for it.
        InvalidJob: the file is refused, cannot be loaded, or prepares rows for no network of LiteRT.
    """
    if not isinstance(network, Content) or network.format != "litert":
        raise InvalidJob(f"{ref} has a file that prepares rows, and no network of LiteRT that takes them")
    front: Model
    with loading(ref), one_file(path) as path:
        if path.suffix == ".tflite":
            check_litert(path, path.name)
            front = Content("litert", path.read_bytes())
        else:
            front = load_saved(path, ref, custom)
    return Staged(front, network)


def load_exported(folder: Path, entry: str | None) -> Exported:
    """The function of a SavedModel that has been checked."""
    logger = logging.getLogger("tensorflow")
    level = logger.level
    # It warns of each value that an optimizer has left in the checkpoint, once the garbage is looked at.
    logger.setLevel(logging.ERROR)
    try:
        loaded = tf.saved_model.load(folder)
        collect()
    finally:
        logger.setLevel(level)
    function = loaded.signatures[entry]
    return Exported(function, tuple(function.variables), loaded)


@contextmanager
def unpacked_savedmodel(path: Path, what: str) -> Iterator[Path]:
    """The folder that a zip of a SavedModel holds, for as long as the block runs.

    Raises:
        InvalidJob: it is no zip, or has a member that is refused.
    """
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        try:
            with zipfile.ZipFile(path) as archive:
                unpack(archive, checked_members(archive, what, _LARGEST_UNPACKED), Path(folder))
        except (*DAMAGED, FileExistsError) as error:
            raise InvalidJob(
                f"{what} is no zip, or a damaged one ({short(str(error))}); pack the SavedModel again"
            ) from error
        yield Path(folder)


def reference_engine(model: Model, signature: Signature, max_batch: int) -> Reference:
    """The engine that computes a model by what its file says."""
    engine: Reference
    if isinstance(model, Staged):
        engine = StagedEngine.of(
            model.front if isinstance(model.front, keras.Model) else model.front.data,
            model.network.data,
            signature,
            max_batch,
        )
    elif not isinstance(model, Content):
        engine = TensorFlowEngine(model, signature, max_batch)
    elif model.format == "litert":
        engine = LiteRTFile(model.data, 1, signature)
    else:
        engine = OnnxFile(model.data, os.cpu_count() or 1, signature)
    return _in_batches(engine, signature)


def other_engines(model: Model, reference: Reference, signature: Signature, say: Say, work_s: float) -> list[Engine]:
    """Engines that may be quicker; each must agree with the reference, and is measured against it.

    Args:
        say: takes why there are not as many as could be.
        work_s: how long the reference would take for all rows; little is not worth a conversion.
    """
    if isinstance(model, Staged):
        return []
    if isinstance(reference, TensorFlowEngine) and not isinstance(model, Content):
        return converted(reference, parameters_of(model), say, work_s)
    threads = os.cpu_count() or 1
    if isinstance(model, Content) and model.format == "litert" and threads > 1:
        return [_in_batches(LiteRTFile(model.data, threads, signature), signature)]
    if not isinstance(model, Content):
        say(logging.INFO, f"is computed by TensorFlow alone, for {_FIXED}")
    return []


def tensorflow_why(model: Model, reference: Reference, *, takes_made_up: bool) -> str:
    """Why TensorFlow alone computes a model, as `other_engines` finds it; "" where it does not.

    Args:
        takes_made_up: whether it does not fail on made-up rows, without which engines are not compared.
    """
    if isinstance(model, Content | Staged):
        return ""
    if not takes_made_up:
        return FAILS
    return why_alone(reference, parameters_of(model)) if isinstance(reference, TensorFlowEngine) else _FIXED


def parameters_of(model: Model) -> int:
    """How many numbers a model has learned."""
    if isinstance(model, keras.Model):
        return int(model.count_params())
    if isinstance(model, Exported):
        return sum(math.prod(variable.shape) for variable in model.weights)
    if isinstance(model, Staged):
        return parameters_of(model.network)
    if model.format == "onnx":
        graph: Any = onnx.ModelProto.FromString(model.data).graph
        return sum(math.prod(tensor.dims) for tensor in graph.initializer)
    return sum(_litert_weights(model.data))


def _litert_weights(content: bytes) -> Iterator[int]:
    """The number of values of each constant tensor in a LiteRT file."""
    parsed: Any = schema.Model.GetRootAs(content, 0)
    for number in range(parsed.SubgraphsLength()):
        graph = parsed.Subgraphs(number)
        for at in range(graph.TensorsLength()):
            tensor = graph.Tensors(at)
            if parsed.Buffers(tensor.Buffer()).DataLength():
                yield math.prod(tensor.Shape(axis) for axis in range(tensor.ShapeLength()))


def _in_batches(engine: Reference, signature: Signature) -> Reference:
    return engine if signature.batch is None else FixedBatches(engine, signature.batch)
