"""The Celery worker: its tasks, its slots, its sign of life, and the door that every message passes."""
