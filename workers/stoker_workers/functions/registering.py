"""Registering a model that a function has made."""

from collections.abc import Mapping, Sequence
from typing import SupportsFloat

import keras
from pydantic import ValidationError

from stoker.errors import InvalidArgument
from stoker.models.effects import Register
from stoker.models.manifest import ModelManifest
from stoker.models.signature import Signature, Task

from ..ml.custom import model_modules
from ..ml.run import Run
from ..ml.training.saving import save_model
from .signing import read_signature


def registered(
    model: keras.Model,
    name: str,
    metrics: Mapping[str, SupportsFloat],
    run: Run,
    *,
    signature: Signature | None,
    task: Task | None,
    classes: Sequence[str],
    target: str | None,
    data: str,
    alias: str | None,
) -> Register:
    """What registers a model when its job succeeds; the model is saved, and what was saved is loaded once.

    Raises:
        InvalidArgument, InvalidJob: see `Run.register`.
    """
    if not isinstance(model, keras.Model):
        raise InvalidArgument(
            f"register takes a Keras model and got a {type(model).__name__}: keep models of other frameworks by "
            "run.artifact"
        )
    notes: Sequence[str] = ()
    if signature is None:
        signature, notes = read_signature(model, task=task, classes=tuple(classes), target=target)
        run.say(*(f"{name}: {note}" for note in notes))
    elif task or classes or target:
        raise InvalidArgument("task, classes and target are said by the signature: give one of both")
    try:
        manifest = ModelManifest(
            name=name,
            signature=signature,
            metrics={metric: float(value) for metric, value in metrics.items()},
            files={},
            parameters=model.count_params(),
            job=run.job,
            data=data,
            task_why="; ".join(notes),
        )
        effect = Register(manifest=manifest, named_in="models", alias=alias)
    except ValidationError as error:
        problem = error.errors()[0]
        raise InvalidArgument(f"{'.'.join(map(str, problem['loc']))} of {name!r}: {problem['msg']}") from None
    # Last, for it takes the longest.
    saved = save_model(model, signature, ["keras"], run)
    found = {"files": saved.files, "tensorflow_why": saved.tensorflow_why, "modules": model_modules(model)}
    return effect.model_copy(update={"manifest": manifest.model_copy(update=found)})
