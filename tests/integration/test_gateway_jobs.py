"""Jobs by the gateway: submitted, found again, followed, acted on, and refused."""

import json
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import redis

import stoker
from stoker.ledger import keys as ledger_keys
from stoker.settings import Settings

from ..conftest import PATIENCE_S, Eventually
from .gateways import Gateway, keys_of_all_roles, running_gateway

DESCRIBE = {"kind": "describe", "data": "sample://iris", "device": "cpu"}


@pytest.fixture
def gateway(redis_url: str, eventually: Eventually) -> Iterator[Gateway]:
    """A gateway of a Stoker without workers."""
    keys = keys_of_all_roles()
    keys.add("research", tenants=("research",), kinds=("describe", "evaluate"), models=("digits",), devices=("cpu",))
    keys.add("several", tenants=("research", "shop-*"))
    keys.add("one-stream", role="viewer", streams=1)
    with running_gateway(Settings(redis_url=redis_url), eventually, keys) as gateway:
        yield gateway


def submitted(gateway: Gateway, key: str = "client", headers: dict[str, str] | None = None, **fields: Any) -> Any:
    answer = gateway.call("POST", "/v1/jobs", {**DESCRIBE, **fields}, key=key, headers=headers)
    assert answer.status == 202, answer.body
    assert answer.headers["location"] == f"/v1/jobs/{answer.json['id']}"
    return answer.json


def test_a_job_that_was_submitted_is_found_and_acted_on(gateway: Gateway) -> None:
    job = submitted(gateway, tags={"team": "a"})
    path = f"/v1/jobs/{job['id']}"
    assert job["state"] == "QUEUED"
    told = gateway.call("GET", path, key="viewer")
    assert (told.json, told.headers["retry-after"]) == (job, "1")
    head = gateway.call("HEAD", path, key="viewer")
    assert (head.status, head.body, head.headers["content-length"]) == (200, b"", str(len(told.body)))
    spec = gateway.call("GET", f"{path}/spec", key="viewer").json
    assert (spec["kind"], spec["data"], spec["tags"]) == ("describe", "sample://iris", {"team": "a"})
    assert gateway.call("GET", f"{path}/logs", key="viewer").json == {"lines": []}
    assert gateway.call("GET", f"{path}/eta", key="viewer").status == 200
    assert gateway.call("POST", f"{path}/pause", key="client").json["paused"]
    assert gateway.call("POST", f"{path}/resume", key="client").json["paused"] is None
    assert gateway.call("POST", f"{path}/cancel", key="client").json["state"] == "CANCELLED"
    again = gateway.call("POST", f"{path}/retry", key="client")
    assert (again.status, again.json["resubmits"]) == (202, job["id"])
    assert gateway.call("POST", f"{path}/retry", key="client").json["id"] == again.json["id"]
    changed = gateway.call("POST", f"{path}/resubmit", {"changes": {"priority": "high"}}, key="client")
    assert (changed.status, changed.json["priority"]) == (202, "high")


def test_a_repeat_with_the_same_key_is_the_same_job(gateway: Gateway) -> None:
    first = submitted(gateway, headers={"Idempotency-Key": '"a \\"b\\""'})
    assert submitted(gateway, headers={"Idempotency-Key": 'a "b"'})["id"] == first["id"]
    assert submitted(gateway, key="operator", headers={"Idempotency-Key": 'a "b"'})["id"] != first["id"]
    other = gateway.call(
        "POST", "/v1/jobs", {**DESCRIBE, "data": "sample://wine"}, key="client", headers={"Idempotency-Key": 'a "b"'}
    )
    assert (other.status, other.json["code"]) == (422, "InvalidJob")
    for wrong in ("", '""', "a" * 200):
        refused = gateway.call("POST", "/v1/jobs", DESCRIBE, headers={"Idempotency-Key": wrong})
        assert refused.status == 400, wrong


def test_several_jobs_are_taken_together_or_not_at_all(gateway: Gateway) -> None:
    train = {"kind": "train", "model": "flowers", "data": "sample://iris", "epochs": 1}
    evaluate = {"kind": "evaluate", "model": "#0", "data": "sample://iris"}
    ids = gateway.call("POST", "/v1/jobs/batch", {"jobs": [train, evaluate]}, key="client").json["ids"]
    assert gateway.call("GET", f"/v1/jobs/{ids[1]}/spec").json["after"] == [ids[0]]
    for jobs in ([], [train, {"kind": "none"}], [train, {**evaluate, "model": "#7"}]):
        assert gateway.call("POST", "/v1/jobs/batch", {"jobs": jobs}, key="client").status == 422
    assert len(gateway.call("GET", "/v1/jobs").json["jobs"]) == 2
    assert gateway.call("POST", "/v1/jobs/batch", {"jobs": [train]}, headers={"Idempotency-Key": "a"}).status == 400


def test_lists_are_filtered_and_go_on(gateway: Gateway) -> None:
    ids = [submitted(gateway, tags={"number": str(number), "even": str(number % 2 == 0)})["id"] for number in range(5)]
    pages, cursor = [], ""
    while True:
        page = gateway.call("GET", f"/v1/jobs?limit=2{cursor and f'&cursor={cursor}'}", key="viewer").json
        pages.append([job["id"] for job in page["jobs"]])
        if not page["next"]:
            break
        cursor = page["next"]
    assert [job for page in pages for job in page] == ids[::-1]
    even = gateway.call("GET", "/v1/jobs?tag=even=True&state=QUEUED&kind=describe", key="viewer").json
    assert [job["id"] for job in even["jobs"]] == ids[4::-2]
    for wrong in ("state=NONE", "kind=none", "limit=0", "limit=501", "tag=a", "since=then", "since=2026-01-01T00:00:00",
                  "cursor=%00", "limit=99999999999999999999"):  # fmt: skip
        answer = gateway.call("GET", f"/v1/jobs?{wrong}", key="viewer")
        assert answer.status in (400, 404), (wrong, answer.body)


def test_a_key_has_jobs_run_within_what_it_is_held_to(gateway: Gateway) -> None:
    mine = {"tags": {"tenant": "research"}}
    submitted(gateway, key="research", **mine)
    for fields, told in {
        "kinds": {"kind": "train", "model": "digits", **mine},
        "tenants": {},
        "models": {"kind": "evaluate", "model": "flowers", **mine},
        "devices": {"device": "gpu", **mine},
    }.items():
        answer = gateway.call("POST", "/v1/jobs", {**DESCRIBE, **told}, key="research")
        assert (answer.status, f"its {fields} are" in answer.json["detail"]) == (403, True), answer.body
    # Nor does it act on a job such as it may not submit.
    train = {**DESCRIBE, "kind": "train", "model": "digits", "data": "sample://digits", **mine}
    its = gateway.call("POST", "/v1/jobs", train, key="client").json["id"]
    for verb in ("cancel", "pause", "resume", "retry"):
        answer = gateway.call("POST", f"/v1/jobs/{its}/{verb}", key="research")
        assert (answer.status, "its kinds are" in answer.json["detail"]) == (403, True), answer.body
    assert gateway.call("GET", f"/v1/jobs/{its}", key="research").json["state"] == "QUEUED"
    # Neither by a job whose model has no name yet, nor by changing one of its own.
    other = submitted(gateway, key="client")["id"]
    evaluate = {"kind": "evaluate", "model": f"job:{other}", "data": "sample://iris", "device": "cpu", **mine}
    assert gateway.call("POST", "/v1/jobs", evaluate, key="research").status == 404
    own = submitted(gateway, key="research", **mine)["id"]
    without: dict[str, object] = {"tags": {}}
    for changes in (without, {"device": "gpu"}):
        answer = gateway.call("POST", f"/v1/jobs/{own}/resubmit", {"changes": changes}, key="research")
        assert answer.status == 403
    assert (
        gateway.call("POST", "/v1/jobs/batch", {"jobs": [{**DESCRIBE, **mine}, DESCRIBE]}, key="research").status == 403
    )


def test_a_key_sees_the_jobs_of_its_tenants_alone(gateway: Gateway) -> None:
    jobs = {tenant: submitted(gateway, tags={"tenant": tenant})["id"] for tenant in ("research", "shop-1", "bank")}
    nobodys = submitted(gateway)["id"]
    assert [job["id"] for job in gateway.call("GET", "/v1/jobs", key="research").json["jobs"]] == [jobs["research"]]
    assert gateway.call("GET", "/v1/jobs?tag=tenant=bank", key="research").json["jobs"] == []
    seen = gateway.call("GET", "/v1/jobs?limit=1", key="several").json
    assert ([job["id"] for job in seen["jobs"]], bool(seen["next"])) == ([jobs["shop-1"]], True)
    rest = gateway.call("GET", f"/v1/jobs?limit=1&cursor={seen['next']}", key="several").json
    assert [job["id"] for job in rest["jobs"]] == [jobs["research"]]
    unknown = gateway.call("GET", "/v1/jobs/no-such-job", key="research")
    for hidden in (jobs["bank"], nobodys):
        for method, rest_of_path in (
            ("GET", ""),
            ("GET", "/events"),
            ("GET", "/result"),
            ("POST", "/cancel"),
            ("POST", "/retry"),
        ):
            answer = gateway.call(method, f"/v1/jobs/{hidden}{rest_of_path}", key="research")
            assert answer.status == 404
            assert answer.json["detail"] == unknown.json["detail"].replace("no-such-job", hidden)
    assert gateway.call("GET", f"/v1/jobs/{nobodys}").json["state"] == "QUEUED"


def test_a_job_of_another_tenant_is_given_back_to_nobody(gateway: Gateway) -> None:
    bank = submitted(gateway, tags={"tenant": "bank"}, singleton="nightly")["id"]
    # The same key of two tenants is two keys.
    mine = submitted(gateway, key="research", tags={"tenant": "research"}, singleton="nightly")["id"]
    assert mine != bank
    changes = {"changes": {"singleton": "nightly"}}
    assert gateway.call("POST", f"/v1/jobs/{mine}/resubmit", changes, key="research").json["id"] == mine
    long = gateway.call(
        "POST", "/v1/jobs", {**DESCRIBE, "tags": {"tenant": "research"}, "singleton": "x" * 250}, key="research"
    )
    assert (long.status, long.json["code"]) == (422, "InvalidJob")
    own = submitted(gateway, key="research", tags={"tenant": "research"}, singleton="ours")["id"]
    assert submitted(gateway, key="research", tags={"tenant": "research"}, singleton="ours")["id"] == own


def test_files_of_the_gateways_machine_are_not_told_of(gateway: Gateway, tmp_path: Path) -> None:
    there = tmp_path / "secret.csv"
    there.write_text("name,password\na,b\n")
    told = set()
    for path in (there, tmp_path / "nothing.csv", Path("/proc/self/environ"), Path("~/x.csv"), Path("../x.csv")):
        job = {"kind": "train", "model": "m", "data": str(path), "target": "nothing"}
        answer = gateway.call("POST", "/v1/jobs", job)
        assert answer.status == 422
        told.add(answer.json["detail"].replace(str(path), "PATH"))
        imported = {"kind": "import", "model": "m", "source": str(path.with_suffix(".keras"))}
        assert gateway.call("POST", "/v1/jobs", imported).status == 422
    assert "password" not in str(told)
    assert len({text for text in told if text.startswith("PATH")}) <= 2


def test_events_are_streamed_and_resumed(gateway: Gateway, server: redis.Redis) -> None:
    job = submitted(gateway)["id"]
    first = stream(gateway, f"/v1/jobs/{job}/events", 1)
    assert [event["event"] for event in first] == ["queued"]
    following = threading.Thread(
        target=lambda: rest.extend(stream(gateway, f"/v1/jobs/{job}/events", 9, first[0]["id"]))
    )
    rest: list[dict[str, str]] = []
    following.start()
    gateway.call("POST", f"/v1/jobs/{job}/cancel")
    following.join(PATIENCE_S)
    assert [event["event"] for event in rest] == ["finished"]
    assert json.loads(rest[0]["data"])["state"] == "CANCELLED"
    assert stream(gateway, f"/v1/jobs/{job}/events?after={first[0]['id']}", 9) == rest
    # Who has had the last event is told that there are no more, at which browsers stop asking.
    over = gateway.call("GET", f"/v1/jobs/{job}/events", headers={"Last-Event-ID": rest[0]["id"]})
    assert (over.status, over.body) == (204, b"")
    # Of older ones than are kept some may be missing.
    server.xtrim(ledger_keys.key("events", job), maxlen=1, approximate=False)
    late = stream(gateway, f"/v1/jobs/{job}/events", 9, first[0]["id"])
    assert [event["event"] for event in late] == ["resync", "finished"]
    assert late[1:] == rest
    assert gateway.call("HEAD", f"/v1/jobs/{job}/events").body == b""
    for wrong in ("nothing", "1-2-3", "9" * 30):
        answer = gateway.call("GET", f"/v1/jobs/{job}/events", headers={"Last-Event-ID": wrong})
        assert (answer.status, answer.json["code"]) == (400, "InvalidArgument")
    assert server.exists(ledger_keys.key("job", job))


def test_a_preference_is_confirmed_only_if_there_was_one(gateway: Gateway) -> None:
    for asked, confirmed in ((None, None), ("handling=strict", None), ("respond-async", "respond-async")):
        headers = {"Prefer": asked} if asked else {}
        told = gateway.call("POST", "/v1/jobs", DESCRIBE, headers=headers)
        assert told.headers.get("preference-applied") == confirmed, asked
    waited = gateway.call("POST", "/v1/jobs", DESCRIBE, headers={"Prefer": "wait=0"})
    assert (waited.status, waited.headers["preference-applied"]) == (202, "wait=0")


def test_requests_that_wait_are_limited(gateway: Gateway) -> None:
    path = f"/v1/jobs/{submitted(gateway)['id']}"
    with closing(gateway.connect()) as connection:
        connection.request(
            "GET", f"{path}/events", headers={"Authorization": f"Bearer {gateway.keys.texts['one-stream']}"}
        )
        connection.getresponse().readline()
        waits = gateway.call("GET", f"{path}/result", key="one-stream", headers={"Prefer": "wait=20"})
        assert (waits.status, waits.json["code"]) == (429, "TooManyStreams")
        assert gateway.call("GET", f"{path}/result", key="one-stream").status == 202


def stream(gateway: Gateway, path: str, most: int, last: str | None = None) -> list[dict[str, str]]:
    """The first events of a stream; all, if it ends before."""
    events: list[dict[str, str]] = []
    headers = {"Authorization": f"Bearer {gateway.keys.texts['viewer']}", **({"Last-Event-ID": last} if last else {})}
    with closing(gateway.connect()) as connection:
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        assert (answer.status, answer.headers["content-type"]) == (200, "text/event-stream; charset=utf-8")
        event: dict[str, str] = {}
        while len(events) < most and (line := answer.readline().decode()):
            name, colon, value = line.rstrip("\n").partition(": ")
            if colon and name != "retry":
                event[name] = value
            elif event and not colon:
                events.append(event)
                event = {}
    return events


def test_streams_are_limited_and_freed(gateway: Gateway, eventually: Eventually) -> None:
    path = f"/v1/jobs/{submitted(gateway)['id']}/events"
    with closing(gateway.connect()) as connection:
        connection.request("GET", path, headers={"Authorization": f"Bearer {gateway.keys.texts['one-stream']}"})
        assert connection.getresponse().readline() == b"retry: 2000\n"
        refused = gateway.call("GET", path, key="one-stream")
        assert (refused.status, refused.json["code"]) == (429, "TooManyStreams")
        assert gateway.call("GET", "/healthz", key=None).status == 200
    gateway.call("POST", path.replace("events", "cancel"))
    eventually(lambda: gateway.call("HEAD", path, key="one-stream").status == 200)
    assert len(gateway.call("GET", path, key="one-stream").body.split(b"event: ")) == 3


def test_streams_end_with_the_gateway(redis_url: str, eventually: Eventually) -> None:
    with running_gateway(Settings(redis_url=redis_url), eventually) as gateway:
        path = f"/v1/jobs/{submitted(gateway)['id']}/events"
        with closing(gateway.connect()) as connection:
            connection.request("GET", path, headers={"Authorization": f"Bearer {gateway.keys.texts['viewer']}"})
            answer = connection.getresponse()
            while not answer.readline().startswith(b"data: "):
                pass
            gateway.server.handle_exit(15, None)
            assert answer.read() == b"\n"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"null",
        b"[]",
        b"1",
        b'"x"',
        b"\xff\xfe",
        b'{"kind": "\xff"}',
        b'{"kind": "describe", "kind": "train"}',
        b'{"kind": "describe", "data": "sample://iris", "timeout": NaN}',
        b'{"timeout": Infinity}',
        b'{"kind": "describe", "data": "sample://iris", "timeout": 1e999}',
        b'{"kind": "describe", "data": "sample://iris", "max_attempts": ' + b"9" * 5000 + b"}",
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b'{"kind": "describe", "data": "\\ud800"}',
        b'{"kind": "\\u0000"}',
        b'{"kind": "train", "model": "../../x", "data": "sample://iris"}',
        b"\xef\xbb\xbf{}",
        b"{} {}",
    ],
)
def test_what_is_no_job_is_refused_in_a_sentence(gateway: Gateway, body: bytes) -> None:
    for path in ("/v1/jobs", "/v1/jobs/batch"):
        answer = gateway.call("POST", path, body, headers={"Content-Type": "application/json"})
        assert answer.status in (400, 422), (body[:50], answer.body)
        assert len(answer.json["detail"]) < 1000
        assert answer.json["detail"] == answer.json["error"]
    assert gateway.call("GET", "/v1/jobs").json["jobs"] == []


def test_bodies_of_another_kind_are_refused(gateway: Gateway) -> None:
    for headers in (
        {"Content-Type": "text/plain"},
        {"Content-Type": "text/json"},
        {"Content-Type": "application/x-www-form-urlencoded"},
        {"Content-Type": "multipart/form-data; boundary=x"},
        {"Content-Type": "application/json", "Content-Encoding": "gzip"},
        {},
    ):
        answer = gateway.call("POST", "/v1/jobs", json.dumps(DESCRIBE).encode(), headers=headers)
        assert (answer.status, answer.json["code"]) == (415, "UnsupportedMediaType"), headers


def test_bodies_that_are_too_long_are_not_read(redis_url: str, eventually: Eventually) -> None:
    settings = Settings(redis_url=redis_url, gateway_body_bytes=1024)
    with running_gateway(settings, eventually) as gateway:
        long = json.dumps({**DESCRIBE, "tags": {"a": "b" * 200, "c" * 250: "d" * 250, "e" * 250: "f" * 250}}).encode()
        for body in (long, long + b" " * 10_000):
            answer = gateway.call("POST", "/v1/jobs", body, headers={"Content-Type": "application/json"})
            assert (answer.status, answer.json["code"]) == (413, "ContentTooLarge")
        with closing(gateway.connect()) as connection:
            # In pieces, without saying how long it is.
            headers = {"Authorization": f"Bearer {gateway.keys.texts['client']}", "Content-Type": "application/json"}
            connection.request("POST", "/v1/jobs", (b" " * 100 for _ in range(20)), headers, encode_chunked=True)
            assert connection.getresponse().status == 413


def test_a_job_is_waited_for(client: stoker.Client, stack: Settings, eventually: Eventually) -> None:
    with running_gateway(stack, eventually) as gateway:
        answer = gateway.call("POST", "/v1/jobs", DESCRIBE, headers={"Prefer": "respond-async, wait=25"})
        assert answer.headers["preference-applied"] == "wait=25"
        job = answer.json["id"]
        eventually(lambda: gateway.call("GET", f"/v1/jobs/{job}/result", headers={"Prefer": "wait=25"}).status == 200)
        result = gateway.call("GET", f"/v1/jobs/{job}/result")
        assert result.json == json.loads(client.job(job).result(timeout=0).model_dump_json())
        assert gateway.call("GET", f"/v1/jobs/{job}").json["state"] == "SUCCEEDED"
        lines = stream(gateway, f"/v1/jobs/{job}/events", 99)
        assert [lines[0]["event"], lines[-1]["event"]] == ["queued", "finished"]
        cancelled = gateway.call("POST", "/v1/jobs", {**DESCRIBE, "not_before": "2999-01-01T00:00:00Z"}).json["id"]
        assert gateway.call("GET", f"/v1/jobs/{cancelled}/result", headers={"Prefer": "wait=0"}).status == 202
        gateway.call("POST", f"/v1/jobs/{cancelled}/cancel")
        told = gateway.call("GET", f"/v1/jobs/{cancelled}/result")
        assert (told.status, told.json["code"], told.json["state"]) == (409, "JobCancelled", "CANCELLED")
