"""Numbers to predict that float32 cannot tell apart, in which models answer."""

import numpy as np

from stoker.errors import InvalidJob

from ..columns.stats import Moments

# Of float32: half of the distance between neighbouring numbers, as a share of them.
_ROUNDING = 2.0**-24
# Shares of the standard deviation that rounding may take away: before it is said, and before nothing is left to learn.
_SAID, _REFUSED = 1e-3, 0.1


def lost_digits(name: str, moments: Moments) -> str | None:
    """What rounding takes from numbers to predict that are large beside their spread, in a sentence; None for others.

    Raises:
        InvalidJob: it takes what there is to learn.
    """
    spread = np.sqrt(moments.variance)
    rounding = np.maximum(np.abs(moments.lows), np.abs(moments.highs)) * _ROUNDING
    share = np.where((spread > 0) & np.isfinite(rounding), rounding / np.where(spread > 0, spread, 1.0), 0.0)
    worst = int(share.argmax())
    if share[worst] <= _SAID:
        return None
    told = (
        f"target {name!r} holds numbers around {moments.mean[worst]:.4g} that differ by {spread[worst]:.2g}, and a "
        f"model answers in float32, which knows none between those that are {2 * rounding[worst]:.2g} apart"
    )
    if share[worst] > _REFUSED:
        raise InvalidJob(f"{told}: nothing is left to learn; subtract a number such as the mean from all of them")
    return f"{told}; subtract a number such as the mean from all of them to keep their digits"
