"""Puts the figures of results/ into README.md, between its markers, as tables and plots."""

import json
import re
import statistics
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from . import comparison, elsewhere, gateway, secured, signing
from .figures import RESULTS, summary
from .plots import bars

HERE = Path(__file__).parent
README = HERE / "README.md"
Document = dict[str, Any]
Case = dict[str, Any]


def main() -> None:
    """Write README.md and docs/comparison.md anew from the figures there are."""
    if len(sys.argv) > 1:
        sys.exit("python -m bench report takes no arguments: it reads bench/results and writes what shows them")
    text = README.read_text()
    for name, section in SECTIONS.items():
        path = RESULTS / f"{name}.json"
        if path.exists():
            document = json.loads(path.read_text())
            text = _between_markers(text, name, f"{section(document['figures'])}\n\n{_circumstances(document)}")
    README.write_text(text)
    comparison.PAGE.write_text(comparison.filled(comparison.PAGE.read_text(), RESULTS))
    print(f"written to {README} and {comparison.PAGE}")


def _inference(figures: Document) -> str:
    single = [case for case in figures["cases"] if "callers" in case]
    many = [case for case in figures["cases"] if "way" in case]
    parts = []
    for model, callers in dict.fromkeys((case["model"], case["callers"]) for case in single):
        chosen = [case for case in single if (case["model"], case["callers"]) == (model, callers)]
        rows = [
            [case["system"], case["style"], _rate(case), _spread(case, "p50_ms"), _spread(case, "p99_ms"), _bad(case)]
            for case in _fastest_first(chosen)
        ]
        header = ["system", "callers are", "requests/s", "p50, ms", "p99, ms", "wrong or failed"]
        caller = "1 caller" if callers == 1 else f"{callers} callers"
        parts.append(f"**{model.upper()}, {caller}**\n\n{_table(header, rows)}")
        if (model, callers) == ("mlp", 64):
            plot = bars("inference", f"Requests/s, MLP, {caller}", _labelled(chosen, "style"), "requests/s")
            parts.append(plot)
    rows = [
        [case["system"], case["way"], _rate(case), f"{case['rows']['median']:,.0f}"] for case in _fastest_first(many)
    ]
    parts.append(f"**Many rows in one call, MLP**\n\n{_table(['system', 'way', 'rows/s', 'rows in the call'], rows)}")
    return "\n\n".join(parts)


def _submit(figures: Document) -> str:
    cases = _fastest_first(figures["cases"])
    table = _table(["system", "way", "jobs/s"], [[case["system"], case["way"], _rate(case)] for case in cases])
    plot = bars("submit", f"Jobs submitted a second, {figures['count']:,} at once", _labelled(cases, "way"), "jobs/s")
    return f"{table}\n\n{plot}"


def _noop(figures: Document) -> str:
    many = _fastest_first([case for case in figures["cases"] if case["what"] == "many jobs"])
    alone = {case["system"]: case for case in figures["cases"] if case["what"] == "one job at a time"}
    lanes = [case for case in figures["cases"] if case["what"] == "lane"]
    rows = [
        [
            case["system"],
            _rate(case),
            _spread(alone[case["system"]], "p50_ms"),
            _spread(alone[case["system"]], "p99_ms"),
        ]
        for case in many
    ]
    rows += [
        [f"{case['system']}, requests of {case['callers']} callers through a lane", _rate(case), "", ""]
        for case in lanes
    ]
    table = _table(["system", "jobs/s", "one at a time: p50, ms", "p99, ms"], rows)
    return f"{table}\n\n{bars('noop', 'No-op jobs a second', _labelled(many), 'jobs/s')}"


def _bulk(figures: Document) -> str:
    sizes = sorted({(case["count"], case["batch"]) for case in figures["cases"]})
    found = {(case["system"], case["count"], case["batch"]): case for case in figures["cases"]}
    rows = []
    for count, batch in sizes:
        job, loops = found["stoker", count, batch], found["loop", count, batch]
        cores = job["cores"]["median"]
        a_core = _median(job) / cores / (_median(loops) / figures["cores_used"])
        rows.append([f"{count:,}", f"{batch:,}", _rate(job), f"{cores:.2f}", _rate(loops), f"{a_core:.2f}"])
    head = ["rows", "a batch", "Infer job, rows/s", "cores it kept busy", "loops, one per core, rows/s"]
    return _table([*head, "job / loop, each on a core"], rows)


def _queue_depth(figures: Document) -> str:
    cases = sorted(figures["cases"], key=lambda case: float(case["bytes_per_job"]["median"]))
    rows = [[case["system"], f"{case['bytes_per_job']['median']:,.0f}"] for case in cases]
    return _table(["system", "bytes of Redis per queued job"], rows)


def _records(figures: Document) -> str:
    looks = {
        "jobs_ms": "`client.jobs()`",
        "jobs_queued_ms": "of one kind and state",
        "counts_ms": "counts of all kinds and states",
        "health_ms": "health of the queues",
        "ring_again_ms": "a controller's look for lost messages",
        "command_ms": "`stoker jobs`",
        "bytes_per_job": "bytes per job",
    }
    rows = [[told, *(f"{found[name]:,.1f}" for found in figures["rounds"])] for name, told in looks.items()]
    return _table(["ms, medians", *(f"{found['records']:,.0f} jobs" for found in figures["rounds"])], rows)


def _memory(figures: Document) -> str:
    samples = figures["samples"]
    [growth] = [case for case in figures["cases"] if "client_mb" in case]
    parts = {"client_mb": "client", "worker_mb": "worker and all its processes", "redis_mb": "Redis"}
    rows = [
        [
            name,
            f"{samples[len(samples) // 4][part]:.1f}",
            f"{samples[-1][part]:.1f}",
            f"{growth[part]['median'] / 60:+.2f}",
        ]
        for part, name in parts.items()
    ]
    table = _table(["memory", "settled, MB", "at the end, MB", "growth, MB a minute"], rows)
    each = ", ".join(f"{megabytes:g}" for megabytes in figures["worker_processes_mb"])
    return f"{table}\n\nA soak of {figures['minutes']:g} minutes. The worker's processes hold {each} MB of their own."


def _train(figures: Document) -> str:
    rows = [
        [name, str(case["epochs"]), f"{_middle(case['ratio_to_fit']):.2f}", f"{case['ratio_to_whole']:.2f}"]
        for name, case in figures.items()
    ]
    return _table(["case", "epochs", "job's run / plain fit", "job's run / whole script"], rows)


def _tables(figures: Document) -> str:
    larger = figures["larger"]
    ways = {"Train job, submit to result": "jobs", "its work alone": "runs", "plain Keras script": "scripts"}
    found = {name: summary(figures[way]) for name, way in ways.items()}
    times = _table(
        ["way", "s", "held at most, MB", "val_accuracy"],
        [
            [
                name,
                _spread(each, "s"),
                f"{each['peak_mb']['median']:,.0f}" if "peak_mb" in each else "",
                f"{each['val_accuracy']['median']:.4f}",
            ]
            for name, each in found.items()
        ],
    )
    ways_to_learn = ["stoker", "boosted trees", "linear"]
    scores = _table(
        ["table", "rows", "metric", *ways_to_learn],
        [
            [name, f"{case['rows']:,}", case["metric"], *(_score(case[way]) for way in ways_to_learn)]
            for name, case in figures["quality"].items()
        ],
    )
    return (
        f"**{figures['rows']:,} rows**, one epoch: median (lowest-highest) of {figures['rounds']} rounds; the job "
        f"takes {statistics.median(figures['job_to_script']):.2f} of the script's time, its work alone "
        f"{statistics.median(figures['run_to_script']):.2f}.\n\n{times}\n\nOf {larger['rows']:,} rows, the job's "
        f"process holds at most {larger['peak_mb']:,.0f} MB.\n\n**Defaults**, on held-out rows, median "
        f"(lowest-highest) over splits\n\n{scores}"
    )


def _score(figure: dict[str, float]) -> str:
    return f"{figure['median']:.3f} ({figure['low']:.3f}-{figure['high']:.3f})"


def _scale(figures: Document) -> str:
    oracle = figures["cases"][0]["slot_hours"]
    rows = [
        [
            case["rule"],
            f"{case['slot_hours']:,}",
            f"{case['slot_hours'] / oracle:.3f}",
            f"{case['in_time']:.2%}",
            f"{case['wait_p50_s']:g} / {case['wait_p95_s']:g} / {case['wait_p99_s']:g}",
        ]
        for case in figures["cases"]
    ]
    header = ["rule", "slot-hours", "of the oracle's", "jobs started in time", "wait, s: p50 / p95 / p99"]
    return (
        f"{figures['jobs']:,} jobs, {figures['target_wait_s']:g} s to start each; no schedule takes less than "
        f"{figures['least_slot_hours']:,} slot-hours.\n\n{_table(header, rows)}\n\n{_node(figures['node'])}"
    )


def _node(figures: Document) -> str:
    found, cycles = figures["summary"], figures["up_and_down"]
    slot = {
        "an added slot": ("serving_s", "slot_mb"),
        "a cold Celery worker": ("cold_serving_s", "cold_mb"),
    }
    table = _table(
        ["TensorFlow in", "serves after, s", "holds of its own, MB"],
        [[name, _spread(found, serves), _spread(found, holds)] for name, (serves, holds) in slot.items()],
    )
    burst = (
        f"**A burst on one real node**, from one slot to {figures['most_slots']}, of trainings of "
        f"{figures['job_s']:.1f} s; {figures['target_wait_s']:g} s to start each"
    )
    waits = (
        f"The decision came {_spread(found, 'decided_s')} s after a burst of {found['burst_jobs']['median']:.0f}. "
        f"These waited up to {_spread(found, 'burst_wait_s')} s; those that came later "
        f"{_spread(found, 'later_wait_p50_s')} s, at most {_spread(found, 'later_wait_s')} s. The second slot was gone "
        f"{_spread(found, 'back_to_least_s')} s after the last job, with {figures['cooldown_s']:g} s of cooldown."
    )
    turns = (
        f"Up to three slots and back to one {cycles['cycles']} times under load: {cycles['succeeded']} of "
        f"{cycles['jobs']} jobs succeeded, {cycles['second_attempts']} of them needed more than one attempt."
    )
    return f"{burst}\n\n{table}\n\n{waits}\n\n{turns}"


SECTIONS: dict[str, Callable[[Document], str]] = {
    "inference": _inference,
    "gateway": gateway.table,
    "submit": _submit,
    "noop": _noop,
    "bulk": _bulk,
    "queue_depth": _queue_depth,
    "records": _records,
    "memory": _memory,
    "train": _train,
    "tables": _tables,
    "signing": signing.table,
    "secured": secured.table,
    "scale": _scale,
    "elsewhere": elsewhere.table,
}


def _circumstances(document: Document) -> str:
    """When and how the figures were taken."""
    figures, machine = document["figures"], document["machine"]
    lines = [f"Measured {document['measured_at'][:10]} with Python {machine['python']} on {machine['cores']} cores"]
    if options := figures.get("options"):
        lines[0] += f", {figures['cores_used']} of them used; medians (lowest-highest) of {options['rounds']} rounds"
    lines[0] += "."
    for name, system in figures.get("systems", {}).items():
        versions = ", ".join(f"{package} {version}" for package, version in system["versions"].items())
        lines.append(f"- {name}: {system['settings']} ({versions})")
    lines += [f"- {name} is missing: {reason.splitlines()[0]}" for name, reason in figures.get("left_out", {}).items()]
    return "\n".join(lines)


def _between_markers(text: str, name: str, section: str) -> str:
    begin, end = f"<!-- begin {name} -->", f"<!-- end {name} -->"
    if begin not in text or end not in text:
        raise ValueError(f"{README} has no place for {name}: expected the lines {begin} and {end}")
    pattern = re.compile(f"{re.escape(begin)}.*{re.escape(end)}", re.DOTALL)
    return pattern.sub(lambda _: f"{begin}\n\n{section}\n\n{end}", text)


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _fastest_first(cases: Sequence[Case]) -> list[Case]:
    return sorted(cases, key=_median, reverse=True)


def _median(case: Case) -> float:
    return float(case["per_s"]["median"])


def _rate(case: Case) -> str:
    rate = case["per_s"]
    return f"{rate['median']:,.0f} ({rate['low']:,.0f}-{rate['high']:,.0f})"


def _spread(case: Case, name: str) -> str:
    if name not in case:
        return "none ended in time"
    figure = case[name]
    return f"{figure['median']:.2f} ({figure['low']:.2f}-{figure['high']:.2f})"


def _bad(case: Case) -> str:
    return str(sum(int(figures["wrong"]) + sum(figures["failed"].values()) for figures in case["rounds"]))


def _middle(ordered: Sequence[float]) -> float:
    return ordered[len(ordered) // 2]


def _labelled(cases: Sequence[Case], detail: str | None = None) -> list[tuple[str, dict[str, float]]]:
    return [(f"{case['system']}, {case[detail]}" if detail else case["system"], case["per_s"]) for case in cases]


if __name__ == "__main__":
    main()
