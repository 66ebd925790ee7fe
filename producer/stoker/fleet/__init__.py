"""Fleets as clients and workers both know them: the queues of each device, and the bounds of its slots."""
