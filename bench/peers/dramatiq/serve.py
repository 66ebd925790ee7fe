"""Dramatiq: one actor that keeps no result, as is its default, and one that does."""

import os

import dramatiq
from dramatiq.brokers.redis import RedisBroker
from dramatiq.results import Results
from dramatiq.results.backends import RedisBackend

broker = RedisBroker(url=os.environ["BENCH_URL"])
broker.add_middleware(Results(backend=RedisBackend(url=os.environ["BENCH_URL"])))
dramatiq.set_broker(broker)


def _noop() -> None:
    pass


def _answer() -> bool:
    return True


noop = dramatiq.actor(_noop, actor_name="noop")
answer = dramatiq.actor(_answer, actor_name="answer", store_results=True)
