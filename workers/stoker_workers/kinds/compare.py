"""Executes `Compare`: models measured on the same rows, the best of them by a rule, and a report of it."""

import os
from collections.abc import Iterator, Sequence

from stoker.kinds import Compare, CompareResult
from stoker.kinds.compare import headlines, require_comparable
from stoker.kinds.compared import COST_AXES, on_front
from stoker.models.manifest import ModelVersion

from ..ml.evaluation.choosing import choose
from ..ml.evaluation.contest import Contest
from ..ml.evaluation.report.comparison import render
from ..ml.run import Outcome, Run
from ..ml.writing import write_report
from ..node.machine import private_bytes


def run(spec: Compare, run: Run) -> Outcome:
    """Measure its models on the spec's data, all in this process, and choose one of them.

    Raises:
        InvalidJob: data and models do not fit together; or, if the spec is strict, a model gives no finite numbers, or
            none meets the conditions.
        Stopped: a stop was asked for.
    """
    require_comparable(spec, run.models)
    contest = Contest(spec.data, spec.target, spec.batch_size, spec.bootstrap, run, _held_bytes, strict=spec.strict)
    measured = contest.measured(run.models, [run.store] * len(run.models))
    choice = choose(spec.choose, measured.models, measured.draws, strict=spec.strict)
    gains = headlines(run.models[0].signature)
    fronts = on_front(measured.models, gains, COST_AXES)
    models = tuple(
        model.model_copy(update={"on_front": front, "verdict": choice.verdicts.get(model.model, "")})
        for model, front in zip(measured.models, fronts, strict=True)
    )
    left_out = dict(spec.left_out) | {
        each.ref: contest.left_out[each.ref] for each in run.models if each.ref in contest.left_out
    }
    result = CompareResult(
        data=str(spec.data),
        rows=measured.rows,
        models=models,
        axes=(*gains, *COST_AXES),
        chosen=choice.chosen,
        why=choice.why,
        files={},
        device=run.device,
        left_out=left_out,
        warnings=tuple(_warnings(spec, measured.versions)),
    )
    return Outcome(result.model_copy(update={"files": write_report(run, result, lambda: render(result))}))


def _held_bytes() -> int | None:
    return private_bytes(os.getpid())


def _warnings(spec: Compare, versions: Sequence[ModelVersion]) -> Iterator[str]:
    # A sample set has rows that no training sees.
    if str(spec.data).startswith("sample://"):
        return
    if known := [version.ref for version in versions if str(spec.data) in version.trained_on]:
        were = "was" if len(known) == 1 else "were"
        yield (
            f"{', '.join(known)} {were} trained on {spec.data} itself: the figures say how well it is remembered, not "
            "how well new rows are predicted; compare on rows that no model has seen"
        )
