"""What a `Tune` job may choose: numbers of a range, options, and when they count."""

import json
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, Field, StringConstraints, model_validator

from ...errors import InvalidJob
from ..base import Frozen, Plain, plain
from ..problems import short

# A float of 64 bits holds whole numbers up to here.
_LARGEST = 2**53
MOST_OPTIONS = 1_000
MOST_PARAMETERS = 64


def same(one: object, other: object) -> bool:
    """Whether two plain values are equal as JSON: 1 and True are not."""
    return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)


class _Parameter(Frozen):
    """What all parameters have.

    Attributes:
        when: the values, of others of the space or of the job itself, with which it counts: one value, or a list of
            several, for each name. Without them it is left as the job has it.
    """

    when: Plain = Field(default_factory=dict)


class _Range(_Parameter):
    """A range of numbers, both ends included.

    Attributes:
        log: whether 0.001 to 0.01 is as likely as 0.01 to 0.1.
    """

    low: float
    high: float
    log: bool = False

    @model_validator(mode="after")
    def _is_a_range(self) -> Self:
        if not self.low < self.high:
            raise InvalidJob(f"{type(self).__name__} goes from {self.low} to {self.high}: the first must be the lower")
        if math.isinf(self.high - self.low):
            raise InvalidJob(f"from {self.low} to {self.high} is further than a number can say: take nearer ends")
        if self.log and self.low <= 0:
            raise InvalidJob(f"log goes from {self.low}, and there is no logarithm of that: begin above 0, or drop log")
        return self


class Float(_Range):
    """A number from `low` to `high`: `Float(1e-4, 1e-1, log=True)`.

    Attributes:
        step: only `low`, `low` + `step` and so on are drawn; None draws any.
    """

    type: Literal["float"] = "float"
    step: float | None = Field(default=None, gt=0)

    if TYPE_CHECKING:

        def __init__(
            self,
            low: float,
            high: float,
            *,
            log: bool = False,
            step: float | None = None,
            when: Mapping[str, object] = ...,
        ) -> None: ...

    else:

        def __init__(self, *ends: float, **fields: object) -> None:
            super().__init__(**_by_name(self, ends, ("low", "high")), **fields)

    @model_validator(mode="after")
    def _step_fits(self) -> Self:
        if self.step is not None and self.log:
            raise InvalidJob("log and step are two ways to divide a range: leave one of them out")
        if self.step is not None and self.step > self.high - self.low:
            raise InvalidJob(f"step={self.step} is longer than from {self.low} to {self.high}")
        return self

    @property
    def corners(self) -> tuple[float, ...]:
        """Its ends, and a number between them that is no whole one."""
        if self.count is not None:
            return (self.low, self.at(1), self.at(self.count - 1))
        if self.log:
            return (self.low, math.sqrt(self.low) * math.sqrt(self.high), self.high)
        return (self.low, self.low + (self.high - self.low) / math.e, self.high)

    @property
    def count(self) -> int | None:
        """How many numbers it has; None for more than can be counted."""
        return None if self.step is None else math.floor((self.high - self.low) / self.step + 1e-8) + 1

    @property
    def values(self) -> tuple[float, ...]:
        """All its numbers; none if they cannot be counted."""
        if self.step is None:
            return ()
        return tuple(map(self.at, range(self.count or 0)))

    def at(self, number: int) -> float:
        """One of its numbers by its place, of a range with steps."""
        # The end itself, where rounding would miss it.
        return min(self.low + (self.step or 0.0) * number, self.high)


class Int(_Range):
    """A whole number from `low` to `high`: `Int(1, 8)`.

    Attributes:
        step: only `low`, `low` + `step` and so on are drawn.
    """

    type: Literal["int"] = "int"
    low: int = Field(ge=-_LARGEST, le=_LARGEST)
    high: int = Field(ge=-_LARGEST, le=_LARGEST)
    step: int = Field(default=1, ge=1)

    if TYPE_CHECKING:

        def __init__(
            self,
            low: int,
            high: int,
            *,
            log: bool = False,
            step: int = 1,
            when: Mapping[str, object] = ...,
        ) -> None: ...

    else:

        def __init__(self, *ends: int, **fields: object) -> None:
            super().__init__(**_by_name(self, ends, ("low", "high")), **fields)

    @model_validator(mode="after")
    def _step_fits(self) -> Self:
        if self.log and self.step != 1:
            raise InvalidJob("log and step are two ways to divide a range: leave one of them out")
        return self

    @property
    def corners(self) -> tuple[int, ...]:
        """Its ends, and a number between them."""
        last = self.low + (self.count - 1) * self.step
        return (self.low, self.low + self.count // 2 * self.step, last)

    @property
    def count(self) -> int:
        """How many numbers it has."""
        return (self.high - self.low) // self.step + 1

    @property
    def values(self) -> Sequence[int]:
        """All its numbers."""
        return range(self.low, self.high + 1, self.step)

    def at(self, number: int) -> int:
        """One of its numbers by its place."""
        return self.values[number]


def _as_plain(option: Any) -> Any:
    """An option as plain data: a part of a spec, such as `MLP(hidden=[64])`, as its fields."""
    if isinstance(option, BaseModel):
        fields = option.model_dump(mode="json", exclude_defaults=True)
        kind = {"type": option.type} if hasattr(option, "type") else {}
        return plain(kind | fields)
    return plain(option)


class Choice(_Parameter):
    """One of some options, which are plain data, or parts of a spec: `Choice([16, 32, 64])`."""

    type: Literal["choice"] = "choice"
    options: Annotated[
        tuple[Annotated[Any, BeforeValidator(_as_plain)], ...], Field(min_length=1, max_length=MOST_OPTIONS)
    ]

    if TYPE_CHECKING:

        def __init__(self, options: Sequence[object], *, when: Mapping[str, object] = ...) -> None: ...

    else:

        def __init__(self, *options: object, **fields: object) -> None:
            super().__init__(**_by_name(self, options, ("options",)), **fields)

    @model_validator(mode="after")
    def _options_differ(self) -> Self:
        texts = [json.dumps(option, sort_keys=True) for option in self.options]
        if len(set(texts)) < len(texts):
            twice = next(option for at, option in enumerate(self.options) if texts[at] in texts[:at])
            raise InvalidJob(f"Choice names {short(twice)} twice; name each option once")
        return self

    @property
    def corners(self) -> tuple[Any, ...]:
        """All options."""
        return self.options

    @property
    def count(self) -> int:
        """How many options it has."""
        return len(self.options)

    @property
    def values(self) -> Sequence[Any]:
        """All options."""
        return self.options

    def at(self, number: int) -> Any:
        """One of them by its place."""
        return self.options[number]

    @property
    def labels(self) -> tuple[str, ...]:
        """Its options as texts, all different."""
        if all(isinstance(option, str) for option in self.options):
            return self.options
        return tuple(json.dumps(option) for option in self.options)


def _by_name(parameter: _Parameter, given: Sequence[object], names: Sequence[str]) -> dict[str, object]:
    """Fields that were given by their places.

    Raises:
        InvalidJob: more were given than there are.
    """
    if len(given) > len(names):
        kind = type(parameter).__name__
        raise InvalidJob(f"{kind} takes {' and '.join(names)}, and other fields by name; got {short(tuple(given))}")
    return dict(zip(names, given, strict=False))


def _options(value: Any) -> Any:
    """A bare list of options as a choice."""
    return {"type": "choice", "options": value} if isinstance(value, list | tuple) else value


Parameter = Float | Int | Choice
Name = Annotated[str, StringConstraints(pattern=r"^\S+(\.\S+)*$", max_length=256)]
Space = Annotated[
    dict[Name, Annotated[Parameter, Field(discriminator="type"), BeforeValidator(_options)]],
    Field(min_length=1, max_length=MOST_PARAMETERS),
]


def as_numbers(space: Mapping[str, Parameter], settings: Mapping[str, Any]) -> dict[str, int | float]:
    """Settings as numbers: of a choice, the place of the option."""
    return {name: _number(space[name], value) for name, value in settings.items()}


def from_numbers(space: Mapping[str, Parameter], numbers: Mapping[str, int | float]) -> dict[str, object]:
    """The settings that `as_numbers` has made numbers of."""
    return {name: _value(space[name], number) for name, number in numbers.items()}


def _number(parameter: Parameter, value: Any) -> int | float:
    if not isinstance(parameter, Choice):
        return value  # type: ignore[no-any-return]  # plain data have no types
    return next(place for place, option in enumerate(parameter.options) if same(option, value))


def _value(parameter: Parameter, number: int | float) -> object:
    return parameter.options[int(number)] if isinstance(parameter, Choice) else number
