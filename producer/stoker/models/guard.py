"""Guards: what the requests to a model, and its answers, must be; a model's own, whatever its version."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, model_validator

from .signature import Signature, TensorSpec
from .tensors import Array, Tensors

# What float32 and conversions do to a sum of probabilities; a quantised output knows steps of 1/256.
_SUM_SLACK, _STEP = 0.02, 1 / 256
_LONGEST_SHOWN = 80
_MOST = 1_000
Name = Annotated[str, Field(max_length=256)]
Bounds = tuple[float | None, float | None]
Flaw = tuple[int, str]
"""A row, counted from 0, and what is wrong with it."""


class Guard(BaseModel):
    """What the requests to a model must be, besides what its signature says, and whether its answers are looked at.

    Attributes:
        ranges: by column or input of numbers, the least and the largest value; None for no bound. NaN is none.
        categories: by column or input of texts, the values that there may be.
        most_rows: of one request; None for any number.
        longest_text: characters of a text; None for any number.
        most_a_minute: requests that each user of Redis may send within a minute; None for any number. A call of many
            rows is one for each 4,096 of them.
        outputs: whether an answer is refused that has numbers which are not finite, probabilities that are none or do
            not sum to one, or another number of classes than are declared.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    ranges: dict[Name, Bounds] = Field(default_factory=dict, max_length=_MOST)
    categories: dict[Name, Annotated[tuple[str, ...], Field(min_length=1, max_length=_MOST)]] = Field(
        default_factory=dict, max_length=_MOST
    )
    most_rows: int | None = Field(default=None, ge=1)
    longest_text: int | None = Field(default=None, ge=1)
    most_a_minute: int | None = Field(default=None, ge=1, le=10**9)
    outputs: bool = True

    @model_validator(mode="after")
    def _is_sound(self) -> "Guard":
        for name, (low, high) in self.ranges.items():
            if low is not None and high is not None and not low <= high:
                raise ValueError(
                    f"the range of {name} begins with {low:g} and ends with {high:g}: write the lower first"
                )
        return self

    def unknown(self, signature: Signature) -> list[str]:
        """The names that a model's inputs do not have, or that are of another type there."""
        numbers, texts = (
            {
                name
                for spec in signature.inputs
                if (spec.dtype == "string") == is_text
                for name in (spec.name, *spec.columns)
            }
            for is_text in (False, True)
        )
        return sorted({*self.ranges} - numbers | {*self.categories} - texts)

    def flaws(self, signature: Signature, tensors: Tensors) -> Iterator[Flaw]:
        """What is wrong with the rows of a request, the first of each check; nothing if all is well."""
        if unknown := self.unknown(signature):
            # Another version than the guard was written for: what cannot be checked is refused.
            yield 0, f"this version takes no {', '.join(unknown)} of that type, which the guard is about"
            return
        arrays = _by_name(signature.inputs, tensors)
        for spec in signature.inputs:
            array = arrays.get(spec.name)
            # What does not fit the signature is refused by that.
            if array is not None and array.ndim:
                yield from self._flaws_of(spec, array)

    def _flaws_of(self, spec: TensorSpec, array: Array) -> Iterator[Flaw]:
        if self.most_rows is not None and len(array) > self.most_rows:
            yield self.most_rows, f"there are {len(array)} rows, and may be {self.most_rows} in one request"
            return
        for name, values in _named(spec, array):
            if array.dtype.kind in "US":
                # Bytes are what their sender says: what is no UTF-8 among them is a flaw, and no error.
                texts = values if values.dtype.kind == "U" else np.char.decode(values, "utf-8", "replace")
                yield from self._flaws_of_texts(name, texts)
            elif array.dtype.kind in "biuf" and name in self.ranges:
                low, high = self.ranges[name]
                yield from _first(
                    _outside(values, low, high), values, f"{name} is {{}}, and may be {_words(low, high)}"
                )

    def _flaws_of_texts(self, name: str, values: NDArray[np.str_]) -> Iterator[Flaw]:
        if self.longest_text is not None:
            wrong = np.char.str_len(values) > self.longest_text
            yield from _first(wrong, values, f"{name} is {{}}, and may have {self.longest_text} characters")
        if name in self.categories:
            allowed = self.categories[name]
            some = ", ".join(each[:_LONGEST_SHOWN] for each in allowed[:10]) + (", …" if len(allowed) > 10 else "")
            yield from _first(~np.isin(values, allowed), values, f"{name} is {{}}, and may be {some}")

    def flaw_of_outputs(self, signature: Signature, outputs: Tensors) -> str | None:
        """What is wrong with an answer; None if nothing is, or it is not looked at."""
        if not self.outputs or not signature.outputs:
            return None
        arrays, parts = _by_name(signature.outputs, outputs), signature.each
        for name, array in arrays.items():
            # Of an output that nobody has said the meaning of, as an imported model's, the numbers must be some.
            if array.dtype.kind == "f" and (flaw := _flaw_of(parts.get(name, signature), array)):
                return flaw if len(arrays) == 1 else f"of its output {name!r}, {flaw}"
        return None


def _named(spec: TensorSpec, array: Array) -> Iterator[tuple[str, Array]]:
    """The values of an input under each name that it has: its own, and those of its columns."""
    yield spec.name, array
    if array.ndim > 1 and array.shape[-1] == len(spec.columns):
        for at, name in enumerate(spec.columns):
            if name != spec.name:
                yield name, array[..., at]


def _outside(values: Array, low: float | None, high: float | None) -> NDArray[np.bool_]:
    wrong = np.zeros(values.shape, bool)
    # A bound that the values' type cannot hold is infinite to them.
    with np.errstate(over="ignore"):
        wrong |= values < low if low is not None else False
        wrong |= values > high if high is not None else False
    return wrong


def _first(wrong: NDArray[np.bool_], values: Array, text: str) -> Iterator[Flaw]:
    if wrong.any():
        at = np.unravel_index(int(np.argmax(wrong)), wrong.shape)
        value = values[at]
        shown = repr(str(value))[:_LONGEST_SHOWN] if values.dtype.kind == "U" else f"{value:g}"
        yield int(at[0]), text.replace("{}", shown, 1)


def _words(low: float | None, high: float | None) -> str:
    if low is None:
        return f"at most {high:g}" if high is not None else "anything"
    return f"at least {low:g}" if high is None else f"{low:g} to {high:g}"


def _flaw_of(signature: Signature, outputs: Array) -> str | None:
    if not np.isfinite(outputs).all():
        return "a number of it is not finite"
    classes = signature.classes
    if not classes or signature.logits or signature.task not in ("binary", "multiclass", "multilabel"):
        return None
    units = outputs.shape[-1] if outputs.ndim > 1 else 1
    if units not in {len(classes), 1 if len(classes) == 2 else len(classes)}:
        return f"it has {units} numbers for the {len(classes)} classes that the model declares"
    slack = max(_SUM_SLACK, _STEP * units)
    if (outputs < -slack).any() or (outputs > 1 + slack).any():
        return "a probability of it is below 0 or above 1"
    if signature.task == "multiclass" and units > 1:
        off = np.abs(outputs.sum(axis=-1, dtype=np.float64) - 1)
        if (off > slack).any():
            return f"its probabilities sum to {1 + float(off.max()):g} or {1 - float(off.max()):g}, not to 1"
    return None


def row_of(signature: Signature, tensors: Tensors, row: int) -> dict[str, object]:
    """A row of a request, for people to look at."""
    arrays = _by_name(signature.inputs, tensors)
    return {name: array[row].tolist() for name, array in arrays.items() if array.ndim and row < len(array)}


def _by_name(specs: Sequence[TensorSpec], tensors: Tensors) -> Mapping[str, Array]:
    """Tensors by their names; a single array is the first."""
    return tensors if isinstance(tensors, Mapping) else {spec.name: tensors for spec in specs[:1]}


def names_of(specs: Sequence[TensorSpec]) -> list[str]:
    """All names that a guard may use of inputs."""
    return [name for spec in specs for name in (spec.columns or (spec.name,))]
