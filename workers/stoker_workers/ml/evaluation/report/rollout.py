"""Renders what came of a deployment as one HTML page that needs nothing beside it."""

from collections.abc import Iterator

from stoker.kinds import DeployResult, Latency
from stoker.kinds.rollout import Finding, Outcome, Step, percent
from stoker.terminal.html import Html, lines, table, tag

from .parts import page, panel, section

_CHANCE = 1e-4
_MEANINGS = {
    "errors": "Requests that failed, through no fault of whoever sent them",
    "refused outputs": "Answers that were no finite numbers",
    "latency": "What 95 of 100 batches took at most",
    "predictions": "How many predictions fall into another class or range than before",
    "labels": "Answers that turned out to be wrong, once the truth was known",
    "disagreement": "Rows on which both versions say something else",
}


def render(result: DeployResult, outcome: Outcome | None) -> str:
    """The page: no script, no request to anywhere, every text from outside escaped."""
    is_new = outcome == "promoted"
    heading = f"{result.model} {'was promoted' if is_new else 'was rolled back'}"
    before = result.before or "nothing"
    about = f"{result.alias}: {before} before{f', {result.model} now' if is_new else ''}"
    return page(
        heading,
        tag("h1", heading),
        tag("p", about, class_="about"),
        panel("Why", tag("p", _why(result, is_new=is_new)), f"{result.why}."),
        *_before_it(result),
        section("Step by step", list(_drawings(result))),
        *(_step(step, result) for step in result.steps),
    )


def _why(result: DeployResult, *, is_new: bool) -> str:
    """The outcome, as whoever owns the product would tell it."""
    if is_new:
        answered = sum(step.new.requests for step in result.steps if step.share)
        count = len(result.steps)
        return (
            f"{result.model} now answers all requests to {result.alias}. Beside {result.before} it has answered "
            f"{answered:,} requests in {count} step{'s' if count > 1 else ''}, and in none of them did it do worse "
            "than chance explains or than is tolerated."
        )
    if not result.steps:
        # Its share was refused or ended before a step began.
        return f"{result.model} has answered nobody: {result.why}."
    last = result.steps[-1]
    harm = next((finding for finding in last.findings if finding.is_harm), None)
    if harm is None:
        return f"{result.model} answers nobody any more: {result.why}."
    had = f"had {last.name} of the requests" if last.share else "computed requests unseen"
    return (
        f"{result.before} answers all requests again. {result.model} {had}, and after {last.done:,} of them it was "
        f"clear that it does worse: {harm.words()}. ({_MEANINGS[harm.of]}.)"
    )


def _before_it(result: DeployResult) -> Iterator[Html]:
    """What was done before anybody was answered."""
    if result.load_test:
        rows = [
            (f"{count} row{'s' if count > 1 else ''}", *_times(new), *_times(result.load_test.before.get(count)))
            for count, new in result.load_test.latency.items()
        ]
        head = ("At once", f"{result.model}, median", "99 of 100", f"{result.before}, median", "99 of 100")
        note = f"Both in one process on a {result.load_test.device.upper()}, in turns, on made-up rows."
        yield panel("Load test", table(head, rows), note)
    if said := result.approval:
        yield panel("Approval", tag("p", f"{said.words()}, at {said.at:%Y-%m-%d %H:%M} UTC"))


def _times(latency: Latency | None) -> tuple[str, str]:
    return ("", "") if latency is None else (f"{latency.p50_ms:.3g} ms", f"{latency.p99_ms:.3g} ms")


def _drawings(result: DeployResult) -> Iterator[Html]:
    from . import rollout_plots as plots  # with matplotlib, which nothing but a page needs

    for title, drawing, note in (
        ("Requests answered in each step", plots.shares(result.steps), "In colour: by the new version."),
        ("Errors", plots.errors(result.steps), ""),
        ("Time of 95 of 100 batches", plots.times(result.steps), ""),
    ):
        if drawing:
            yield panel(title, drawing, note)


def _step(step: Step, result: DeployResult) -> Html:
    name = "Shadow" if not step.share else f"{step.name} of the requests"
    head = ("", result.before or "before", result.model, "By chance?", "Would have been seen")
    rows = [_row(finding) for finding in step.findings]
    took = f"{(step.ended - step.began).total_seconds():,.0f} s, " if step.ended else ""
    note = f"{took}{step.looks} look{'' if step.looks == 1 else 's'} at the evidence."
    old, new = step.old, step.new
    counted = f"{new.requests:,} requests by the new version, {old.requests:,} by the old one. {note}"
    if not step.share:
        counted = f"{step.compared:,} rows computed by both. {note}"
    content = table(head, rows) if rows else tag("p", "Too little was answered to say anything.")
    return tag("section", tag("h2", name), tag("div", lines(content, tag("p", counted, class_="note")), class_="panel"))


def _row(finding: Finding) -> tuple[str | Html, ...]:
    title = lines(tag("b", finding.of.capitalize()), tag("small", _MEANINGS[finding.of]))
    chance = "hardly" if finding.p < _CHANCE else f"in {percent(finding.p)} of cases"
    by_chance = f"{chance}: harm" if finding.is_harm else chance
    seen = "" if finding.least_seen is None else f"{percent(finding.least_seen)} or more"
    if finding.of == "latency":
        return title, f"{finding.old:.3g} ms", f"{finding.new:.3g} ms", by_chance, seen
    old = f"at most {percent(finding.old)}" if finding.of == "disagreement" else percent(finding.old)
    return title, "" if finding.of == "predictions" else old, percent(finding.new), by_chance, seen
