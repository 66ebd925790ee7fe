"""The shapes of network a `Train` job can ask for."""

from functools import partial
from typing import Annotated, Any, Literal, Self, get_args

from pydantic import BeforeValidator, Field, StringConstraints, model_validator

from ...errors import InvalidJob
from ..accepts import Accepts
from ..base import Frozen, SaysNone
from .given_network import Builder, KerasConfig
from .network_name import refuse_name

Activation = Literal["relu", "gelu", "elu", "selu", "swish", "tanh", "sigmoid", "linear"]
OutputActivation = Literal["auto", "softmax", "sigmoid", "linear"]


def _several(value: Any) -> Any:
    """A lone number as a list of one."""
    return (value,) if isinstance(value, int) and not isinstance(value, bool) else value


_Sizes = Annotated[tuple[Annotated[int, Field(ge=1, le=65_536)], ...], BeforeValidator(_several)]
Sizes = Accepts[_Sizes, int | list[int]]


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
    hidden: Sizes = Field(default=(64, 32), max_length=64, validate_default=True)
    norm: Literal["batch", "layer"] | None = None
    residual: bool = False


class CNN(Regularised):
    """Convolution, activation and pooling once per entry of `filters`, then dense layers, then the output layer.

    Takes rows of shape (height, width) or (height, width, channels); square flat rows are reshaped.
    """

    type: Literal["cnn"] = "cnn"
    filters: Sizes = Field(default=(32, 64), min_length=1, max_length=32, validate_default=True)
    kernel_size: int = Field(default=3, ge=1, le=63)
    pool_size: int = Field(default=2, ge=1, le=16)
    dense: Sizes = Field(default=(64,), max_length=64, validate_default=True)


class ResNet(Regularised):
    """Residual blocks of two convolutions with batch norm, in stages; the mean over the image, and the output layer.

    Takes the rows that a `CNN` takes; small images such as 28 × 28 or 32 × 32 need no more than this.

    Attributes:
        filters: of each stage's convolutions; every stage but the first halves height and width.
        blocks: residual blocks in each stage.
    """

    type: Literal["resnet"] = "resnet"
    filters: Sizes = Field(default=(16, 32, 64), min_length=1, max_length=8, validate_default=True)
    blocks: int = Field(default=2, ge=1, le=64)
    kernel_size: int = Field(default=3, ge=1, le=63)


Application = Literal[
    "ConvNeXtBase", "ConvNeXtLarge", "ConvNeXtSmall", "ConvNeXtTiny", "ConvNeXtXLarge", "DenseNet121", "DenseNet169",
    "DenseNet201", "EfficientNetB0", "EfficientNetB1", "EfficientNetB2", "EfficientNetB3", "EfficientNetB4",
    "EfficientNetB5", "EfficientNetB6", "EfficientNetB7", "EfficientNetV2B0", "EfficientNetV2B1", "EfficientNetV2B2",
    "EfficientNetV2B3", "EfficientNetV2L", "EfficientNetV2M", "EfficientNetV2S", "InceptionResNetV2", "InceptionV3",
    "MobileNet", "MobileNetV2", "MobileNetV3Large", "MobileNetV3Small", "NASNetLarge", "NASNetMobile", "ResNet101",
    "ResNet101V2", "ResNet152", "ResNet152V2", "ResNet50", "ResNet50V2", "VGG16", "VGG19", "Xception",
]  # fmt: skip
_WEIGHTS = (".weights.h5", ".h5", ".keras")
_FROZEN_EPOCHS = 3


class Pretrained(SaysNone, Regularised):
    """A network of keras.applications on weights from a file, then dense layers and the output layer.

    The new layers are trained first, and the whole network after that, at a lower learning rate; only batch norm stays
    as it is. It scales pictures as it was trained with them; they have 3 channels, or 1, which is repeated.

        Pretrained("MobileNetV2", weights="s3://models/mobilenet_v2.weights.h5")

    Attributes:
        name: as keras.applications has it.
        weights: a path or URL, which is read by the rules of data: .weights.h5 or .h5 of the network without its top,
            or a .keras file of a model that has it. None starts from random weights.
        freeze_epochs: the first epochs, in which the weights from the file stay as they are; None for 3.
        fine_rate: the learning rate afterwards, by what it was.
        dense: dense layers before the output layer.
    """

    type: Literal["pretrained"] = "pretrained"
    name: Application
    weights: Annotated[str, StringConstraints(min_length=1, max_length=4096, strip_whitespace=True)] | None
    freeze_epochs: int | None = Field(default=None, ge=0, le=1_000_000)
    fine_rate: float = Field(default=0.01, gt=0, le=1)
    dense: Sizes = Field(default=(), max_length=64, validate_default=True)

    def __init__(self, *name: str, **fields: Any) -> None:
        super().__init__(**dict(zip(("name",), name, strict=True)) if name else {}, **fields)

    @model_validator(mode="after")
    def _weights_are_a_file(self) -> Self:
        if self.weights is None and self.freeze_epochs:
            raise InvalidJob("random weights are not worth freezing: leave freeze_epochs out, or name weights")
        if self.weights is not None and not self.weights.lower().endswith(_WEIGHTS):
            raise InvalidJob(
                f"weights must be a file that ends in {', '.join(_WEIGHTS)}; got {self.weights!r}: nothing is "
                "downloaded by the name of a data set, such as imagenet. Where there is a network, run "
                f'keras.applications.{self.name}(include_top=False).save_weights("{self.name}.weights.h5"), put the '
                "file where workers read data, and name it"
            )
        return self

    @property
    def frozen_epochs(self) -> int:
        """The epochs in which the weights from the file stay as they are."""
        if self.weights is None:
            return 0
        return _FROZEN_EPOCHS if self.freeze_epochs is None else self.freeze_epochs

    @property
    def input_scale(self) -> Literal["itself", "centred", "imagenet", "blue_first"]:
        """How the network was trained with levels from 0 to 255: it scales them itself; from -1 to 1; by ImageNet's
        means and spreads; or less ImageNet's means, blue first."""
        if self.name.startswith(("ConvNeXt", "EfficientNet", "MobileNetV3")):
            return "itself"
        if self.name.startswith("DenseNet"):
            return "imagenet"
        return "blue_first" if self.name in ("ResNet50", "ResNet101", "ResNet152", "VGG16", "VGG19") else "centred"


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
    # Not as it accepts more: pydantic's plugin for mypy loses the difference where a class inherits it.
    dense: _Sizes = Field(default=(), max_length=64)

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
    dense: Sizes = Field(default=(64,), max_length=64, validate_default=True)
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
    hidden: Sizes = Field(default=(64, 32), min_length=1, max_length=64, validate_default=True)
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
    filters: Sizes = Field(default=(16, 32, 64), min_length=1, max_length=8, validate_default=True)
    kernel_size: int = Field(default=3, ge=1, le=63)


_Network = MLP | CNN | Pretrained | ResNet | UNet | Sequence | Text | WideAndDeep | KerasConfig | Builder
_CLASSES = {network.model_fields["type"].default: network.__name__ for network in get_args(_Network)}
Architecture = Annotated[_Network, Field(discriminator="type"), BeforeValidator(partial(refuse_name, classes=_CLASSES))]


def weights_between(network: Architecture | None) -> int:
    """About how many weights are between the layers that a spec names; 0 where it names none."""
    widths = getattr(network, "hidden", ()) or getattr(network, "filters", ()) or (getattr(network, "units", 0),)
    return sum(before * after for before, after in zip(widths, (*widths[1:], widths[-1]), strict=True))
