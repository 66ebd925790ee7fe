"""A deployment's attempts: the test before anything moves, and what is told when all is decided."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import keras
import numpy as np
import pytest

from stoker.errors import InvalidJob
from stoker.events import Event
from stoker.kinds import Deploy, DeployResult
from stoker.kinds.rollout import Approval, Finding, Outcome, Rollout, Sample, Side, Step
from stoker.models.effects import MoveAlias
from stoker.models.manifest import ModelVersion
from stoker.models.signature import Signature, TensorSpec
from stoker_workers.kinds.deploy import run as deploy
from stoker_workers.ml.run import Run, Wait

SIGNATURE = Signature(
    inputs=(TensorSpec(name="x", shape=(4,), dtype="float32", low=0.0, high=1.0),),
    outputs=(TensorSpec(name="y", shape=(3,), dtype="float32"),),
    task="multiclass",
    classes=("a", "b", "c"),
)
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def network(weight: float) -> keras.Model:
    inputs = keras.Input((4,), name="x")
    model = keras.Model(inputs, keras.layers.Dense(3, activation="softmax")(inputs))
    model.set_weights([np.full(each.shape, weight, "float32") for each in model.get_weights()])
    return model


@pytest.fixture(scope="module")
def versions(register: Callable[..., ModelVersion]) -> tuple[ModelVersion, ModelVersion]:
    """The version that serves, and one that is to follow it."""
    before, new = (register(network(weight), SIGNATURE, "pets") for weight in (0.1, 0.2))
    return before, new.model_copy(update={"version": 2})


def kept_by(spec: Deploy, run: Run) -> Rollout:
    """What the first attempt keeps."""
    with pytest.raises(Wait) as wait:
        deploy(spec, run)
    return Rollout.model_validate_json(wait.value.keep)


def test_a_version_is_tested_beside_the_one_that_serves_and_then_waits(
    versions: tuple[ModelVersion, ModelVersion], open_run: Callable[..., Run]
) -> None:
    before, new = versions
    rollout = kept_by(Deploy(model=new.ref, steps=(0.1,)), replace(open_run(new), beside=before))
    assert (rollout.model, rollout.before, rollout.outcome) == ("pets@2", "pets@1", None)
    test = rollout.load_test
    assert test
    assert test.latency.keys() == test.before.keys() == {1, 32}
    assert test.words().startswith("loads on a CPU and answers 1 row in ")

    with pytest.raises(Wait, match=r"the approval of boss until .*: `stoker approve job`"):
        deploy(Deploy(model=new.ref, approval="boss"), replace(open_run(new), beside=before))


def test_without_a_version_before_it_or_with_itself_the_alias_moves_at_once(
    versions: tuple[ModelVersion, ModelVersion], open_run: Callable[..., Run]
) -> None:
    _, new = versions
    spec = Deploy(model=new.ref, alias="live", steps=(0.1,))
    outcome = deploy(spec, open_run(new))
    assert outcome.effects == (MoveAlias(model="pets@2", alias="live"),)
    assert isinstance(outcome.result, DeployResult)
    assert "nothing was live before" in outcome.result.why
    assert deploy(spec, replace(open_run(new), beside=new)).effects == ()
    assert deploy(Deploy(model=new.ref), open_run(new)).result == DeployResult(model="pets@2", alias="champion")


def test_what_gives_no_finite_numbers_or_other_shapes_fails_its_load_test(
    register: Callable[..., ModelVersion], open_run: Callable[..., Run]
) -> None:
    broken = register(network(float("nan")), SIGNATURE, "broken")
    spec = Deploy(model=broken.ref, steps=(0.1,))
    with pytest.raises(InvalidJob, match="broken@1 fails its load test: it gives no finite numbers for 1 of 1"):
        deploy(spec, open_run(broken))
    assert deploy(spec.model_copy(update={"load_test": False}), open_run(broken)).effects
    other = SIGNATURE.model_copy(update={"outputs": (TensorSpec(name="y", shape=(7,), dtype="float32"),)})
    narrow = register(network(0.1), other, "narrow")
    with pytest.raises(InvalidJob, match="narrow@1"):
        deploy(Deploy(model=narrow.ref, load_test=True), open_run(narrow))


def test_steps_beside_a_version_whose_answers_mean_something_else_are_refused(
    versions: tuple[ModelVersion, ModelVersion], open_run: Callable[..., Run]
) -> None:
    before, new = versions
    numbers = SIGNATURE.model_copy(update={"task": "regression", "classes": (), "columns": ("u", "v", "w")})
    other = new.model_copy(update={"signature": numbers})
    run = replace(open_run(other), beside=before)
    told = "pets@2 predicts regression of u, v, w, and pets@1, which is live, multiclass of a, b, c: .* at once"
    with pytest.raises(InvalidJob, match=told):
        deploy(Deploy(model="pets@2", alias="live", shadow=100), run)
    assert deploy(Deploy(model="pets@2", alias="live"), replace(run, beside=None)).effects
    with pytest.raises(Wait, match="the approval of boss"):
        deploy(Deploy(model="pets@2", alias="live", approval="boss"), run)


def rolled_out(outcome: Outcome, finding: Finding) -> Rollout:
    def step(number: int, share: float) -> Step:
        return Step(
            number=number, share=share, began=NOW, ended=NOW + timedelta(seconds=90), is_ready=True, looks=8,
            old=Side(requests=900, errors=1, p95_ms=2.1), new=Side(requests=100, errors=9, p95_ms=2.4),
            compared=0 if share else 200, disagreed=0 if share else 3, findings=(finding,),
            samples=(Sample(requests=50, old=0.001, new=0.05), Sample(requests=100, old=0.001, new=0.09)),
        )  # fmt: skip

    approval = Approval(role="boss", by="alice", at=NOW, is_granted=True, note="looks <well>")
    return Rollout(
        model="pets@2", before="pets@1", tested=NOW, approval=approval, outcome=outcome, why="because",
        steps=(step(0, 0.0), step(1, 0.1), step(2, 0.5)),
    )  # fmt: skip


@pytest.mark.usefixtures("pages_drawn")
def test_what_came_of_it_is_told_with_a_page(open_run: Callable[..., Run], events: list[Event]) -> None:
    spec = Deploy(model="pets@2", steps=(0.1, 0.5), shadow=200)
    fine = Finding(of="errors", old=0.001, new=0.002, n=100, p=0.4, least_seen=0.031)
    run = replace(open_run(), kept=rolled_out("promoted", fine).model_dump_json().encode())
    outcome = deploy(spec, run)
    result = outcome.result
    assert isinstance(result, DeployResult)
    assert outcome.effects == ()
    page = run.store.read(result.files["html"]).decode()
    for words in (
        "pets@2 was promoted",
        "looks &lt;well&gt;",
        "it has answered 200 requests in 3 steps",
        "3.1 % or more",
    ):
        assert words in page
    assert "Load test" not in page
    assert page.count("<svg") == 3
    [head, shadow, ten, fifty] = result.shown().table
    assert len(head) == len(ten) == len(fifty)
    assert shadow[:2] == ("shadow", "200 compared")
    assert ten[:4] == ("10 %", "100 of 1,000", "9 %", "0.1 %")

    harm = Finding(of="errors", old=0.001, new=0.09, n=100, p=1e-9, is_harm=True)
    run = replace(open_run(), kept=rolled_out("rolled back", harm).model_dump_json().encode())
    with pytest.raises(InvalidJob, match="rolled back, and does not become champion: because; its report is ") as told:
        deploy(spec, run)
    page = Path(str(told.value).rpartition("its report is ")[2]).read_text()
    assert "it was clear that it does worse: errors 9 % against 0.1 %" in page


@pytest.mark.usefixtures("pages_drawn")
def test_what_ended_before_its_first_step_has_a_page_too(open_run: Callable[..., Run]) -> None:
    refused = rolled_out("rolled back", Finding(of="errors", old=0, new=0, n=1, p=1)).model_copy(update={"steps": ()})
    run = replace(open_run(), kept=refused.model_dump_json().encode())
    with pytest.raises(InvalidJob, match="rolled back, and does not become champion: because; its report is ") as told:
        deploy(Deploy(model="pets@2", steps=(0.1,)), run)
    page = Path(str(told.value).rpartition("its report is ")[2]).read_text()
    assert "pets@2 has answered nobody: because." in page


def test_who_is_woken_too_early_waits_on_and_who_is_refused_fails(open_run: Callable[..., Run]) -> None:
    rollout = rolled_out("refused", Finding(of="errors", old=0, new=0, n=1, p=1))
    spec = Deploy(model="pets@2", steps=(0.1,), approval="boss")
    undecided = rollout.model_copy(update={"outcome": None})
    run = replace(open_run(), kept=undecided.model_dump_json().encode())
    assert kept_by(spec, run) == undecided
    with pytest.raises(InvalidJob, match="pets@2 does not become champion: because"):
        deploy(spec, replace(run, kept=rollout.model_dump_json().encode()))
    with pytest.raises(InvalidJob, match="cannot be read"):
        deploy(spec, replace(run, kept=b"nonsense"))
    approved = rollout.model_copy(update={"outcome": "approved"})
    outcome = deploy(spec, replace(run, kept=approved.model_dump_json().encode()))
    assert outcome.effects == (MoveAlias(model="pets@2", alias="champion"),)
