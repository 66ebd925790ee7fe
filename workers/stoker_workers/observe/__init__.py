"""Monitoring: metrics, traces, Flower, logs, and Celery's results in a Redis of their own."""
