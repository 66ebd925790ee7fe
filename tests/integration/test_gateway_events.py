"""One stream of what changes in all jobs: to whom it tells what, and how it goes on."""

import itertools
import json
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import timedelta
from queue import Queue
from typing import Any

import pytest

from stoker.gateway.auth import sharing
from stoker.gateway.sse import feed as feed_module
from stoker.settings import Settings

from ..conftest import PATIENCE_S, Eventually
from .gateways import Gateway, keys_of_all_roles, running_gateway

DESCRIBE: dict[str, Any] = {"kind": "describe", "data": "sample://iris", "device": "cpu"}


@pytest.fixture
def gateway(redis_url: str, eventually: Eventually) -> Iterator[Gateway]:
    keys = keys_of_all_roles()
    keys.add("research", role="viewer", tenants=("research",))
    with running_gateway(Settings(redis_url=redis_url), eventually, keys) as gateway:
        gateway.server._state.feed._look_s = 0.05
        yield gateway


@contextmanager
def watching(gateway: Gateway, key: str = "viewer", last: str | None = None) -> Iterator["Queue[dict[str, str]]"]:
    """The events of the stream as they come."""
    events: Queue[dict[str, str]] = Queue()
    headers = {"Authorization": f"Bearer {gateway.keys.texts[key]}", **({"Last-Event-ID": last} if last else {})}
    with closing(gateway.connect()) as connection:
        connection.request("GET", "/v1/events", headers=headers)
        answer = connection.getresponse()
        assert (answer.status, answer.headers["content-type"]) == (200, "text/event-stream; charset=utf-8")
        socket = answer.fp.raw._sock  # type: ignore[attr-defined]  # to end a read from outside

        def read() -> None:
            event: dict[str, str] = {}
            while line := answer.readline().decode():
                name, colon, value = line.rstrip("\n").partition(": ")
                if colon and name in ("id", "event", "data"):
                    event[name] = value
                elif event and not colon:
                    events.put(event)
                    event = {}

        reading = threading.Thread(target=read)
        reading.start()
        try:
            yield events
        finally:
            socket.shutdown(2)
            reading.join(PATIENCE_S)


def submitted(gateway: Gateway, **fields: Any) -> str:
    job: str = gateway.call("POST", "/v1/jobs", {**DESCRIBE, **fields}).json["id"]
    return job


def told(events: "Queue[dict[str, str]]") -> tuple[str, str]:
    """The id and the state of the next job that the stream tells of."""
    event = events.get(timeout=PATIENCE_S)
    assert event["event"] == "job"
    document = json.loads(event["data"])
    return document["id"], document["state"]


def test_changes_are_told_to_whom_they_concern_and_go_on(gateway: Gateway) -> None:
    before = submitted(gateway)
    with watching(gateway) as all_of_them, watching(gateway, "research") as of_research:
        start = all_of_them.get(timeout=PATIENCE_S)
        assert start["event"] == of_research.get(timeout=PATIENCE_S)["event"] == "resync"
        job = submitted(gateway)
        assert told(all_of_them) == (job, "QUEUED")
        gateway.call("POST", f"/v1/jobs/{before}/cancel")
        assert told(all_of_them) == (before, "CANCELLED")
        theirs = submitted(gateway, tags={"tenant": "research"})
        assert told(all_of_them) == told(of_research) == (theirs, "QUEUED")
        assert of_research.empty()
    # Who comes back finds what it has missed, once.
    gateway.call("POST", f"/v1/jobs/{job}/cancel")
    with watching(gateway, last=start["id"]) as again:
        seen = {told(again) for _ in range(4)}
        assert seen == {(job, "QUEUED"), (before, "CANCELLED"), (theirs, "QUEUED"), (job, "CANCELLED")}


@pytest.mark.parametrize("last", ["other-1", "-", "x" * 64, "1764000000000-0"])
def test_who_cannot_go_on_is_told_to_read_anew(gateway: Gateway, last: str) -> None:
    with watching(gateway, last=last) as events:
        assert events.get(timeout=PATIENCE_S)["event"] == "resync"


def test_who_is_too_far_behind_is_told_to_read_anew(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    with watching(gateway) as events:
        start = events.get(timeout=PATIENCE_S)
        feed = gateway.server._state.feed
        job = submitted(gateway)
        assert told(events) == (job, "QUEUED")
        [(number, *_)] = feed._changes
        # As if ten thousand others had come since.
        feed._changes[0] = (number + 5, *feed._changes[0][1:])
        feed._newest = number + 5
        with watching(gateway, last=start["id"]) as late:
            assert late.get(timeout=PATIENCE_S)["event"] == "resync"


def test_jobs_behind_the_newest_of_their_state_are_asked_for_once(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch, eventually: Eventually
) -> None:
    monkeypatch.setattr(feed_module, "_MOST_OPEN", 1)
    monkeypatch.setattr(feed_module, "_PAGE", 1)
    monkeypatch.setattr(feed_module, "_OVERLAP", timedelta(0))
    asked: list[list[str]] = []
    feed = gateway.server._state.feed
    ask = feed._asked

    async def counted(ids: list[str]) -> Any:
        asked.append(list(ids))
        return await ask(ids)

    monkeypatch.setattr(feed, "_asked", counted)
    older = submitted(gateway)
    with watching(gateway) as events:
        assert events.get(timeout=PATIENCE_S)["event"] == "resync"
        newer = submitted(gateway)
        assert told(events) == (newer, "QUEUED")
        looks = len(asked)
        eventually(lambda: len(asked) >= looks + 3)
        assert [ids for ids in asked if older in ids] == [[older]]
        # It is noticed all the same once it is listed again.
        gateway.call("POST", f"/v1/jobs/{newer}/cancel")
        assert {told(events), told(events)} == {(newer, "CANCELLED"), (older, "QUEUED")}


def test_two_gateways_are_one_to_their_callers(
    redis_url: str, eventually: Eventually, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings, keys = Settings(redis_url=redis_url), keys_of_all_roles()
    keys.add("limited", per_day=1_000)
    monkeypatch.setattr(sharing, "EVERY_S", 0.01)
    calls = itertools.count(1)

    def left(gateway: Gateway) -> int:
        rate = gateway.call("GET", "/v1/jobs", key="limited").headers["ratelimit"]
        return int(rate.partition(";r=")[2].partition(";")[0])

    with running_gateway(settings, eventually, keys) as one, running_gateway(settings, eventually, keys) as other:
        assert [left(one) for _ in range(3)] == [999, 998, 997]
        eventually(lambda: left(other) == 997 - next(calls))
        named = {"Idempotency-Key": "nightly"}
        job, again = (each.call("POST", "/v1/jobs", DESCRIBE, headers=named).json["id"] for each in (one, other))
        assert job == again
        changed = {**DESCRIBE, "data": "sample://digits"}
        assert other.call("POST", "/v1/jobs", changed, headers=named).status == 422
        with watching(one) as events:
            last = events.get(timeout=PATIENCE_S)["id"]
            assert other.call("POST", f"/v1/jobs/{job}/cancel").json["state"] == "CANCELLED"
            assert told(events) == (job, "CANCELLED")
        # What the other has seen has numbers of its own.
        with watching(other, last=last) as events:
            assert events.get(timeout=PATIENCE_S)["event"] == "resync"
        # A job's events are numbered by Redis, for all.
        path = f"/v1/jobs/{job}/events"
        whole = one.call("GET", path).body.split(b"\n\n")[1:]
        place = whole[0].partition(b"\n")[0].removeprefix(b"id: ").decode()
        rest = other.call("GET", path, headers={"Last-Event-ID": place}).body.split(b"\n\n")[1:]
        assert len(rest) > 1
        assert rest == whole[1:]
