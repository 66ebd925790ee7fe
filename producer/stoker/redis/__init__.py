"""How Stoker uses Redis: connections, retries, shared readers, and the Celery app."""
