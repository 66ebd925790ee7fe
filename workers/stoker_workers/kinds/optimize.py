"""Executes `Optimize`: forms of a model are made, measured beside it, and the one that is good enough is registered."""

import os
from collections.abc import Mapping
from functools import partial

from stoker.errors import InvalidJob
from stoker.kinds import Optimize, OptimizeResult
from stoker.kinds.optimize import GOALS
from stoker.models.effects import Register
from stoker.models.manifest import ModelManifest, ModelVersion, Optimized
from stoker.models.store import Store

from ..ml.evaluation.contest import Contest, Measured
from ..ml.evaluation.report.optimised import render
from ..ml.optimisation.forms import Given, Made
from ..ml.optimisation.judging import chosen, judged
from ..ml.optimisation.making import make
from ..ml.progress import obey_stop
from ..ml.run import Outcome, Run
from ..ml.writing import write_report, write_result
from ..node.machine import private_bytes


def run(spec: Optimize, run: Run) -> Outcome:
    """Make the spec's forms, measure them, and register the one that is asked for, or that is chosen.

    Raises:
        InvalidJob: a form cannot be made, is too much worse, or costs no less than the model.
        Stopped: a stop was asked for.
    """
    if spec.goal == "memory" and _held_bytes() is None:
        raise InvalidJob("goal='memory' needs a worker whose system tells the memory of a process; choose another goal")
    made, failed = _made(spec, run)
    return settled(spec, run, made, failed)


def _made(spec: Optimize, run: Run) -> tuple[dict[str, Made], dict[str, str]]:
    """The forms by name, and why others cannot be made.

    Raises:
        InvalidJob: the one that is asked for cannot be, or none.
    """
    made: dict[str, Made] = {}
    failed: dict[str, str] = {}
    for form in spec.forms:
        obey_stop(run)
        (folder := run.scratch / form).mkdir()
        given = Given(spec.model_copy(update={"to": form, "goal": None}), run.models[0], run, folder)
        try:
            made[form] = make(form, given)
        except InvalidJob as error:
            if spec.to:
                raise
            failed[form] = error.message
            run.say(f"{form} is left out: {error.message}")
        else:
            run.say(f"made {form}: {made[form].words}")
    if not made:
        raise InvalidJob(f"nothing can be made of {run.models[0].ref}: {'; '.join(failed.values())}")
    return made, failed


def settled(spec: Optimize, run: Run, made: Mapping[str, Made], failed: Mapping[str, str]) -> Outcome:
    """Measure forms beside their model, and register the one that is asked for, or that is chosen.

    Args:
        failed: why others could not be made, by form.

    Raises:
        InvalidJob: it is too much worse, or costs no less than the model.
        Stopped: a stop was asked for.
    """
    [version] = run.models
    made, failed = dict(made), dict(failed)
    measured = _measured(spec, run, made, failed)
    verdict = judged(made, measured, version.signature, GOALS[spec.goal or "bytes"])
    best, why = chosen(spec, version, verdict)
    result = OptimizeResult(
        model="",
        form=best.form,
        headline=best.headline,
        drop=best.drop,
        drop_interval=best.drop_interval,
        done=best.done,
        figures=best.figures,
        parent=version.ref,
        data=str(spec.data),
        rows=verdict.rows,
        before=verdict.before,
        after=best.model,
        tried=verdict.forms,
        failed=failed,
        why=why,
    )
    report = write_report(run, result, lambda: render(result))
    manifest = _manifest(spec, run, made[best.form], result)
    return Outcome(result.model_copy(update={"files": report}), (Register(manifest=manifest, alias=spec.alias),))


def _measured(spec: Optimize, run: Run, made: dict[str, Made], failed: dict[str, str]) -> Measured:
    """The model's figures, and then those of each form; what cannot be measured goes from `made` to `failed`."""
    [version] = run.models
    # A form that is refused leaves nothing in the store of all.
    local = Store(str(run.scratch / "made"))
    forms = {form: _named(form, each, version, local) for form, each in made.items()}
    contest = Contest(
        spec.data, spec.target, spec.batch_size, spec.bootstrap, run, _held_bytes, strict=spec.to is not None
    )
    measured = contest.measured([version, *forms.values()], [run.store, *(local for _ in forms)])
    if version.ref in contest.left_out:
        raise InvalidJob(contest.left_out[version.ref])
    for form, each in forms.items():
        if each.ref in contest.left_out:
            failed[form] = contest.left_out[each.ref]
            del made[form]
    if not made:
        raise InvalidJob(f"nothing that was made of {version.ref} can be measured: {'; '.join(failed.values())}")
    return measured


def _held_bytes() -> int | None:
    return private_bytes(os.getpid())


def _named(form: str, made: Made, version: ModelVersion, store: Store) -> ModelVersion:
    """A form as a version that no registry has: "int8 of digits@3"."""
    return version.model_copy(
        update={
            "name": f"{form} of {version.name}",
            "signature": made.signature,
            "files": {name: store.put_file(path) for name, path in made.files.items()},
            "parameters": made.parameters,
        }
    )


def _manifest(spec: Optimize, run: Run, made: Made, result: OptimizeResult) -> ModelManifest:
    """The new version's; its lineage is the model's, and what was done."""
    [version] = run.models
    files = {name: write_result(run, partial(run.store.put_file, path)) for name, path in made.files.items()}
    own = {name: getattr(version, name) for name in ModelManifest.model_fields}
    if made.learned_from is not None:
        data = " + ".join(used.ref for used in made.learned_from.data)
        own |= {"learned_from": made.learned_from, "data": data, "split": made.split, "tuned": ""}
    keeps_keras = any(file.name.endswith(".keras") for file in files.values())
    update = {
        "name": spec.name or version.name,
        "signature": made.signature,
        "metrics": result.after.metrics,
        "files": files,
        "parameters": made.parameters,
        "job": run.job,
        "parent": version.ref,
        "tensorflow_why": made.tensorflow_why,
        "modules": made.modules if made.modules is not None else version.modules if keeps_keras else {},
        "optimized": Optimized(
            form=result.form,
            words=result.done,
            figures=result.figures,
            headline=result.headline,
            before=result.before.metrics[result.headline],
            after=result.after.metrics[result.headline],
            data=result.data,
        ),
    }
    return ModelManifest(**{**own, **update})
