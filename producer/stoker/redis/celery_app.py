"""The Celery app: one broker, JSON only, and settings under which no message, lost or hostile, can lose a job."""

from typing import Any

from celery import Celery
from kombu.entity import Queue

from ..fleet.topology import DEVICES, PRIORITIES, PRIORITY_STEPS, queues_of
from ..settings import Settings
from ..urls import sentinels_of


def celery_app(settings: Settings, url: str) -> Celery:
    """The Celery app that workers run, and that Flower and `celery inspect` may use.

    Messages are acknowledged early, and prefetched for brief jobs only: a job's state is in the ledger, not in its
    message. (Celery 5.7 workers with unacknowledged messages can also die when Redis goes away.)
    """
    result_url = settings.result_url or url
    app = Celery("stoker", broker=_celery_url(url), backend=_celery_url(result_url))
    app.conf.update(
        accept_content=["json"],
        result_accept_content=["json"],
        task_serializer="json",
        result_serializer="json",
        broker_transport_options={
            **_timeouts(settings),
            "health_check_interval": 5,
            # No copies of unacknowledged messages: the ledger sends a lost doorbell again, and kombu would restore
            # whatever anyone wrote among the copies unchecked.
            "ack_emulation": False,
            "priority_steps": list(PRIORITY_STEPS),
            "queue_order_strategy": "priority",
            **_sentinel_options(settings, url),
        },
        result_backend_transport_options=_sentinel_options(settings, result_url),
        **{f"redis_{name}": value for name, value in _timeouts(settings).items()},
        redis_backend_health_check_interval=5,
        result_backend_always_retry=True,
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        # A command that Redis refuses, because its memory is full or a key has the wrong type, must not end a worker.
        broker_channel_error_retry=True,
        task_queues=[Queue(name, routing_key=name) for device in DEVICES for name in queues_of(device)],
        task_create_missing_queues=False,
        task_default_queue="cpu.batch",
        task_default_priority=PRIORITIES["normal"],
        task_acks_late=False,
        task_ignore_result=True,
        worker_disable_prefetch=True,
        # worker_disable_prefetch is the only limit: this one would not follow a growing pool.
        worker_prefetch_multiplier=0,
        # On a busy machine a new slot may start slowly.
        worker_proc_alive_timeout=60,
        worker_enable_remote_control=True,
        worker_redirect_stdouts=False,
        worker_hijack_root_logger=False,
        worker_cancel_long_running_tasks_on_connection_loss=False,
        timezone="UTC",
    )
    return app


def _timeouts(settings: Settings) -> dict[str, Any]:
    return {
        "socket_timeout": settings.socket_timeout_s,
        "socket_connect_timeout": settings.connect_timeout_s,
        "socket_keepalive": True,
    }


def _celery_url(url: str) -> str:
    sentinels = sentinels_of(url)
    return sentinels.celery_url if sentinels else url


def _sentinel_options(settings: Settings, url: str) -> dict[str, Any]:
    """Celery's options for sentinels, besides their addresses."""
    sentinels = sentinels_of(url)
    if sentinels is None:
        return {}
    return {
        "master_name": sentinels.master_name,
        "sentinel_kwargs": _timeouts(settings) | sentinels.sentinel_login,
    }
