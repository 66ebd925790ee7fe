"""The Celery worker: its tasks, its slots, its heartbeat, and the filter of its messages."""
