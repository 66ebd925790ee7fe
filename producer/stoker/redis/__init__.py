"""Redis as Stoker talks to it: addresses, connections, retries, blocking reads, the Celery app on it."""
