"""Refuses Keras configs that name anything but plain parts of a network, before Keras sees them.

This is the one place that says which classes a config may name, of a job's architecture and of a saved model alike.
"""

import math
from collections.abc import Mapping
from typing import Any

from ...errors import InvalidJob
from .keras_custom import is_custom, is_custom_function
from .keras_objects import ALLOWED, APPLICATIONS, COMPILED, NUMPY_TYPES, QUANTISED, VALUES

_DEEPEST = 100
_MOST_VALUES = 1_000_000
_LONGEST_TEXT = 10_000
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

_SAVED_INSTEAD = (
    "build the model from Keras' own layers, initializers, regularizers and constraints, and from operations that take "
    "no functions, without Lambda or custom classes"
)


def screened(config: Mapping[str, Any]) -> dict[str, Any]:
    """A copy of a `model.to_json()` document, without what its models were compiled with.

    Raises:
        InvalidJob: it names an object that is not in `keras_objects.ALLOWED`, reads a file, is nested too deeply or
            in itself, or is no JSON.
    """
    subject = "the architecture's config"
    version = config.get("keras_version")
    if isinstance(version, str) and version.startswith(("1.", "2.")):
        raise _outdated(subject, _shown(version))
    if "class_name" not in config and "layers" in config:
        raise InvalidJob(f"{subject} is what get_config() gives, without the model's class; give model.to_json()")
    copied: dict[str, Any] = _Screen(subject, is_saved=False).mapping(config, 1)
    return copied


def check_saved_config(config: Mapping[str, Any], subject: str) -> None:
    """Check the config in a saved model's file: what its layers have learned is elsewhere in the file.

    Args:
        subject: what it is called in messages, e.g. "the config in model.keras".

    Raises:
        InvalidJob: as `screened` does.
    """
    if config.get("class_name") not in _MODELS:
        raise InvalidJob(
            f"{subject} describes a {_shown(config.get('class_name'))}, which is no model of Keras' own layers: "
            f"expected one of {', '.join(_MODELS)}; {_SAVED_INSTEAD}"
        )
    # A model is loaded without what it was compiled with; one within it is not.
    plain = {name: value for name, value in config.items() if name != "compile_config"}
    _Screen(subject, is_saved=True).mapping(plain, 1)


def _outdated(subject: str, version: str) -> InvalidJob:
    return InvalidJob(
        f"{subject} was written by Keras {version}, whose configs Keras 3 reads otherwise; load the model's file with "
        "keras.models.load_model of Keras 3 and give its to_json(), or build the model there anew"
    )


class _Screen:
    """Copies a config value by value, so that what was looked at is what Keras gets.

    Args:
        subject: what the config is called in messages.
        is_saved: whether it is of a file that has the model's state, too.
    """

    def __init__(self, subject: str, *, is_saved: bool) -> None:
        self._subject = subject
        self._is_saved = is_saved
        self._instead = _SAVED_INSTEAD if is_saved else _ALLOWED_INSTEAD
        self._allowed = ALLOWED | APPLICATIONS | QUANTISED | COMPILED if is_saved else ALLOWED
        self._values = 0

    def mapping(self, value: Mapping[str, Any], depth: int, *, takes_functions: bool = False) -> dict[str, Any]:
        """A copy of an object in the config.

        Args:
            takes_functions: whether it stands where a network has an activation, or a loss or metric.
        """
        if "class_name" in value:
            self._check_object(value, takes_functions=takes_functions)
        if isinstance(value.get("vocabulary"), str):
            raise InvalidJob(f"{self._subject} reads a vocabulary from a file; write the words into it as a list")
        skipped = None if self._is_saved else "compile_config"
        inherits = takes_functions and "class_name" not in value
        copied = {
            self._key(key): self._value(
                item, depth, takes_functions=inherits or key == "compile_config" or str(key).endswith("activation")
            )
            for key, item in value.items()
            if key != skipped
        }
        if not self._is_saved and "class_name" in value and isinstance(value.get("config"), dict):
            self._check_adapted(value["class_name"], value["config"])
            if value["class_name"] == "InputLayer":
                self._check_batch(value["config"].get("batch_shape"))
        return copied

    def _value(self, value: object, depth: int, *, takes_functions: bool) -> object:
        self._values += 1
        if depth > _DEEPEST:
            raise InvalidJob(
                f"{self._subject} is nested more than {_DEEPEST} deep, or holds itself; "
                "give what json.loads(model.to_json()) gives"
            )
        if self._values > _MOST_VALUES:
            raise InvalidJob(
                f"{self._subject} holds more than {_MOST_VALUES:,} values; leave weights and tables out of it"
            )
        match value:
            case dict():
                return self.mapping(value, depth + 1, takes_functions=takes_functions)
            case list() | tuple():
                return [self._value(item, depth + 1, takes_functions=takes_functions) for item in value]
            case str():
                return self._text(value)
            case float() if not math.isfinite(value):
                raise InvalidJob(f"{self._subject} holds NaN or infinity, which JSON has not; give a number")
            case None | bool() | int() | float():
                return value
        raise InvalidJob(
            f"{self._subject} holds a {type(value).__name__}, which is no JSON; "
            "give what json.loads(model.to_json()) gives"
        )

    def _key(self, key: object) -> str:
        if not isinstance(key, str):
            raise InvalidJob(f"{self._subject} has the key {_shown(key)}; in JSON all keys are text")
        return self._text(key)

    def _text(self, text: str) -> str:
        # A job's spec as a whole is bounded.
        if self._is_saved and len(text) > _LONGEST_TEXT:
            raise InvalidJob(
                f"{self._subject} holds a text of {len(text):,} characters, {_shown(text)}, and may have "
                f"{_LONGEST_TEXT:,}; no network has a longer one"
            )
        return text

    def _check_object(self, part: Mapping[str, Any], *, takes_functions: bool) -> None:
        """Refuse what Keras would make of this part, unless it is on the list."""
        name, module = part["class_name"], part.get("module")
        if isinstance(name, str) and name in _RUNS_CODE:
            raise InvalidJob(f"{self._subject} holds a {name} layer, which can run any code: {self._instead}")
        if isinstance(name, str) and name in VALUES and module in (None, "builtins"):
            self._check_array(name, part)
            return
        if "module" not in part and isinstance(name, str) and (name in _MODELS or ("keras.layers", name) in ALLOWED):
            raise _outdated(self._subject, "2 (its parts name no module)")
        if isinstance(module, str) and module.startswith("keras.src.engine."):
            raise _outdated(self._subject, "2")
        if is_custom(part) or (takes_functions and is_custom_function(part)):
            return
        if (module, name) == ("builtins", "function"):
            raise InvalidJob(
                f"{self._subject} names the function {_shown(part.get('config'))}: of functions that are not Keras' "
                "own, only activations may be in a model, and those must be registered by "
                "@keras.saving.register_keras_serializable(package=…)"
            )
        if isinstance(module, str) and module.startswith("keras.quantizers"):
            raise InvalidJob(
                f"{self._subject} was quantised by keras.Model.quantize, and from there no road leads to LiteRT: take "
                "the model as it was before, and make a version by stoker.Optimize(to='int8') of it"
            )
        if not (isinstance(name, str) and isinstance(module, str) and (module, name) in self._allowed):
            raise InvalidJob(
                f"{self._subject} names {_shown(module)}.{_shown(name)}, which is not one of Keras' own layers: "
                f"{self._instead}"
            )
        if part.get("registered_name") not in (None, "", name):
            raise InvalidJob(
                f"{self._subject} registers {module}.{name} under the name {_shown(part['registered_name'])}; "
                "Keras' own objects have none of their own: leave it out"
            )
        if not isinstance(part.get("config"), dict):
            raise InvalidJob(
                f'{self._subject} has no settings for {module}.{name}: expected a dict under "config", as '
                "json.loads(model.to_json()) has it"
            )

    def _check_adapted(self, name: str, config: Mapping[str, Any]) -> None:
        """Refuse a layer whose adapted state is not in its config: it would do nothing, without a word."""
        lacking = [field for field in _ADAPTED.get(name, ()) if config.get(field) is None]
        if lacking:
            raise InvalidJob(
                f"{self._subject} has a {name} without its {' and '.join(lacking)}, which adapt() keeps "
                f"elsewhere; give the values: {name}({', '.join(f'{field}=…' for field in lacking)})"
            )

    def _check_batch(self, shape: object) -> None:
        if isinstance(shape, list | tuple) and shape and shape[0] is not None:
            raise InvalidJob(
                f"{self._subject} takes batches of exactly {_shown(shape[0])} rows; give its input a shape "
                "without a batch size: keras.Input(shape)"
            )

    def _check_array(self, name: str, part: Mapping[str, Any]) -> None:
        config = part.get("config")
        dtype = config.get("dtype") if isinstance(config, dict) else None
        if name == "__numpy__" and not (isinstance(dtype, str) and dtype in NUMPY_TYPES):
            raise InvalidJob(
                f"{self._subject} holds an array of dtype {_shown(dtype)}; expected one of "
                f"{', '.join(sorted(NUMPY_TYPES))}"
            )


def _shown(value: object) -> str:
    text = value if isinstance(value, str) and value.isprintable() else repr(value)
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"
