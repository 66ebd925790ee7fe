"""What a network's outputs are, read off its last layers."""

import keras

_TRANSPARENT = frozenset({"Reshape", "Flatten", "Dropout", "Identity", "Cast", "Squeeze"})
"""Layers and operations that change neither probabilities nor raw scores."""
PROBABILITIES = frozenset({"softmax", "sigmoid", "hard_sigmoid", "hardsigmoid"})


def output_activation(model: keras.Model, place: int = 0) -> str:
    """The last activation of a model's output: "softmax", "sigmoid", "linear", "relu", …

    It may be an argument of a layer, a layer or an operation, also inside nested models.

    Args:
        place: which of the outputs.
    """
    tensor = model.outputs[place]
    while True:
        # The graph behind a symbolic tensor has no public name; Keras' own exporters read it this way too.
        operation, node, output = tensor._keras_history  # noqa: SLF001
        if isinstance(operation, keras.Model):
            return output_activation(operation, output)
        name = _activation_name(operation)
        passes = name == "linear" and isinstance(operation, keras.layers.Activation)
        if not passes and type(operation).__name__ not in _TRANSPARENT:
            return name
        tensor = operation._inbound_nodes[node].input_tensors[0]  # noqa: SLF001


def gives_probabilities(model: keras.Model, place: int = 0) -> bool:
    """Whether a classifier's outputs are probabilities, not raw scores (logits)."""
    return output_activation(model, place) in PROBABILITIES


def _activation_name(operation: keras.Operation) -> str:
    function = getattr(operation, "activation", None)
    if function is not None:
        return str(getattr(function, "__name__", type(function).__name__)).lower()
    own = type(operation).__name__.lower()
    return own if own in PROBABILITIES or own in ("relu", "tanh", "logsoftmax") else "linear"
