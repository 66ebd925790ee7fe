"""The shapes of network a `Train` job can ask for."""

from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints, model_validator
from pydantic_core import from_json

from ..errors import InvalidJob
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
    """Dense layers of `hidden` units each, then the output layer.

    Attributes:
        norm: what follows each hidden layer before its activation: "batch" centres and scales each unit over the rows
            of a batch, "layer" the units of each row; None for nothing.
        residual: whether each hidden layer is added to what it was computed from; a plain linear layer fits the widths
            where they differ.
    """

    type: Literal["mlp"] = "mlp"
    hidden: Sizes = Field(default=(64, 32), max_length=64)
    norm: Literal["batch", "layer"] | None = None
    residual: bool = False


class CNN(Regularised):
    """Convolution, activation and pooling once per entry of `filters`, then dense layers, then the output layer.

    Takes rows of shape (height, width) or (height, width, channels); square flat rows are reshaped.
    """

    type: Literal["cnn"] = "cnn"
    filters: Sizes = Field(default=(32, 64), min_length=1, max_length=32)
    kernel_size: int = Field(default=3, ge=1, le=63)
    pool_size: int = Field(default=2, ge=1, le=16)
    dense: Sizes = Field(default=(64,), max_length=64)


class ResNet(Regularised):
    """Residual blocks of two convolutions with batch norm, in stages; the mean over the image, and the output layer.

    Takes the rows that a `CNN` takes; small images such as 28 × 28 or 32 × 32 need no more than this.

    Attributes:
        filters: of each stage's convolutions; every stage but the first halves height and width.
        blocks: residual blocks in each stage.
    """

    type: Literal["resnet"] = "resnet"
    filters: Sizes = Field(default=(16, 32, 64), min_length=1, max_length=8)
    blocks: int = Field(default=2, ge=1, le=64)
    kernel_size: int = Field(default=3, ge=1, le=63)


class Cells(Regularised):
    """How a sequence becomes one vector.

    Attributes:
        units: the width of every layer; of lists of ids and of texts, also of the embedding.
        layers: how many; None is one for lstm and gru, two for transformer, and as many for tcn as let the last step
            see the first.
        heads: of a transformer's attention.
        kernel_size: steps that a tcn's convolution sees at once.
        dense: dense layers before the output layer.
    """

    cell: Literal["mean", "lstm", "gru", "tcn", "transformer"]
    units: int = Field(default=64, ge=1, le=65_536)
    layers: int | None = Field(default=None, ge=1, le=64)
    heads: int = Field(default=4, ge=1, le=256)
    kernel_size: int = Field(default=3, ge=1, le=63)
    dense: Sizes = Field(default=(), max_length=64)

    @model_validator(mode="after")
    def _heads_share_the_units(self) -> Self:
        if self.cell == "transformer" and self.units % self.heads:
            raise InvalidJob(
                f"a transformer divides its units among its heads: {self.units} units are no multiple of {self.heads} "
                "heads"
            )
        return self


class Sequence(Cells):
    """An encoder of sequences, then dense layers and the output layer.

    Takes rows of shape (steps, channels), lists of numbers of varying length, and lists of token ids, which it embeds;
    padding is masked. Lists of equally many steps are channels of one sequence; other columns go straight to the dense
    layers.

    Attributes:
        cell: "lstm" and "gru" read step by step; "tcn" is residual causal convolutions, each twice as far apart as the
            one before; "transformer" is self-attention with learned positions.
    """

    type: Literal["sequence"] = "sequence"
    cell: Literal["lstm", "gru", "tcn", "transformer"] = "lstm"


class Text(Cells):
    """Texts as the ids of their words, each with an embedding; then an encoder, dense layers and the output layer.

    The vocabulary is part of the saved model, which takes plain texts. Columns of other kinds go straight to the dense
    layers.

    Attributes:
        cell: "mean" takes the words of a text in any order; for the others, see `Sequence`.
        words: the commonest words have an embedding each, the others share one.
        length: words of a text that are read; None takes the longest text's, at most 256.
    """

    type: Literal["text"] = "text"
    cell: Literal["mean", "lstm", "gru", "tcn", "transformer"] = "mean"
    dense: Sizes = Field(default=(64,), max_length=64)
    words: int = Field(default=20_000, ge=1, le=50_000)
    length: int | None = Field(default=None, ge=1, le=4096)


class WideAndDeep(Regularised):
    """A linear model beside a dense network, their outputs added up (Cheng et al. 2016): for tables with categories.

    The wide part has a weight for every number, every category and every cross; the deep part is an `MLP` on the
    numbers and an embedding of every category. Both are trained together.

        WideAndDeep(hidden=(64, 32), crosses=[("weekday", "shop")])

    Attributes:
        hidden: units of each hidden layer of the deep part.
        crosses: columns of categories of which the wide part also learns every combination, by name.
        buckets: how many weights a cross has; combinations beyond share them by a hash.
    """

    type: Literal["wide_and_deep"] = "wide_and_deep"
    hidden: Sizes = Field(default=(64, 32), min_length=1, max_length=64)
    crosses: tuple[Annotated[tuple[str, ...], Field(min_length=2, max_length=8)], ...] = Field(
        default=(), max_length=256
    )
    buckets: int = Field(default=10_000, ge=2, le=1_000_000)


class UNet(Regularised):
    """A class for each pixel: down to a coarse view, half the size per level, and up again; for `task="pixels"`.

    Attributes:
        filters: of the two convolutions of each level, the finest first.
    """

    type: Literal["unet"] = "unet"
    filters: Sizes = Field(default=(16, 32, 64), min_length=1, max_length=8)
    kernel_size: int = Field(default=3, ge=1, le=63)


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


Architecture = Annotated[
    MLP | CNN | ResNet | UNet | Sequence | Text | WideAndDeep | KerasConfig | Builder, Field(discriminator="type")
]
