"""Schedules are signed by who adds them: a controller starts their jobs for that key, and has none of a client's."""

import json
from datetime import datetime, timedelta

import pytest

import stoker
from stoker.schedules.schedule import ScheduleStatus
from stoker.security.key_files import revoke
from stoker.security.signatures import signatures_of
from stoker_workers.controller.schedules import Schedules

from .parties import Parties


def add(parties: Parties, key: str | None = "client", *, replace: bool = False) -> datetime:
    """A schedule of a signed job; gives a moment at which it has started."""
    with parties.client(key) as client:
        added = client.schedule("every 1h", parties.spec, name="hourly", replace=replace)
    return added.created_at + timedelta(hours=1, seconds=1)


def start(parties: Parties, now: datetime, key: str | None = "controller") -> ScheduleStatus:
    Schedules(parties.connection, lambda: now, signatures_of(parties.settings(key))).step()
    with parties.client() as client:
        [listed] = client.schedules()
    return listed


def test_a_started_job_is_signed_by_the_controller_for_who_added_the_schedule(parties: Parties) -> None:
    last = start(parties, add(parties)).last
    assert last
    assert parties.run(last.jobs[0]).how == "succeeded"


def test_a_schedule_of_nobody_and_one_that_was_altered_start_nothing(parties: Parties) -> None:
    left_out = start(parties, add(parties, None))
    assert (left_out.last, left_out.skipped) == (None, 1)
    assert "schedule hourly is refused: it is not signed: add it again" in str(left_out.problem)
    moment = add(parties, replace=True)
    document = json.loads(str(parties.redis.hget("stoker:schedules", "hourly")))
    document["jobs"][0]["arguments"]["path"] = "/elsewhere"
    parties.redis.hset("stoker:schedules", "hourly", json.dumps(document))
    left_out = start(parties, moment)
    assert left_out.last is None
    assert "it was altered after it was signed" in str(left_out.problem)


def test_a_schedule_is_signed_with_another_key_when_it_is_replaced_by_the_same(parties: Parties) -> None:
    add(parties)
    parties.add_key("follower")
    moment = add(parties, "follower", replace=True)
    revoke(parties.trusted, "client")
    last = start(parties, moment).last
    assert last
    assert parties.run(last.jobs[0]).how == "succeeded"


def test_a_schedule_of_nobody_goes_on_where_everybody_is_trusted(parties: Parties) -> None:
    moment = add(parties, None)
    Schedules(parties.connection, lambda: moment, signatures_of(parties.settings("controller", trusts=False))).step()
    with parties.client(None, trusts=False) as client:
        [listed] = client.schedules()
    assert listed.last, listed.problem
    assert parties.run(listed.last.jobs[0], parties.slot(trusts=False)).how == "succeeded"


def test_a_controller_without_a_key_starts_nothing_that_would_be_refused(parties: Parties) -> None:
    assert "its controller has no STOKER_SIGNING_KEY" in str(start(parties, add(parties), None).problem)


@pytest.mark.parametrize("scope", ["functions", "kinds"])
def test_what_is_started_is_held_against_the_key_of_who_added_it(parties: Parties, scope: str) -> None:
    key = parties.add_key("narrow", scopes={scope: ("train",)})
    last = start(parties, add(parties, "narrow")).last
    assert last
    parties.run(last.jobs[0])
    assert f"key {key.id} (narrow) may not have" in parties.reason(last.jobs[0])


def test_a_controller_signs_for_no_client_who_is_not_trusted(parties: Parties) -> None:
    last = start(parties, add(parties)).last
    assert last
    revoke(parties.trusted, "client")
    parties.run(last.jobs[0])
    assert "(client) was revoked" in parties.reason(last.jobs[0])


def test_a_controller_signs_no_job_of_its_own(parties: Parties) -> None:
    with stoker.Client(settings=parties.settings("controller")) as client:
        job_id = client.submit(parties.spec).id
    parties.run(job_id)
    assert "is not trusted here" in parties.reason(job_id)
