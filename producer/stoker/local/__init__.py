"""Stoker on one machine without any set-up: a Redis server, a controller and a worker."""

from .server import local_url, redis_url_of
from .up import AlreadyRunning, LocalStack, up

__all__ = ["AlreadyRunning", "LocalStack", "local_url", "redis_url_of", "up"]
