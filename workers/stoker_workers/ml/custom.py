"""The author's own Keras classes and functions, in modules that the worker's settings allow."""

import importlib
import inspect
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import metadata
from types import ModuleType
from typing import Any

import keras

from stoker.errors import InvalidJob
from stoker.kinds.needs import module_word
from stoker.kinds.training.keras_custom import CustomObject, custom_functions, custom_modules, custom_objects
from stoker.kinds.training.keras_objects import ALLOWED

from .run import Lacking

_KERAS_NAMES = frozenset(name for _, name in ALLOWED)
_BASES = (
    keras.layers.Layer,
    keras.losses.Loss,
    keras.metrics.Metric,
    keras.initializers.Initializer,
    keras.regularizers.Regularizer,
    keras.constraints.Constraint,
)


@contextmanager
def custom_classes(config: object, allowed: Sequence[str], what: str) -> Iterator[None]:
    """Let Keras find the author's part of a screened config, and nothing else, for the length of a with block.

    Args:
        allowed: the modules that the settings allow.
        what: the model in messages.

    Raises:
        Lacking: it names a module that they do not; nothing is imported then.
        InvalidJob: a module cannot be imported, or has no such Keras class or registered function.
    """
    named = custom_objects(config)
    modules = sorted({each.module for each in named})
    if lacks := [module for module in modules if module not in allowed]:
        raise _lacking(f"{what} has classes of {', '.join(lacks)}", lacks)
    found: dict[str, object] = {each.registered: _resolved(each, what) for each in sorted(named)}
    functions = {name: _function(name, allowed, what) for name in sorted(custom_functions(config))}
    with keras.saving.custom_object_scope(found | functions):
        yield


def model_modules(model: keras.Model) -> dict[str, str]:
    """The author's modules that a model's parts are of, each with the distribution that it is of, and its version."""
    config = keras.saving.serialize_keras_object(model)["config"]
    functions = map(keras.saving.get_registered_object, custom_functions(config))
    modules = {*custom_modules(config), *(function.__module__ for function in functions)}
    return {module: distribution(module) for module in sorted(modules)}


def distribution(module: str) -> str:
    """The distribution that a module is of, with its version, such as "shop 1.4"; empty if it is of none."""
    names = metadata.packages_distributions().get(module.partition(".")[0], [])
    return ", ".join(f"{name} {metadata.version(name)}" for name in sorted(set(names)))


def own_class(path: str, allowed: Sequence[str], base: type, what: str) -> Any:
    """An object of the author's class behind "package.module:Class", made without arguments.

    Args:
        allowed: the modules that the settings allow.
        base: the Keras class that it must be derived from.
        what: what it is to be, for messages.

    Raises:
        Lacking: the settings do not allow its module; nothing is imported then.
        InvalidJob: it cannot be imported or made, or is no registered class of its module.
    """
    module, _, name = path.partition(":")
    if module not in allowed:
        raise _lacking(f"the {what} {path!r} is a class", [module])
    found: Any = getattr(_imported(module, f"the {what} {path!r}"), name, None)
    if not _is_written_in(found, module, name) or not issubclass(found, base) or not _is_registered(found):
        raise InvalidJob(
            f"the {what} {path!r} is no class derived from Keras' {base.__name__} that is written in {module} and "
            "registered by @keras.saving.register_keras_serializable(package=…)"
        )
    try:
        return found()
    except TypeError as error:
        raise InvalidJob(
            f"the {what} {path!r} cannot be made without arguments: {error}; give them defaults, or name a class "
            "derived from it that sets them"
        ) from error


def _lacking(what: str, modules: Sequence[str]) -> Lacking:
    return Lacking(
        f"{what}, which this worker does not allow; to allow it, add {', '.join(modules)} to `custom_objects` in the "
        "worker's stoker.toml or STOKER_CUSTOM_OBJECTS",
        tuple(map(module_word, modules)),
    )


def _imported(module: str, what: str) -> ModuleType:
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise InvalidJob(f"{what} needs {module}, which cannot be imported on the worker: {error}") from error


def _is_written_in(found: object, module: str, name: str) -> bool:
    return inspect.isclass(found) and (found.__module__, found.__name__) == (module, name)


def _is_registered(found: object) -> bool:
    return ">" in keras.saving.get_registered_name(found)


def _function(name: str, allowed: Sequence[str], what: str) -> object:
    """The function that is registered under a name.

    Raises:
        Lacking: it is of another module than those that are allowed.
        InvalidJob: none of them registers it.
    """
    for module in allowed:
        _imported(module, what)
    found = keras.saving.get_registered_object(name)
    if not inspect.isfunction(found):
        raise InvalidJob(
            f"{what} has the function {name}, which no module registers that this worker allows "
            f"({', '.join(allowed) or 'none'}): name its module in `modules`, and a worker that allows it gets the job"
        )
    if found.__module__ not in allowed:
        raise _lacking(f"{what} has the function {name} of {found.__module__}", [found.__module__])
    return found


def _resolved(named: CustomObject, what: str) -> object:
    """The class that a config names."""
    module, registered = _imported(named.module, what), keras.saving.get_registered_object(named.registered)
    found: Any = getattr(module, named.name, None) if named.registered == named.name else registered
    if not _is_written_in(found, named.module, named.name):
        raise InvalidJob(
            f"{what} names {named.module}.{named.name} ({named.registered}), and no class of {named.module} is called "
            "so: register it by @keras.saving.register_keras_serializable(package=…), under a name that no other "
            "module registers"
        )
    if not issubclass(found, _BASES):
        raise InvalidJob(
            f"{what} names {named.module}.{named.name}, which is no layer, loss, metric, initializer, regularizer or "
            "constraint of Keras"
        )
    if named.registered in _KERAS_NAMES:
        raise InvalidJob(
            f"{what} names {named.module}.{named.name}, and Keras has one of that name: register it by "
            "@keras.saving.register_keras_serializable(package=…)"
        )
    return found
