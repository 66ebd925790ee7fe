"""The model of a training that goes on from a version."""

from collections.abc import Callable, Sequence
from fnmatch import fnmatchcase

import keras

from stoker.errors import InvalidJob
from stoker.kinds import Train
from stoker.models.data import listed
from stoker.models.manifest import ModelVersion
from stoker.models.model_files import predicting_file
from stoker.models.picture_rows import takes_pictures
from stoker.models.signature import Signature

from ..networks.activation import output_activation
from ..networks.building import mix_precision
from ..networks.cutting import prepared_tensors, unscaled
from ..networks.layers import all_layers
from ..networks.renewing import with_new_head
from ..prediction.loading import load_saved
from ..preprocessing.layers import Preprocessing
from ..preprocessing.profile import Profile
from ..preprocessing.target import Target
from ..run import Run
from .authors import Allowed
from .model import Trainable, learned, row_bytes
from .objective import Objective, choose_objectives
from .optimizer import build_optimizer
from .pictures import augmented
from .scale import Scale


def continued_model(
    spec: Train, run: Run, profile: Profile, seed: int, change: Callable[[keras.Model], keras.Model] | None = None
) -> Trainable:
    """The model of the job's version, with what prepares its rows; what was decided is said.

    Args:
        change: makes of the version's model the one that is trained; None trains that itself.

    Raises:
        InvalidJob: the version does not load, or does not fit the data; or freeze fits none of its layers.
        Corrupt, Unavailable: the store does not give its file.
    """
    [version] = run.models
    whole = _loaded(version, run)
    whole = whole if change is None else change(whole)
    signature = version.signature
    if not signature.parts and profile.targets[0].classes != signature.classes:
        whole = _with_classes(whole, version, profile.targets[0])
    outputs, scales = _outputs(whole, profile.targets)
    # Bytes take less memory than what is made of them, and are what augment changes.
    as_it_is = spec.augment is not None or any(map(takes_pictures, profile.inputs))
    inputs = list(whole.inputs) if as_it_is else prepared_tensors(keras.tree.flatten(outputs))
    whole_input = whole.inputs[0] if len(whole.inputs) == 1 else whole.input
    plain = len(whole.inputs) == len(inputs) == 1 and inputs[0] is whole.inputs[0]
    preprocessing = Preprocessing(None if plain else keras.Model(whole_input, inputs))
    network = keras.Model(inputs if len(inputs) > 1 else inputs[0], outputs, name="network")
    parameters = learned(network)
    frozen = _frozen(spec, network, version, run)
    if spec.augment is not None:
        network = augmented(network, profile, spec.augment, seed)
    if spec.precision != "float32":
        mix_precision(network, spec)
    objectives = choose_objectives(spec, network, profile, Allowed.by(run), scales)
    return Trainable(
        signature=_signature(spec, signature, objectives),
        profile=profile,
        preprocessing=preprocessing,
        network=network,
        assembled=whole,
        objectives=objectives,
        optimizer=build_optimizer(spec.optimizer, network),
        row_bytes=row_bytes(preprocessing, profile, network),
        parameters=parameters,
        frozen=frozen,
    )


def _loaded(version: ModelVersion, run: Run) -> keras.Model:
    file_format, file = predicting_file(version)
    if file_format not in ("keras", "h5"):
        raise InvalidJob(
            f"init_from names {version.ref}, a model in {file_format}, from which no training goes on: name a Keras one"
        )
    path = run.store.fetch(file, run.scratch)
    try:
        return load_saved(path, version.ref, run.custom_objects)
    finally:
        path.unlink()


def _with_classes(whole: keras.Model, version: ModelVersion, target: Target) -> keras.Model:
    """The model with an output for each of the target's classes; for two it has one unit if it had one before."""
    known, count = version.signature.classes, len(target.classes)
    activation, old = output_activation(whole), whole.outputs[0].shape[-1]
    one = old == 1 and count == 2
    if activation == "sigmoid" and old == 1 and not one:
        activation = "softmax"
    places = {label: place for place, label in enumerate(known)} if old == len(known) else {}
    kept = {place: places[label] for place, label in enumerate(target.classes) if label in places}
    return with_new_head(whole, version.ref, 1 if one else count, activation, kept)


def _outputs(
    whole: keras.Model, targets: Sequence[Target]
) -> tuple[keras.KerasTensor | dict[str, keras.KerasTensor], dict[str, Scale]]:
    """The outputs as the network learns them, and how the numbers among them are scaled."""
    named = whole.output if isinstance(whole, keras.Model) and len(whole.outputs) > 1 else whole.outputs[0]
    outputs, scales = {}, {}
    for target in targets:
        tensor = named[target.name] if isinstance(named, dict) else named
        tensor, layer = (tensor, None) if target.classes else unscaled(tensor)
        outputs[target.name] = tensor
        if layer is not None:
            scales[target.name] = Scale.of(target, layer.offset, layer.scale)
    return outputs if isinstance(named, dict) else next(iter(outputs.values())), scales


def _frozen(spec: Train, network: keras.Model, version: ModelVersion, run: Run) -> tuple[keras.layers.Layer, ...]:
    """Freeze the layers that the job names; gives those that were not frozen before.

    Raises:
        InvalidJob: a name or pattern fits none, or all are frozen.
    """
    layers = [layer for layer in all_layers(network) if layer.weights]
    for pattern in spec.freeze:
        if not any(fnmatchcase(layer.name, pattern) for layer in layers):
            raise InvalidJob(
                f"freeze names {pattern!r}, and no layer of {version.ref} with weights is called so: there are "
                f"{listed([layer.name for layer in layers])}"
            )
    named = [layer for layer in layers if any(fnmatchcase(layer.name, pattern) for pattern in spec.freeze)]
    frozen = tuple(layer for layer in named if layer.trainable)
    for layer in frozen:
        layer.trainable = False
    if not network.trainable_variables:
        left = f"freeze={spec.freeze!r} leaves no layer of {version.ref}" if named else f"{version.ref} has no weights"
        raise InvalidJob(f"there is nothing to train: {left}")
    if named:
        run.say(f"freezes {len(named)} of {len(layers)} layers: {listed([layer.name for layer in named])}")
    return frozen


def _signature(spec: Train, signature: Signature, objectives: Sequence[Objective]) -> Signature:
    """The version's, with the classes of a new last layer, and the target's own name."""
    if signature.parts:
        return signature
    [only] = objectives
    target = spec.target if signature.target is not None and isinstance(spec.target, str) else signature.target
    if not signature.classes or only.target.classes == signature.classes:
        return signature.model_copy(update={"target": target})
    [output] = signature.outputs
    return signature.model_copy(
        update={
            "target": target,
            "task": only.target.task,
            "classes": only.target.classes,
            "logits": only.from_logits,
            "outputs": (output.model_copy(update={"shape": (*output.shape[:-1], only.units)}),),
        }
    )
