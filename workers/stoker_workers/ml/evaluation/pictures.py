"""The pictures that a classifier gets wrong and is the surest of."""

import io
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from PIL import Image

from stoker.models.predictions import probabilities
from stoker.models.signature import Signature, TensorSpec
from stoker.models.tensors import Array

from ..data.source import Floats

_MOST = 12
_SIDE = 96  # pixels of a thumbnail, at most


@dataclass(frozen=True)
class Mistaken:
    """A picture that was taken for another class.

    Attributes:
        row: its number among the rows that were measured, from 0.
        truth, predicted: the labels.
        probability: that of the predicted class.
        png: a small copy, in base64.
    """

    row: int
    truth: str
    predicted: str
    probability: float
    png: str


class Mistakes:
    """Keeps the worst mistakes, batch by batch.

    Args:
        signature: of a model that `takes_pictures`.
        logits: whether the model gives raw scores.
    """

    def __init__(self, signature: Signature, *, logits: bool) -> None:
        [self._input] = signature.inputs
        self._labels = signature.classes
        self._logits = logits
        self._rows = 0
        self._worst: list[tuple[float, Mistaken]] = []

    def add(self, inputs: Mapping[str, Array], truth: Array, outputs: Array) -> None:
        """Take in a batch."""
        distribution = probabilities(outputs, logits=self._logits)
        predicted, sure = distribution.argmax(axis=1), distribution.max(axis=1)
        wrong = np.flatnonzero(predicted != truth)
        for at in wrong[np.argsort(-sure[wrong], kind="stable")][:_MOST].tolist():
            if len(self._worst) == _MOST and self._worst[-1][0] >= sure[at]:
                break
            picture = _thumbnail(inputs[self._input.name][at], self._input)
            labels = self._labels[int(truth[at])], self._labels[int(predicted[at])]
            self._worst.append((float(sure[at]), Mistaken(self._rows + at, *labels, float(sure[at]), picture)))
            self._worst = sorted(self._worst, key=lambda each: -each[0])[:_MOST]
        self._rows += len(truth)

    def worst(self) -> tuple[Mistaken, ...]:
        """At most twelve, the surest first."""
        return tuple(mistaken for _, mistaken in self._worst)


def takes_pictures(signature: Signature) -> bool:
    """Whether a model tells the classes of pictures."""
    inputs = signature.inputs
    shown = len(inputs) == 1 and len(inputs[0].shape) == 3 and inputs[0].shape[-1] in (1, 3)
    return shown and inputs[0].dtype != "string" and signature.task in ("binary", "multiclass")


def _thumbnail(pixels: Array, spec: TensorSpec) -> str:
    step = -(-max(pixels.shape[:2]) // _SIDE)
    return png(shades(pixels[::step, ::step], spec))


def shades(pixels: Array, spec: TensorSpec) -> Floats:
    """Pixels of an input as shades from 0 to 1."""
    low, high = (spec.low, spec.high) if spec.low is not None and spec.high is not None else (0.0, 255.0)
    scaled: Floats = ((pixels.astype(np.float64) - low) / max(high - low, 1e-12)).clip(0, 1)
    return np.nan_to_num(scaled)


def png(picture: Floats) -> str:
    """A picture of shades, (height, width, channels), as a PNG in base64."""
    content = (picture * 255).round().astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(content[:, :, 0] if content.shape[2] == 1 else content).save(file, "PNG")
    return b64encode(file.getvalue()).decode()
