"""Refuses Keras configs that name anything but plain parts of a network, before Keras sees them."""

import math
from collections.abc import Mapping
from typing import Any

from ..errors import InvalidJob
from .keras_objects import ALLOWED, NUMPY_TYPES, VALUES

_DEEPEST = 100
_MOST_VALUES = 1_000_000
_SHOWN = 60
# What a layer learns by adapt(), which is no part of a config: the fields that say it there.
_ADAPTED = {
    "Normalization": ("mean", "variance"),
    "StringLookup": ("vocabulary",),
    "IntegerLookup": ("vocabulary",),
    "TextVectorization": ("vocabulary",),
    "Discretization": ("bin_boundaries",),
}
_RUNS_CODE = frozenset({"Lambda", "TFSMLayer", "TorchModuleWrapper", "JaxLayer", "FlaxLayer", "__lambda__"})
_MODELS = ("Functional", "Model", "Sequential")
_ALLOWED_INSTEAD = (
    "a config may name Keras' own layers, initializers, regularizers and constraints, and operations that take no "
    "functions; for custom code use stoker.Builder"
)


def screened(config: Mapping[str, Any]) -> dict[str, Any]:
    """A copy of a `model.to_json()` document, without what its models were compiled with.

    Raises:
        InvalidJob: it names an object that is not in `keras_objects.ALLOWED`, reads a file, is nested too deeply or
            in itself, or is no JSON.
    """
    version = config.get("keras_version")
    if isinstance(version, str) and version.startswith(("1.", "2.")):
        raise _outdated(_shown(version))
    if "class_name" not in config and "layers" in config:
        raise InvalidJob(
            "the architecture's config is what get_config() gives, without the model's class; give model.to_json()"
        )
    copied: dict[str, Any] = _Screen().mapping(config, 1)
    return copied


def _outdated(version: str) -> InvalidJob:
    return InvalidJob(
        f"the architecture's config was written by Keras {version}, whose configs Keras 3 reads otherwise; load the "
        "model's file with keras.models.load_model of Keras 3 and give its to_json(), or build the model there anew"
    )


class _Screen:
    """Copies a config value by value, so that what was looked at is what Keras gets."""

    def __init__(self) -> None:
        self._values = 0

    def mapping(self, value: Mapping[str, Any], depth: int) -> dict[str, Any]:
        if "class_name" in value:
            _check_object(value)
        if isinstance(value.get("vocabulary"), str):
            raise InvalidJob(
                "the architecture's config reads a vocabulary from a file; write the words into it as a list"
            )
        copied = {_key(key): self._value(item, depth) for key, item in value.items() if key != "compile_config"}
        if "class_name" in value and isinstance(value.get("config"), dict):
            _check_adapted(value["class_name"], value["config"])
            if value["class_name"] == "InputLayer":
                _check_batch(value["config"].get("batch_shape"))
        return copied

    def _value(self, value: object, depth: int) -> object:
        self._values += 1
        if depth > _DEEPEST:
            raise InvalidJob(
                f"the architecture's config is nested more than {_DEEPEST} deep, or holds itself; "
                "give what json.loads(model.to_json()) gives"
            )
        if self._values > _MOST_VALUES:
            raise InvalidJob(
                f"the architecture's config holds more than {_MOST_VALUES:,} values; leave weights and tables out of it"
            )
        match value:
            case dict():
                return self.mapping(value, depth + 1)
            case list() | tuple():
                return [self._value(item, depth + 1) for item in value]
            case float() if not math.isfinite(value):
                raise InvalidJob("the architecture's config holds NaN or infinity, which JSON has not; give a number")
            case None | bool() | int() | float() | str():
                return value
        raise InvalidJob(
            f"the architecture's config holds a {type(value).__name__}, which is no JSON; "
            "give what json.loads(model.to_json()) gives"
        )


def _key(key: object) -> str:
    if not isinstance(key, str):
        raise InvalidJob(f"the architecture's config has the key {_shown(key)}; in JSON all keys are text")
    return key


def _check_object(part: Mapping[str, Any]) -> None:
    """Refuse what Keras would make of this part, unless it is on the list."""
    name, module = part["class_name"], part.get("module")
    if isinstance(name, str) and name in _RUNS_CODE:
        raise InvalidJob(f"the architecture's config holds a {name} layer, which can run any code: {_ALLOWED_INSTEAD}")
    if isinstance(name, str) and name in VALUES and module in (None, "builtins"):
        _check_value(name, part)
        return
    if "module" not in part and isinstance(name, str) and (name in _MODELS or ("keras.layers", name) in ALLOWED):
        raise _outdated("2 (its parts name no module)")
    if not (isinstance(name, str) and isinstance(module, str) and (module, name) in ALLOWED):
        raise InvalidJob(
            f"the architecture's config names {_shown(module)}.{_shown(name)}, which is not one of Keras' own layers: "
            f"{_ALLOWED_INSTEAD}"
        )
    if part.get("registered_name") not in (None, "", name):
        raise InvalidJob(
            f"the architecture's config registers {module}.{name} under the name {_shown(part['registered_name'])}; "
            "Keras' own objects have none of their own: leave it out"
        )
    if not isinstance(part.get("config"), dict):
        raise InvalidJob(
            f'the architecture\'s config has no settings for {module}.{name}: expected a dict under "config", as '
            "json.loads(model.to_json()) has it"
        )


def _check_adapted(name: str, config: Mapping[str, Any]) -> None:
    """Refuse a layer whose adapted state is not in its config: it would do nothing, without a word."""
    lacking = [field for field in _ADAPTED.get(name, ()) if config.get(field) is None]
    if lacking:
        raise InvalidJob(
            f"the architecture's config has a {name} without its {' and '.join(lacking)}, which adapt() keeps "
            f"elsewhere; give the values: {name}({', '.join(f'{field}=…' for field in lacking)})"
        )


def _check_batch(shape: object) -> None:
    if isinstance(shape, list | tuple) and shape and shape[0] is not None:
        raise InvalidJob(
            f"the architecture's config takes batches of exactly {_shown(shape[0])} rows; give its input a shape "
            "without a batch size: keras.Input(shape)"
        )


def _check_value(name: str, part: Mapping[str, Any]) -> None:
    config = part.get("config")
    dtype = config.get("dtype") if isinstance(config, dict) else None
    if name == "__numpy__" and not (isinstance(dtype, str) and dtype in NUMPY_TYPES):
        raise InvalidJob(
            f"the architecture's config holds an array of dtype {_shown(dtype)}; expected one of "
            f"{', '.join(sorted(NUMPY_TYPES))}"
        )


def _shown(value: object) -> str:
    text = value if isinstance(value, str) and value.isprintable() else repr(value)
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"
