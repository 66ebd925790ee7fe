"""What a job has in common with others, as far as that decides how long it runs and what it needs."""

import json
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from .base import JobSpec
from .kind import Kind
from .tasks import digest

# Fields that say when, where and for whom a job runs, and not what it does; or that vary from run to run.
_BESIDE_THE_WORK = {*JobSpec.model_fields, "seed", "trial", "alias"}
_DIGITS = 12


class Likeness(BaseModel):
    """What a job has in common with others, in its record from its submit on.

    Attributes:
        same: equal for jobs that do the same with the same settings.
        subject: equal for jobs of one function, or of one model and data, whatever their settings.
        work: numbers above 0 that the time is about proportional to, by name.
    """

    model_config = ConfigDict(frozen=True)

    same: str
    subject: str
    work: dict[str, Annotated[float, Field(gt=0, allow_inf_nan=False)]] = Field(default_factory=dict)


def likeness(kind: Kind[JobSpec], spec: JobSpec) -> Likeness:
    """What a job has in common with others."""
    settings = spec.model_dump_json(exclude=_BESIDE_THE_WORK)
    function, model, data = map(vars(spec).get, ("function", "model", "data"))
    if isinstance(model, str):
        # Its versions are alike.
        model = model.partition("@")[0]
    if isinstance(data, BaseModel):
        data = data.model_dump_json()
    subject = json.dumps((kind.name, function, model, data))
    work = {name: float(number) for name, number in kind.work(spec).items() if number > 0}
    return Likeness(same=_digest(settings), subject=_digest(subject), work=work)


def _digest(text: str) -> str:
    return digest(text)[:_DIGITS]
