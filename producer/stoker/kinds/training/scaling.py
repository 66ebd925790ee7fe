"""What a training says of its numbers: how they are scaled."""

from typing import TYPE_CHECKING, Annotated

from pydantic import StringConstraints

from ...errors import InvalidJob
from ...models.columns import Scaling

if TYPE_CHECKING:
    from ..train import Train

Scalings = Scaling | dict[Annotated[str, StringConstraints(max_length=1024)], Scaling]


def refuse_wrong_scaling(spec: "Train") -> None:
    """Refuse what contradicts itself.

    Raises:
        InvalidJob: something does.
    """
    if spec.scaling and not spec.normalize:
        raise InvalidJob("scaling says how numbers are scaled, and normalize=False leaves them as they are: drop one")
    if spec.scaling and spec.forecast is not None:
        raise InvalidJob("scaling is of a table's columns, and a forecast scales each series by itself: leave it out")
