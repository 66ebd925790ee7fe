"""What a job has in common with others, as far as that decides how long it runs and what it needs."""

import json
from collections.abc import Mapping
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from .base import JobSpec
from .kind import Kind
from .tasks import digest

# Fields that say when, where and for whom a job runs, and not what it does; or that vary from run to run.
_BESIDE_THE_WORK = (*JobSpec.model_fields, "seed", "trial", "alias")
# What a job is about: jobs that share it differ in settings alone.
_SUBJECT = ("kind", "function", "model", "data")
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


def likeness(kind: Kind[JobSpec], spec: JobSpec, document: str) -> Likeness:
    """What a job has in common with others; `document` is its spec as JSON."""
    fields = {name: value for name, value in json.loads(document).items() if name not in _BESIDE_THE_WORK}
    subject = {name: fields[name] for name in _SUBJECT if name in fields}
    if isinstance(model := subject.get("model"), str):
        # Its versions are alike.
        subject["model"] = model.partition("@")[0]
    work = {name: float(number) for name, number in kind.work(spec).items() if number > 0}
    return Likeness(same=_digest(fields), subject=_digest(subject), work=work)


def _digest(fields: Mapping[str, object]) -> str:
    return digest(json.dumps(fields, sort_keys=True))[:_DIGITS]
