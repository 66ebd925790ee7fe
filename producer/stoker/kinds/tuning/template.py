"""A job of which a `Tune` chooses settings: which fields they are, and the job with some of them."""

import copy
import math
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from graphlib import CycleError, TopologicalSorter
from itertools import islice
from typing import Any

from pydantic.fields import FieldInfo

from ...errors import InvalidJob
from ..problems import short
from ..run import Run
from ..train import Train
from .field_names import require_field
from .space import Choice, Float, Parameter, same

_ABSENT = object()
# What an object of the job begins as that the job has left out: a network is an MLP, unless its type is chosen.
_BEGINNINGS: Mapping[str, Mapping[str, Any]] = {"architecture": {"type": "mlp"}}
_ARGUMENTS = "args."
# More corners than this are drawn, not all looked at.
_MOST_CORNERS = 500
# So many are looked at one parameter at a time, which takes part of a second; but so many of each at least.
_MOST_ALONE, _LEAST_CORNERS = 1_000, 10


class Template:
    """A job, and the space of its settings. A setting is a number or an option, by its name in the space.

    Names are fields of a training: "batch_size", "optimizer.learning_rate"; of a function, its arguments: "weeks" or
    "args.weeks".

    Raises:
        InvalidJob: a name is no field of the job, or a condition cannot be met.
    """

    def __init__(self, job: Train | Run, space: Mapping[str, Parameter]) -> None:
        self.job = job
        self.space = space
        self._steps = {name: _steps(job, name) for name in space}
        self._refuse_twins()
        if isinstance(job, Train):
            for name, steps in self._steps.items():
                require_field(name, steps)
        for name, parameter in space.items():
            for other, wanted in parameter.when.items():
                self._require_possible(name, other, wanted)
        self.order = self._ordered()

    def draw(self, choose: Callable[[str, Parameter], object]) -> dict[str, object]:
        """A value for each parameter that counts with those before it.

        Args:
            choose: gives a parameter's value.
        """
        settings: dict[str, object] = {}
        for name in self.order:
            if self._counts(name, settings):
                settings[name] = choose(name, self.space[name])
        return settings

    def combinations(self, values: Callable[[Parameter], Sequence[object]]) -> Iterator[dict[str, object]]:
        """All settings of these values of each parameter, the last one's changing first."""

        def completed(settings: dict[str, object], at: int) -> Iterator[dict[str, object]]:
            if at == len(self.order):
                yield settings
            elif not self._counts(name := self.order[at], settings):
                yield from completed(settings, at + 1)
            else:
                for value in values(self.space[name]):
                    yield from completed({**settings, name: value}, at + 1)

        return completed({}, 0)

    def with_settings(self, settings: Mapping[str, object]) -> Train | Run:
        """The job with these settings.

        Raises:
            InvalidJob: it does not allow them.
        """
        document = copy.deepcopy(self._document)
        # Whole objects before their fields, and which object it is before those.
        for name in sorted(settings, key=lambda name: (len(self._steps[name]), self._steps[name][-1] != "type")):
            _put(document, self._steps[name], settings[name], name)
        return type(self.job).model_validate(document)

    def refuse_wrong_corners(self) -> None:
        """Refuse a space of which the job does not allow the ends and options of every parameter.

        Raises:
            InvalidJob: it does not; says which.
        """
        usual = {name: parameter.corners[0] for name, parameter in self.space.items()}
        most = max(_LEAST_CORNERS, _MOST_ALONE // len(self.space))
        for name, parameter in self.space.items():
            for corner in parameter.corners[:: math.ceil(len(parameter.corners) / most)]:
                self._require_allowed(self._drawn({**usual, name: corner}), name)
        whole = list(islice(self.combinations(lambda parameter: parameter.corners), _MOST_CORNERS + 1))
        if len(whole) > _MOST_CORNERS:
            drawn = random.Random(0)
            whole = [self.draw(lambda _, each: drawn.choice(each.corners)) for _ in range(_MOST_CORNERS)]
        for settings in whole:
            self._require_allowed(settings, None)

    def _drawn(self, values: Mapping[str, object]) -> dict[str, object]:
        """Those of some values that count."""
        return self.draw(lambda name, _: values[name])

    def _require_allowed(self, settings: dict[str, object], name: str | None) -> None:
        try:
            self.with_settings(settings)
        except InvalidJob as error:
            if name in settings and len(self.space) > 1:
                alone = {name: settings[name]}
                settings = alone if self._refuses(alone) else settings
            raise InvalidJob(f"the space allows {words(settings)}, and the job does not: {error.message}") from None

    def _refuses(self, settings: Mapping[str, object]) -> bool:
        try:
            self.with_settings(settings)
        except InvalidJob:
            return True
        return False

    @cached_property
    def _document(self) -> dict[str, Any]:
        """The fields of the job that are not as they are by default: what is not said may change with others."""
        fields = type(self.job).model_fields
        return {
            name: value for name, value in self._fields.items() if getattr(self.job, name) != _default(fields[name])
        }

    @cached_property
    def _fields(self) -> dict[str, Any]:
        return self.job.model_dump(mode="json")

    def _refuse_twins(self) -> None:
        known: dict[tuple[str, ...], str] = {}
        for name, steps in self._steps.items():
            if known.setdefault(steps, name) != name:
                raise InvalidJob(f"space names {known[steps]!r} and {name!r}, which are one argument: leave one out")

    def _counts(self, name: str, settings: Mapping[str, object]) -> bool:
        """Whether the others are as its `when` has them."""
        return all(_is_met(wanted, self._value(other, settings)) for other, wanted in self.space[name].when.items())

    def _value(self, name: str, settings: Mapping[str, object]) -> object:
        """What a field is with these settings of those that are drawn before it; `_ABSENT` if it is not there."""
        steps = _steps(self.job, name)
        if known := self._chosen(steps):
            if known not in settings:
                return _ABSENT
            return _at(settings[known], steps[len(self._steps[known]) :])
        return _at(self._fields, steps)

    def _chosen(self, steps: tuple[str, ...]) -> str | None:
        """The parameter that a field is, or that it is a part of; the closest one."""
        fitting = [name for name, own in self._steps.items() if steps[: len(own)] == own]
        return max(fitting, key=lambda name: len(self._steps[name]), default=None)

    def _require_possible(self, name: str, other: str, wanted: object) -> None:
        steps = _steps(self.job, other)
        if isinstance(self.job, Train):
            require_field(other, steps, f"when of {name!r}", settings=False)
        known = self._chosen(steps)
        if known is None:
            value = _at(self._fields, steps)
            if not _is_met(wanted, value):
                has = "has none" if value is _ABSENT else f"has {short(value)}"
                raise InvalidJob(
                    f"space has {name!r} when {other} is {short(wanted)}, which it never is: the job {has}; "
                    f"put {other!r} into the space"
                )
            return
        parameter, rest = self.space[known], steps[len(self._steps[known]) :]
        if isinstance(parameter, Float):
            raise InvalidJob(f"when of {name!r} names {other!r}, of any number in a range: name a Choice or an Int")
        if parameter.count <= _MOST_CORNERS or isinstance(parameter, Choice):
            values = [_at(value, rest) for value in parameter.values]
            if not any(_is_met(wanted, value) for value in values):
                raise InvalidJob(
                    f"space has {name!r} when {other} is {short(wanted)}, which it never is: it is one of "
                    f"{', '.join(short(value) for value in parameter.values)}"
                )

    def _ordered(self) -> tuple[str, ...]:
        """The parameters, each behind those that its `when` names."""
        needed = {
            name: [known for other in parameter.when if (known := self._chosen(_steps(self.job, other)))]
            for name, parameter in self.space.items()
        }
        try:
            return tuple(TopologicalSorter(needed).static_order())
        except CycleError as error:
            circle = " → ".join(error.args[1])
            raise InvalidJob(f"when goes round in a circle: {circle}; leave one of them out") from None


def _default(field: FieldInfo) -> object:
    """What a field is by default; `_ABSENT` if it must be given."""
    try:
        return field.get_default(call_default_factory=True, validated_data={})
    except InvalidJob:
        return _ABSENT


def words(settings: Mapping[str, object]) -> str:
    """Settings on one line."""
    return ", ".join(f"{name}={_shown(value)}" for name, value in settings.items())


def _shown(value: object) -> str:
    return f"{value:.6g}" if isinstance(value, float) else value if isinstance(value, str) else short(value)


def _steps(job: Train | Run, name: str) -> tuple[str, ...]:
    """The way from a job to a field of it."""
    if isinstance(job, Run):
        return ("arguments", *name.removeprefix(_ARGUMENTS).split("."))
    return tuple(name.split("."))


def _is_met(wanted: object, value: object) -> bool:
    """Whether a value is the one that is wanted, or one of those."""
    if value is _ABSENT:
        return False
    return same(wanted, value) or (isinstance(wanted, list) and any(same(each, value) for each in wanted))


def _at(value: object, steps: Sequence[str]) -> object:
    for step in steps:
        if not isinstance(value, Mapping) or step not in value:
            return _ABSENT
        value = value[step]
    return value


def _put(document: dict[str, Any], steps: Sequence[str], value: object, name: str) -> None:
    """Set a field of a document; what is on the way to it and not there begins as it usually is."""
    *way, last = steps
    place = document
    for at, step in enumerate(way):
        if place.get(step) is None:
            place[step] = dict(_BEGINNINGS.get(step, {}))
        place = place[step]
        if not isinstance(place, dict):
            whole = ".".join(way[: at + 1])
            raise InvalidJob(f"space names {name!r}, and {whole} is {short(place)}, which has no fields: leave one out")
    if last == "type" and place.get("type") not in (None, value):
        # The fields of another type of object mean nothing to this one.
        place.clear()
    place[last] = copy.deepcopy(value)
