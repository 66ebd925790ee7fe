"""What the shop's settings cost: quick to say, so that many can be tried."""

import time

from stoker_workers import Run


def cost(run: Run, x: float, y: str = "a", epochs: int = 0, pause_s: float = 0.0) -> dict[str, float]:
    """A bowl with its bottom at 0.3, deeper for some `y`.

    Args:
        epochs: how often it says how far it is.
        pause_s: how long to rest after each epoch, or once.
    """
    bottom = (x - 0.3) ** 2 + {"a": 1.0, "b": 0.5, "c": 0.1}[y]
    for epoch in range(1, epochs + 1):
        run.epoch(epoch, {"cost": bottom + 1 / epoch}, epochs=epochs)
        time.sleep(pause_s)
    if not epochs:
        time.sleep(pause_s)
    return {"cost": bottom}
