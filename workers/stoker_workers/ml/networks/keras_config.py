"""Loading a Keras model from an untrusted config."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import keras
import tensorflow as tf

from stoker.errors import InvalidJob
from stoker.kinds.training.keras_screen import screened

from ..custom import custom_classes


def load_config(config: Mapping[str, Any], custom: Sequence[str] = ()) -> keras.Model:
    """The model of a `model.to_json()` document, with new weights, uncompiled.

    Args:
        custom: modules whose Keras classes it may have.

    Raises:
        Lacking: it has classes of other modules.
        InvalidJob: the config is malformed, or names anything but those and Keras' own layers.
    """
    # Keras' safe mode has been bypassed time and again, so it gets screened configs only.
    plain = screened(config)
    try:
        with custom_classes(plain, custom, "the architecture's config"):
            model = keras.models.model_from_json(json.dumps(plain))
    except (
        TypeError,
        ValueError,
        LookupError,
        AttributeError,
        ArithmeticError,
        NotImplementedError,
        RecursionError,
        tf.errors.OpError,
    ) as error:
        raise InvalidJob(f"Keras cannot build the architecture's config: {_cause(error)}") from error
    if not isinstance(model, keras.Model):
        raise InvalidJob(f"the architecture's config describes a {type(model).__name__}; expected a model's to_json()")
    return model


def _cause(error: Exception) -> str:
    """The line with the cause, from Keras' long message about deserialisation."""
    cause = str(error).rpartition("Exception encountered: ")[2].strip()
    return cause.splitlines()[0] if cause else type(error).__name__
