"""A model as files of LiteRT: in one if that can be, else what prepares its rows beside its network."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeAlias

import keras
from ai_edge_litert.interpreter import Interpreter

from stoker.errors import InvalidJob
from stoker.models.model_files import FILE_NAMES, PREPROCESSING
from stoker.models.signature import Signature, TensorSpec
from stoker.models.tensors import Array

from ..networks.activation import gives_probabilities
from .apart import ConversionFailed
from .forms import Given, Made
from .litert import converted, graph_of
from .stages import Stages, staged, unstaged

Convert: TypeAlias = Callable[[Stages, Sequence[Array]], bytes]
"""Converts the network of some stages, by rows that the stages' front takes; to a file of LiteRT.

Raises:
    ConversionFailed: the converter refuses it.
"""
_SCORED = ("binary", "multiclass", "multilabel", "pixels")


def whole_or_network(given: Given, convert: Convert, words: str, figures: dict[str, float]) -> Made:
    """The whole model as one file, or where it cannot be, its network.

    Texts and what is looked up in tables have no operators in LiteRT.

    Args:
        words: what was done to the model.

    Raises:
        ConversionFailed: the network cannot be converted either.
    """
    if not any(spec.dtype == "string" for spec in given.version.signature.inputs):
        try:
            content = convert(unstaged(given.model, given.version), ())
        except ConversionFailed as error:
            given.run.say(f"the network is converted alone, for the whole model cannot be: {error}")
        else:
            return _made(given, content, unstaged(given.model, given.version), words, figures)
    return network_alone(given, convert, (), words, figures)


def network_alone(given: Given, convert: Convert, rows: Sequence[Array], words: str, figures: dict[str, float]) -> Made:
    """The network behind what prepares its rows, and that beside it.

    Raises:
        ConversionFailed: the network cannot be converted.
    """
    stages = staged(given.model, given.version)
    return _made(given, convert(stages, rows), stages, words, figures)


def _made(given: Given, content: bytes, stages: Stages, words: str, figures: dict[str, float]) -> Made:
    """The form of a network's file, with what prepares its rows beside it."""
    path = given.folder / FILE_NAMES["litert"]
    path.write_bytes(content)
    files = {"litert": path}
    if stages.front:
        files[PREPROCESSING] = _front(stages, stages.front, given.folder)
        words = f"{words}; what prepares its rows is as before, in a file of its own"
    own = sum(file.stat().st_size for file in files.values())
    plain = own - len(content) + len(converted(graph_of(stages.network, stages.signature)))
    return Made(
        files=files,
        signature=_signature(given, content, is_whole=stages.front is None),
        parameters=given.version.parameters,
        words=f"{words}; {own:,} bytes, which in LiteRT's float32 are {plain:,}",
        figures={**figures, "float_bytes": plain},
    )


def _front(stages: Stages, front: keras.Model, folder: Path) -> Path:
    """The file of what prepares rows: of LiteRT, if that knows its operators."""
    if not any(spec.dtype == "string" for spec in stages.front_signature.inputs):
        path = folder / f"{PREPROCESSING}.tflite"
        try:
            path.write_bytes(converted(graph_of(front, stages.front_signature)))
        except ConversionFailed:
            path.unlink(missing_ok=True)
        else:
            return path
    path = folder / f"{PREPROCESSING}.keras"
    front.save(path)
    return path


def _signature(given: Given, content: bytes, *, is_whole: bool) -> Signature:
    """The version's, with the names that the file has for its inputs and outputs."""
    interpreter = Interpreter(model_content=content, num_threads=1)
    signature = given.version.signature
    outputs = _named(signature.outputs, interpreter.get_output_details())
    update: dict[str, object] = {"outputs": outputs}
    if is_whole:
        update["inputs"] = _named(signature.inputs, interpreter.get_input_details())
    if signature.parts:
        places = sorted(signature.parts)  # as Keras orders the outputs of a dict
        update["parts"] = {
            name: part.model_copy(update={"logits": _logits(given, part, places.index(name))})
            for name, part in signature.parts.items()
        }
    else:
        update["logits"] = _logits(given, signature, 0)
    return signature.model_copy(update=update)


def _named(specs: tuple[TensorSpec, ...], details: list[dict[str, str]]) -> tuple[TensorSpec, ...]:
    if len(specs) != len(details):
        raise InvalidJob(f"the converted file has {len(details)} tensors where the model has {len(specs)}")
    return tuple(
        spec.model_copy(update={"tensor": detail["name"]}) for spec, detail in zip(specs, details, strict=True)
    )


def _logits(given: Given, part: Signature, place: int) -> bool:
    """Whether an output is raw scores: a file of LiteRT does not tell it."""
    if part.task not in _SCORED or given.version.source:
        return part.logits
    return not gives_probabilities(given.model, place)
