"""What a job changes beside its own record, in one step with its success."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from .manifest import Alias, ModelManifest


class _Effect(BaseModel):
    model_config = ConfigDict(frozen=True)


class Register(_Effect):
    """Register a model as the next version of its name, which becomes the champion if there is none.

    Attributes:
        named_in: the field of the job's result that is to hold the new version's reference.
        alias: what shall point at the new version; None moves none.
    """

    type: Literal["register"] = "register"
    manifest: ModelManifest
    named_in: str = "model"
    alias: Alias | None = None


class MoveAlias(_Effect):
    """Point an alias at a version.

    Attributes:
        model: the version's exact reference, e.g. "digits@3".
    """

    type: Literal["move_alias"] = "move_alias"
    model: str
    alias: Alias


Effect = Annotated[Register | MoveAlias, Field(discriminator="type")]
