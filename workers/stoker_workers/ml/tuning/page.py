"""Renders what a tuning has found as one HTML page that needs nothing beside it."""

from collections.abc import Iterator, Sequence

from stoker.kinds import Run, Tune, TunedTrial, TuneResult
from stoker.kinds.tuning.goal import Goal
from stoker.kinds.tuning.tuned import cell
from stoker.terminal.html import Html, lines, table, tag

from ..evaluation.report.parts import card, number, page, panel, section, warnings
from .trials import TrialJob

_MOST_LISTED = 200
"""Trials that the page lists; the report in JSON has all."""


def render(spec: Tune, result: TuneResult, trials: Sequence[TrialJob]) -> str:
    """The page: no script, no request to anywhere, every text from outside escaped."""
    what = spec.job.function if isinstance(spec.job, Run) else spec.job.model
    heading = f"Tuning of {what}"
    sections = [
        tag("h1", heading),
        tag("p", f"{spec.goal} · {len(result.trials)} trials · {result.why}", class_="about"),
        _cards(result),
    ]
    if result.notes:
        sections.append(panel("What was made of it", tag("ul", lines(*(tag("li", note) for note in result.notes)))))
    sections += [
        panel(f"Best settings: trial {result.best}", _settings(result)),
        section("Trials", _drawings(spec, result, trials)),
        tag("section", tag("h2", "All trials, the best first"), tag("div", _listed(result), class_="panel")),
    ]
    failed = [trial for trial in result.trials if trial.state == "FAILED"]
    if failed:
        sections.append(warnings(f"trial {trial.number} failed: {trial.reason}" for trial in failed[:_MOST_LISTED]))
    return page(heading, *sections)


def _cards(result: TuneResult) -> Html:
    goal, counts = Goal.parse(result.goal), result.counts
    ended = ", ".join(f"{count} {state}" for state, count in counts.items())
    return tag(
        "div",
        lines(
            card(f"Best {goal.metric}", result.value, f"in trial {result.best}"),
            card("Trials", len(result.trials), ended),
            card("Hours of slots", result.run_s / 3600, f"{number(result.run_s / len(result.trials))} s each"),
        ),
        class_="cards",
    )


def _settings(result: TuneResult) -> Html:
    return table(("", ""), [(name, cell(value)) for name, value in result.settings.items()])


def _drawings(spec: Tune, result: TuneResult, trials: Sequence[TrialJob]) -> Iterator[Html]:
    from . import plots  # with matplotlib, which nothing but a page needs

    goal = Goal.parse(spec.goal)
    yield panel(
        f"{goal.metric} of each trial, and the best so far",
        plots.history(result.trials, goal),
        "Grey: pruned trials, by what they had reached.",
    )
    if result.importances:
        yield panel(
            "What makes the difference",
            plots.importances(result.importances),
            "The share of the differences between trials that is due to each setting (PED-ANOVA).",
        )
    yield panel(
        "Settings side by side",
        plots.parallel(spec.space, trials, goal, result.best),
        "A line for each trial. In colour: the better third of those that ended well; thick: the best one.",
    )


def _listed(result: TuneResult) -> Html:
    goal = Goal.parse(result.goal)
    names = tuple(dict.fromkeys(name for trial in result.trials for name in trial.settings))

    def row(trial: TunedTrial) -> tuple[str, ...]:
        settings = (cell(trial.settings[name]) if name in trial.settings else "" for name in names)
        value = "" if trial.value is None else number(trial.value)
        epochs = "" if trial.epochs is None else str(trial.epochs)
        return (str(trial.number), trial.state, value, epochs, f"{trial.run_s:.1f}", *settings)

    rows = [row(trial) for trial in result.ranking[:_MOST_LISTED]]
    return table(("Trial", "State", goal.metric, "Epochs", "Seconds", *names), rows)
