"""`prune`: whole neurons and filters go, and what is left is trained on.

Of each layer those go whose weights have the least sum of absolute values (Li et al. 2017, "Pruning Filters for
Efficient ConvNets", arXiv:1608.08710), with a batch norm behind them counted in. Every layer loses the same share: so
none becomes a bottleneck, whatever the scale of its weights.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from stoker.errors import InvalidJob
from stoker.models.data import listed

from ..networks.layers import all_layers
from .forms import Given, Made
from .narrowing import narrowed
from .retraining import Retraining, made, retrained
from .units import FIXED, OUTPUT, Network, followed, is_transparent

SHARE = 0.5
_EPOCHS = 15
_INSTEAD = 'to="distil" with a smaller `student` makes one of any model'
_MOST_NAMED = 8


@dataclass(frozen=True)
class Pruned:
    """A model without some of its units.

    Attributes:
        widths: of each layer that has lost some: its name, how many units it had, and how many it has.
        tied: the layers that keep theirs, and why.
    """

    model: keras.Model
    widths: tuple[tuple[str, int, int], ...]
    tied: tuple[str, ...]

    @property
    def removed(self) -> int:
        """How many units are gone."""
        return sum(before - after for _, before, after in self.widths)

    @property
    def words(self) -> str:
        """What was done, in a sentence."""
        layers = listed([f"{name} ({before:,} → {after:,})" for name, before, after in self.widths])
        whole = f"; whole stay {listed(list(self.tied))}" if self.tied else ""
        return f"{self.removed:,} neurons and filters are gone, of {layers}{whole}"


def make(given: Given) -> Made:
    """See `Make`."""
    done: list[Pruned] = []

    def smaller(model: keras.Model) -> keras.Model:
        done[:] = [pruned(model, given.spec.share or SHARE, given.version.ref)]
        given.run.say(done[0].words)
        return done[0].model

    fit = retrained(given, Retraining(epochs=_EPOCHS, change=smaller))
    figures = {"units_removed": float(done[0].removed), "parameters_before": float(given.version.parameters)}
    return made(given, fit, f"{done[0].words}; trained on for {fit.fitted.epochs} epochs", figures)


def pruned(model: keras.Model, share: float, ref: str) -> Pruned:
    """A model without the weakest units of each layer, whose weights are otherwise the same.

    Args:
        share: of each layer's units that go; one stays at least.
        ref: the model's name in messages.

    Raises:
        InvalidJob: there is no layer whose units could go.
    """
    if not is_transparent(model):
        raise InvalidJob(
            f"{ref} is a {type(model).__name__}, within which nothing can be pruned: build it as a functional or "
            f"Sequential model of Keras; {_INSTEAD}"
        )
    network = followed(model)
    free = network.free
    if not free:
        raise InvalidJob(_refusal(model, network, ref))
    strength = _strength(model, network)
    removed = np.zeros(network.size, dtype=bool)
    widths = []
    for layer in free:
        units = network.made[id(layer)]
        stay = max(round(len(units) * (1 - share)), 1)
        removed[units[np.argsort(strength[units], kind="stable")[: len(units) - stay]]] = True
        widths.append((layer.name, len(units), stay))
    if not removed.any():
        most = max(before for _, before, _ in widths)
        raise InvalidJob(
            f"share={share:g} is less than one of the {most} units of the widest layer of {ref}, so that none would "
            f"go: give more than {1 / (2 * most):.2g}"
        )
    lost = tuple(each for each in widths if each[1] > each[2])
    return Pruned(narrowed(model, network, removed), lost, tuple(_tied(network)))


def _strength(model: keras.Model, network: Network) -> NDArray[np.float64]:
    """The sum of absolute weights of each unit."""
    strength = np.zeros(network.size)
    for layer in network.makers:
        kernel = _kernel(layer)
        strength[network.made[id(layer)]] = np.abs(kernel).sum(axis=tuple(range(kernel.ndim - 1)))
    for norm in all_layers(model):
        if isinstance(norm, keras.layers.BatchNormalization) and id(norm) in network.made:
            units = network.made[id(norm)]
            factor = 1 / np.sqrt(norm.moving_variance.numpy() + norm.epsilon)
            factor *= np.abs(norm.gamma.numpy()) if norm.scale else 1
            strength[units[units != FIXED]] *= factor[units != FIXED]
    return strength


def _kernel(layer: Any) -> NDArray[Any]:
    """The weights of each unit, along the last axis."""
    if isinstance(layer, keras.layers.SeparableConv1D | keras.layers.SeparableConv2D):
        return np.asarray(layer.pointwise_kernel)
    kernel = np.asarray(layer.kernel)
    return np.swapaxes(kernel, -1, -2) if "Transpose" in type(layer).__name__ else kernel


def _tied(network: Network) -> list[str]:
    """Layers that keep their units, and why; without those that give the output, as there always are."""
    reasons = [(layer.name, network.tied.get(id(layer))) for layer in network.makers]
    return [f"{name} (it {why})" for name, why in reasons if why and why != OUTPUT]


def _refusal(model: keras.Model, network: Network, ref: str) -> str:
    reasons = [
        f"{layer.name} {network.tied.get(id(layer), 'has a single unit')}" for layer in network.makers
    ] + _others(list(all_layers(model)), network)
    named = "; ".join(reasons[:_MOST_NAMED]) or "it has no layers with weights"
    more = f"; and {len(reasons) - _MOST_NAMED} more" if len(reasons) > _MOST_NAMED else ""
    return f"{ref} has no layer whose neurons or filters could go: {named}{more}. {_INSTEAD}"


def _others(layers: Sequence[keras.layers.Layer], network: Network) -> list[str]:
    """Layers with weights that are not made of neurons or filters each for itself."""
    kinds: dict[str, list[str]] = {}
    for layer in layers:
        if layer.weights and layer not in network.makers and not isinstance(layer, keras.layers.BatchNormalization):
            kinds.setdefault(type(layer).__name__, []).append(layer.name)
    return [f"{listed(names)} {'are' if len(names) > 1 else 'is'} of {kind}" for kind, names in kinds.items()]
