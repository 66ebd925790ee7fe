"""Regressions: figures beside those of a reference in one short run, held against the same ratios of bench/results.

Both are ratios, so that another machine, or a busy one, changes them less than it changes the figures.
"""

import argparse
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .__main__ import run
from .figures import RESULTS, read

# A ratio may be so much worse than the last one that was written down.
_TOLERANCE = 0.25
_WORSE, _MISSING = "WORSE", "NOT MEASURED, for a system is missing: see above"
Document = dict[str, Any]


@dataclass(frozen=True)
class Guard:
    """A figure of Stoker as a share of a reference's, the greater the better.

    Attributes:
        benchmark: whose figures it is of.
        arguments: of a run that is short, and long enough to tell.
    """

    what: str
    benchmark: str
    arguments: tuple[str, ...]
    ratio: Callable[[Document], float]


def _share(figure: str, ours: Document, theirs: Document, *, of: str = "celery") -> Callable[[Document], float]:
    """Stoker's figure by the reference's: of cases of a line-up that have these words."""

    def ratio(figures: Document) -> float:
        return _figure(figures, figure, {"system": "stoker"} | ours) / _figure(figures, figure, {"system": of} | theirs)

    return ratio


def _figure(figures: Document, figure: str, words: Document) -> float:
    [found] = [case for case in figures["cases"] if all(case.get(name) == word for name, word in words.items())]
    return float(found[figure]["median"])


def _bytes(figures: Document) -> float:
    """How many of Stoker's queued jobs take the memory of one of Celery's."""
    return 1 / _share("bytes_per_job", {}, {})(figures)


_BRIEF = ("--peers", "stoker", "celery", "--rounds", "5", "--seconds", "1")
_SERVED = ("--peers", "stoker", "litserve", "--rounds", "3", "--seconds", "2")
_MANY, _ALONE = {"what": "many jobs"}, {"what": "one job at a time"}
_ASKED = {"model": "mlp", "callers": 64, "style": "asyncio"}
_BY_LITSERVE = _share("per_s", _ASKED, _ASKED, of="litserve")
GUARDS = (
    Guard("no-op jobs a second, by Celery's", "noop", _BRIEF, _share("per_s", _MANY, _MANY)),
    Guard("no-op jobs one by one, by Celery's", "noop", _BRIEF, _share("per_s", _ALONE, _ALONE)),
    Guard("submits, by apply_async", "submit", _BRIEF, _share("per_s", {"way": "submit"}, {"way": "apply_async"})),
    Guard("jobs that take one of Celery's memory", "queue_depth", _BRIEF[:3], _bytes),
    Guard("predictions of 64 callers, by LitServe's", "inference", _SERVED, _BY_LITSERVE),
)


def main() -> None:
    """Measure, compare, and exit with 1 if a ratio is worse than it may be."""
    parser = argparse.ArgumentParser(
        prog="python -m bench --check",
        description=f"{__doc__}\nA ratio may be {_TOLERANCE:.0%} worse; one that has never been written down is shown.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    names = tuple(dict.fromkeys(guard.benchmark for guard in GUARDS))
    parser.add_argument("names", nargs="*", metavar="BENCHMARK", help=f"{', '.join(names)} (default: all)")
    asked = parser.parse_args().names or names
    if unknown := set(asked) - set(names):
        parser.error(f"nothing is checked of {', '.join(sorted(unknown))}: expected some of {', '.join(names)}")
    with tempfile.TemporaryDirectory(prefix="stoker-bench-") as folder:
        guards = [guard for guard in GUARDS if guard.benchmark in asked]
        for benchmark, arguments in dict.fromkeys((guard.benchmark, guard.arguments) for guard in guards):
            run(benchmark, *arguments, "--results", folder)
        lines, worse = compared(guards, Path(folder), RESULTS)
    print("\n".join(lines))
    sys.exit(1 if worse else 0)


def compared(guards: Sequence[Guard], now: Path, before: Path) -> tuple[list[str], list[str]]:
    """A line for each guard, and what of them is worse than it may be.

    Args:
        now, before: folders of figures.
    """
    lines, worse = [], []
    for guard in guards:
        ratio, last = (_ratio(guard, folder) for folder in (now, before))
        verdict = _verdict(ratio, last)
        if verdict in (_WORSE, _MISSING):
            worse.append(guard.what)
        shown = ["     -" if each is None else f"{each:6.2f}" for each in (ratio, last)]
        lines.append(f"{guard.what:<42} now {shown[0]}, last {shown[1]}: {verdict}")
    return lines, worse


def _verdict(now: float | None, last: float | None) -> str:
    if now is None:
        return _MISSING
    if last is None:
        return "never written down"
    return _WORSE if now < last * (1 - _TOLERANCE) else "holds"


def _ratio(guard: Guard, folder: Path) -> float | None:
    figures = read(guard.benchmark, folder)
    try:
        return guard.ratio(figures) if figures else None
    except (KeyError, ValueError):  # a system was left out, or had no turn
        return None


if __name__ == "__main__":
    main()
