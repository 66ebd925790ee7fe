"""What the rounds of two checkouts say: the ratio of their rates in each round, and whether it differs from one.

A rate is by the clock, or by the processor's time that the system took: others' load changes that less.
"""

import itertools
import math
import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from .figures import Figures

_RATES = {"per_s": "a second", "per_cpu_s": "a processor's second"}
# For each scenario by itself: of a hundred that do not differ, one is said to.
_CONFIDENCE = 0.99


def told(cases: Sequence[Mapping[str, Any]], here: str, there: str) -> str:
    """The ratios of each scenario, round by round, and a table of verdicts.

    Args:
        cases: as in the figures that a line-up writes: the system, what was measured, and the rounds.
    """
    theirs = {_scenario(case): case for case in cases if case["system"] == there}
    lines = [f"rates of {here} / rates of {there}, round by round:"]
    rows = [["scenario", "in", here, there, "ratio", "lowest-highest", "median within", "wrong", "verdict"]]
    for case, (rate, unit) in itertools.product(cases, _RATES.items()):
        if case["system"] == here and rate in case:
            scenario = _scenario(case)
            other = theirs[scenario]
            found = ratios(case["rounds"], other["rounds"], rate)
            lines.append(f"  {scenario}, in {unit}: {' '.join(f'{ratio:.2f}' for ratio in found)}")
            medians = [f"{each[rate]['median']:,.1f}" for each in (case, other)]
            rows.append([scenario, unit, *medians, *_row(found, _wrong(case) + _wrong(other))])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    table = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return "\n".join([*lines, "", *table])


def ratios(ours: Sequence[Figures], theirs: Sequence[Figures], rate: str) -> list[float]:
    """Our rate as a share of theirs, in each round; infinite where they alone did nothing in its time."""
    pairs = [(our[rate], their[rate]) for our, their in zip(ours, theirs, strict=True)]
    return [our / their if their else (math.inf if our else 1.0) for our, their in pairs]


def median_within(values: Sequence[float]) -> tuple[float, float] | None:
    """Between which of the values the median of all that could have come lies, whatever the noise; None if too few.

    The median is below the k-th lowest value as rarely as fewer than k of as many coins show heads.
    """
    ordered, count = sorted(values), len(values)
    outside, beyond = 0, 0.0
    while (beyond := beyond + math.comb(count, outside) / 2**count) <= (1 - _CONFIDENCE) / 2:
        outside += 1
    return (ordered[outside - 1], ordered[-outside]) if outside else None


def verdict(found: Sequence[float]) -> str:
    """What ratios say of the difference."""
    within = median_within(found)
    if within is None:
        return "too few rounds to tell"
    if within[0] <= 1 <= within[1]:
        return "no difference shown"
    median = statistics.median(found)
    return f"{'FASTER' if median > 1 else 'SLOWER'} by {abs(median - 1):.0%}"


def _row(found: Sequence[float], wrong: int) -> list[str]:
    within = median_within(found)
    return [
        f"{statistics.median(found):.3f}",
        f"{min(found):.2f}-{max(found):.2f}",
        f"{within[0]:.3f}-{within[1]:.3f}" if within else "",
        f"{wrong:,}",
        verdict(found),
    ]


def _scenario(case: Mapping[str, Any]) -> str:
    words = {"what": "{}", "model": "{}", "way": "{}", "callers": "callers: {}", "style": "{}"}
    return ", ".join(text.format(case[name]) for name, text in words.items() if name in case)


def _wrong(case: Mapping[str, Any]) -> int:
    """Answers that were wrong or did not come, in all rounds."""
    return sum(figures.get("wrong", 0) + sum(figures.get("failed", {}).values()) for figures in case["rounds"])
