"""The systems measured: how each is installed, served and called, and what it can do."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

FOLDER = Path(__file__).parent
Style = Literal["threads", "asyncio"]


@dataclass(frozen=True)
class Peer:
    """One system, set up in one way.

    Attributes:
        folder: its folder here: requirements.txt, but for Stoker's own, a server and an adapter.
        settings: how it is set up, in words.
        serve: the command of its server, a program of its own Python and what follows; "{port}" is the port to use.
        serves: how many processes of that command.
        listens: whether clients talk to the server itself, by HTTP; else both talk to Redis.
        client: the class of its adapter.
        can: the benchmarks it takes part in.
        styles: the clients measured with many callers.
        alone: the client measured with one caller.
        most_callers: more than these at once would take minutes.
    """

    name: str
    folder: str
    settings: str
    serve: Sequence[str]
    can: frozenset[str]
    serves: int = 1
    listens: bool = False
    client: str = "Adapter"
    styles: tuple[Style, ...] = ("threads",)
    alone: Style = "threads"
    most_callers: int = 512

    @property
    def adapter(self) -> str:
        """Its adapter, as package.module:class."""
        return f"bench.peers.{self.folder}.adapter:{self.client}"

    @property
    def is_stoker(self) -> bool:
        """Whether it is a Stoker: that of this checkout, or of another."""
        return self.folder == "stoker"


_CELERY = ("celery", "-A", "bench.peers.celery.serve", "worker", "--concurrency=2", "--loglevel=WARNING")
_QUEUE = frozenset({"noop", "submit", "queue_depth"})
_SERVER = frozenset({"inference"})
_DOOR = _SERVER | {"gateway"}

STOKER = Peer(
    "stoker",
    "stoker",
    "one worker with 2 slots; the blocking client from threads, the asyncio client from tasks",
    (),
    frozenset({"inference", "noop", "submit", "bulk", "queue_depth", "records", "memory"}),
    styles=("asyncio", "threads"),
)
_GATEWAY = Peer(
    "stoker gateway, JSON",
    "gateway",
    "one worker with 2 slots behind one gateway, called by HTTP: the Open Inference Protocol, tensors as JSON",
    ("python", "-m", "bench.peers.gateway.serve"),
    _DOOR,
    listens=True,
    client="JsonAdapter",
    styles=("asyncio",),
)
PEERS = (
    STOKER,
    _GATEWAY,
    replace(
        _GATEWAY,
        name="stoker gateway, binary",
        settings="the same, tensors as bytes",
        client="BinaryAdapter",
    ),
    Peer(
        "celery",
        "celery",
        "prefork, 2 children; a tf.function per task, rows and results as JSON, results in Redis",
        _CELERY,
        _QUEUE | _SERVER,
    ),
    Peer(
        "celery, model.predict",
        "celery",
        "the same, with model.predict per task",
        _CELERY,
        _SERVER,
        client="PredictAdapter",
        most_callers=64,
    ),
    Peer(
        "celery-batches",
        "celery_batches",
        "prefork, 2 children; flush_every=256, flush_interval=2 ms; it needs Celery below 5.7",
        ("celery", "-A", "bench.peers.celery_batches.serve", "worker", "--concurrency=2", "--loglevel=WARNING"),
        _SERVER,
    ),
    Peer(
        "rq",
        "rq",
        "2 workers of class SimpleWorker, which fork no process per job",
        ("rq", "worker-pool", "-n", "2", "-w", "rq.worker.SimpleWorker", "-u", "{url}", "-q"),
        _QUEUE,
    ),
    Peer(
        "dramatiq",
        "dramatiq",
        "2 processes of 8 threads; no results kept, as is its default, but for the round trip of one job",
        ("dramatiq", "bench.peers.dramatiq.serve", "--processes", "2", "--threads", "8"),
        _QUEUE,
    ),
    Peer(
        "arq",
        "arq",
        "2 processes, max_jobs=100, poll_delay=5 ms",
        ("arq", "bench.peers.arq.serve.Worker"),
        _QUEUE,
        serves=2,
    ),
    Peer(
        "ray-serve",
        "ray_serve",
        "one replica, serve.batch of at most 256 rows or 2 ms, called by HTTP",
        ("python", "-m", "bench.peers.ray_serve.serve"),
        _SERVER,
        listens=True,
        styles=("asyncio",),
    ),
    Peer(
        "bentoml",
        "bentoml",
        "one worker, adaptive batching of at most 256 rows, called by HTTP",
        ("bentoml", "serve", "bench.peers.bentoml.serve:service", "--host", "127.0.0.1", "--port", "{port}"),
        _DOOR,
        listens=True,
        styles=("asyncio",),
    ),
    Peer(
        "litserve",
        "litserve",
        "one worker, batches of at most 256 rows or 2 ms, called by HTTP",
        ("python", "-m", "bench.peers.litserve.serve"),
        _DOOR,
        listens=True,
        styles=("asyncio",),
    ),
)


def peers_of(benchmark: str) -> list[Peer]:
    """The systems that take part in a benchmark."""
    return [peer for peer in PEERS if benchmark in peer.can]
