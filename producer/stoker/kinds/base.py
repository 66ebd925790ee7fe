"""What every job spec has in common."""

import math
from datetime import UTC, datetime
from inspect import Signature, signature
from typing import TYPE_CHECKING, Annotated, Any, Generic, Literal, Self

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ModelWrapValidatorHandler,
    SerializerFunctionWrapHandler,
    StringConstraints,
    ValidationError,
    model_serializer,
    model_validator,
)
from typing_extensions import TypeVar

from ..errors import InvalidJob
from .needs import Labels
from .problems import sentence
from .result import JobResult

Device = Literal["auto", "cpu", "gpu", "tpu"]
Priority = Literal["low", "normal", "high"]
Reuse = Literal["identical"]
# A job's id, or "#2" for the third of the specs submitted together.
JobRef = Annotated[str, StringConstraints(pattern=r"^(#[0-9]{1,4}|[A-Za-z0-9-]{1,64})$")]
LONGEST_TAG = 256
LONGEST_SINGLETON = 256
SingletonKey = Annotated[str, StringConstraints(min_length=1, max_length=LONGEST_SINGLETON)]
Tag = Annotated[str, StringConstraints(max_length=LONGEST_TAG)]
# What Redis keeps for each job, and scripts pass on: whatever is larger is data, and belongs into the store.
MOST_BYTES = 4 << 20
DEEPEST = 100


def plain(value: Any, depth: int = 0) -> Any:
    """Plain data as JSON gives it back: what JSON cannot hold is refused, tuples are lists."""
    if depth > DEEPEST:
        raise ValueError(f"nested more than {DEEPEST} deep, or holds itself")
    match value:
        case None | bool():
            return value
        case int():
            if abs(value) >= 2**63:
                raise ValueError("a whole number of more than 64 bits")
            return value
        case str():
            value.encode()
            return value
        case float():
            if not math.isfinite(value):
                raise ValueError(f"{value} is no number that JSON can hold")
            return value
        case dict():
            if wrong := next((name for name in value if not isinstance(name, str)), None):
                raise ValueError(f"the key {wrong!r} must be text")
            return {plain(name): plain(each, depth + 1) for name, each in value.items()}
        case list() | tuple():
            return [plain(each, depth + 1) for each in value]
    raise ValueError(f"{type(value).__name__} is no plain data: expected dict, list, text, numbers, booleans and None")


def several(value: Any) -> Any:
    """A lone text as a tuple of it."""
    return (value,) if isinstance(value, str) else value


# Any plain data by name.
Plain = Annotated[dict[str, Any], BeforeValidator(plain)]


def _in_utc(moment: datetime) -> datetime:
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise ValueError("out of the calendar, in UTC") from None


Moment = Annotated[AwareDatetime, AfterValidator(_in_utc)]


class _Signature:
    """The signature of a class that is built when it is first used: asking for it is a use."""

    def __get__(self, instance: object, owner: type[BaseModel]) -> Signature:
        owner.model_rebuild()
        return signature(owner)


class Frozen(BaseModel):
    """A part of a spec: immutable, refusing fields it does not know.

    Raises:
        InvalidJob: on any wrong value, in one sentence.
    """

    # What is not finite is refused, also where `model_copy` has put it: so it must not become null on its way.
    # Deferred: of all that an app may ask for, it builds what it asks for.
    model_config = ConfigDict(
        frozen=True, extra="forbid", allow_inf_nan=False, ser_json_inf_nan="constants", defer_build=True
    )
    __signature__ = _Signature()

    @model_validator(mode="wrap")
    @classmethod
    def _refuse_in_one_sentence(cls, data: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        try:
            return handler(data)
        except ValidationError as error:
            raise InvalidJob(sentence(error, data, cls.__name__, cls.model_fields)) from None


class SaysNone(Frozen):
    """A part of a spec that means something else by None than by nothing: so its document says it, see `document`."""

    @model_serializer(mode="wrap", when_used="json")
    def _with_none(self, fields: SerializerFunctionWrapHandler) -> dict[str, Any]:
        said: dict[str, Any] = fields(self)
        return said | {name: None for name, value in vars(self).items() if value is None}


# What comes of a spec. `JobSpec` alone is a spec of any kind.
R_co = TypeVar("R_co", bound=JobResult, covariant=True, default=JobResult)

if TYPE_CHECKING:

    class Gives(Frozen, Generic[R_co]):
        """A spec of which comes an `R_co`."""

else:

    class Gives(Frozen):
        """What comes of a spec is for type checkers alone: `Gives[R]` is `Gives`."""

        def __class_getitem__(cls, result: object) -> type:
            return cls


class JobSpec(Gives[R_co]):
    """Fields of every job. What a `JobSpec[R]` is submitted for is an `R`: so type checkers know a job's result.

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
        needs: labels that its worker must have (`STOKER_LABELS`); until one that has them lives, it waits.
        singleton: a key. As long as a job with it has not ended, submitting another gives that one back. The first of
            several jobs may have one: then all are refused.
        reuse: "identical" gives the newest job back that was identical and has succeeded, instead of running this one;
            see docs/jobs.md for what that is. None runs it.
        debounce: seconds, with `singleton`. The job starts so much later, if no other with its key has come by then:
            that takes its place, as long as it has not begun. It is put off for ten times as long at most.
    """

    device: Device = "auto"
    priority: Priority = "normal"
    timeout: float | None = Field(default=None, gt=0)
    max_attempts: int = Field(default=3, ge=1, le=100)
    after: tuple[JobRef, ...] = Field(default=(), max_length=1000)
    not_before: Moment | None = None
    tags: dict[Tag, Tag] = Field(default_factory=dict, max_length=32)
    memory: int | None = Field(default=None, gt=0, le=2**50)
    cpus: int | None = Field(default=None, gt=0, le=4096)
    gpu_memory: int | None = Field(default=None, gt=0, le=2**50)
    needs: Labels = Field(default_factory=dict)
    singleton: SingletonKey | None = None
    debounce: float | None = Field(default=None, gt=0, le=86_400)
    reuse: Reuse | None = None

    @model_validator(mode="after")
    def _debounce_needs_a_key(self) -> Self:
        if self.debounce is not None and self.singleton is None:
            raise InvalidJob("debounce says how long a job waits for another with its key: give singleton, too")
        return self

    @model_validator(mode="after")
    def _gpu_memory_is_a_gpus(self) -> Self:
        if self.gpu_memory is not None and self.device not in ("auto", "gpu"):
            raise InvalidJob(f"gpu_memory is a GPU's, and device is {self.device!r}: leave one of them out")
        return self
