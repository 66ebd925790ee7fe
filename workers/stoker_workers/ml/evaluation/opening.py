"""The tally that fits a model."""

import keras

from stoker.models.manifest import Signature

from ..networks.activation import gives_probabilities
from .labels import LabelTally
from .pictures import Mistakes, takes_pictures
from .pixels import PixelTally
from .reconstruction import ReconstructionTally
from .several import SeveralTally
from .tally import ClassifierTally, RegressionTally, Tally


def tally_of(signature: Signature, model: keras.Model) -> Tally:
    """The tally of a model with one output."""
    return _tally(signature, model, 0)


def tally_of_several(signature: Signature, model: keras.Model) -> SeveralTally:
    """The tally of a model with several outputs."""
    places = sorted(signature.parts)  # as Keras orders the outputs of a dict
    return SeveralTally({name: _tally(part, model, places.index(name)) for name, part in signature.parts.items()})


def mistakes_of(signature: Signature, model: keras.Model) -> Mistakes | None:
    """What keeps the worst mistakes of a classifier of pictures; None for other models."""
    return Mistakes(signature, logits=not gives_probabilities(model)) if takes_pictures(signature) else None


def _tally(signature: Signature, model: keras.Model, place: int) -> Tally:
    if signature.task == "regression":
        return RegressionTally(signature.columns)
    if signature.task == "reconstruction":
        return ReconstructionTally(signature.columns, signature.spreads)
    logits = not gives_probabilities(model, place)
    if signature.task == "pixels":
        return PixelTally(signature.classes, logits=logits)
    if signature.task == "multilabel":
        return LabelTally(signature.classes, logits=logits)
    return ClassifierTally(signature.classes, logits=logits)
