"""The author's own Keras classes, in modules that the worker's settings allow."""

import importlib
import inspect
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import metadata

import keras

from stoker.errors import InvalidJob
from stoker.kinds.keras_custom import CustomObject, custom_modules, custom_objects
from stoker.kinds.keras_objects import ALLOWED
from stoker.kinds.needs import module_word

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
    """Let Keras find the author's classes of a screened config, and no others, for the length of a with block.

    Args:
        allowed: the modules that the settings allow.
        what: the model in messages.

    Raises:
        Lacking: it names a module that they do not; nothing is imported then.
        InvalidJob: a module cannot be imported, or has no such Keras class.
    """
    named = custom_objects(config)
    modules = sorted({each.module for each in named})
    if lacks := [module for module in modules if module not in allowed]:
        raise Lacking(
            f"{what} has classes of {', '.join(lacks)}, which this worker does not allow; to allow them, add them "
            "to `custom_objects` in the worker's stoker.toml or STOKER_CUSTOM_OBJECTS",
            tuple(map(module_word, lacks)),
        )
    with keras.saving.custom_object_scope({each.registered: _resolved(each, what) for each in sorted(named)}):
        yield


def used_modules(config: object) -> dict[str, str]:
    """The author's modules that a screened config names, each with the distribution that it is of, and its version."""
    return {module: distribution(module) for module in custom_modules(config)}


def model_modules(model: keras.Model) -> dict[str, str]:
    """As `used_modules`, of a model."""
    return used_modules(keras.saving.serialize_keras_object(model)["config"])


def distribution(module: str) -> str:
    """The distribution that a module is of, with its version, such as "shop 1.4"; empty if it is of none."""
    names = metadata.packages_distributions().get(module.partition(".")[0], [])
    return ", ".join(f"{name} {metadata.version(name)}" for name in sorted(set(names)))


def _resolved(named: CustomObject, what: str) -> object:
    """The class that a config names."""
    try:
        module = importlib.import_module(named.module)
    except ImportError as error:
        raise InvalidJob(f"{what} needs {named.module}, which cannot be imported on the worker: {error}") from error
    registered = keras.saving.get_registered_object(named.registered)
    found = getattr(module, named.name, None) if named.registered == named.name else registered
    if not inspect.isclass(found) or (found.__module__, found.__name__) != (named.module, named.name):
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
