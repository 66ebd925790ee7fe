"""Jobs as they come: when, of which kind, and how long each runs."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
DAY_S = 86_400.0


@dataclass(frozen=True)
class Kind:
    """Jobs of one kind.

    Attributes:
        share: how many of all jobs are of it.
        mean_s: how long they run.
        spread: of the logarithm of that, among jobs of the same settings (0: all alike).
        sizes: settings that are equally frequent: for how much of the mean each runs; they are 1 on average.
    """

    share: float
    mean_s: float
    spread: float = 0.0
    sizes: tuple[float, ...] = (1.0,)


SHORT = {"infer": Kind(1.0, 2.0, 0.3)}
# Run times over three orders of magnitude, the trainings with a heavy tail.
MIXED = {
    "deploy": Kind(0.2, 1.0, 0.3),
    "evaluate": Kind(0.3, 20.0, 0.5),
    "infer": Kind(0.2, 60.0, 0.8),
    "train": Kind(0.3, 540.0, 1.0),
}
# Jobs of which the settings say more than the kind: nothing of the policy was chosen by them.
STUDIED = {
    "infer": Kind(0.5, 5.0, 0.6),
    "train": Kind(0.3, 240.0, 1.2, (0.2, 0.6, 2.2)),
    "tune": Kind(0.05, 900.0, 0.8),
    "export": Kind(0.15, 12.0, 0.4),
}


@dataclass(frozen=True)
class Jobs:
    """Jobs by arrival.

    Attributes:
        at_s: when each arrives, ascending.
        service_s: how long each runs.
        kind: index into `names` of each.
        size: which settings of its kind each has.
    """

    at_s: Floats
    service_s: Floats
    kind: NDArray[np.int64]
    size: NDArray[np.int64]
    names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.at_s)

    @property
    def slot_s(self) -> float:
        """What all of them take together: no schedule needs less."""
        return float(self.service_s.sum())


def drawn(at_s: Floats, kinds: Mapping[str, Kind], seed: int) -> Jobs:
    """Jobs that arrive at these times, of kinds drawn by their shares."""
    random = np.random.default_rng(seed)
    names = tuple(kinds)
    shares = np.array([kind.share for kind in kinds.values()])
    kind = random.choice(len(names), size=len(at_s), p=shares / shares.sum())
    mean = np.array([kind.mean_s for kind in kinds.values()])[kind]
    spread = np.array([kind.spread for kind in kinds.values()])[kind]
    # So that the mean of the log-normal distribution is `mean`.
    service = mean * np.exp(spread * random.standard_normal(len(at_s)) - spread**2 / 2)
    sizes = [kind.sizes for kind in kinds.values()]
    size = random.integers(np.array([len(each) for each in sizes])[kind])
    service *= np.array([sizes[k][n] for k, n in zip(kind.tolist(), size.tolist(), strict=True)])
    return Jobs(np.sort(at_s), service, kind, size, names)


def burst(count: int, at_s: float = 60.0, kinds: Mapping[str, Kind] = SHORT, seed: int = 1) -> Jobs:
    """So many jobs at once."""
    return drawn(np.full(count, at_s), kinds, seed)


def ramp(last_rate: float, length_s: float, kinds: Mapping[str, Kind] = SHORT, seed: int = 1) -> Jobs:
    """From nothing to `last_rate` jobs a second."""
    random = np.random.default_rng(seed)
    return drawn(length_s * np.sqrt(random.random(int(last_rate * length_s / 2))), kinds, seed)


def diurnal(
    count: int, length_s: float = DAY_S, swing: float = 0.7, kinds: Mapping[str, Kind] = MIXED, seed: int = 1
) -> Jobs:
    """A day: the rate follows a sine from `1 - swing` to `1 + swing` of its mean."""
    grid = np.linspace(0, 1, 10_001)
    grown = grid + swing * (np.cos(2 * np.pi * 0.25) - np.cos(2 * np.pi * (grid + 0.25))) / (2 * np.pi)
    at = np.interp(np.random.default_rng(seed).random(count) * grown[-1], grown, grid) * length_s
    return drawn(at, kinds, seed)


def giant(service_s: float, small: Jobs) -> Jobs:
    """One job of a very long run at the head of other jobs, of a kind that is otherwise short."""
    return Jobs(
        np.concatenate([[small.at_s[0]], small.at_s]),
        np.concatenate([[service_s], small.service_s]),
        np.concatenate([[small.kind[0]], small.kind]),
        np.concatenate([[-1], small.size]),
        small.names,
    )


def flapping(period_s: float, length_s: float, rate: float, kinds: Mapping[str, Kind] = SHORT, seed: int = 1) -> Jobs:
    """`rate` jobs a second for half a period, none for the other half."""
    at = np.random.default_rng(seed).random(int(rate * length_s / 2)) * length_s / 2
    return drawn(at + np.floor(at / (period_s / 2)) * period_s / 2, kinds, seed)


def clustered(
    count: int, length_s: float, cluster_s: float = 120.0, kinds: Mapping[str, Kind] = MIXED, seed: int = 1
) -> Jobs:
    """Jobs that come by turns many and few: every so many seconds the rate is drawn anew, and often next to nothing."""
    random = np.random.default_rng(seed)
    rates = random.gamma(0.5, size=int(length_s / cluster_s))
    return drawn(
        (random.choice(len(rates), count, p=rates / rates.sum()) + random.random(count)) * cluster_s, kinds, seed
    )


def bursts(count: int, often: int, length_s: float, kinds: Mapping[str, Kind] = MIXED, seed: int = 1) -> Jobs:
    """Nothing but so many bursts of `count` jobs each, at random moments."""
    return drawn(np.repeat(np.random.default_rng(seed).random(often) * length_s, count), kinds, seed)
