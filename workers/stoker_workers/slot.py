"""A slot: one child of the worker's pool, which looks after one job at a time and never runs TensorFlow itself."""

import multiprocessing
import os
import uuid
from functools import cached_property
from multiprocessing.synchronize import Event as Flag

from stoker.connection import Connection
from stoker.settings import Settings

from .mirror import ResultMirror


class Slot:
    """What every task of a pool child shares. Made before the pool forks; used only after.

    Attributes:
        worker: the Celery node name of the worker it belongs to.
        draining: set by the parent once the worker is to hand its jobs over.
    """

    def __init__(self, settings: Settings, redis_url: str, worker: str) -> None:
        self.settings = settings
        self.redis_url = redis_url
        self.worker = worker
        self.draining: Flag = multiprocessing.Event()

    @cached_property
    def connection(self) -> Connection:
        """This process's own connection."""
        return Connection.open(self.settings, self.redis_url)

    @cached_property
    def results(self) -> ResultMirror:
        """This process's way to the results' own Redis."""
        return ResultMirror(self.settings, self.connection)

    def new_owner(self) -> str:
        """A name for one attempt that no other will ever have."""
        return f"{self.worker}/{os.getpid()}/{uuid.uuid4().hex}"
