"""Fleets: the queues of each device, and the bounds of its slots."""
