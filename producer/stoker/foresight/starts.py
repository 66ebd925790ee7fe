"""How long new slots take to serve."""

import math

from .estimates import Estimate, around

# From a fork within a worker that runs, half a second, to a node that a cluster has to find room for.
_USUAL_MS, _SPREAD = 8_000.0, 0.9


def time_to_start() -> Estimate:
    """From when a slot is asked for until it serves, in ms."""
    return around(math.log(_USUAL_MS), _SPREAD, "how long slots usually take to start")
