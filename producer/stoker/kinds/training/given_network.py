"""Networks that a `Train` job is given: a whole Keras model as its config, or by a function that makes one."""

from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints, model_validator
from pydantic_core import from_json

from ...errors import InvalidJob
from ..base import Frozen, Plain, plain
from ..needs import FUNCTION, Modules
from .keras_custom import custom_functions, custom_modules
from .keras_screen import screened


def _parsed(config: Any) -> Any:
    try:
        return from_json(config) if isinstance(config, str) else config
    # Text that no UTF-8 holds is a TypeError there.
    except (ValueError, TypeError, RecursionError) as error:
        raise ValueError(f"no JSON: {error}; give what model.to_json() gives") from None


class KerasConfig(Frozen):
    """A whole Keras model as its JSON config: what `model.to_json()` gives, as text or parsed.

    It may name Keras' own layers, initializers, regularizers, constraints and operations on tensors, and registered
    classes of yours, in modules that a worker's settings list under `custom_objects`. What can run code or read files
    is refused, such as Lambda layers; what the model was compiled with is left out.

    Attributes:
        modules: where functions of yours are registered that are activations: the config says only by which name.
    """

    type: Literal["keras"] = "keras"
    config: Annotated[dict[str, Any], BeforeValidator(_parsed), AfterValidator(screened), AfterValidator(plain)]
    modules: Modules = ()

    @model_validator(mode="after")
    def _says_where_functions_are(self) -> Self:
        if not self.modules and (functions := custom_functions(self.config)):
            raise InvalidJob(
                f"the architecture's config has the function {min(functions)} as an activation, and does not say where "
                "it is: name its module in KerasConfig(config=…, modules=['package.module'])"
            )
        return self

    @property
    def all_modules(self) -> tuple[str, ...]:
        """The author's modules that a worker must allow, in order."""
        return tuple(sorted({*self.modules, *custom_modules(self.config)}))


class Builder(Frozen):
    """A function of yours that returns an uncompiled Keras model: `Builder("package.module:function", {…})`.

    The worker calls it as `function(input_shape=…, output_units=…, **kwargs)`, and only if its settings
    list the target under `builders`.
    """

    type: Literal["builder"] = "builder"
    target: Annotated[str, StringConstraints(pattern=f"^{FUNCTION}$")]
    kwargs: Plain = Field(default_factory=dict)

    def __init__(self, target: str, kwargs: dict[str, Any] | None = None, **fields: Any) -> None:
        fields |= {"target": target, "kwargs": kwargs or {}}
        super().__init__(**fields)
