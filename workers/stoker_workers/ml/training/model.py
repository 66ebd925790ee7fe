"""The model of a training: what prepares rows, the network, what it learns; and the whole of them that is saved."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import prod

import keras
import tensorflow as tf

from stoker.errors import InvalidJob
from stoker.kinds import MLP, Builder, KerasConfig, Pretrained, Train
from stoker.kinds.training.keras_custom import refuse_custom_h5
from stoker.models.signature import Signature

from ..custom import model_modules
from ..networks.building import build_network, needs
from ..networks.layers import applied, flat_layers
from ..networks.levelled import levelled
from ..networks.pretrained import take_weights
from ..preprocessing.layers import Preprocessing, build_preprocessing
from ..preprocessing.profile import Profile
from ..reading import TrainingData
from ..run import Run
from .authors import Allowed
from .inputs import network_inputs
from .objective import Objective, choose_objectives
from .optimizer import build_optimizer
from .pictures import staged
from .rows import Encode

# Of a text that stays one, a guess: how many rows fit into memory shall not depend on texts being free.
_TEXT_BYTES = 256


@dataclass(frozen=True)
class Trainable:
    """A model in the making.

    Attributes:
        profile: of the columns that the network reads.
        network: as it is trained.
        assembled: preprocessing, network, and the way back to the target's units, with the same weights.
        row_bytes: the size of one preprocessed row.
        parameters: how many numbers the network learns, if none of its layers is frozen.
        frozen: layers that keep their weights in this training, and no other.
        beside: adds what training rows have besides, such as a teacher's answers; None for nothing.
    """

    signature: Signature
    profile: Profile
    preprocessing: Preprocessing
    network: keras.Model
    assembled: keras.Model
    objectives: tuple[Objective, ...]
    optimizer: keras.optimizers.Optimizer
    row_bytes: int
    parameters: int
    frozen: tuple[keras.layers.Layer, ...] = ()
    beside: Callable[[Encode], Encode] | None = None

    def whole(self) -> keras.Model:
        """The model to save.

        It is compiled, so that plain Keras evaluates it and trains on, unless a loss is the author's own.
        """
        whole, optimizer = self.assembled, self.optimizer
        if self.frozen:
            for layer in self.frozen:
                layer.trainable = True
            # What it remembers is of the other layers alone.
            optimizer = type(optimizer).from_config(optimizer.get_config())
        if not all(each.saved for each in self.objectives):
            return whole
        if len(self.objectives) == 1:
            [only] = self.objectives
            whole.compile(optimizer=optimizer, loss=only.saved, metrics=[only.keras_metric()])
            return whole
        whole.compile(
            optimizer=optimizer,
            loss={each.target.name: each.saved for each in self.objectives},
            loss_weights={each.target.name: each.weight for each in self.objectives},
            metrics={each.target.name: [each.keras_metric()] for each in self.objectives},
        )
        return whole


def learned(network: keras.Model) -> int:
    """How many numbers a network learns."""
    return sum(weight.shape.num_elements() for weight in network.trainable_weights)


def _assembled(preprocessing: Preprocessing, served: keras.Model, objectives: Sequence[Objective]) -> keras.Model:
    """Preprocessing, network, and the way back to the target's units, as one model that shares their weights."""
    preparing = preprocessing.model
    scales = {each.target.name: each.scale.layer_arguments for each in objectives if each.scale}
    if preparing is None and not scales:
        return served
    front = preparing.input if preparing else served.inputs[0]
    output = applied(flat_layers(served), preparing.output if preparing else front)
    if isinstance(output, dict):
        output = {
            name: keras.layers.Rescaling(*scales[name])(tensor) if name in scales else tensor
            for name, tensor in output.items()
        }
    elif scales:  # an only output may have any name
        [scale] = scales.values()
        output = keras.layers.Rescaling(*scale)(output)
    return keras.Model(front, output, name=served.name)


def build_model(spec: Train, run: Run, data: TrainingData, seed: int) -> Trainable:
    """The untrained model of a job; what was decided is said.

    Raises:
        InvalidJob: data, architecture and loss do not fit together.
        Unavailable: the file of its weights cannot be reached.
    """
    profiled = data.profile
    preprocessing = build_preprocessing(profiled, normalize=spec.normalize, needs=needs(spec.architecture or MLP()))
    run.say(*preprocessing.notes)
    [row_shape] = preprocessing.row_shapes(profiled.inputs)
    network = build_network(spec, profiled, row_shape, preprocessing.parts, run.builders, run.custom_objects)
    if data.forecast and spec.normalize and not isinstance(spec.architecture, KerasConfig | Builder):
        [feature], [target] = profiled.features.values(), profiled.targets
        assert target.moments is not None
        network = levelled(network, row_shape, feature.stats.moments, target.moments)
    if isinstance(spec.architecture, Pretrained):
        run.say(take_weights(spec.architecture, network, run))
    inputs = network_inputs(network, profiled, preprocessing, normalize=spec.normalize)
    run.say(*inputs.notes)
    profiled, preprocessing = inputs.profile, inputs.preprocessing
    if "h5" in spec.formats and preprocessing.has_operations:
        raise InvalidJob(
            "formats names h5, which cannot hold what prepares this data's columns (missing values, times, "
            "categories): leave it out, and save as keras"
        )
    refuse_custom_h5(spec.formats, model_modules(network))
    stages = staged(network, profiled, spec.augment, seed, normalize=spec.normalize and not inputs.raw)
    network = stages.trained
    objectives = choose_objectives(spec, network, profiled, Allowed.by(run))
    return Trainable(
        signature=data.signed(profiled.signature(*((each.units, each.from_logits) for each in objectives))),
        profile=profiled,
        preprocessing=preprocessing,
        network=network,
        assembled=_assembled(preprocessing, stages.served, objectives),
        objectives=objectives,
        optimizer=build_optimizer(spec.optimizer, network),
        row_bytes=row_bytes(preprocessing, profiled, network),
        parameters=learned(network),
    )


def row_bytes(preprocessing: Preprocessing, profile: Profile, network: keras.Model) -> int:
    """The size of one preprocessed row, and of what it is compared with where that is as large."""
    shapes = preprocessing.row_shapes(profile.inputs)
    reconstructed = (each.shape for each in profile.targets if each.task == "reconstruction")
    return sum(prod(shape) * 4 for shape in reconstructed) + sum(
        prod(shape) * (_TEXT_BYTES if tensor.dtype == "string" else tf.as_dtype(tensor.dtype).size)
        for shape, tensor in zip(shapes, network.inputs, strict=True)
    )
