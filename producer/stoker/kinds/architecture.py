"""The shapes of network a `Train` job can ask for."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints
from pydantic_core import from_json

from .base import Frozen, Plain, plain
from .keras_screen import screened

Activation = Literal["relu", "gelu", "elu", "selu", "swish", "tanh", "sigmoid", "linear"]
OutputActivation = Literal["auto", "softmax", "sigmoid", "linear"]


def _several(value: Any) -> Any:
    """A lone number as a list of one."""
    return (value,) if isinstance(value, int) and not isinstance(value, bool) else value


Sizes = Annotated[tuple[Annotated[int, Field(ge=1, le=65_536)], ...], BeforeValidator(_several)]


class Regularised(Frozen):
    """Regularisation and output of the architectures that Stoker builds itself.

    Attributes:
        l1, l2: penalty on every kernel, added to the loss.
        dropout: share of units dropped after each hidden layer while training.
        output: activation of the last layer; "auto" is softmax for classes, sigmoid for two, linear for numbers.
    """

    activation: Activation = "relu"
    l1: float = Field(default=0.0, ge=0)
    l2: float = Field(default=0.0, ge=0)
    dropout: float = Field(default=0.0, ge=0, lt=1)
    output: OutputActivation = "auto"


class MLP(Regularised):
    """Dense layers of `hidden` units each, then the output layer."""

    type: Literal["mlp"] = "mlp"
    hidden: Sizes = Field(default=(64, 32), max_length=64)


class CNN(Regularised):
    """Convolution, activation and pooling once per entry of `filters`, then dense layers, then the output layer.

    Takes rows of shape (height, width) or (height, width, channels); square flat rows are reshaped.
    """

    type: Literal["cnn"] = "cnn"
    filters: Sizes = Field(default=(32, 64), min_length=1, max_length=32)
    kernel_size: int = Field(default=3, ge=1, le=63)
    pool_size: int = Field(default=2, ge=1, le=16)
    dense: Sizes = Field(default=(64,), max_length=64)


def _parsed(config: Any) -> Any:
    try:
        return from_json(config) if isinstance(config, str) else config
    except (ValueError, RecursionError) as error:
        raise ValueError(f"no JSON: {error}") from None


class KerasConfig(Frozen):
    """A whole Keras model as its JSON config: what `model.to_json()` gives, as text or parsed.

    It may name Keras' own layers, initializers, regularizers, constraints and operations on tensors. What can run code
    or read files is refused, such as Lambda layers and custom classes; what the model was compiled with is left out.
    """

    type: Literal["keras"] = "keras"
    config: Annotated[dict[str, Any], BeforeValidator(_parsed), AfterValidator(screened), AfterValidator(plain)]


class Builder(Frozen):
    """A function of yours that returns an uncompiled Keras model: `Builder("package.module:function", {…})`.

    The worker calls it as `function(input_shape=…, output_units=…, **kwargs)`, and only if its settings
    list the target under `builders`.
    """

    type: Literal["builder"] = "builder"
    target: Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][\w.]*:[A-Za-z_]\w*$")]
    kwargs: Plain = Field(default_factory=dict)

    def __init__(self, target: str, kwargs: dict[str, Any] | None = None, **fields: Any) -> None:
        fields |= {"target": target, "kwargs": kwargs or {}}
        super().__init__(**fields)


Architecture = Annotated[MLP | CNN | KerasConfig | Builder, Field(discriminator="type")]
