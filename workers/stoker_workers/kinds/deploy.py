"""Executes `Deploy`: before anything moves, and when all is decided; a controller goes on with it in between."""

from datetime import UTC, datetime, timedelta
from typing import NoReturn

from pydantic import ValidationError

from stoker.errors import InvalidJob
from stoker.kinds import Deploy, DeployResult
from stoker.kinds.rollout import APPROVAL_AWAITED, Rollout
from stoker.models.effects import MoveAlias
from stoker.models.manifest import ModelVersion
from stoker.models.signature import Signature

from ..ml.run import Outcome, Run, Wait


def run(spec: Deploy, run: Run) -> Outcome:
    """Verify and test a model, and wait for its approval and its steps; or tell what came of these.

    Raises:
        Corrupt: a file is not what was registered.
        Unavailable: a file cannot be read.
        InvalidJob: it means something else than the one before by what it gives, fails its load test, was refused, or
            was rolled back.
        Wait: it is not decided yet.
    """
    if run.kept:
        return _told(spec, run, _kept(run))
    [model] = run.models
    for artifact in model.files.values():
        run.store.verify(artifact)
    if spec.is_gradual and run.beside:
        _require_alike(model, run.beside, spec.alias)
    rollout = _tested(spec, run, model)
    if rollout.before == model.ref:
        return _moved(spec, rollout.model_copy(update={"why": f"{model.ref} was {spec.alias} before"}))
    if spec.approval is None and not (spec.is_gradual and run.beside):
        why = f"nothing was {spec.alias} before that it could be held against" if spec.is_gradual else ""
        return _moved(spec, rollout.model_copy(update={"why": why}))
    _wait(spec, run, rollout)
    return None


def _require_alike(model: ModelVersion, before: ModelVersion, alias: str) -> None:
    """Refuse steps beside a version whose answers mean something else: whoever asks would get now these, now those."""
    new, old = _meaning(model), _meaning(before)
    if new != old:
        raise InvalidJob(
            f"{model.ref} predicts {new}, and {before.ref}, which is {alias}, {old}: their answers cannot be held "
            "against each other; give one that predicts the same, or deploy it without steps and shadow, at once"
        )


def _meaning(model: ModelVersion) -> str:
    """What each of the outputs means; that of a single one whatever it is called."""
    parts = model.signature.parts
    if not parts:
        return _means(model.signature)
    return ", ".join(f"{name}: {_means(parts[name])}" for name in sorted(parts))


def _means(signature: Signature) -> str:
    names = signature.classes or signature.columns
    return f"{signature.task} of {', '.join(names)}" if names else signature.task


def _tested(spec: Deploy, run: Run, model: ModelVersion) -> Rollout:
    before = run.beside.ref if run.beside else None
    test = None
    if spec.is_tested and before != model.ref:
        from ..ml.load_test import load_test  # with TensorFlow, which a deployment at once does without

        test = load_test(model, run.beside, run)
        run.say(f"{model.ref} {test.words()}")
    return Rollout(model=model.ref, before=before, tested=datetime.now(UTC), load_test=test)


def _kept(run: Run) -> Rollout:
    try:
        return Rollout.model_validate_json(run.kept)
    except ValidationError:
        raise InvalidJob(
            "what was noted of the deployment cannot be read: a newer version of Stoker, or something else, has "
            "written it; submit it again"
        ) from None


def _wait(spec: Deploy, run: Run, rollout: Rollout) -> NoReturn:
    why = f"its steps: {rollout.model} is to answer beside {rollout.before}"
    if spec.approval and rollout.approval is None:
        until = rollout.tested + timedelta(seconds=spec.expires)
        why = f"{APPROVAL_AWAITED}{spec.approval} until {until:%Y-%m-%d %H:%M} UTC: `stoker approve {run.job}`"
    raise Wait(why, keep=rollout.model_dump_json().encode())


def _moved(spec: Deploy, rollout: Rollout) -> Outcome:
    """The alias moves as the job is committed."""
    effects = () if rollout.before == rollout.model else (MoveAlias(model=rollout.model, alias=spec.alias),)
    return Outcome(_result(spec, rollout), effects)


def _result(spec: Deploy, rollout: Rollout) -> DeployResult:
    return DeployResult(
        model=rollout.model,
        alias=spec.alias,
        before=rollout.before,
        why=rollout.why,
        load_test=rollout.load_test,
        approval=rollout.approval,
        steps=rollout.steps,
    )


def _told(spec: Deploy, run: Run, rollout: Rollout) -> Outcome:
    """What came of it, as its result and its report."""
    match rollout.outcome:
        case None:
            # Woken before all was decided.
            _wait(spec, run, rollout)
        case "approved":
            return _moved(spec, rollout)
        case "refused" | "expired":
            raise InvalidJob(f"{rollout.model} does not become {spec.alias}: {rollout.why}")
    from ..ml.evaluation.report.rollout import render  # with matplotlib
    from ..ml.writing import write_report

    result = _result(spec, rollout)
    files = write_report(run, result, lambda: render(result, rollout.outcome))
    if rollout.outcome == "promoted":
        return Outcome(result.model_copy(update={"files": files}))
    page = files.get("html", files["report"])
    raise InvalidJob(
        f"{rollout.model} is rolled back, and does not become {spec.alias}: {rollout.why}; its report is "
        f"{run.store.location(page)}"
    )
