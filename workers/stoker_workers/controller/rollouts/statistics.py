"""The tests behind a verdict, exact where counts are small. The standard library is enough for them."""

from collections.abc import Callable, Mapping
from math import exp, inf, lgamma, log, log1p
from typing import TypeVar

K = TypeVar("K")

# A term that is so small beside the sum changes no digit of it.
_NEGLIGIBLE = 1e-17
_MOST_TERMS = 1_000_000
# Cells of a table in which fewer are expected are put together: of those, the chi-square test says too much.
_LEAST_EXPECTED = 5.0
_BISECTIONS = 50


def fisher(bad: int, of: int, others_bad: int, of_others: int) -> float:
    """How probable at least so many bad ones of these are, if these and the others are alike; one-sided, exact.

    1.0 where these have no larger share of bad ones than the others.
    """
    if not of or not of_others or bad * of_others <= others_bad * of:
        return 1.0
    total, all_bad = of + of_others, bad + others_bad
    first = _log_choose(all_bad, bad) + _log_choose(total - all_bad, of - bad) - _log_choose(total, of)

    def ratio(k: int) -> float:
        return (all_bad - k) * (of - k) / ((k + 1) * (total - all_bad - of + k + 1))

    return _tail(first, bad, min(all_bad, of), ratio)


def binomial(count: int, of: int, share: float) -> float:
    """How probable at least so many are if each is one with this probability; exact."""
    if count <= 0:
        return 1.0
    if count > of or share <= 0:
        return 0.0
    if share >= 1:
        return 1.0
    if count <= share * of:
        # The larger part: by what is missing of it, whose terms fall.
        return 1.0 - binomial(of - count + 1, of, 1.0 - share)
    first = _log_choose(of, count) + count * log(share) + (of - count) * log1p(-share)
    return _tail(first, count, of, lambda k: (of - k) / (k + 1) * share / (1 - share))


def chi_square(these: Mapping[K, int], others: Mapping[K, int]) -> float:
    """How probable it is that two tables of counts differ so much if they count the same; approximate."""
    of, of_others = sum(these.values()), sum(others.values())
    if not of or not of_others:
        return 1.0
    pooled, left = [], [0, 0]
    for name in these.keys() | others.keys():
        one, two = these.get(name, 0), others.get(name, 0)
        if (one + two) * min(of, of_others) / (of + of_others) >= _LEAST_EXPECTED:
            pooled.append((one, two))
        else:
            left = [left[0] + one, left[1] + two]
    cells = [*pooled, *([(left[0], left[1])] if any(left) else [])]
    if len(cells) < 2:
        return 1.0
    statistic = 0.0
    for one, two in cells:
        for count, share in ((one, of), (two, of_others)):
            expected = (one + two) * share / (of + of_others)
            statistic += (count - expected) ** 2 / expected
    return _upper_gamma((len(cells) - 1) / 2, statistic / 2)


def distance(these: Mapping[K, int], others: Mapping[K, int]) -> float:
    """The share of counts that fall elsewhere in these than in the others, 0 to 1: the total variation distance."""
    of, of_others = sum(these.values()), sum(others.values())
    if not of or not of_others:
        return 0.0
    names = these.keys() | others.keys()
    return sum(abs(these.get(name, 0) / of - others.get(name, 0) / of_others) for name in names) / 2


def smallest_seen(of: int, others_bad: int, of_others: int, alpha: float, power: float) -> float | None:
    """The smallest share of bad ones among so many that Fisher's test at `alpha` finds with a probability of `power`.

    None if it would find none, whatever the share.
    """
    if not of or fisher(of, of, others_bad, of_others) > alpha:
        return None
    low, high = 0, of
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if fisher(middle, of, others_bad, of_others) <= alpha else (middle, high)
    return _bisected(lambda share: binomial(high, of, share) >= power)


def quantile(buckets: Mapping[int, int], share: float) -> float | None:
    """A quantile of counts by powers of two: bucket b counts what is in [2^b, 2^(b+1)). None if there are none.

    Within a bucket, values are taken to be spread evenly on a logarithm.
    """
    wanted = share * sum(buckets.values())
    below = 0.0
    for bucket in sorted(buckets):
        count = buckets[bucket]
        if count and below + count >= wanted:
            return float(2 ** (bucket + (wanted - below) / count))
        below += count
    return None


def at_least(buckets: Mapping[int, int], edge: int) -> int:
    """How many are in this bucket of powers of two or above it."""
    return sum(count for bucket, count in buckets.items() if bucket >= edge)


def _log_choose(n: int, k: int) -> float:
    return lgamma(n + 1) - lgamma(k + 1) - lgamma(n - k + 1) if 0 <= k <= n else -inf


def _tail(log_first: float, start: int, end: int, ratio: Callable[[int], float]) -> float:
    """The sum of terms from one on, each the last times a ratio."""
    term = total = 1.0
    for k in range(start, min(end, start + _MOST_TERMS)):
        term *= ratio(k)
        total += term
        if term < total * _NEGLIGIBLE:
            break
    return min(1.0, exp(log_first + log(total)))


def _bisected(holds: Callable[[float], bool]) -> float:
    low, high = 0.0, 1.0
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2
        low, high = (low, middle) if holds(middle) else (middle, high)
    return high


def _upper_gamma(a: float, x: float) -> float:
    """The regularised upper incomplete gamma function Q(a, x)."""
    if x <= 0:
        return 1.0
    front = exp(-x + a * log(x) - lgamma(a))
    if x < a + 1:
        term = total = 1.0 / a
        for n in range(1, _MOST_TERMS):
            term *= x / (a + n)
            total += term
            if term < total * _NEGLIGIBLE:
                break
        return max(0.0, 1.0 - total * front)
    return front * _continued(a, x)


def _continued(a: float, x: float) -> float:
    """The continued fraction of Q(a, x), by Lentz's method."""
    b, c = x + 1 - a, inf
    d = result = 1 / b
    for n in range(1, _MOST_TERMS):
        step = -n * (n - a)
        b += 2
        d = 1 / (step * d + b)
        c = b + step / c
        result *= c * d
        if abs(c * d - 1) < _NEGLIGIBLE * 100:
            break
    return result
