"""A made-up deployment: tested, approved by whoever was asked, and without harm at any step."""

from datetime import UTC, datetime, timedelta

from ..errors import ModelNotFound
from ..kinds import Deploy, DeployResult, Latency
from ..kinds.rollout import Approval, LoadTest, Side, Step
from ..models.store import Store
from .registry import Models

_LATENCY = {1: Latency(p50_ms=1.0, p99_ms=2.0), 32: Latency(p50_ms=2.0, p99_ms=4.0)}


def deployed(spec: Deploy, model: str, job_id: str, models: Models, store: Store) -> DeployResult:
    """The result of a deployment, whose alias has moved.

    Args:
        model: the exact reference of the version.
    """
    before = _before(spec, model, models)
    version = models.move(model, spec.alias, job_id)
    at = datetime.now(UTC)
    load_test = LoadTest(device="cpu", latency=_LATENCY, before=_LATENCY if before else {})
    steps = tuple(_step(spec, number, share, at) for number, share in enumerate(spec.shares)) if before else ()
    return DeployResult(
        model=version.ref,
        alias=spec.alias,
        before=before,
        why="made up" if steps else "",
        load_test=load_test if spec.is_tested else None,
        approval=Approval(role=spec.approval, by="made-up", at=at, is_granted=True) if spec.approval else None,
        steps=steps,
        files={"html": store.put_bytes(b"<title>made up</title>", "report.html")} if steps else {},
    )


def _before(spec: Deploy, model: str, models: Models) -> str | None:
    try:
        return models.version(f"{model.partition('@')[0]}@{spec.alias}").ref
    except ModelNotFound:
        return None


def _step(spec: Deploy, number: int, share: float, at: datetime) -> Step:
    new = Side(requests=spec.min_requests, p95_ms=1.0)
    return Step(
        number=number,
        share=share,
        began=at,
        ended=at + timedelta(seconds=spec.bake),
        is_ready=True,
        looks=8,
        old=Side(requests=round(spec.min_requests / (share or 1.0)), p95_ms=1.0),
        new=new,
        compared=0 if share else spec.shadow,
    )
