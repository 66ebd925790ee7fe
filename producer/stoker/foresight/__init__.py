"""When jobs will start and end: from what finished ones took, and from what stands in a fleet's queues. Does no I/O."""
