"""What finished jobs tell of one to come: its seconds or bytes, in bounds as wide as what is known allows.

A quantity is taken to be spread evenly on a logarithmic scale around its centre. The jobs that count are the most alike
of which there are enough: those with the same settings; else those of the same subject, one of each settings; else
those of the kind, one of each subject. Of few, the bounds are those of Student's distribution; of many, those of the
jobs themselves. Where there are hardly any, the kind's usual time stands in, in bounds so wide that they say little.
"""

import math
from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from random import Random
from statistics import NormalDist, fmean, stdev

from pydantic import BaseModel, ConfigDict

from ..kinds.likeness import Likeness


class Example(BaseModel):
    """A job that has succeeded.

    Attributes:
        likeness: what it has in common with others.
        ms: how long it ran.
        peak_bytes: the most memory that it was seen to use; 0 where that is unknown.
    """

    model_config = ConfigDict(frozen=True)

    likeness: Likeness
    ms: float
    peak_bytes: int = 0


# Shares at which an estimate is kept; between them it is straight on the logarithmic scale.
_SHARES = (0.005, 0.01, 0.025, *(share / 40 for share in range(2, 39)), 0.975, 0.99, 0.995)
# So many jobs make bounds; so many make bounds by themselves; so many count, the newest.
_ENOUGH, _MANY, _MOST = 4, 40, 64
# How far the logarithm of a quantity is spread that few, or none, have shown; and that no two jobs agree closer than.
_SPREAD_OF_FEW, _SPREAD_OF_NONE, _LEAST_SPREAD = 0.7, 1.2, 0.02
_FREEDOM_OF_FEW = 3
# Jobs whose work differs by so many logarithmic steps outweigh the belief that time grows as the work does.
_BELIEF = 1.0
_LEAST = 1e-3
# A logarithm of which there is a power still: numbers of work may be as large as numbers are.
_MOST_LOGARITHM = 700.0


@dataclass(frozen=True)
class Estimate:
    """A quantity that is not known yet.

    Attributes:
        points: its natural logarithms at the shares that are kept, ascending.
        basis: what it rests on, in words.
        is_known: whether jobs have shown it, or only the kind's usual time stands in.
    """

    points: tuple[float, ...]
    basis: str
    is_known: bool = True

    def quantile(self, share: float) -> float:
        """What the quantity is at most with this probability."""
        place = bisect_left(_SHARES, share)
        if place in (0, len(_SHARES)):
            return _exp(self.points[0 if place == 0 else -1])
        low, high = _SHARES[place - 1], _SHARES[place]
        part = (share - low) / (high - low)
        return _exp(self.points[place - 1] + part * (self.points[place] - self.points[place - 1]))

    def share_below(self, value: float) -> float:
        """With which probability it is at most so much."""
        logarithm = math.log(max(value, _LEAST))
        place = bisect_left(self.points, logarithm)
        if place == 0:
            return 0.0
        if place == len(self.points):
            return 1.0
        low, high = self.points[place - 1], self.points[place]
        part = (logarithm - low) / (high - low) if high > low else 1.0
        return _SHARES[place - 1] + part * (_SHARES[place] - _SHARES[place - 1])

    def drawn(self, random: Random) -> float:
        """A value at random."""
        return self.quantile(random.random())

    def drawn_above(self, value: float, random: Random) -> float:
        """A value at random, of those above this one: up to as much again where none was expected to be."""
        share = self.share_below(value)
        if share > _SHARES[-2]:
            return value * (1 + random.random())
        return max(value, self.quantile(share + (1 - share) * random.random()))

    @cached_property
    def mean(self) -> float:
        """The mean."""
        return self.mean_within(math.inf)

    def mean_within(self, limit: float, above: float = 0.0) -> float:
        """The mean of how far the quantity goes beyond `above`, which it has reached, counting `limit` at most.

        Where it was hardly expected to come so far, it goes as far again.
        """
        total = weight = 0.0
        for share, low, high in self._parts:
            if high > above:
                part = share if low >= above else share * (high - above) / (high - low)
                weight += part
                total += part * min((max(low, above) + high) / 2 - above, limit)
        return total / weight if weight > _SHARES[0] else min(above, limit)

    def mean_of(self, value: Callable[[float], float]) -> float:
        """The mean of what a function makes of the quantity."""
        parts = self._parts
        return sum(share * value((low + high) / 2) for share, low, high in parts) / sum(share for share, _, _ in parts)

    @cached_property
    def _parts(self) -> tuple[tuple[float, float, float], ...]:
        """Shares of all jobs, and the values between which the quantity is in each."""
        values = tuple(map(_exp, self.points))
        return tuple(
            (high - low, first, last)
            for (low, high), (first, last) in zip(pairwise(_SHARES), pairwise(values), strict=True)
        )


class Shown:
    """What jobs of a kind have shown, fitted once for many jobs to come.

    Args:
        examples: jobs that have ended, on one device, the newest first.
        usual: what a job of the kind usually takes.
        name: what the kind is called.
    """

    def __init__(
        self,
        examples: Sequence[Example],
        usual: float,
        name: str,
        quantity: Callable[[Example], float] = lambda example: example.ms / 1000,
    ) -> None:
        self._usual = usual
        self._name = name
        known = [(example.likeness, math.log(max(quantity(example), _LEAST))) for example in examples[:512]]
        self._slopes = _slopes(known)
        self._usual_work = fmean([_of_work(self._slopes, each) for each, _ in known] or [0.0])
        self._rests = [(likeness, value - _of_work(self._slopes, likeness)) for likeness, value in known]

    def estimate(self, job: Likeness | None) -> Estimate:
        """What a job will take.

        Args:
            job: None where it is unknown what it has in common with them.
        """
        rests, name = self._rests, self._name
        base = _of_work(self._slopes, job) if job else self._usual_work
        if job:
            same = [rest for likeness, rest in rests if likeness.same == job.same][:_MOST]
            if len(same) >= _ENOUGH:
                return _spread(same, base, f"{len(same)} jobs with the same settings")
            of_subject = [(likeness.same, rest) for likeness, rest in rests if likeness.subject == job.subject]
            alike = _one_of_each(of_subject)
            if len(alike) >= _ENOUGH:
                return _spread(alike, base, f"{len(alike)} jobs on the same, with other settings")
            if few := same or alike:
                return around(fmean(few) + base, _SPREAD_OF_FEW, f"only {_jobs(len(few))} like it")
            others = _one_of_each((likeness.subject, rest) for likeness, rest in rests)
        else:
            others = [rest for _, rest in rests][:_MOST]
        if len(others) >= _ENOUGH:
            return _spread(others, base, f"{len(others)} other jobs of the kind {name}, none like it")
        if others:
            return around(fmean(others) + base, _SPREAD_OF_NONE, f"only {_jobs(len(others))} of the kind {name}")
        basis = f"no finished job of the kind {name}: a guess"
        return around(math.log(self._usual), _SPREAD_OF_NONE, basis, is_known=False)


def _exp(logarithm: float) -> float:
    return math.exp(min(logarithm, _MOST_LOGARITHM))


def _jobs(count: int) -> str:
    return f"{count} finished job{'s' * (count != 1)}"


def _one_of_each(rests: Iterable[tuple[str, float]]) -> list[float]:
    """The newest of each name: what was run often counts no more than what was run once."""
    newest: dict[str, float] = {}
    for name, rest in rests:
        newest.setdefault(name, rest)
    return list(newest.values())[:_MOST]


def _slopes(known: Sequence[tuple[Likeness, float]]) -> dict[str, float]:
    """By which power the quantity grows with each number of the work: seen within subjects, else by the first power.

    One number after the other, each of what those before leave: they are few, and seldom vary together.
    """
    slopes: dict[str, float] = {}
    names = sorted({name for likeness, _ in known for name in likeness.work})
    for name in names:
        groups: dict[str, list[tuple[float, float]]] = {}
        for likeness, value in known:
            if name in likeness.work:
                rest = value - _of_work(slopes, likeness)
                groups.setdefault(likeness.subject, []).append((math.log(likeness.work[name]), rest))
        weight = _BELIEF
        total = _BELIEF
        for group in groups.values():
            centre, level = fmean(x for x, _ in group), fmean(y for _, y in group)
            total += sum((x - centre) * (y - level) for x, y in group)
            weight += sum((x - centre) ** 2 for x, _ in group)
        slopes[name] = total / weight
    return slopes


def _of_work(slopes: dict[str, float], job: Likeness) -> float:
    return sum(slopes[name] * math.log(number) for name, number in job.work.items() if name in slopes)


def _spread(rests: Sequence[float], base: float, basis: str) -> Estimate:
    """Around enough jobs."""
    if len(rests) < _MANY:
        spread = max(stdev(rests), _LEAST_SPREAD) * math.sqrt(1 + 1 / len(rests))
        return around(fmean(rests) + base, spread, basis, len(rests) - 1)
    ordered = sorted(rests)
    return Estimate(tuple(base + _at(ordered, share) for share in _SHARES), basis)


def _at(ordered: Sequence[float], share: float) -> float:
    """The value at a share of those to come: each gap between known ones is as likely as another."""
    place = min(max(share * (len(ordered) + 1) - 1, 0.0), len(ordered) - 1.0)
    low = int(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (place - low) * (ordered[high] - ordered[low])


def around(
    centre: float, spread: float, basis: str, freedom: int = _FREEDOM_OF_FEW, *, is_known: bool = True
) -> Estimate:
    """An estimate from the centre and the spread of its logarithm, and how many degrees of freedom show the spread."""
    return Estimate(tuple(centre + spread * _student(share, freedom) for share in _SHARES), basis, is_known)


def _student(share: float, freedom: int) -> float:
    """The quantile of Student's distribution: Abramowitz and Stegun, 26.7.5, good from three degrees of freedom on."""
    z = NormalDist().inv_cdf(share)
    return z + (
        (z**3 + z) / 4 / freedom
        + (5 * z**5 + 16 * z**3 + 3 * z) / 96 / freedom**2
        + (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384 / freedom**3
    )
