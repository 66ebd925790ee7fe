"""Puts what was measured into docs/comparison.md: each time Stoker, the best of the others, and who is ahead."""

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

PAGE = Path(__file__).parents[1] / "docs" / "comparison.md"
_BEGIN, _END = "<!-- begin measured -->", "<!-- end measured -->"
Case = dict[str, Any]
Row = tuple[str, str, str, str]
"""What was measured, Stoker's figure, the best of the others, who is ahead."""


def filled(text: str, results: Path) -> str:
    """The page with the figures of a folder of results between its markers."""
    before, _, rest = text.partition(_BEGIN)
    _, end, after = rest.partition(_END)
    if not end:
        raise ValueError(f"{PAGE} has no place for the figures: expected the lines {_BEGIN} and {_END}")
    return f"{before}{_BEGIN}\n\n{_measured(results)}\n\n{_END}{after}"


def _measured(results: Path) -> str:
    parts = []
    for title, name, rows_of in _SECTIONS:
        path = results / f"{name}.json"
        if path.exists():
            document = json.loads(path.read_text())
            rows = list(rows_of(document["figures"]))
            machine = document["machine"]
            when = f"Measured {document['measured_at'][:10]}, Python {machine['python']}, {machine['cores']} cores."
            parts.append(f"### {title}\n\n{_table(rows)}\n\n{when}")
    return "\n\n".join(parts)


def _table(rows: Sequence[Row]) -> str:
    lines = [("what", "Stoker", "the best of the others", "ahead"), ("---",) * 4, *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _predictions(figures: Case) -> Iterator[Row]:
    single = [case for case in figures["cases"] if "callers" in case]
    for model, callers in dict.fromkeys((case["model"], case["callers"]) for case in single):
        chosen = [case for case in single if (case["model"], case["callers"]) == (model, callers)]
        told = f"{model.upper()}, {'1 caller' if callers == 1 else f'{callers} callers'}, requests/s"
        yield _most(told, [case for case in chosen if not _is_door(case)])
        if any(map(_is_door, chosen)):
            yield _most(f"{told}, by HTTP", [case for case in chosen if case["system"] not in _NO_HTTP])
    yield _most("MLP, many rows, rows/s", [case for case in figures["cases"] if "way" in case])


def _requests(figures: Case) -> Iterator[Row]:
    for callers in sorted({case["callers"] for case in figures["cases"]}):
        told = f"{'1 caller' if callers == 1 else f'{callers} callers'}, requests/s"
        yield _most(told, [case for case in figures["cases"] if case["callers"] == callers])


def _submitting(figures: Case) -> Iterator[Row]:
    cases = [case for case in figures["cases"] if "again and again" not in case["way"]]
    alone = [case for case in cases if case["way"] in ("submit", "apply_async", "enqueue", "enqueue_job", "send")]
    yield _most("one by one, jobs/s", alone)
    yield _most("many at once, jobs/s", [case for case in cases if case not in alone])


def _brief(figures: Case) -> Iterator[Row]:
    yield _most("many at once, jobs/s", [case for case in figures["cases"] if case["what"] == "many jobs"])
    alone = [case for case in figures["cases"] if case["what"] == "one job at a time"]
    yield _most("one at a time, ms from submit to result", alone, "p50_ms", least=True, digits=2)


def _records(figures: Case) -> Iterator[Row]:
    yield _most("bytes in Redis", figures["cases"], "bytes_per_job", least=True)


def _bulk(figures: Case) -> Iterator[Row]:
    for count, batch in dict.fromkeys((case["count"], case["batch"]) for case in figures["cases"]):
        cases = [case for case in figures["cases"] if (case["count"], case["batch"]) == (count, batch)]
        yield _most(f"{count:,} rows in batches of {batch:,}, rows/s", cases)


def _training(figures: Case) -> Iterator[Row]:
    for name, case in figures.items():
        ratio = case["ratio_to_whole"]
        yield (
            f"{name}, {case['epochs']} epochs, of the script's time",
            f"{ratio:.2f}",
            "1.00",
            _ahead(1 / ratio, "the script"),
        )


def _quality(figures: Case) -> Iterator[Row]:
    for name, case in figures["quality"].items():
        ways = {way: case[way]["median"] for way in ("stoker", "boosted trees", "linear")}
        ours = ways.pop("stoker")
        best = max(ways, key=lambda way: float(ways[way]))
        ahead = "Stoker" if ours > ways[best] else best
        yield f"{name}, {case['metric']}", f"{ours:.3f}", f"{ways[best]:.3f}, {best}", ahead


def _most(told: str, cases: Sequence[Case], figure: str = "per_s", *, least: bool = False, digits: int = 0) -> Row:
    """Stoker's best case beside the best of the others."""
    best: dict[bool, Case] = {}
    for case in sorted(cases, key=lambda case: float(case[figure]["median"]), reverse=least):
        best[case["system"].startswith("stoker")] = case
    ours, theirs = (best[is_ours][figure]["median"] for is_ours in (True, False))
    system = "bare loops, one a core" if best[False]["system"] == "loop" else best[False]["system"]
    ratio = theirs / ours if least else ours / theirs
    return told, f"{ours:,.{digits}f}", f"{theirs:,.{digits}f}, {system}", _ahead(ratio, system)


def _ahead(ratio: float, other: str) -> str:
    """Who is ahead, and how many times."""
    name, times = ("Stoker", ratio) if ratio >= 1 else (other, 1 / ratio)
    return f"{name}, {times:.2g}×" if times >= 1.05 else "neither"


def _is_door(case: Case) -> bool:
    return bool(case["system"].startswith("stoker gateway"))


_NO_HTTP = ("stoker", "celery", "celery-batches", "celery, model.predict")
_SECTIONS: tuple[tuple[str, str, Callable[[Case], Iterator[Row]]], ...] = (
    ("Single predictions", "inference", _predictions),
    ("Predictions over HTTP, by callers that cost nothing", "gateway", _requests),
    ("Submitting", "submit", _submitting),
    ("Jobs that do nothing, from submit to result", "noop", _brief),
    ("A queued job", "queue_depth", _records),
    ("Millions of rows", "bulk", _bulk),
    ("A training beside a plain Keras script", "train", _training),
    ("Defaults beside scikit-learn, on held-out rows", "tables", _quality),
)
