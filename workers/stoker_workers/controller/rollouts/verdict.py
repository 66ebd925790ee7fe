"""What the evidence of a step says: whether the new version does harm, by tests that may be repeated.

Each look at the evidence could be wrong by chance, and there are many: steps, criteria and looks. So all of them share
`ALPHA`, the probability with which a rollout of a version that is just like the other one is rolled back. Steps share
it evenly, criteria by their weight. In a step, half of a criterion's share goes to the first eight looks, evenly; they
come when the new version has answered an eighth of the requests that the step needs, two eighths, … The other half goes
to the looks behind those, of a step that lasts longer, by ever smaller parts, so that any number of them share it.
"""

from collections.abc import Iterator, Mapping

from stoker.kinds.deploy import Tolerance
from stoker.kinds.rollout import Criterion, Finding
from stoker.ledger.routes import Evidence, Side

from .statistics import at_least, binomial, chi_square, distance, fisher, quantile, smallest_seen

ALPHA = 0.02
POWER = 0.9
_LOOKS = 8
# The evidence of later looks grows by this factor from one to the next.
_GROWTH = 1.25
_WEIGHTS: dict[Criterion, float] = {
    "errors": 0.4, "refused outputs": 0.1, "labels": 0.15, "latency": 0.1, "predictions": 0.1, "disagreement": 0.15,
}  # fmt: skip
_TAIL = 0.95
_US_PER_MS = 1000.0


def look_at(requests: int, least: int) -> int:
    """How many looks are due when the new version has answered so many requests of the least of a step."""
    if requests < least:
        return requests * _LOOKS // least
    looks, wanted = _LOOKS, least * _GROWTH
    while requests >= wanted:
        looks, wanted = looks + 1, wanted * _GROWTH
    return looks


def spent_at(look: int, steps: int) -> float:
    """What the so-manieth look of one of so many steps may spend of `ALPHA`, all criteria together."""
    share = ALPHA / steps / 2
    later = look - _LOOKS
    return share / _LOOKS if later <= 0 else share / (later * (later + 1))


def findings(
    seen: Evidence, tolerate: Tolerance, look: int, steps: int, *, is_shadow: bool = False
) -> tuple[Finding, ...]:
    """What each criterion of which there is evidence says at a look.

    Args:
        is_shadow: whether it is a look at the shadow. What that has computed last is counted a little after it is over,
            and says nothing of the step behind it.
    """
    spends = spent_at(look, steps)
    old, new = seen.before, seen.shadow if is_shadow else seen.to
    found = []
    if old.requests and new.requests:
        found = [
            _share("errors", (old.errors, old.requests), (new.errors, new.requests), spends),
            _share("refused outputs", (old.refused, old.requests), (new.refused, new.requests), spends),
            _latency(old, new, tolerate.latency, spends),
            _predictions(old, new, tolerate.predictions, spends),
        ]
    if (of_old := old.right + old.wrong) and (of_new := new.right + new.wrong):
        found.append(_share("labels", (old.wrong, of_old), (new.wrong, of_new), spends))
    if is_shadow and seen.compared:
        found.append(_disagreement(seen, tolerate.disagreement, spends))
    return tuple(each for each in found if each)


def with_limits(found: tuple[Finding, ...], seen: Evidence, look: int, steps: int) -> tuple[Finding, ...]:
    """The same, each share with the smallest that would have been found."""
    old, spends = seen.before, spent_at(look, steps)
    counted: dict[Criterion, tuple[int, int]] = {
        "errors": (old.errors, old.requests),
        "refused outputs": (old.refused, old.requests),
        "labels": (old.wrong, old.right + old.wrong),
    }

    def limited(each: Finding) -> Finding:
        if each.of not in counted:
            return each
        least = smallest_seen(each.n, *counted[each.of], spends * _WEIGHTS[each.of], POWER)
        return each.model_copy(update={"least_seen": least})

    return tuple(map(limited, found))


def p95_ms(side: Side) -> float | None:
    """What 95 of 100 batches of a version took at most; None if there were none."""
    batches: dict[int, int] = {}
    for (_, us), count in side.latency.items():
        batches[us] = batches.get(us, 0) + count
    p95_us = quantile(batches, _TAIL)
    return None if p95_us is None else p95_us / _US_PER_MS


def _share(criterion: Criterion, old: tuple[int, int], new: tuple[int, int], spends: float) -> Finding:
    """How many are bad, of how many, of both."""
    p = fisher(*new, *old)
    spent = spends * _WEIGHTS[criterion]
    return Finding(of=criterion, old=old[0] / old[1], new=new[0] / new[1], n=new[1], p=p, is_harm=p <= spent)


def _latency(old: Side, new: Side, limit: float, spends: float) -> Finding | None:
    """Batches of about as many rows are held against each other, for larger ones take longer; the clearest speaks."""
    tests = [each for rows in {rows for rows, _ in old.latency} if (each := _batches(old, new, rows))]
    if not tests:
        return None
    p, old_us, new_us, n = min(tests)
    p = min(1.0, p * len(tests))
    is_harm = p <= spends * _WEIGHTS["latency"] and new_us > limit * old_us
    return Finding(of="latency", old=old_us / _US_PER_MS, new=new_us / _US_PER_MS, n=n, p=p, is_harm=is_harm)


def _batches(old: Side, new: Side, rows: int) -> tuple[float, float, float, int] | None:
    """How probable it is by chance that so many batches of a size are slow; what 95 % of both took, µs; how many."""
    before, after = _of_size(old, rows), _of_size(new, rows)
    old_us, new_us = quantile(before, _TAIL), quantile(after, _TAIL)
    if old_us is None or new_us is None:
        return None
    # Slow is what lies above the bucket in which the 95 % of the old one are reached.
    edge = int(old_us).bit_length()
    of_old, of_new = sum(before.values()), sum(after.values())
    return fisher(at_least(after, edge), of_new, at_least(before, edge), of_old), old_us, new_us, of_new


def _of_size(side: Side, rows: int) -> Mapping[int, int]:
    return {us: count for (size, us), count in side.latency.items() if size == rows}


def _predictions(old: Side, new: Side, limit: float, spends: float) -> Finding | None:
    """Of several outputs, the one that differs the most speaks."""
    tests = [
        (distance(new.outputs[name], before), chi_square(new.outputs[name], before), sum(new.outputs[name].values()))
        for name, before in old.outputs.items()
        if name in new.outputs
    ]
    if not tests:
        return None
    differs, p, n = max(tests)
    p = min(1.0, p * len(tests))
    is_harm = p <= spends * _WEIGHTS["predictions"] and differs > limit
    return Finding(of="predictions", old=0.0, new=differs, n=n, p=p, is_harm=is_harm)


def _disagreement(seen: Evidence, limit: float, spends: float) -> Finding:
    p = binomial(seen.disagreed, seen.compared, limit)
    is_harm = p <= spends * _WEIGHTS["disagreement"]
    return Finding(
        of="disagreement", old=limit, new=seen.disagreed / seen.compared, n=seen.compared, p=p, is_harm=is_harm
    )


def harms(found: tuple[Finding, ...]) -> Iterator[Finding]:
    """Those that tell of harm."""
    return (each for each in found if each.is_harm)
