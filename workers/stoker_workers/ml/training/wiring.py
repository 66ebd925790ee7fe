"""Networks with inputs of their own: each takes the column, or the columns' shared tensor, of its name."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import keras
from keras import ops

from stoker.errors import InvalidJob
from stoker.models.data import listed
from stoker.models.manifest import LearnedColumn
from stoker.models.picture_rows import takes_pictures
from stoker.models.signature import TensorSpec

from ..networks.shapes import takes
from ..preprocessing.layers import Preprocessing, build_preprocessing
from ..preprocessing.numbers import rescaling
from ..preprocessing.profile import Profile
from ..preprocessing.scaling import refuse_unscaled
from ..preprocessing.tensors import Feature, free_name, input_tensors
from .raw import id_limits, raw_layer

_SCALARS = ("number", "boolean", "category")
_UNREAD = "no input of the network has its name"


@dataclass(frozen=True)
class NetworkInputs:
    """What a network's inputs are made of.

    Attributes:
        profile: the model's inputs, and the columns that the network reads.
        preprocessing: gives the network's tensors, in its order.
        raw: whether the only one holds the data's own values.
        notes: what is to be said of it, each in a sentence.
    """

    profile: Profile
    preprocessing: Preprocessing
    raw: bool = False
    notes: tuple[str, ...] = ()


def wire(network: keras.Model, profile: Profile, *, normalize: bool) -> NetworkInputs:
    """Find what each input of a network reads, and prepare that: one input of the model for each of the network's.

    Raises:
        InvalidJob: an input names nothing, or takes something else than what it names.
    """
    specs: list[TensorSpec] = []
    inputs: dict[str, keras.KerasTensor] = {}
    outputs: list[keras.KerasTensor] = []
    features: dict[str, Feature] = {}
    raw: list[str] = []
    for tensor in network.inputs:
        read = _read(tensor.name, profile, sole=len(network.inputs) == 1)
        layer = raw_layer(network, tensor)
        spec = _spec(tensor, read, layer, profile, specs)
        means_raw = layer is not None or not tensor.dtype.startswith("float")
        if means_raw:
            refuse_unscaled(read, f"the network's input {tensor.name!r} takes them as they are")
        part = replace(profile, features=read, inputs=(spec,))
        inputs[spec.name], prepared = _prepared(spec, part, tensor.dtype, normalize=normalize and not means_raw)
        outputs.append(_fitting(prepared, tensor, read))
        specs.append(spec)
        features |= read
        raw += [tensor.name] if means_raw else []
    unread = [name for name in profile.features if name not in features]
    declared = inputs if len(inputs) > 1 else next(iter(inputs.values()))
    return NetworkInputs(
        replace(profile, features=features, inputs=tuple(specs), columns=tuple(_without(profile.columns, unread))),
        Preprocessing(keras.Model(declared, outputs)),
        notes=tuple(_notes(raw, unread)),
    )


def _notes(raw: Sequence[str], unread: Sequence[str]) -> Iterator[str]:
    if raw:
        yield f"the network takes as they are, for their type or the layer that reads them: {listed(raw)}"
    for name in unread:
        yield f"column {name!r} is left out: {_UNREAD}"


def _without(columns: Sequence[LearnedColumn], unread: Sequence[str]) -> Iterator[LearnedColumn]:
    for column in columns:
        yield column.model_copy(update={"kind": "ignore", "why": _UNREAD}) if column.name in unread else column


def _read(name: str, profile: Profile, *, sole: bool) -> dict[str, Feature]:
    """The columns that an input reads.

    Args:
        sole: whether it is the network's only one, which may have any name if there is nothing to choose from.
    """
    if name in profile.features:
        return {name: profile.features[name]}
    shared = {spec.name: spec.columns for spec in profile.inputs if len(spec.columns) > 1 or spec.name == name}
    if sole and len(profile.inputs) == 1:
        [spec] = profile.inputs
        shared = {name: spec.columns or (spec.name,)}
    if name in shared:
        return {column: profile.features[column] for column in shared[name]}
    for column in profile.columns:
        if column.name == name:
            raise InvalidJob(
                f"the network's input {name!r} names a column that is left out ({column.why}): say its kind in "
                f"stoker.Data(…, columns={{{name!r}: …}}), or name it in features"
            )
    groups = f", and the tensors of several columns: {listed(list(shared))}" if shared else ""
    raise InvalidJob(
        f"the network's input {name!r} names nothing in the data: there are the columns "
        f"{listed(list(profile.features))}{groups}; give each keras.Input one of these names"
    )


def _spec(
    tensor: keras.KerasTensor,
    features: Mapping[str, Feature],
    layer: keras.layers.Layer | None,
    profile: Profile,
    others: Sequence[TensorSpec],
) -> TensorSpec:
    """The model's input that becomes one of the network's.

    Args:
        features: what it reads: one column, or several plain ones of a kind.
        layer: what means its values as they are, if something does.
        others: the inputs that there are already.
    """
    [spec] = input_tensors(features, {})
    kind, columns = next(iter(features.values())).kind, tuple(features)
    name = free_name(columns[0], kind, others) if len(columns) == 1 else spec.name
    limits = {column: limit for each in profile.inputs for column, limit in each.limits.items() if column in columns}
    spec = spec.model_copy(update={"name": name, "columns": columns, "kind": kind, "limits": limits})
    if tensor.dtype == "string":
        return _of_text(tensor, spec, features)
    if isinstance(layer, keras.layers.Embedding):
        whole = spec.model_copy(update=_whole_numbers(tensor, spec, features))
        if len(columns) > 1 or whole.kind == "number":
            return whole.model_copy(
                update={"limits": {column: id_limits(features[column].stats, layer) for column in columns}}
            )
        return whole.model_copy(update={"limits": {name: id_limits(features[columns[0]].stats, layer)}})
    if not tensor.dtype.startswith("float"):
        return spec.model_copy(update=_whole_numbers(tensor, spec, features))
    if layer is not None and kind == "category":
        _require_numbers(tensor, features)
        return spec.model_copy(update={"kind": "number", "dtype": "float32"} | _range(features))
    return spec


def _of_text(tensor: keras.KerasTensor, spec: TensorSpec, features: Mapping[str, Feature]) -> TensorSpec:
    if spec.dtype != "string":
        raise InvalidJob(
            f"the network's input {tensor.name!r} takes text, and {listed(list(features))} is no column of text: give "
            "the keras.Input another dtype, or the column the kind 'category' or 'text' in stoker.Data"
        )
    texts = [feature.stats.column.dtype == "string" for feature in features.values()]
    # A column of texts is left as it is written, where categories have one spelling for numbers, texts and booleans.
    return spec.model_copy(update={"kind": "text", "shape": ()}) if texts == [True] else spec


def _whole_numbers(tensor: keras.KerasTensor, spec: TensorSpec, features: Mapping[str, Feature]) -> dict[str, object]:
    """What changes in an input of whole numbers."""
    dtype = "int32" if tensor.dtype.startswith("float") else tensor.dtype
    if spec.kind in ("boolean", "image") or dtype == "bool":
        return {}
    if spec.kind == "time" and dtype == "int64":
        return {}
    if spec.kind in ("time", "text", "tags"):
        raise InvalidJob(
            f"the network's input {tensor.name!r} takes {dtype}, and {listed(list(features))} is a column of "
            f"{spec.kind}: give the keras.Input the dtype {'int64' if spec.kind == 'time' else 'string'!r}"
        )
    _require_numbers(tensor, features)
    changed: dict[str, object] = {"dtype": dtype, "gaps": False}
    if spec.kind in _SCALARS:
        return changed | {"kind": "number"} | _range(features)
    return changed | ({"kind": "tokens"} if len(spec.shape) == 1 else {})


def _require_numbers(tensor: keras.KerasTensor, features: Mapping[str, Feature]) -> None:
    for name, feature in features.items():
        if feature.stats.column.dtype == "string":
            raise InvalidJob(
                f"the network's input {tensor.name!r} takes {tensor.dtype} as it is, and column {name!r} holds text: "
                "give the keras.Input dtype='string' and a StringLookup or TextVectorization behind it"
            )


def _range(features: Mapping[str, Feature]) -> dict[str, object]:
    moments = [feature.stats.moments for feature in features.values()]
    return {"low": min(each.low for each in moments), "high": max(each.high for each in moments)}


def _prepared(
    spec: TensorSpec, profile: Profile, dtype: str, *, normalize: bool
) -> tuple[keras.KerasTensor, keras.KerasTensor]:
    """The model's input, and what is made of it.

    Args:
        profile: of this input alone.
        dtype: that of the network's input.
    """
    taken = keras.Input(spec.shape, name=spec.name, dtype=spec.dtype)
    if takes_pictures(spec):
        [feature] = profile.features.values()
        return taken, taken if dtype == "uint8" else rescaling(feature.stats, normalize=normalize)(taken)
    as_it_is = spec.dtype == dtype or (spec.dtype.startswith("int") and not normalize)
    if as_it_is and not (spec.gaps and spec.dtype.startswith("float")) and not normalize:
        return taken, taken
    model = build_preprocessing(profile, normalize=normalize, name=spec.name).model
    return (model.inputs[0], model.outputs[0]) if model else (taken, taken)


def _fitting(
    prepared: keras.KerasTensor, tensor: keras.KerasTensor, features: Mapping[str, Feature]
) -> keras.KerasTensor:
    """What was made of columns, in the type and the shape of the network's input.

    Raises:
        InvalidJob: it has another shape.
    """
    wanted, given = tuple(tensor.shape[1:]), tuple(prepared.shape[1:])
    if {wanted, given} == {(), (1,)}:
        prepared = keras.layers.Reshape(wanted)(prepared)
    elif not takes(wanted, given):
        raise InvalidJob(
            f"the network's input {tensor.name!r} takes rows of shape {wanted}, but what is made of "
            f"{', '.join(f'{name!r} ({_made(feature)})' for name, feature in list(features.items())[:10])} has the "
            f"shape {given}: give the keras.Input that shape"
        )
    return prepared if prepared.dtype == tensor.dtype else ops.cast(prepared, tensor.dtype)


def _made(feature: Feature) -> str:
    """What a column is, and what that becomes more than one number by."""
    if feature.kind == "category":
        return "category: one place each, and one for unseen ones"
    if feature.kind in ("number", "boolean") and feature.stats.missing and not feature.stats.column.shape:
        return f"{feature.kind} with gaps: one place more says which"
    return feature.kind
