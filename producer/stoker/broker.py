"""The Celery app: one broker, JSON only, and settings under which no message can cost a job."""

from celery import Celery
from kombu.entity import Queue

from .settings import Settings
from .topology import DEVICES, PRIORITIES, PRIORITY_STEPS, queues_of


def celery_app(settings: Settings, url: str) -> Celery:
    """A Celery app on this Redis; what workers run, and what Flower or `celery inspect` may use.

    Messages are acknowledged early and none is fetched ahead of a free slot: the ledger, not the message,
    remembers a job (Celery 5.7 workers that hold unacknowledged messages can also die when Redis goes away).
    """
    transport = {
        "socket_timeout": settings.socket_timeout_s,
        "socket_connect_timeout": settings.connect_timeout_s,
        "socket_keepalive": True,
        "health_check_interval": 5,
        "priority_steps": list(PRIORITY_STEPS),
        "queue_order_strategy": "priority",
    }
    app = Celery("stoker", broker=url, backend=settings.result_url or url)
    app.conf.update(
        accept_content=["json"],
        result_accept_content=["json"],
        task_serializer="json",
        result_serializer="json",
        broker_transport_options=transport,
        result_backend_transport_options=transport,
        result_backend_always_retry=True,
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        task_queues=[Queue(name, routing_key=name) for device in DEVICES for name in queues_of(device)],
        task_create_missing_queues=False,
        task_default_queue="cpu.batch",
        task_default_priority=PRIORITIES["normal"],
        task_acks_late=False,
        task_ignore_result=True,
        worker_disable_prefetch=True,
        worker_prefetch_multiplier=1,
        worker_enable_remote_control=True,
        worker_redirect_stdouts=False,
        worker_hijack_root_logger=False,
        worker_cancel_long_running_tasks_on_connection_loss=False,
        timezone="UTC",
    )
    return app
