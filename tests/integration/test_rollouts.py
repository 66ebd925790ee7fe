"""Deployments that go on step by step, on a real server: approvals, the controller's duty, and what it leaves."""

import asyncio
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import redis

import stoker
from stoker import JobState
from stoker.events import Waiting
from stoker.kinds.rollout import APPROVAL_AWAITED, Rollout
from stoker.ledger import approvals, attempts, damage, intake, model_log, records, registry, routes, waits
from stoker.ledger.attempt import Attempt
from stoker.ledger.intake import NewJob
from stoker.redis.connection import Connection
from stoker.settings import Settings
from stoker_workers.controller.rollouts.duty import Rollouts

from .. import commands
from .test_routes import Registry

ROLE = "release-managers"
SPEC = stoker.Deploy(model="digits@2", steps=(0.1, 0.5), min_requests=100, bake=0)


class Deployed(Registry):
    """A deployment whose first attempt waits, and the controller that goes on with it."""

    def __init__(self, redis_url: str, raw: redis.Redis) -> None:
        super().__init__(redis_url)
        self.raw = raw
        self.redis_url = redis_url
        self.later_s = 0.0
        self.run(approvals.set_roles({ROLE: ["default", "alice"], "nobody-here": ["alice"]}))

    def deploy(self, spec: stoker.Deploy) -> str:
        [job] = self.run(intake.submit([NewJob(f"job-{spec.approval}", spec, "cpu.batch")]))
        attempt = self.claimed(job)
        rollout = Rollout(model="digits@2", before="digits@1", tested=datetime.now(UTC))
        kept = rollout.model_dump_json().encode()
        why = f"{APPROVAL_AWAITED}{spec.approval} until later" if spec.approval else "its steps"
        assert self.run(waits.wait(attempt, why, keep=kept, is_followed=True))
        return job

    def claimed(self, job: str) -> Attempt:
        attempt = self.run(attempts.claim(job, f"owner-{self.raw.incr('owners')}", "worker", 60))
        assert isinstance(attempt, Attempt)
        return attempt

    def look(self) -> None:
        """What a controller does once a second; each time another one does."""
        with_others = Connection.open(Settings(), self.redis_url)
        Rollouts(with_others, lambda: datetime.now(UTC) + timedelta(seconds=self.later_s)).step()
        with_others.close()

    def ready(self) -> None:
        """A worker has loaded the new version."""
        self.raw.hset("stoker:routes", "digits champion", self._route_with_ready())
        self.look()

    def _route_with_ready(self) -> str:
        return self._field("stoker:routes", "digits champion").replace('"ready":false', '"ready":true')

    def _field(self, name: str, field: str) -> str:
        value = self.raw.hget(name, field)
        assert isinstance(value, bytes)
        return value.decode()

    def answer(self, job: str, **counted: int) -> None:
        for name, count in counted.items():
            self.raw.hincrby(f"stoker:evidence:{job}", name.replace("_", " "), count)

    def rollout(self, job: str) -> Rollout:
        return Rollout.model_validate_json(self._field(f"stoker:job:{job}", "kept"))

    def share(self) -> float | None:
        return next((route.share for route in self.run(routes.routes())), None)

    def told(self, job: str) -> list[str]:
        return [str(event.reason) for event in self.run(records.events(job, None)) if isinstance(event, Waiting)]

    def reason(self, job: str) -> str | None:
        return self.run(records.status(job)).reason

    def state(self, job: str) -> JobState:
        return self.run(records.status(job)).state


@pytest.fixture
def deployed(redis_url: str) -> Iterator[Deployed]:
    with redis.Redis.from_url(redis_url) as raw:
        yield Deployed(redis_url, raw)


def test_a_good_version_takes_its_steps_and_is_promoted_whichever_controller_leads(deployed: Deployed) -> None:
    job = deployed.deploy(SPEC)
    deployed.look()
    assert deployed.share() == 0.1
    assert deployed.reason(job) == "canary 10 %: waits for a worker that loads the new version"
    deployed.ready()
    deployed.answer(job, from_requests=540, from_errors=1, to_requests=60)
    deployed.look()
    assert deployed.reason(job) == "canary 10 %: 60 of at least 100 requests, errors 0.0 % against 0.2 %"
    deployed.answer(job, from_requests=360, to_requests=40)
    deployed.look()
    assert deployed.share() == 0.5
    deployed.answer(job, from_requests=100, to_requests=100)
    deployed.look()
    assert (deployed.champion, deployed.share(), deployed.state(job)) == (2, None, JobState.QUEUED)
    told = deployed.told(job)
    assert [each.split(" after ")[0] for each in told[1:]] == [
        "canary 10 % begins", "canary 10 % passed", "promoted: canary 50 % passed",
    ]  # fmt: skip
    assert Rollout.model_validate_json(deployed.claimed(job).kept).outcome == "promoted"
    assert [change.how for change in deployed.run(model_log.changes("digits"))][:4] == [
        None, "promoted", "moved", "opened",
    ]  # fmt: skip
    assert list(deployed.run(damage.repair(keys=10_000)).damages) == []


def test_a_bad_version_is_rolled_back_with_its_evidence(deployed: Deployed) -> None:
    job = deployed.deploy(SPEC)
    deployed.look()
    deployed.ready()
    deployed.answer(job, from_requests=450, to_requests=50, to_errors=25)
    deployed.look()
    assert (deployed.champion, deployed.share(), deployed.state(job)) == (1, None, JobState.QUEUED)
    assert "errors 50 % against 0.0 %" in deployed.rollout(job).why
    [closed, *_] = deployed.run(model_log.changes("digits"))
    assert closed.how == "closed"
    assert closed.why
    assert "errors 50 % against 0.0 %" in closed.why


def test_what_was_decided_by_a_controller_that_has_died_is_done_by_the_next(deployed: Deployed) -> None:
    job = deployed.deploy(SPEC)
    deployed.look()
    rollout = deployed.rollout(job).model_copy(update={"outcome": "promoted", "why": "it did no harm"})
    deployed.raw.hset(f"stoker:job:{job}", "kept", rollout.model_dump_json())
    deployed.look()
    assert (deployed.champion, deployed.share(), deployed.state(job)) == (2, None, JobState.QUEUED)


def test_a_route_that_was_closed_meanwhile_promotes_nothing(deployed: Deployed) -> None:
    job = deployed.deploy(SPEC)
    deployed.look()
    rollout = deployed.rollout(job).model_copy(update={"outcome": "promoted", "why": "it did no harm"})
    deployed.raw.hset(f"stoker:job:{job}", "kept", rollout.model_dump_json())
    deployed.run(routes.close(job, promote=False, why="its first 20 requests have all failed"))
    deployed.look()
    assert (deployed.champion, deployed.state(job)) == (1, JobState.QUEUED)
    assert deployed.rollout(job).outcome == "rolled back"


def test_a_cancel_takes_the_share_back_and_a_pause_holds_the_steps(deployed: Deployed) -> None:
    job = deployed.deploy(SPEC)
    deployed.look()
    with stoker.Client(deployed.redis_url) as client:
        client.job(job).pause()
        deployed.raw.hset("stoker:routes", "digits champion", deployed._route_with_ready())
        deployed.answer(job, from_requests=450, to_requests=50, to_errors=25)
        deployed.look()
        assert deployed.share() == 0.1
        client.job(job).resume()
        client.job(job).cancel()
    deployed.look()
    assert (deployed.share(), deployed.champion) == (None, 1)
    assert not deployed.raw.exists("stoker:followed")


def test_two_deployments_of_one_alias_do_not_mix(deployed: Deployed) -> None:
    first = deployed.deploy(SPEC)
    deployed.look()
    [second] = deployed.run(
        intake.submit([NewJob("second", SPEC.model_copy(update={"model": "digits@3"}), "cpu.batch")])
    )
    rollout = Rollout(model="digits@3", before="digits@1", tested=datetime.now(UTC))
    deployed.run(
        waits.wait(deployed.claimed(second), "its steps", keep=rollout.model_dump_json().encode(), is_followed=True)
    )
    deployed.look()
    assert deployed.rollout(second).outcome == "rolled back"
    assert first in deployed.rollout(second).why
    assert deployed.share() == 0.1


def test_a_damaged_index_costs_a_deployment_nothing(deployed: Deployed) -> None:
    deployed.deploy(SPEC)
    deployed.raw.delete("stoker:followed")
    deployed.run(damage.repair(keys=10_000))
    deployed.look()
    assert deployed.share() == 0.1


def test_an_approval_is_heard_once_and_kept_with_who_gave_it(deployed: Deployed) -> None:
    job = deployed.deploy(SPEC.model_copy(update={"approval": ROLE}))
    deployed.look()
    assert deployed.share() is None
    with stoker.Client(deployed.redis_url) as client:
        assert [client.approve(job, note="looks well") for _ in range(2)] == ["default"] * 2
        with pytest.raises(
            stoker.InvalidJob, match="approved by default for release-managers: looks well a moment ago"
        ):
            client.approve(job, refuse=True)
        deployed.look()
        deployed.look()
        assert deployed.share() == 0.1
        with pytest.raises(stoker.InvalidJob, match="waits for no approval any more"):
            client.approve(client.job(job))
        change = client.model_changes("digits")[1]
    assert (change.asked, change.how, change.by, change.why) == (2, "approved", "default", "looks well")
    assert "approved by default for release-managers: looks well" in deployed.told(job)
    assert not deployed.raw.exists(f"stoker:approvals:{ROLE}")


def test_webhooks_are_told_of_approvals_that_are_wanted_granted_and_refused(deployed: Deployed) -> None:
    deployed.raw.set("stoker:hooked", 1)
    # As soon as there is a webhook; this one asks for nobody's.
    deployed.deploy(SPEC)
    with stoker.Client(deployed.redis_url) as client:
        granted = deployed.deploy(SPEC.model_copy(update={"approval": ROLE}))
        client.approve(granted)
        deployed.look()
        deployed.run(approvals.set_roles({"others": ["default"]}))
        refused = deployed.deploy(SPEC.model_copy(update={"approval": "others", "tags": {"team": "shop"}}))
        client.approve(refused, refuse=True)
        deployed.look()
        deployed.look()
    entries: Any = deployed.raw.xrange("stoker:webhook-events")
    told = [json.loads(fields[b"event"]) for _, fields in entries]
    approved = [event for event in told if event["type"].startswith("approval.")]
    assert [(event["type"], event["data"]["id"], event["data"]["role"]) for event in approved] == [
        ("approval.wanted", granted, ROLE),
        ("approval.granted", granted, ROLE),
        ("approval.wanted", refused, "others"),
        ("approval.refused", refused, "others"),
    ]
    assert approved[3]["data"] | {"id": ""} == {
        "id": "", "kind": "deploy", "model": "digits@2", "role": "others", "by": "default", "tags": {"team": "shop"},
    }  # fmt: skip


def test_the_command_and_the_async_client_approve_as_well(deployed: Deployed, monkeypatch: pytest.MonkeyPatch) -> None:
    job = deployed.deploy(SPEC.model_copy(update={"approval": ROLE}))
    monkeypatch.setenv("STOKER_REDIS_URL", deployed.redis_url)
    told = commands.run("approve", job, "--refuse", "--note", "not on a Friday", "--json")
    assert json.loads(told.stdout) == {"job": job, "by": "default", "refused": True}
    deployed.look()
    assert deployed.rollout(job).why == f"refused by default for {ROLE}: not on a Friday"
    told = commands.run("approve", job)
    assert (told.returncode, "waits for no approval any more" in told.stderr) == (2, True)

    async def approve(other: str) -> str:
        async with stoker.AsyncClient(deployed.redis_url) as client:
            return await client.approve(other)

    deployed.run(approvals.set_roles({"others": ["default"]}))
    other = deployed.deploy(SPEC.model_copy(update={"approval": "others"}))
    assert asyncio.run(approve(other)) == "default"
    told = commands.run("models", "log", "digits")
    assert "deployment of 2 refused: not on a Friday" in told.stdout


def test_a_refusal_and_a_time_that_is_over_end_a_deployment(deployed: Deployed) -> None:
    job = deployed.deploy(SPEC.model_copy(update={"approval": ROLE}))
    with stoker.Client(deployed.redis_url) as client:
        client.approve(job, refuse=True, note="not on a Friday")
    deployed.look()
    assert (deployed.rollout(job).outcome, deployed.state(job)) == ("refused", JobState.QUEUED)
    deployed.claimed(job)

    late = deployed.deploy(SPEC.model_copy(update={"approval": "nobody-here", "expires": 60.0}))
    deployed.look()
    assert deployed.state(late) is JobState.WAITING
    deployed.later_s = 61
    deployed.look()
    assert (deployed.rollout(late).outcome, deployed.state(late)) == ("expired", JobState.QUEUED)
    assert deployed.champion == 1


def test_who_has_not_the_role_is_refused(deployed: Deployed) -> None:
    job = deployed.deploy(SPEC.model_copy(update={"approval": "nobody-here"}))
    unknown = deployed.deploy(SPEC.model_copy(update={"approval": "strangers"}))
    plain = deployed.deploy(SPEC)
    with stoker.Client(deployed.redis_url) as client:
        with pytest.raises(stoker.Unauthorized, match="'default' has not the role 'nobody-here': alice has"):
            client.approve(job)
        with pytest.raises(stoker.Unauthorized, match=r"nobody has the role 'strangers': .*\[roles\]"):
            client.approve(unknown)
        with pytest.raises(stoker.InvalidJob, match="asks for no approval"):
            client.approve(plain)
        with pytest.raises(stoker.JobNotFound):
            client.approve("no-such-job")
        client.job(job).cancel()
        with pytest.raises(stoker.InvalidJob, match="is CANCELLED"):
            client.approve(job)
    assert not deployed.raw.keys("stoker:approvals:*")
    assert deployed.run(registry.resolve("digits")).version == 1


def test_an_alias_that_points_elsewhere_by_its_first_step_ends_a_deployment(deployed: Deployed) -> None:
    job = deployed.deploy(SPEC.model_copy(update={"approval": ROLE}))
    deployed.raw.hset("stoker:aliases:digits", "champion", 3)
    with stoker.Client(deployed.redis_url) as client:
        client.approve(job)
    deployed.look()
    deployed.look()
    assert deployed.rollout(job).outcome == "rolled back"
    assert "digits@champion points at 3 now, no longer at 1" in deployed.rollout(job).why
    assert (deployed.champion, deployed.share(), deployed.state(job)) == (3, None, JobState.QUEUED)


def test_what_was_said_to_a_deployment_that_is_cancelled_is_kept_no_longer(deployed: Deployed) -> None:
    job = deployed.deploy(SPEC.model_copy(update={"approval": ROLE}))
    with stoker.Client(deployed.redis_url) as client:
        client.approve(job)
        client.job(job).cancel()
    deployed.look()
    assert not deployed.raw.exists("stoker:followed", f"stoker:approvals:{ROLE}")
