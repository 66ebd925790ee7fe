"""The console's parts that need no browser: sessions, charts, what the wheel carries, and how much it is."""

import gzip
import hashlib
import html
import json
import re
import shlex
import time
import tomllib
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from starlette.requests import Request

import stoker.gateway.console
from stoker import AuditEntry, AuditReport
from stoker.events import Epoch, JobState
from stoker.gateway.auth.keys import ApiKey, KeyRing, new_key
from stoker.gateway.auth.sessions import COOKIE, LASTS_S, LoginLink, cookie_in, cookie_of, key_of
from stoker.gateway.console import tune
from stoker.gateway.console.audit import visible_report
from stoker.gateway.console.charts import chart, signed_bar
from stoker.gateway.console.curl import as_curl
from stoker.gateway.console.curves import curves
from stoker.gateway.console.reports import elements
from stoker.gateway.console.trying import may_explain
from stoker.gateway.console.words import data_words
from stoker.kinds.tuning.goal import Goal
from stoker.security.audit.chain import Head

_STATIC = Path(stoker.gateway.console.__file__).parent / "static"
# Of all that a browser loads for a page, besides the page.
_MOST_BYTES = 60_000


def key(**fields: Any) -> ApiKey:
    _, key_id, digest = new_key()
    return ApiKey(key_id=key_id, name="shop", digest=digest, **fields)


def test_a_session_is_its_keys_until_it_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    shop, other = key(), key()
    cookie = cookie_of(shop)
    # Any gateway that has the key takes it.
    assert key_of(KeyRing({shop.id: shop, other.id: other}), cookie) is shop
    assert key_of(KeyRing({other.id: other}), cookie) is None
    end = time.time() + LASTS_S + 1
    monkeypatch.setattr(time, "time", lambda: end)
    assert key_of(KeyRing({shop.id: shop}), cookie) is None


def test_a_session_that_somebody_has_made_or_changed_is_none() -> None:
    shop, other = key(), key()
    ring = KeyRing({shop.id: shop, other.id: other})
    cookie = cookie_of(shop)
    key_id, ends, mac = cookie.split(".")
    later = f"{key_id}.{int(ends) + 1}.{mac}"
    another = f"{other.id}.{ends}.{mac}"
    unsigned = f"{key_id}.{ends}."
    nonsense = ("", ".", "..", "x", f"{key_id}.x.{mac}", "ü.1.ü", cookie + "0", "a" * 10_000)
    for forged in (later, another, unsigned, *nonsense):
        assert key_of(ring, forged) is None, forged


@pytest.mark.parametrize(
    "header", [b"", b"a=b", b"stoker_session", b"\xff\xfe=;;==", b"x" * 10_000, b'stoker_session="']
)
def test_of_cookies_that_are_none_nothing_is_read(header: bytes) -> None:
    assert cookie_in(header) in ("", '"')


@pytest.mark.parametrize("other", ["a=b", 'a={"b": [1, 2]}', "a[b]=c", "a", 'a="b', "a=\xff", "a=b c"])
def test_the_cookie_is_found_among_others(other: str) -> None:
    # Those of other programs on this host are sent as well.
    assert cookie_in(f"{other}; {COOKIE}=one.two.three; {other}".encode("latin-1")) == "one.two.three"


def test_a_login_link_is_of_one_use_and_some_minutes(monkeypatch: pytest.MonkeyPatch) -> None:
    shop = key()
    link = LoginLink(shop)
    token = link.path.partition("=")[2]
    assert link.take(token[:-1]) is None
    assert link.take(token) is shop
    assert link.take(token) is None
    late = LoginLink(shop)
    later = time.monotonic() + 16 * 60
    monkeypatch.setattr(time, "monotonic", lambda: later)
    assert late.take(late.path.partition("=")[2]) is None


def test_what_the_wheel_carries_of_others_is_what_is_stated() -> None:
    vendored = tomllib.loads((_STATIC / "vendor" / "vendored.toml").read_text())
    files = {path.name for path in (_STATIC / "vendor").iterdir()} - {"vendored.toml"}
    assert files == set(vendored) | {f"{each['package']}.LICENSE" for each in vendored.values()}
    for name, each in vendored.items():
        assert hashlib.sha256((_STATIC / "vendor" / name).read_bytes()).hexdigest() == each["sha256"]
        assert each["version"]
        assert each["licence"]


def test_a_browser_loads_little() -> None:
    loaded = [path for path in _STATIC.rglob("*") if path.suffix in (".js", ".css", ".svg")]
    assert sum(len(gzip.compress(path.read_bytes())) for path in loaded) < _MOST_BYTES


def epoch(number: int, **metrics: float) -> Epoch:
    return Epoch(epoch=number, epochs=9, metrics=metrics)


def test_training_and_validation_share_a_chart_and_what_was_done_twice_is_shown_once() -> None:
    events = [epoch(1, loss=3.0, val_loss=4.0), epoch(2, loss=2.0), epoch(2, loss=1.5, val_loss=2.5)]
    shown = curves(events)
    assert shown.count("<figure>") == 1
    assert "epoch 2: loss 1.5" in shown
    assert "epoch 2: loss 2<" not in shown
    assert "epoch 1: val_loss 4" in shown
    assert curves([]) == ""


@pytest.mark.parametrize(
    "values",
    [
        [1.0],
        [0.0, 0.0],
        [1e-300, 2e-300],
        [-1e12, 1e12],
        [5.0, 5.0 + 1e-12],
        [1.0, float("nan"), float("inf")],
        [1.0, -1.7e308, 1.7e308],
        [-1e300, 1e300],
    ],
)
def test_any_values_make_a_chart_within_its_frame(values: list[float]) -> None:
    picture = chart("loss", {"loss": [(float(at), value) for at, value in enumerate(values, 1)]})
    [points] = [part.partition('"')[0] for part in picture.split('points="')[1:]]
    for x, y in (map(float, pair.split(",")) for pair in points.split()):
        assert 0 <= x <= 560
        assert 0 <= y <= 220


def test_of_values_that_are_no_numbers_there_is_no_chart() -> None:
    assert chart("loss", {"loss": [(1.0, float("nan"))]}) == ""


@pytest.mark.parametrize(
    ("fields", "may"),
    [
        ({}, True),
        ({"tenants": ("research", "")}, True),
        ({"kinds": ("expl*",)}, True),
        ({"role": "predictor"}, False),
        ({"tenants": ("research",)}, False),
        ({"kinds": ("train",)}, False),
        ({"devices": ("cpu",)}, False),
    ],
)
def test_who_may_not_submit_an_explanation_gets_none(fields: dict[str, Any], may: bool) -> None:
    assert may_explain(key(**fields)) is may


def test_an_upload_is_shown_by_its_name_with_its_whole_reference_beside_it() -> None:
    ref = f"store://{'0' * 64}/customers.csv"
    assert data_words(ref) == f'<span title="{ref}" class="data">customers.csv</span>'
    assert ">s3://bucket/a.csv<" in data_words("s3://bucket/a.csv")


def test_a_check_of_the_audit_names_the_tenants_alone_that_a_key_is_for() -> None:
    lost = [AuditEntry(at=datetime.now(UTC), user="", what="lost", text="cut", tenant=name) for name in ("a", "b")]
    heads = {name: Head(number=1, digest="0") for name in ("a", "b")}
    report = AuditReport(heads=heads, flaws=(), lost=tuple(lost))
    of_a = visible_report(key(tenants=("a",)), report)
    assert (list(of_a.heads), [entry.tenant for entry in of_a.lost], of_a.is_sound) == (["a"], ["a"], False)
    assert visible_report(key(tenants=("c",)), report).is_sound
    assert visible_report(key(), report) == report


def test_what_adds_stands_right_of_the_middle_and_what_takes_away_left_of_it() -> None:
    adds, takes = signed_bar("calls", 0.5), signed_bar("monthly", -0.5)
    assert '<rect x="50.0" y="1" width="25.0"' in adds
    assert 'aria-label="calls: adds 50% of the most"' in adds
    assert '<rect x="25.0" y="1" width="25.0"' in takes
    assert 'aria-label="monthly: takes 50% of the most"' in takes


@pytest.mark.parametrize(
    "text",
    ["it's", "a\u2028b", "\x7f\x85", "\ud800", "\u202e", "🙂", "$KEY `id` \\ !!", "\r\n\t", "@/etc/passwd", "m²"],
)
def test_a_command_for_curl_sends_what_was_filled_in(text: str) -> None:
    rows = [{"name": text, text: None}]
    request = Request({"type": "http", "headers": [(b"origin", b"http://127.0.0.1:8765")]})
    shown = as_curl(request, "digits@3", rows)
    shown.encode()
    found = re.search(r"<pre[^>]*>(.*?)</pre>", shown, re.DOTALL)
    assert found
    words = shlex.split(html.unescape(found[1]))
    assert words[:5] == ["curl", "-sS", "-X", "POST", "http://127.0.0.1:8765/v1/models/digits@3/predict"]
    assert json.loads(words[-1]) == {"rows": rows}


@pytest.mark.parametrize("value", [b"a picture", float("nan"), float("inf")])
def test_of_what_json_has_no_form_for_there_is_no_command(value: object) -> None:
    assert as_curl(Request({"type": "http", "headers": []}), "digits", [{"value": value}]) == ""


def test_the_plots_of_a_report_are_found_in_no_more_time_than_it_is_long() -> None:
    page = '<style>a</style><svg role="img"><line/></svg> <svgs> <svg><style>b</style></svg>'
    assert list(elements(page, "svg")) == ['<svg role="img"><line/></svg>', "<svg><style>b</style></svg>"]
    assert list(elements(page, "style")) == ["<style>a</style>", "<style>b</style>"]
    began = time.process_time()
    # Of a regular expression from begin to end each of these would look at all that follow: for hours.
    assert list(elements("<svg " * 1_000_000, "svg")) == []
    assert time.process_time() - began < 5


def test_of_the_newest_trials_of_a_long_search_the_page_says_that_these_are_a_part() -> None:
    trials = [tune._Trial(number, "x", JobState.SUCCEEDED, number / 10, 1, "1 s", {}) for number in range(60, 63)]
    search = tune._Search(Goal.parse("max val_accuracy"), trials, is_part=True)
    assert "the best of these" in tune._chart(search)
    assert "These are 3 of them" in tune._table(search)
    whole = tune._Search(search.goal, trials, is_part=False)
    assert "the best so far" in tune._chart(whole)
    assert "of them" not in tune._table(whole)
