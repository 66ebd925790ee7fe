"""The console over HTTP, as programs and pages of other sites call it."""

import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote, urlencode

import pytest

import stoker
from stoker.gateway.auth.sessions import COOKIE, LoginLink, cookie_of
from stoker.gateway.console import trying
from stoker.gateway.console.page import ROOT
from stoker.kinds.describe import DescribeResult
from stoker.ledger import attempts
from stoker.ledger.keys import key
from stoker.ledger.sampling import Sampling
from stoker.models.signature import TensorSpec
from stoker.models.store import Store
from stoker.redis.calls import Call
from stoker.redis.connection import Connection
from stoker.settings import Settings

from ..conftest import Eventually
from .gateways import Answer, Gateway, keys_of_all_roles, running_gateway
from .test_ledger import result_of, version
from .test_model_keeping import register, run, submit

_FORM = {"Content-Type": "application/x-www-form-urlencoded"}
_PAGE = {"Accept": "text/html"}
# What YAML takes for a value, and cannot read as one.
_NO_VALUES = ("2020-99-99", "9" * 5000, "!!int a", "!!int ''", "!!bool a", "!!timestamp a", "!!python/name:os.system a")


@pytest.fixture
def gateway(redis_url: str, eventually: Eventually) -> Iterator[Gateway]:
    keys = keys_of_all_roles()
    keys.add("research", role="operator", tenants=("research",))
    keys.add("namer", role="predictor", models=("digits", "shop-*"))
    for held in ("devices", "functions", "aliases"):
        keys.add(held, role="operator", **{held: ("cpu",)})
    with running_gateway(Settings(redis_url=redis_url), eventually, keys) as gateway:
        yield gateway


@pytest.fixture
def client(redis_url: str) -> Iterator[stoker.Client]:
    with stoker.Client(redis_url) as client:
        yield client


def by_session(gateway: Gateway, method: str, path: str, body: bytes = b"", /, **headers: str) -> Answer:
    """A call by the session of an operator."""
    key = next(key for key in gateway.keys.known.values() if key.name == "operator")
    sent = {"Cookie": f"{COOKIE}={cookie_of(key)}", **_PAGE, **(_FORM if method == "POST" else {})}
    sent |= {name.replace("_", "-"): value for name, value in headers.items()}
    return gateway.call(method, path, body or None, key=None, headers=sent)


def test_a_key_becomes_a_session_that_scripts_and_other_sites_cannot_have(gateway: Gateway) -> None:
    text = gateway.keys.texts["operator"]
    entered = gateway.call("POST", f"{ROOT}/login", f"key={text}&next=/console/jobs".encode(), key=None, headers=_FORM)
    assert (entered.status, entered.headers["location"]) == (303, f"{ROOT}/jobs")
    cookie = entered.headers["set-cookie"]
    assert {"HttpOnly", "SameSite=strict", "Path=/"} <= set(cookie.split("; "))
    assert "Secure" not in cookie
    assert text not in cookie
    safely = {**_FORM, "Origin": "https://stoker.example.org", "Host": f"127.0.0.1:{gateway.port}"}
    assert gateway.call("POST", f"{ROOT}/login", f"key={text}".encode(), key=None, headers=safely).status == 403
    for elsewhere in ("https://evil.example", "//evil.example", "/v1/jobs", "/console.evil", "\\\\evil"):
        sent = f"key={text}&next={elsewhere}".encode()
        assert gateway.call("POST", f"{ROOT}/login", sent, key=None, headers=_FORM).headers["location"] == ROOT


def test_who_may_only_predict_comes_in_where_a_model_is_tried(gateway: Gateway) -> None:
    sent = f"key={gateway.keys.texts['predictor']}&next={ROOT}".encode()
    entered = gateway.call("POST", f"{ROOT}/login", sent, key=None, headers=_FORM)
    assert entered.headers["location"] == f"{ROOT}/try"
    shown = gateway.call("GET", f"{ROOT}/try", key="predictor")
    assert (shown.status, f'href="{ROOT}/jobs"'.encode() in shown.body) == (200, False)
    asked = gateway.call("GET", f"{ROOT}/try?model=digits@3", key="predictor")
    assert (asked.status, asked.headers["location"]) == (303, f"{ROOT}/try/digits@3")
    named = gateway.call("GET", f"{ROOT}/try", key="namer").body
    assert f'href="{ROOT}/try/digits"'.encode() in named


def test_behind_tls_the_session_stays_there(gateway: Gateway, redis_url: str, eventually: Eventually) -> None:
    origin = "https://stoker.example.org"
    settings = Settings(redis_url=redis_url, gateway_hosts=("stoker.example.org",), gateway_origins=(origin,))
    with running_gateway(settings, eventually) as public:
        sent = f"key={public.keys.texts['viewer']}".encode()
        headers = {**_FORM, "Origin": origin, "Host": "stoker.example.org"}
        cookie = public.call("POST", f"{ROOT}/login", sent, key=None, headers=headers).headers["set-cookie"]
        # Of a link that is opened there is no origin, but what is before the gateway says it.
        linked = {**_FORM, "X-Forwarded-Proto": "https", "Host": "stoker.example.org"}
        other = public.call("POST", f"{ROOT}/login", sent, key=None, headers=linked).headers["set-cookie"]
    assert "Secure" in cookie.split("; ")
    assert "Secure" in other.split("; ")


@pytest.mark.parametrize("name", ["expired", "revoked"])
def test_a_session_ends_with_its_key(gateway: Gateway, name: str) -> None:
    ended = next(key for key in gateway.keys.known.values() if key.name == name)
    headers = {"Cookie": f"{COOKIE}={cookie_of(ended)}"}
    assert gateway.call("GET", f"{ROOT}/jobs", key=None, headers=headers).status == 401
    shown = gateway.call("GET", f"{ROOT}/jobs?kind=train", key=None, headers=headers | _PAGE)
    assert (shown.status, shown.headers["location"]) == (303, f"{ROOT}/login?next=%2Fconsole%2Fjobs%3Fkind%3Dtrain")
    assert (
        gateway.call(
            "POST", f"{ROOT}/login", b"key=" + gateway.keys.texts[name].encode(), key=None, headers=_FORM
        ).status
        == 401
    )


def test_a_page_of_another_site_changes_nothing(gateway: Gateway, client: stoker.Client) -> None:
    job = client.submit(stoker.Describe(data="sample://iris"))
    own = f"http://127.0.0.1:{gateway.port}"
    path = f"{ROOT}/jobs/{job.id}/cancel"
    for headers in (
        {},
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Site": "same-site", "Origin": own},
        {"Sec_Fetch_Site": "none"},
    ):
        assert by_session(gateway, "POST", path, **headers).status == 403, headers
        assert by_session(gateway, "POST", "/v1/jobs/x/cancel", **headers).status == 403, headers
    assert client.job(job.id).state == "QUEUED"
    assert by_session(gateway, "POST", path, Sec_Fetch_Site="same-origin").status == 303
    assert client.job(job.id).state == "CANCELLED"
    assert by_session(gateway, "POST", path, Origin=own).status == 303


def test_pages_let_nobody_frame_them_and_run_nothing_of_their_own(gateway: Gateway) -> None:
    for path in (ROOT, f"{ROOT}/login", f"{ROOT}/jobs/none"):
        policy = by_session(gateway, "GET", path).headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy


def test_a_key_for_a_tenant_sees_its_jobs_alone_and_acts_on_them_one_by_one(
    gateway: Gateway, client: stoker.Client
) -> None:
    ours, other = (
        client.submit(stoker.Describe(data="sample://iris", tags={"tenant": name})) for name in ("research", "shop")
    )
    listed = gateway.call("GET", f"{ROOT}/jobs", key="research").body.decode()
    assert (ours.id in listed, other.id in listed) == (True, False)
    assert gateway.call("GET", f"{ROOT}/jobs/{other.id}", key="research").status == 404
    assert gateway.call("POST", f"{ROOT}/jobs/{other.id}/cancel", b"", key="research", headers=_FORM).status == 404
    assert gateway.call("GET", f"{ROOT}/jobs/act?what=cancel&state=queued", key="research").status == 403
    assert gateway.call("POST", f"{ROOT}/jobs/{ours.id}/cancel", b"", key="research", headers=_FORM).status == 303
    assert (ours.state, other.state) == ("CANCELLED", "QUEUED")


def test_a_tenants_job_is_shown_behind_many_of_others(gateway: Gateway, client: stoker.Client) -> None:
    ours = client.submit(stoker.Describe(data="sample://iris", tags={"tenant": "research"}))
    client.submit_many([stoker.Describe(data="sample://iris", tags={"tenant": "shop"}) for _ in range(20)])
    assert ours.id in gateway.call("GET", ROOT, key="research").body.decode()


def test_a_tenant_sees_and_changes_its_own_schedules_alone(gateway: Gateway, client: stoker.Client) -> None:
    for tenant in ("research", "shop"):
        client.schedule("daily", [stoker.Describe(data="sample://iris", tags={"tenant": tenant})], name=f"of-{tenant}")
    listed = gateway.call("GET", f"{ROOT}/schedules", key="research").body.decode()
    assert ("of-research" in listed, "of-shop" in listed) == (True, False)
    for name, status in (("of-research", 303), ("of-shop", 404), ("none", 404)):
        path = f"{ROOT}/schedules/{name}/pause"
        assert gateway.call("POST", path, b"", key="research", headers=_FORM).status == status, name
    assert {each.name: each.paused is not None for each in client.schedules()} == {
        "of-research": True,
        "of-shop": False,
    }


def test_a_singleton_of_a_tenant_is_its_own_also_by_the_console(gateway: Gateway, client: stoker.Client) -> None:
    tags = {"tenant": "research"}
    job = client.submit(stoker.Describe(data="sample://iris", tags=tags))
    spec = b"spec=kind: describe%0Adata: sample://iris%0Atags: {tenant: research}%0Asingleton: nightly"
    again = gateway.call("POST", f"{ROOT}/jobs/{job.id}/again", spec, key="research", headers=_FORM)
    assert again.status == 303
    assert client.job(again.headers["location"].rpartition("/")[2]).spec().singleton == "research/nightly"


def test_a_fleet_that_is_none_is_not_scaled(gateway: Gateway, client: stoker.Client) -> None:
    for sent in (b"device=abacus&least=3", b"least=3"):
        assert gateway.call("POST", f"{ROOT}/fleets", sent, headers=_FORM).status == 400
    assert client.fleets() == []


def test_ten_thousand_jobs_are_a_page_and_a_link_to_the_next(gateway: Gateway, client: stoker.Client) -> None:
    client.submit_many([stoker.Describe(data="sample://iris") for _ in range(10_000)])
    shown = gateway.call("GET", f"{ROOT}/jobs").body.decode()
    assert shown.count("<tr>") == 51
    assert len(shown) < 100_000
    older = shown.partition('">Older')[0].rpartition('href="')[2].replace("&amp;", "&")
    following = gateway.call("GET", older).body.decode()
    assert following.count("<tr>") == 51
    assert "Newest" in following
    asked = gateway.call("GET", f"{ROOT}/jobs/act?what=cancel&state=queued").body.decode()
    assert "Cancel: 10,000 jobs" in asked


def test_a_search_of_a_thousand_trials_is_a_page_that_stays(gateway: Gateway, connection: Connection) -> None:
    train = stoker.Train(model="digits", data="sample://digits", device="cpu")
    search = stoker.Tune(job=train, space={"epochs": stoker.Int(1, 2000)}, goal="max accuracy", trials=1000)
    attempt = run(connection, submit(connection, search))
    path = f"{ROOT}/tune/{attempt.job_id}"
    assert 'data-follows="jobs"' in gateway.call("GET", path).body.decode()
    of_trial = {"state": "SUCCEEDED", "epochs": 1, "run_s": 1.0, "job": "x"}
    trials = [
        {"number": number, "value": number / 1000, "settings": {"epochs": number + 1}, **of_trial}
        for number in range(1000)
    ]
    told = {"goal": search.goal, "value": 0.999, "settings": {"epochs": 1000}, "best": 999, "why": "all have ended"}
    result = stoker.TuneResult.model_validate({**told, "trials": trials, "run_s": 1000, "seed": 1})
    connection.run(attempts.succeed(attempt, result, []))
    shown = gateway.call("GET", path)
    text = shown.body.decode()
    assert (shown.status, 'data-follows=""' in text, "Best settings" in text) == (200, True, True)
    assert "accuracy 0.999" in text
    assert "These are 200 of them" in text
    assert len(text) < 200_000


def test_a_monitor_that_is_known_no_more_takes_no_page_away(gateway: Gateway, connection: Connection) -> None:
    register(connection, 1)
    wanted = Sampling(job="gone", share=1, window=100, horizon_s=60)
    connection.run(Call(("HSET", key("sampling"), "digits", wanted.model_dump_json()), int))
    for path in ("drift", "drift/digits", "alarms", "models/digits"):
        assert gateway.call("GET", f"{ROOT}/{path}").status == 200, path


@pytest.mark.parametrize(
    "path",
    [
        "jobs?state=nonsense",
        "jobs?state=a%20b",
        "jobs?tag=x",
        "jobs?limit=0",
        "jobs?before=%00",
        "models/x",
        "models/x/1",
        "drift/x",
        "tune/x",
        "try/x",
        "compare",
        "usage?by=x",
        "jobs/act?what=x",
        "jobs/act?what=cancel",
        "jobs/x/files/y",
    ],
)
def test_what_is_nonsense_is_refused_in_a_page_and_in_a_problem(gateway: Gateway, path: str) -> None:
    shown = by_session(gateway, "GET", f"{ROOT}/{path}")
    assert 400 <= shown.status < 500
    assert shown.headers["content-type"] == "text/html; charset=utf-8"
    assert 'role="alert"' in shown.body.decode()
    told = gateway.call("GET", f"{ROOT}/{path}")
    assert (told.status, told.headers["content-type"]) == (shown.status, "application/problem+json")
    # The name of the error in words.
    title = re.search("<h1>(.*?)</h1>", shown.body.decode())
    assert title
    assert title[1].replace(" ", "").lower() == told.json["code"].lower()
    assert title[1] == title[1].capitalize()


@pytest.mark.parametrize(
    "body",
    [
        b"%ff%fe",
        b"spec=" + b"[" * 5000,
        b"spec=kind%3A+describe%0Adata%3A+%5B1",
        b"x&" * 5000,
        b"spec=a%3A+%26a+%5B1%5D%0Ab%3A+*a",
        b"",
        *(f"spec=kind%3A+describe%0Ax%3A+{quote(value)}".encode() for value in _NO_VALUES),
    ],
)
def test_forms_of_nonsense_change_nothing(gateway: Gateway, client: stoker.Client, body: bytes) -> None:
    job = client.submit(stoker.Describe(data="sample://iris"))
    answer = by_session(gateway, "POST", f"{ROOT}/jobs/{job.id}/again", body, Sec_Fetch_Site="same-origin")
    assert 400 <= answer.status < 500
    assert [status.id for status in client.jobs()] == [job.id]


@pytest.mark.parametrize("held", ["devices", "functions", "aliases"])
def test_a_key_that_may_not_have_every_job_acts_on_none_together(gateway: Gateway, held: str) -> None:
    assert gateway.call("POST", f"{ROOT}/jobs/act", b"what=resubmit&kind=train", key=held, headers=_FORM).status == 403


def test_of_paused_jobs_all_can_be_resumed_and_none_that_runs_is_meant(gateway: Gateway, client: stoker.Client) -> None:
    paused, waiting = (client.submit(stoker.Describe(data="sample://iris")) for _ in range(2))
    paused.pause()
    for what in ("cancel", "pause", "resubmit"):
        sent = f"what={what}&state=paused&kind=describe"
        assert gateway.call("GET", f"{ROOT}/jobs/act?{sent}").status == 400
        assert gateway.call("POST", f"{ROOT}/jobs/act", sent.encode(), headers=_FORM).status == 400
    assert (paused.state, waiting.state) == ("WAITING", "QUEUED")
    shown = gateway.call("GET", f"{ROOT}/jobs?state=paused&kind=describe").body.decode()
    assert ("Resume all" in shown, "Cancel all" in shown) == (True, False)
    assert "Resume all" not in gateway.call("GET", f"{ROOT}/jobs?state=paused").body.decode()
    sent = "what=resume&state=paused&kind=describe"
    assert "Resume: 1 job<" in gateway.call("GET", f"{ROOT}/jobs/act?{sent}").body.decode()
    assert gateway.call("POST", f"{ROOT}/jobs/act", sent.encode(), headers=_FORM).status == 303
    assert paused.status().paused is None


def test_a_number_of_slots_is_one(gateway: Gateway) -> None:
    for number in ("²", "-1", "1e3", "1_0", "9" * 7):
        sent = f"device=cpu&least={quote(number)}".encode()
        assert gateway.call("POST", f"{ROOT}/fleets", sent, headers=_FORM).status == 400, number


def test_a_look_at_a_login_link_leaves_it_for_who_opens_it(gateway: Gateway) -> None:
    link = gateway.server._state.login_link = LoginLink(next(iter(gateway.keys.known.values())))
    assert gateway.call("HEAD", link.path, key=None).status == 200
    beforehand = {"Sec-Purpose": "prefetch;prerender"}
    assert "set-cookie" not in gateway.call("GET", link.path, key=None, headers=beforehand).headers
    assert COOKIE in gateway.call("GET", link.path, key=None).headers["set-cookie"]
    assert gateway.call("GET", link.path, key=None).status == 401


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"vector": "[1, 2]"}, "no answer from"),
        ({"vector": "[" * 100_000}, "nested too deep"),
        ({"vector": "[1e999, 2]"}, "finite"),
        ({"vector": "[1]"}, "2"),
        ({"vector": "[1, 2]", "number": "1e999"}, "finite"),
        ({"vector": "[1, 2]", "number": "²"}, "is a number"),
        ({"vector": "[1, 2]", "picture": "data:image/png;base64,é"}, "is a picture"),
        ({"vector": "[1, 2]", "picture": "/etc/passwd"}, "is a picture"),
    ],
)
def test_what_is_tried_is_asked_for_or_refused_in_words(
    gateway: Gateway, connection: Connection, monkeypatch: pytest.MonkeyPatch, given: dict[str, str], said: str
) -> None:
    monkeypatch.setattr(trying, "_TIMEOUT_S", 0.1)
    attempt = run(connection, submit(connection))
    inputs = (
        TensorSpec(name="number", dtype="float32", shape=(1,), kind="number", columns=("number",)),
        TensorSpec(name="vector", dtype="float32", shape=(2,), kind="vector"),
        *([TensorSpec(name="picture", dtype="uint8", shape=(8, 8, 3), kind="image")] if "picture" in given else []),
    )
    made = version(1, attempt.job_id)
    made = made.model_copy(update={"signature": made.signature.model_copy(update={"inputs": inputs})})
    connection.run(attempts.succeed(attempt, result_of(), [made]))
    sent = urlencode({f"column.{name}": value for name, value in ({"number": "1"} | given).items()}).encode()
    answer = gateway.call("POST", f"{ROOT}/try/{made.ref}", sent, headers=_FORM)
    told = answer.body.decode().partition('role="alert">')[2].partition("</p>")[0]
    assert (answer.status, said in told) == (200, True), told


def test_a_report_can_do_nothing_and_one_that_is_gone_is_told(
    redis_url: str, connection: Connection, eventually: Eventually, tmp_path: Path
) -> None:
    settings = Settings(redis_url=redis_url, store_url=str(tmp_path))
    drawn = b'<svg role="img" aria-label="loss &amp; more by trial"><path/></svg>'
    page = b"<script>fetch('/v1/jobs')</script><style>:root { --ink: red }</style>" + drawn
    report = Store(settings.store_place).put_bytes(page, "report.html")
    files = {"html": report, "report": Store(settings.store_place).put_bytes(b"{}", "report.json")}
    attempt = run(connection, submit(connection, stoker.Describe(data="sample://iris", device="cpu")))
    columns = {"columns": (), "target": None, "task": None, "task_why": None, "task_doubt": None, "warnings": ()}
    result = DescribeResult.model_validate({"data": "sample://iris", "rows": 1, "run_s": 1, "files": files, **columns})
    connection.run(attempts.succeed(attempt, result, []))
    path = f"{ROOT}/jobs/{attempt.job_id}/files"
    with running_gateway(settings, eventually) as gateway:
        shown = gateway.call("GET", f"{path}/html")
        assert (shown.status, shown.body) == (200, page)
        policy = shown.headers["content-security-policy"].split("; ")
        assert {"sandbox", "default-src 'none'"} <= set(policy)
        assert not any(part.startswith(("script-src", "connect-src", "form-action")) for part in policy)
        assert gateway.call("GET", f"{path}/report").status == 404
        # A plot of it is a picture of its own, with the report's colours.
        picture = gateway.call("GET", f"{ROOT}/jobs/{attempt.job_id}/plots/0")
        assert (picture.status, picture.headers["content-type"]) == (200, "image/svg+xml")
        assert picture.headers["content-security-policy"] == shown.headers["content-security-policy"]
        assert b'xmlns="http://www.w3.org/2000/svg"><style>:root' in picture.body
        assert gateway.call("GET", f"{ROOT}/jobs/{attempt.job_id}/plots/1").status == 404
        [kept] = (file for file in tmp_path.rglob("*") if file.is_file() and file.read_bytes() == page)
        kept.write_bytes(b"!" + page[1:])
        assert gateway.call("GET", f"{path}/html").json["code"] == "Corrupt"
        kept.unlink()
        assert gateway.call("GET", f"{path}/html").status == 410
