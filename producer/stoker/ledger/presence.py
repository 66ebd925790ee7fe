"""Which workers live, and how many slots each shall have: the reply to its heartbeat, every second."""

from pydantic import BaseModel, ConfigDict, Field

from ..fleet.topology import WorkDevice
from ..kinds.needs import functions_in, labels_in
from ..outages import OngoingOutage
from ..redis.calls import Call
from .keys import SILENT_AFTER_S, key
from .readable import all_readable, number
from .scripts import script

BEAT_S = 1.0


class Worker(BaseModel):
    """A worker, as it describes itself.

    Attributes:
        name: its Celery node name, e.g. "cpu-4711@host".
        node: the node it belongs to; workers of one node share a machine.
        slots: how many jobs it runs at once, as of now.
        most_slots: how many it may have.
        busy: how many of its slots have a job, or a lane, in hand.
        queues: the Celery queues it serves.
        mailbox: the Celery queue that it alone serves, for jobs that not every worker of a queue can run; "" for none.
        kinds: the kinds of jobs that it knows.
        offers: what it has for jobs that need it, as words: see `kinds.needs`.
        packages: versions of TensorFlow, Keras and the distributions behind what it offers, by name.
        release: of its Stoker, as `stoker.version.RELEASE` has it.
        cpus: cores that it may use, shared by its slots and by other workers of its node.
        memory_bytes: memory that its jobs may use together; None where that is unknown.
        memory_used_bytes: memory that its jobs use now.
        node_gpus: for how many GPUs its node means to run workers.
        gpu: what its GPU is called; None on other devices.
        gpu_memory_bytes: memory of the GPU.
        gpu_memory_used_bytes: how much of that is in use, by whomever.
        gpu_utilisation: share of the last moment in which the GPU computed, 0 to 1.
        outages: what it depends on and is away now.
        unconfined: what its kernel refuses to processes that open imported models, with why: "no network: …".
    """

    model_config = ConfigDict(frozen=True)

    name: str
    node: str
    device: WorkDevice
    slots: int
    most_slots: int
    busy: int = 0
    queues: tuple[str, ...]
    mailbox: str = ""
    kinds: tuple[str, ...] = ()
    offers: tuple[str, ...] = ()
    packages: dict[str, str] = Field(default_factory=dict)
    release: int = 0
    host: str
    pid: int
    cpus: int | None = None
    memory_bytes: int | None = None
    memory_used_bytes: int | None = None
    node_gpus: int = 0
    gpu: str | None = None
    gpu_memory_bytes: int | None = None
    gpu_memory_used_bytes: int | None = None
    gpu_utilisation: float | None = None
    outages: tuple[OngoingOutage, ...] = ()
    unconfined: tuple[str, ...] = ()

    @property
    def labels(self) -> dict[str, str]:
        """What is said of it, by name."""
        return labels_in(self.offers)

    @property
    def functions(self) -> tuple[str, ...]:
        """The functions that it allows, each as package.module:function or package.module:*."""
        return functions_in(self.offers)


def announce(worker: Worker) -> Call[int | None]:
    """Send a heartbeat of a worker, and forget those silent for long; gives what `wanted_slots` does."""
    words = (worker.name, worker.model_dump_json(), round(SILENT_AFTER_S * 1000))
    return Call(words, number, script("announce"))


def leave(name: str) -> Call[None]:
    """Forget a worker, which ends."""
    return Call((name, "", round(SILENT_AFTER_S * 1000)), lambda _: None, script("announce"))


def want_slots(name: str, slots: int) -> Call[bool]:
    """Set how many slots a worker shall have, from its next heartbeat on; returns whether there is such a worker.

    One whose slots are all busy follows sooner.

    It takes no slot from a job: what is too many goes when its job has ended.
    """
    return Call((name, slots), bool, script("want_slots"))


def wanted_slots(name: str) -> Call[int | None]:
    """How many slots a worker shall have; None if that was never set."""
    return Call(("HGET", key("wanted"), name), number)


def workers() -> Call[list[Worker]]:
    """The live workers, by name."""

    def decode(answer: list[bytes]) -> list[Worker]:
        return sorted(all_readable(Worker, answer), key=lambda worker: worker.name)

    return Call((round(SILENT_AFTER_S * 1000),), decode, script("workers"))
