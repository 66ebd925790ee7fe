"""What a job that learns to give its input back cannot be asked for."""

from typing import TYPE_CHECKING

from ...errors import InvalidJob
from .architecture import CNN, MLP, ResNet, Sequence
from .given_network import Builder, KerasConfig

if TYPE_CHECKING:
    from ..train import Train

RECONSTRUCTION_LOSSES = ("mse", "mae", "huber", "log_cosh")
RECONSTRUCTION_METRICS = ("mae", "rmse")
_NARROWING = (MLP, CNN, ResNet, Sequence, KerasConfig, Builder)
_WITH_TARGETS = ("target", "outputs", "class_weights", "from_logits", "forecast")


def refuse_wrong_reconstruction(spec: "Train") -> None:
    """Refuse what contradicts task="reconstruction".

    Raises:
        InvalidJob: something does.
    """
    for name in _WITH_TARGETS:
        if getattr(spec, name):
            raise InvalidJob(
                f"{name} is of a target, and task='reconstruction' has none but the features: leave it out"
            )
    if spec.stratify is True:
        raise InvalidJob(
            "stratify=True keeps the shares of a target's classes, and task='reconstruction' has no target"
        )
    if spec.augment:
        raise InvalidJob(
            "augment changes pictures, and not what they are compared with: leave it out of reconstruction"
        )
    if spec.loss not in (None, *RECONSTRUCTION_LOSSES):
        raise InvalidJob(f"loss={spec.loss!r} is not for task='reconstruction'; use {', '.join(RECONSTRUCTION_LOSSES)}")
    for metric in spec.metrics or ():
        if metric not in RECONSTRUCTION_METRICS:
            raise InvalidJob(
                f"metrics names {metric!r}, which is not for task='reconstruction'; use "
                f"{' or '.join(RECONSTRUCTION_METRICS)}"
            )
    if spec.architecture is not None and not isinstance(spec.architecture, _NARROWING):
        raise InvalidJob(
            f"a {type(spec.architecture).__name__} hands its input on beside all layers, and would learn to copy it; "
            f"use {', '.join(each.__name__ for each in _NARROWING)}"
        )
