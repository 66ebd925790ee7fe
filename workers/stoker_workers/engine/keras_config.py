"""Loading a Keras model from a config that a stranger may have written."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

import keras

from stoker.errors import InvalidJob

# Keras' safe mode has been bypassed time and again, so only what a plain network is made of comes through at all.
_MODULES = frozenset(
    {
        "keras",
        "keras.activations",
        "keras.constraints",
        "keras.initializers",
        "keras.layers",
        "keras.models",
        "keras.regularizers",
        "keras.src.models.functional",
        "keras.src.models.sequential",
        "keras.src.ops.core",
        "keras.src.ops.nn",
        "keras.src.ops.numpy",
    }
)
_ARBITRARY_CODE = frozenset({"Lambda", "TFSMLayer", "TorchModuleWrapper", "JaxLayer", "FlaxLayer"})
_VALUES = frozenset({"__keras_tensor__", "__tensor__", "__numpy__", "__ellipsis__", "__slice__"})


def load_config(config: Mapping[str, Any]) -> keras.Model:
    """The model that a `model.to_json()` document describes, with fresh weights, uncompiled.

    Raises:
        InvalidJob: the config is not one, or names anything but Keras' own layers.
    """
    config = {key: value for key, value in config.items() if key != "compile_config"}
    for part in _objects(config):
        _screen(part)
    try:
        model = keras.models.model_from_json(json.dumps(config))
    except (TypeError, ValueError, KeyError, AttributeError, IndexError) as error:
        raise InvalidJob(f"Keras cannot build the architecture's config: {_cause(error)}") from error
    if not isinstance(model, keras.Model):
        raise InvalidJob(f"the architecture's config describes a {type(model).__name__}; expected a model's to_json()")
    return model


def _objects(value: object) -> Iterator[Mapping[str, Any]]:
    """Every dict in the config that Keras would make an object of."""
    if isinstance(value, Mapping):
        if "class_name" in value or "vocabulary" in value:
            yield value
        for item in value.values():
            yield from _objects(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _objects(item)


def _screen(part: Mapping[str, Any]) -> None:
    if isinstance(part.get("vocabulary"), str):
        raise InvalidJob("the architecture's config reads a vocabulary from a file; write the words into it as a list")
    name = part.get("class_name")
    if name is None or name in _VALUES:
        return
    module = part.get("module")
    if name in _ARBITRARY_CODE:
        raise InvalidJob(f"the architecture's config holds a {name} layer, which can run any code; it is not loaded")
    if module not in _MODULES or (name == "function" and module != "keras.activations"):
        raise InvalidJob(
            f"the architecture's config names {module}.{name}, which is not one of Keras' own layers; "
            "for custom code use stoker.Builder"
        )


def _cause(error: Exception) -> str:
    """The line that matters: Keras wraps it in pages about deserialisation."""
    cause = str(error).rpartition("Exception encountered: ")[2].strip()
    return cause.splitlines()[0] if cause else type(error).__name__
