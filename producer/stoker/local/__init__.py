"""Stoker on one machine without any set-up: a Redis server, a controller and a worker."""

from .server import local_url, redis_url_of
from .up import WORKER, AlreadyRunning, LocalStack, up

__all__ = ["WORKER", "AlreadyRunning", "LocalStack", "local_url", "redis_url_of", "up"]
