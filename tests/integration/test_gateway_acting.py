"""Acting on many jobs, on schedules and on deployments by the gateway, by keys that may and keys that may not."""

from collections.abc import Iterator
from typing import Any

import pytest

from stoker.client.aio import AsyncClient
from stoker.gateway.auth.keys import ApiKey
from stoker.gateway.auth.sessions import COOKIE, cookie_of
from stoker.gateway.console.page import ROOT
from stoker.gateway.jobs import acts, many
from stoker.outages import RedisUnavailable
from stoker.settings import Settings

from ..conftest import Eventually
from .gateways import Answer, Gateway, Keys, keys_of_all_roles, running_gateway
from .test_rollouts import ROLE, SPEC, Deployed, deployed  # noqa: F401  # the last is a fixture

DESCRIBE: dict[str, Any] = {"kind": "describe", "data": "sample://iris", "device": "cpu"}
RESEARCH: dict[str, Any] = {**DESCRIBE, "tags": {"tenant": "research"}}


def some_keys() -> Keys:
    keys = keys_of_all_roles()
    keys.add("research", tenants=("research",))
    keys.add("reader", tenants=("*",), kinds=("evaluate",))
    keys.add("manager", approves=("release-*",))
    return keys


@pytest.fixture
def gateway(redis_url: str, eventually: Eventually) -> Iterator[Gateway]:
    with running_gateway(Settings(redis_url=redis_url), eventually, some_keys()) as gateway:
        yield gateway


def submitted(gateway: Gateway, *specs: dict[str, Any]) -> list[str]:
    ids: list[str] = gateway.call("POST", "/v1/jobs/batch", {"jobs": list(specs)}).json["ids"]
    return ids


def act(gateway: Gateway, what: str, key: str = "client", **fields: Any) -> Any:
    answer = gateway.call("POST", f"/v1/jobs/{what}", fields, key=key)
    assert answer.status == 200, answer.body
    return answer.json


def state(gateway: Gateway, job: str) -> str:
    told: str = gateway.call("GET", f"/v1/jobs/{job}").json["state"]
    return told


def test_many_are_told_first_and_acted_on_then(gateway: Gateway) -> None:
    ids = submitted(gateway, *[DESCRIBE] * 5, RESEARCH)
    told = act(gateway, "cancel", kind="describe", limit=2)
    assert (len(told["matching"]), told["more"], told["done"]) == (2, True, 0)
    assert {state(gateway, job) for job in ids} == {"QUEUED"}
    # Of others' jobs a key is not even told.
    assert act(gateway, "cancel", key="research", kind="describe")["matching"] == [ids[5]]
    paused = act(gateway, "pause", kind="describe", dry_run=False)
    assert (paused["done"], set(paused["matching"]), paused["more"]) == (6, set(ids), False)
    assert act(gateway, "resume", key="research", kind="describe", dry_run=False)["matching"] == [ids[5]]
    assert act(gateway, "resume", kind="describe", dry_run=False)["done"] == 5
    assert act(gateway, "resume", kind="describe", dry_run=False)["done"] == 0
    refused = act(gateway, "cancel", key="reader", kind="describe", dry_run=False)
    assert (refused["done"], refused["refused"], "may not have the kind" in refused["reasons"][0]) == (0, 6, True)
    assert act(gateway, "cancel", state="QUEUED", tags={"tenant": "research"}, dry_run=False)["done"] == 1
    assert act(gateway, "cancel", kind="describe", dry_run=False)["done"] == 5
    again = act(gateway, "retry", kind="describe", dry_run=False)
    assert (again["done"], len(set(again["ids"]))) == (6, 6)
    assert set(act(gateway, "retry", kind="describe", dry_run=False)["ids"]) == set(again["ids"])
    changed = act(gateway, "resubmit", kind="describe", changes={"priority": "high"}, limit=1, dry_run=False)
    [new] = changed["ids"]
    assert gateway.call("GET", f"/v1/jobs/{new}").json["priority"] == "high"
    wrong = act(gateway, "resubmit", kind="describe", changes={"no": 1}, limit=1, dry_run=False)
    assert (wrong["done"], wrong["refused"]) == (0, 1)


def test_a_redis_that_goes_away_between_two_of_many_leaves_an_answer_for_each(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = submitted(gateway, *[DESCRIBE] * 3)

    async def interrupted(client: AsyncClient, key: ApiKey, what: acts.Act, job_id: str, changes: Any) -> Any:
        if job_id == ids[1]:
            raise RedisUnavailable("Redis at 10.0.0.7 is out of reach")
        return await acts.act(client, key, what, job_id, changes)

    monkeypatch.setattr(many, "act", interrupted)
    cancelled = act(gateway, "cancel", kind="describe", dry_run=False)
    assert (cancelled["done"], cancelled["refused"]) == (2, 1)
    assert cancelled["reasons"] == ["Redis cannot be asked now: the gateway's log says why"]
    assert [state(gateway, job) for job in ids] == ["CANCELLED", "QUEUED", "CANCELLED"]


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({}, 400),
        ({"dry_run": False}, 400),
        ({"kind": "nothing"}, 400),
        ({"state": "ASLEEP"}, 400),
        ({"kind": "describe", "limit": 0}, 422),
        ({"kind": "describe", "since": "today"}, 422),
        ({"kind": "describe", "more": 1}, 422),
    ],
)
def test_what_says_not_which_jobs_is_refused(gateway: Gateway, fields: dict[str, Any], status: int) -> None:
    for what in ("cancel", "pause", "resume", "retry", "resubmit"):
        assert gateway.call("POST", f"/v1/jobs/{what}", fields).status == status, what


def put(gateway: Gateway, name: str, job: dict[str, Any], key: str = "client", **fields: Any) -> Answer:
    return gateway.call("PUT", f"/v1/schedules/{name}", {"when": "daily", "jobs": [job], **fields}, key=key)


def test_a_schedule_is_added_paused_run_and_removed(gateway: Gateway) -> None:
    added = put(gateway, "nightly", RESEARCH, key="research")
    assert (added.status, added.json["when"], added.json["paused"]) == (200, "daily", None)
    assert put(gateway, "nightly", RESEARCH, key="research").json["created_at"] == added.json["created_at"]
    assert put(gateway, "nightly", RESEARCH, key="research", when="hourly").status == 422
    assert put(gateway, "nightly", RESEARCH, key="research", when="hourly", replace=True).json["when"] == "hourly"
    assert put(gateway, "others", DESCRIBE, key="research").status == 403
    assert put(gateway, "others", DESCRIBE).status == 200
    for key, names in {"viewer": ["nightly", "others"], "research": ["nightly"]}.items():
        listed = gateway.call("GET", "/v1/schedules", key=key).json["schedules"]
        assert [each["name"] for each in listed] == names
    path = "/v1/schedules/nightly"
    assert gateway.call("POST", f"{path}/pause", key="research").json["paused"]
    assert gateway.call("POST", f"{path}/resume", key="research").json["paused"] is None
    ran = gateway.call("POST", f"{path}/run", key="research")
    [job] = ran.json["ids"]
    assert ran.status == 202
    assert gateway.call("GET", f"/v1/jobs/{job}", key="research").json["tags"]["schedule"] == "nightly"
    # Another tenant's is not there; nor can its name be taken.
    for method, what in (("GET", ""), ("POST", "/pause"), ("POST", "/resume"), ("POST", "/run"), ("DELETE", "")):
        assert gateway.call(method, f"/v1/schedules/others{what}", key="research").status == 404, (method, what)
        assert gateway.call(method, f"/v1/schedules/none{what}", key="research").status == 404
    taken = put(gateway, "others", RESEARCH, key="research", replace=True)
    assert (taken.status, taken.json["code"], "daily" in taken.json["detail"]) == (409, "OthersSchedule", False)
    # Who sees it, but may not have its jobs run.
    for method, what in (("POST", "/pause"), ("POST", "/run"), ("DELETE", "")):
        assert gateway.call(method, f"{path}{what}", key="reader").status == 403
    assert gateway.call("DELETE", path, key="research").status == 200
    assert gateway.call("GET", path, key="research").status == 404


@pytest.mark.parametrize(
    "fields", [{"when": "sometimes"}, {"jobs": []}, {"zone": "Nowhere"}, {"catch_up": "no"}, {"at_most": 0}, {"x": 1}]
)
def test_what_is_no_schedule_is_refused(gateway: Gateway, fields: dict[str, Any]) -> None:
    assert put(gateway, "wrong", DESCRIBE, **fields).status == 422


def test_who_may_approves_a_deployment_and_is_named(
    deployed: Deployed,  # noqa: F811  # it is that fixture
    gateway: Gateway,
) -> None:
    job = deployed.deploy(SPEC.model_copy(update={"approval": ROLE}))
    deployed.look()
    plain = deployed.deploy(SPEC)
    for key, may in (("viewer", False), ("manager", True)):
        [asking] = gateway.call("GET", "/v1/approvals", key=key).json["approvals"]
        assert (asking["job"]["id"], asking["role"], asking["may_approve"]) == (job, ROLE, may)
    refused = gateway.call("POST", f"/v1/jobs/{job}/approve", {}, key="operator")
    assert (refused.status, "does not approve for" in refused.json["detail"]) == (403, True)
    assert gateway.call("POST", f"/v1/jobs/{plain}/approve", {}, key="manager").status == 422
    assert gateway.call("POST", f"/v1/jobs/{job}/approve", {"note": "x" * 801}, key="manager").status == 422
    said = gateway.call("POST", f"/v1/jobs/{job}/approve", {"note": "looks well"}, key="manager")
    assert (said.status, said.json["approved"], said.json["by"]) == (200, True, "default"), said.body
    assert said.json["note"].startswith("manager (")
    late = gateway.call("POST", f"/v1/jobs/{job}/refuse", {}, key="manager")
    assert (late.status, late.json["code"]) == (422, "InvalidJob")
    deployed.look()
    assert any(f"by default for {ROLE}: manager (" in told for told in deployed.told(job))
    other = deployed.deploy(SPEC.model_copy(update={"approval": "nobody-here"}))
    assert gateway.call("POST", f"/v1/jobs/{other}/approve", {}, key="manager").status == 403


def on_page(gateway: Gateway, name: str, method: str, path: str, body: bytes | None = None) -> Answer:
    """A call by the session of a key."""
    key = next(key for key in gateway.keys.known.values() if key.name == name)
    sent = {"Cookie": f"{COOKIE}={cookie_of(key)}", "Accept": "text/html", "Sec-Fetch-Site": "same-origin"}
    sent |= {"Content-Type": "application/x-www-form-urlencoded"} if body is not None else {}
    return gateway.call(method, f"{ROOT}/jobs/{path}", body, key=None, headers=sent)


def test_a_deployment_is_approved_on_its_page_by_those_who_may(
    deployed: Deployed,  # noqa: F811  # it is that fixture
    gateway: Gateway,
) -> None:
    job = deployed.deploy(SPEC.model_copy(update={"approval": ROLE}))
    deployed.look()
    assert b">Approve<" in on_page(gateway, "manager", "GET", job).body
    assert b">Approve<" not in on_page(gateway, "operator", "GET", job).body
    refused = on_page(gateway, "operator", "POST", f"{job}/approve", b"note=")
    assert (refused.status, b"does not approve for" in refused.body) == (403, True)
    assert on_page(gateway, "viewer", "POST", f"{job}/refuse", b"note=").status == 403
    said = on_page(gateway, "manager", "POST", f"{job}/approve", b"note=looks+well")
    assert (said.status, said.headers["location"]) == (303, f"{ROOT}/jobs/{job}")
    assert on_page(gateway, "manager", "POST", f"{job}/refuse", b"note=").status == 422
    # One step tells what was said, and from the next one on it waits for something else.
    deployed.look()
    deployed.look()
    assert b">Approve<" not in on_page(gateway, "manager", "GET", job).body
    assert any(f"by default for {ROLE}: manager (" in told for told in deployed.told(job))
    plain = deployed.deploy(SPEC)
    assert b">Approve<" not in on_page(gateway, "manager", "GET", plain).body
    assert on_page(gateway, "manager", "POST", f"{plain}/refuse", b"note=").status == 422
