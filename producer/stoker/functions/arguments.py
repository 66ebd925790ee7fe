"""The arguments of a function of the user's: checked against its signature, and carried as plain data."""

import inspect
import json
from collections.abc import Callable, Mapping
from functools import cached_property
from inspect import Parameter
from typing import Any, cast

from pydantic import BaseModel, ConfigDict, Field, PydanticUserError, ValidationError, create_model
from pydantic_core import PydanticSerializationError

from ..errors import InvalidJob
from ..kinds.base import plain
from ..kinds.problems import sentence
from ..kinds.run import CONTEXT


class _Given(BaseModel):
    """Some arguments; their types may be any class."""

    # A number that JSON has no word for stays what it is, and is refused.
    model_config = ConfigDict(arbitrary_types_allowed=True, extra="forbid", ser_json_inf_nan="constants")


class _GivenWithOthers(_Given):
    model_config = ConfigDict(extra="allow")


class Arguments:
    """The parameters of a function but its context, and values for them.

    Args:
        path: "package.module:function", for messages.

    Raises:
        InvalidJob: it takes arguments without names, or gives no result but a coroutine.
    """

    def __init__(self, function: Callable[..., object], path: str) -> None:
        self._module = function.__module__
        self._path = path
        try:
            parameters = inspect.signature(function).parameters
        except (TypeError, ValueError) as error:
            raise InvalidJob(
                f"the parameters of {path} cannot be read: {error}; expected a function of Python"
            ) from None
        if inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function):
            raise InvalidJob(f"{path} is async: write a plain function, which may call asyncio.run")
        nameless = (Parameter.POSITIONAL_ONLY, Parameter.VAR_POSITIONAL)
        if wrong := next((each for each in parameters.values() if each.kind in nameless), None):
            raise InvalidJob(f"{path} takes {wrong} without a name: a job's arguments are given by their names")
        self.takes_context = CONTEXT in parameters
        self._parameters = {name: each for name, each in parameters.items() if name != CONTEXT}

    def checked(self, *given: object, **named: object) -> dict[str, Any]:
        """Arguments as plain data, by name; those that are left out stay so.

        Raises:
            InvalidJob: they do not fit the function, or JSON cannot hold them.
        """
        return self._written(self._validated(self._by_name(given, named)))

    def read(self, arguments: Mapping[str, object]) -> dict[str, object]:
        """The values behind plain data, as the function's annotations say.

        Raises:
            InvalidJob: they do not fit the function.
        """
        try:
            values = self._model.model_validate_json(json.dumps(arguments))
        except ValidationError as error:
            raise self._refusal(error, arguments) from None
        return self._names(values) | (values.model_extra or {})

    def _by_name(self, given: tuple[object, ...], named: Mapping[str, object]) -> dict[str, object]:
        names = [name for name, each in self._parameters.items() if each.kind is Parameter.POSITIONAL_OR_KEYWORD]
        if len(given) > len(names):
            raise InvalidJob(f"{self._path} takes {len(names)} arguments by place and got {len(given)}")
        by_place = dict(zip(names, given, strict=False))
        if twice := by_place.keys() & named.keys():
            raise InvalidJob(f"{self._path} got {min(twice)!r} twice: by place and by name")
        return {**by_place, **named}

    def _validated(self, arguments: Mapping[str, object]) -> _Given:
        try:
            return self._model.model_validate(arguments)
        except ValidationError as error:
            raise self._refusal(error, arguments) from None

    def _written(self, values: _Given) -> dict[str, Any]:
        try:
            written = values.model_dump(mode="json", by_alias=True, exclude_unset=True)
            return {name: plain(value) for name, value in written.items()}
        except (PydanticSerializationError, ValueError) as error:
            raise InvalidJob(f"an argument of {self._path} is no plain data: {error}") from None

    def _refusal(self, error: ValidationError, arguments: Mapping[str, object]) -> InvalidJob:
        return InvalidJob(sentence(error, arguments, self._path, self._parameters))

    def _names(self, values: _Given) -> dict[str, object]:
        """The values that were given, by parameter."""
        fields = type(values).model_fields
        given = {field: getattr(values, field) for field in fields if field in values.model_fields_set}
        return {str(fields[field].alias): value for field, value in given.items()}

    @cached_property
    def _model(self) -> type[_Given]:
        """What checks them; made late, for annotations may name what comes below the function."""
        fields: dict[str, Any] = {}
        others = any(each.kind is Parameter.VAR_KEYWORD for each in self._parameters.values())
        for number, (name, each) in enumerate(self._parameters.items()):
            if each.kind is not Parameter.VAR_KEYWORD:
                annotation = Any if each.annotation is Parameter.empty else each.annotation
                default = ... if each.default is Parameter.empty else each.default
                # Under a name of ours, so that a parameter may be called like a method of pydantic's.
                fields[f"argument_{number}"] = (annotation, Field(default, alias=name))
        base = _GivenWithOthers if others else _Given
        try:
            made = create_model("Arguments", __base__=base, __module__=self._module, **fields)
            made.model_rebuild()
        except (PydanticUserError, NameError) as error:
            raise InvalidJob(f"the annotations of {self._path} cannot be checked: {error}") from error
        return cast(type[_Given], made)
