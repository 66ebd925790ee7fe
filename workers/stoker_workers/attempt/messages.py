"""The messages from a runner to its slot over their pipe, as JSON."""

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, TypeAdapter

from stoker.events import Event
from stoker.kinds import Result, Spec
from stoker.kinds.tuning.halving import Halving
from stoker.models.effects import Effect
from stoker.outages import Outage
from stoker.terminal.printable import Encodable

# The ledger keeps them, and whatever follows the job reads them.
_LONGEST_REASON, _LONGEST_TRACEBACK = 4_000, 64_000


def _cut(most: int) -> AfterValidator:
    def cut(text: str) -> str:
        if len(text) <= most:
            return text
        half = most // 2
        return f"{text[:half]} … {len(text) - 2 * half:,} characters are left out … {text[-half:]}"

    return AfterValidator(cut)


Reason = Annotated[Encodable, _cut(_LONGEST_REASON)]
Traceback = Annotated[Encodable, _cut(_LONGEST_TRACEBACK)]


class _Message(BaseModel):
    """What reads back as it was, NaN and infinities included."""

    # The outermost model decides for all that are in it.
    model_config = ConfigDict(frozen=True, ser_json_inf_nan="strings")


class Emitted(_Message):
    """Something happened in the job."""

    type: Literal["emitted"] = "emitted"
    event: Event


class Blocked(_Message):
    """The job cannot go on until something is back, and waits for it; None: it goes on."""

    type: Literal["blocked"] = "blocked"
    outage: Outage | None


class PlanHelps(_Message):
    """From here on the job would need less memory by the next of its `Kind.memory_plans`."""

    type: Literal["plan helps"] = "plan helps"


class Drew(_Message):
    """The job has drawn samples of what it predicts, as `ledger.sampling.keep` takes them."""

    model_config = ConfigDict(ser_json_bytes="base64", val_json_bytes="base64")

    type: Literal["drew"] = "drew"
    batch: bytes


class Done(_Message):
    """The job's work is done and waits to be committed."""

    type: Literal["done"] = "done"
    result: Result
    effects: tuple[Effect, ...]


class Failed(_Message):
    """The job ended by its own error.

    Attributes:
        is_unsafe: whether what it names was refused before anything opened it: see `Unsafe`.
    """

    type: Literal["failed"] = "failed"
    reason: Reason
    traceback: Traceback
    is_unsafe: bool = False


class Asked(_Message):
    """The job submits children, and waits for them: for all, or with `each` for the next that ends."""

    type: Literal["asked"] = "asked"
    children: tuple[Spec, ...]
    each: bool = False
    halving: Halving | None = None


class Waits(_Message):
    """The job waits without its slot: for a time, or to be woken."""

    # Whatever bytes they are.
    model_config = ConfigDict(ser_json_bytes="base64", val_json_bytes="base64")

    type: Literal["waits"] = "waits"
    why: Reason
    seconds: float | None = None
    keep: bytes = b""


class Pruned(_Message):
    """The job is a trial that others did better than; only its slot says so."""

    type: Literal["pruned"] = "pruned"
    reason: Reason


class Halted(_Message):
    """The job stopped because it was asked to, or its process is a member of a gang and has no more to do."""

    type: Literal["halted"] = "halted"
    reason: Literal["cancel", "drain", "done"]


class Lost(_Message):
    """The job could not go on for no fault of its own: its process died, or its machine failed it."""

    type: Literal["lost"] = "lost"
    reason: Reason


class Away(_Message):
    """The job could not go on because something is away that will be back.

    Attributes:
        elsewhere: whether another worker of its gang has met that, which may be of that worker's node alone; only the
            chief of a gang says so.
    """

    type: Literal["away"] = "away"
    outage: Outage
    elsewhere: bool = False


class Lacks(_Message):
    """The job turned out to need words that its worker does not offer."""

    type: Literal["lacks"] = "lacks"
    words: tuple[str, ...]


class Outgrown(Lost):
    """The job's process used more memory than its slot allows, and was ended for it; only its slot says so.

    Attributes:
        plan_helps: whether it was `PlanHelps`.
    """

    limit_bytes: int
    plan_helps: bool = False


class OutOfMemory(_Message):
    """The job's process was refused memory by its machine, or by its GPU.

    Attributes:
        plan_helps: whether it was `PlanHelps`; its slot says so.
    """

    type: Literal["out of memory"] = "out of memory"
    reason: Reason
    plan_helps: bool = False


End = Asked | Away | Done | Failed | Halted | Lacks | Lost | OutOfMemory | Pruned | Waits
Note = Emitted | Blocked | Drew | PlanHelps
"""What a job sends before its end."""
MESSAGE: TypeAdapter[Note | End] = TypeAdapter(Annotated[Note | End, Field(discriminator="type")])
