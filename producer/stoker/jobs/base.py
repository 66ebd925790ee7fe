"""What every job spec has in common."""

from typing import Annotated, Any, Literal, Self

from pydantic import (
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    ModelWrapValidatorHandler,
    StringConstraints,
    ValidationError,
    model_validator,
)

from ..errors import InvalidJob
from .problems import sentence

Device = Literal["auto", "cpu", "gpu", "tpu"]
Priority = Literal["low", "normal", "high"]
DataRef = Annotated[str, StringConstraints(min_length=1, max_length=4096, strip_whitespace=True)]
# A job's id, or "#2" for the third of the specs submitted together.
JobRef = Annotated[str, StringConstraints(pattern=r"^(#\d{1,4}|[A-Za-z0-9-]{1,64})$")]
Tag = Annotated[str, StringConstraints(max_length=256)]


class Frozen(BaseModel):
    """A part of a spec: immutable, refusing fields it does not know.

    Raises:
        InvalidJob: on any wrong value, in one sentence.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    @model_validator(mode="wrap")
    @classmethod
    def _refuse_in_one_sentence(cls, data: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        try:
            return handler(data)
        except ValidationError as error:
            raise InvalidJob(sentence(error, cls.__name__, cls.model_fields)) from None


class JobSpec(Frozen):
    """Fields of every job.

    Attributes:
        device: where it may run; "auto" takes a GPU where one is live and the job gains by it, else a CPU.
        priority: its place among the jobs of its queue.
        timeout: seconds one attempt may take, from when all its workers are there; None for no limit.
        max_attempts: how many workers may be lost to the job before it is DEAD.
        after: jobs that must succeed first, by id; among specs submitted together, "#0" is the first of them.
        not_before: the earliest time to start.
        tags: free labels, for finding jobs again.
        memory: bytes that the job may use; None for what a slot has (`STOKER_SLOT_MEMORY_BYTES`).
        cpus: cores that its worker must have, shared with its other slots.
        gpu_memory: bytes that its GPU must have; such a job runs on GPUs only.
    """

    device: Device = "auto"
    priority: Priority = "normal"
    timeout: float | None = Field(default=None, gt=0)
    max_attempts: int = Field(default=3, ge=1, le=100)
    after: tuple[JobRef, ...] = Field(default=(), max_length=1000)
    not_before: AwareDatetime | None = None
    tags: dict[Tag, Tag] = Field(default_factory=dict, max_length=32)
    memory: int | None = Field(default=None, gt=0, le=2**50)
    cpus: int | None = Field(default=None, gt=0, le=4096)
    gpu_memory: int | None = Field(default=None, gt=0, le=2**50)

    @model_validator(mode="after")
    def _gpu_memory_is_a_gpus(self) -> Self:
        if self.gpu_memory is not None and self.device not in ("auto", "gpu"):
            raise InvalidJob(f"gpu_memory is a GPU's, and device is {self.device!r}: leave one of them out")
        return self
