"""The tally that fits a model."""

from collections.abc import Callable

import keras

from stoker.models.signature import Signature

from ..networks.activation import gives_probabilities
from ..prediction.predictor import Predictor
from .labels import LabelTally
from .pictures import Mistakes, takes_pictures
from .pixels import PixelTally
from .reconstruction import ReconstructionTally
from .several import SeveralTally
from .tally import ClassifierTally, RegressionTally, Tally


def tally_of(signature: Signature, predictor: Predictor) -> Tally:
    """The tally of a model with one output."""
    return tally_of_output(signature, predictor, 0)


def tally_of_several(
    signature: Signature, predictor: Predictor, naming: Callable[[str, str], str] = "{}_{}".format
) -> SeveralTally:
    """The tally of a model with several outputs.

    Args:
        naming: what an output's metric is called, from both names; as a training calls it, if not told otherwise.
    """
    places = sorted(signature.parts)  # as Keras orders the outputs of a dict
    tallies = {name: tally_of_output(part, predictor, places.index(name)) for name, part in signature.parts.items()}
    return SeveralTally(tallies, naming)


def mistakes_of(signature: Signature, predictor: Predictor) -> Mistakes | None:
    """What keeps the worst mistakes of a classifier of pictures; None for other models."""
    return Mistakes(signature, logits=gives_scores(signature, predictor, 0)) if takes_pictures(signature) else None


def tally_of_output(signature: Signature, predictor: Predictor, place: int) -> Tally:
    """The tally of one of several outputs.

    Args:
        signature: the output's.
        place: that of the output among the model's, as Keras orders them.
    """
    if signature.task == "regression":
        return RegressionTally(signature.columns)
    if signature.task == "reconstruction":
        return ReconstructionTally(signature.columns, signature.spreads)
    logits = gives_scores(signature, predictor, place)
    if signature.task == "pixels":
        return PixelTally(signature.classes, logits=logits)
    if signature.task == "multilabel":
        return LabelTally(signature.classes, logits=logits)
    return ClassifierTally(signature.classes, logits=logits)


def gives_scores(signature: Signature, predictor: Predictor, place: int) -> bool:
    """Whether an output is raw scores (logits), which the import of a model has found out."""
    if predictor.version.source or not isinstance(predictor.model, keras.Model):
        return signature.logits
    return not gives_probabilities(predictor.model, place)
