"""What a `Train` job says of pictures: their size, and how they are varied while training."""

from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from ...errors import InvalidJob
from ..base import Frozen


class Augment(Frozen):
    """Random changes of each picture in each epoch, so that a network does not learn pictures by heart.

    They are part of the training only: a served model changes nothing. The same seed gives the same changes.

        Augment(flip="horizontal", rotate=15, zoom=0.1)

    Attributes:
        flip: mirror half of the pictures: left to right, top to bottom, or each by half.
        rotate: turn by up to so many degrees, either way.
        zoom: enlarge or shrink by up to this share.
        shift: move by up to this share of height and width.
        contrast: change each distance from the mean by up to this share.
        brightness: add up to this share of the range from black to white, or take it away.
    """

    flip: Literal["horizontal", "vertical", "both"] | None = None
    rotate: float = Field(default=0.0, ge=0, le=180)
    zoom: float = Field(default=0.0, ge=0, lt=1)
    shift: float = Field(default=0.0, ge=0, lt=1)
    contrast: float = Field(default=0.0, ge=0, lt=1)
    brightness: float = Field(default=0.0, ge=0, le=1)

    @model_validator(mode="after")
    def _changes_something(self) -> Self:
        if self == Augment.model_construct():
            raise InvalidJob(
                "Augment() changes nothing: say what may vary, for example Augment(flip='horizontal', rotate=15), or "
                "leave augment out"
            )
        return self


def _both_sides(value: Any) -> Any:
    return (value, value) if isinstance(value, int) and not isinstance(value, bool) else value


_Side = Annotated[int, Field(ge=1, le=4096)]
ImageSize = Annotated[tuple[_Side, _Side], BeforeValidator(_both_sides)]
"""Height and width; one number is both."""
