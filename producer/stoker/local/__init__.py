"""Stoker on one machine: a Redis server of its own and a worker, without any set-up."""

from .server import local_url, redis_url_of
from .up import WORKER, AlreadyRunning, LocalStack, up

__all__ = ["WORKER", "AlreadyRunning", "LocalStack", "local_url", "redis_url_of", "up"]
