"""The console, in a real browser, before a whole Stoker: what people see there, and what they do."""

import re
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Page, expect

import stoker
from stoker import JobState
from stoker.gateway.auth.sessions import LoginLink
from stoker.gateway.console.page import PLACES, ROOT
from stoker.settings import Settings

from ..conftest import PATIENCE_S, Eventually
from ..integration.conftest import BRIEF, SLOW, SMALL
from ..integration.gateways import Gateway, running_gateway

_ENDLESS = stoker.Train(
    model="endless", data="sample://digits", architecture=SLOW, epochs=1_000_000, batch_size=256, device="cpu", seed=1
)
_FLOWERS = stoker.Train(model="flowers", data="sample://iris", epochs=1, batch_size=64, device="cpu", **SMALL)
# Jobs that wait for it stay as they are.
_FAR = datetime(2999, 1, 1, tzinfo=UTC)
_NEWS = "#news"


@pytest.fixture(scope="module")
def gateway(stack: Settings, eventually: Eventually) -> Iterator[Gateway]:
    with running_gateway(stack, eventually) as gateway:
        yield gateway


@pytest.fixture
def context(browser: Browser, gateway: Gateway) -> Iterator[BrowserContext]:
    expect.set_options(timeout=PATIENCE_S * 1000)
    url = f"http://127.0.0.1:{gateway.port}"
    with closing(browser.new_context(base_url=url, viewport={"width": 1280, "height": 800})) as context:
        context.set_default_timeout(PATIENCE_S * 1000)
        yield context


@pytest.fixture
def console(context: BrowserContext, gateway: Gateway) -> Page:
    """A page of an operator who has logged in."""
    page = context.new_page()
    page.goto(ROOT)
    log_in(page, gateway.keys.texts["operator"])
    return page


def log_in(page: Page, key: str) -> None:
    page.get_by_label("API key").fill(key)
    page.get_by_role("button", name="Log in").click()


def fact(page: Page, name: str) -> str:
    return page.locator(f"dt:text-is('{name}') + dd").inner_text()


def test_who_has_no_key_sees_nothing_and_who_has_one_comes_where_they_wanted(
    context: BrowserContext, gateway: Gateway
) -> None:
    page = context.new_page()
    page.goto(f"{ROOT}/jobs?kind=train")
    expect(page.get_by_role("heading", level=1)).to_have_text("Log in")
    log_in(page, "stk_no_key")
    expect(page.get_by_role("alert")).to_contain_text("There is no such key")
    page.goto(f"{ROOT}/jobs?kind=train")
    log_in(page, gateway.keys.texts["viewer"])
    expect(page).to_have_url(re.compile(r"/console/jobs\?kind=train$"))
    expect(page.get_by_text("viewer (viewer)")).to_be_visible()
    # What the key is not enough for is not offered.
    page.goto(f"{ROOT}/fleets")
    expect(page.get_by_text("Scale by hand")).to_have_count(0)
    page.get_by_role("button", name="Log out").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Log in")
    page.goto(f"{ROOT}/jobs")
    expect(page.get_by_role("heading", level=1)).to_have_text("Log in")


def test_a_login_link_lets_one_in_once(browser: Browser, gateway: Gateway) -> None:
    key = next(key for key in gateway.keys.known.values() if key.name == "operator")
    link = gateway.server._state.login_link = LoginLink(key)
    for told in ("Overview", "Log in"):
        with closing(browser.new_context(base_url=f"http://127.0.0.1:{gateway.port}")) as context:
            page = context.new_page()
            page.goto(link.path)
            expect(page.get_by_role("heading", level=1)).to_have_text(told)


def test_a_training_is_watched_while_its_curve_grows_and_cancelled(console: Page, client: stoker.Client) -> None:
    job = client.submit(_ENDLESS)
    console.goto(f"{ROOT}/jobs?model=endless")
    console.get_by_role("link", name=job.id[:8]).click()
    # Nothing of this loads the page anew.
    console.evaluate("window.isTheSame = true")
    console.get_by_text("As a table").click()
    rows = console.locator("#table-of-curves tbody tr")
    expect(rows.nth(2)).to_be_visible()
    expect(console.locator("svg.chart polyline").first).to_be_visible()
    assert console.evaluate("window.isTheSame")
    console.on("dialog", lambda dialog: dialog.accept())
    console.get_by_role("button", name="Cancel").click()
    expect(console.locator(_NEWS)).to_contain_text("Cancelled")
    expect(console.locator(".state.cancelled")).to_be_visible()
    assert job.wait(PATIENCE_S) is JobState.CANCELLED


def test_a_job_is_submitted_again_with_edits_and_what_is_wrong_with_them_is_said(
    console: Page, client: stoker.Client
) -> None:
    job = client.submit(stoker.Describe(data="sample://iris", tags={"team": "a"}))
    job.result(PATIENCE_S)
    console.goto(f"{ROOT}/jobs/{job.id}")
    console.get_by_role("link", name="Submit again with edits").click()
    text = console.get_by_label("What to do, as YAML")
    told = text.input_value()
    text.fill(told.replace("sample://iris", "sample://irises"))
    console.get_by_role("button", name="Submit").click()
    expect(console.get_by_role("alert")).to_contain_text("there is no sample set 'irises'")
    text.fill(told.replace("team: a", "team: b"))
    console.get_by_role("button", name="Submit").click()
    expect(console.locator(_NEWS)).to_contain_text("with tags changed")
    new = client.job(console.url.rpartition("/")[2])
    assert (new.status().tags, new.status().resubmits) == ({"team": "b"}, job.id)


def test_all_jobs_that_match_are_counted_and_then_acted_on(console: Page, client: stoker.Client) -> None:
    held = [stoker.Describe(data="sample://iris", tags={"batch": "many"}, not_before=_FAR) for _ in range(60)]
    jobs = client.submit_many([*held, stoker.Describe(data="sample://iris", tags={"batch": "other"}, not_before=_FAR)])
    console.goto(f"{ROOT}/jobs")
    console.get_by_label("Tag").fill("batch=many")
    console.get_by_role("button", name="Show").click()
    # More than a page has.
    expect(console.locator("tbody tr")).to_have_count(50)
    console.get_by_role("link", name="Cancel all that match").click()
    expect(console.get_by_role("heading", level=1)).to_have_text("Cancel: 60 jobs")
    console.get_by_role("button", name="Cancel 60 jobs").click()
    expect(console.locator(_NEWS)).to_have_text("Cancelled 60")
    states = [status.state for status in client.jobs(tags={"batch": "many"})]
    assert states == [JobState.CANCELLED] * 60
    assert client.job(jobs[-1].id).state is JobState.WAITING


def test_a_version_is_tried_promoted_and_rolled_back_with_its_history(console: Page, client: stoker.Client) -> None:
    for _ in range(2):
        client.submit(_FLOWERS).result(PATIENCE_S)
    console.goto(f"{ROOT}/models")
    console.get_by_role("row").filter(has_text="flowers").get_by_role("link", name="Try it").click()
    console.get_by_role("button", name="Predict", exact=True).click()
    expect(console.locator(".answer")).to_contain_text("By flowers@1")
    expect(console.locator(".answer tbody tr")).to_have_count(3)
    console.get_by_text("With curl").click()
    expect(console.locator("#with-curl pre")).to_contain_text("/v1/models/flowers/predict")
    console.goto(f"{ROOT}/models/flowers")
    console.get_by_role("button", name="Promote").click()
    expect(console.locator(_NEWS)).to_contain_text("champion points at flowers@2")
    assert client.model("flowers").version == 2
    console.on("dialog", lambda dialog: dialog.accept())
    console.get_by_role("button", name="Roll back").click()
    expect(console.locator(_NEWS)).to_contain_text("champion points at flowers@1 again")
    assert client.model("flowers").version == 1
    expect(console.get_by_role("table", name="Changes").locator("tbody tr").first).to_contain_text("back to 1")
    console.goto(f"{ROOT}/compare?model=flowers")
    expect(console.get_by_role("columnheader", name="flowers@2")).to_be_visible()


def test_a_page_says_when_the_gateway_is_away_and_goes_on_when_it_is_back(
    context: BrowserContext, stack: Settings, client: stoker.Client, eventually: Eventually
) -> None:
    page = context.new_page()
    with running_gateway(stack, eventually) as gateway:
        page.goto(f"http://127.0.0.1:{gateway.port}{ROOT}/jobs")
        log_in(page, gateway.keys.texts["viewer"])
        expect(page.get_by_role("heading", level=1)).to_have_text("Jobs")
    expect(page.locator(_NEWS)).to_contain_text("does not answer since")
    job = client.submit(BRIEF)
    with running_gateway(stack, eventually, gateway.keys, port=gateway.port):
        expect(page.locator(_NEWS)).to_have_text("The gateway answers again.")
        expect(page.get_by_role("link", name=job.id[:8])).to_be_visible()


def test_a_search_and_a_watched_model_are_followed_and_their_reports_plots_are_shown(
    console: Page, client: stoker.Client
) -> None:
    searched = stoker.Tune(
        job=_FLOWERS, space={"batch_size": [16, 32, 64]}, goal="max accuracy", trials=2, prune=False, finish="none"
    )
    job = client.submit(searched)
    console.goto(f"{ROOT}/tune")
    console.get_by_role("link", name=job.id[:8]).click()
    console.evaluate("window.isTheSame = true")
    expect(console.get_by_role("table", name="Trials").locator(".state.succeeded")).to_have_count(2)
    plot = console.get_by_role("img", name="accuracy by trial")
    expect(plot).to_be_visible()
    assert console.evaluate("window.isTheSame")
    # A picture that cannot be shown has no size.
    console.wait_for_function("document.querySelector('figure img').naturalWidth > 0")
    check(console)
    train = stoker.Train(model="watched", data="sample://churn", target="churned", epochs=1, device="cpu", **SMALL)
    client.submit(train).result(PATIENCE_S)
    watch = client.submit(stoker.Monitor(model="watched", window=50))
    console.goto(f"{ROOT}/drift")
    console.get_by_role("link", name="watched", exact=True).click()
    expect(console.get_by_text("watches watched@")).to_be_visible()
    expect(console.get_by_role("link", name="The whole report")).to_be_visible()
    check(console)
    watch.cancel()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_page_is_accessible_and_asks_nobody_else(
    browser: Browser, gateway: Gateway, client: stoker.Client, scheme: str
) -> None:
    job = client.submit(
        stoker.Train(model="seen", data="sample://churn", target="churned", epochs=2, device="cpu", **SMALL)
    )
    job.result(PATIENCE_S)
    said: list[str] = []
    url = f"http://127.0.0.1:{gateway.port}"
    with closing(browser.new_context(base_url=url, color_scheme="dark" if scheme == "dark" else "light")) as context:
        page = context.new_page()
        page.on("console", lambda message: said.extend([message.text] * (message.type == "error")))
        page.on("request", lambda request: said.extend([request.url] * (not request.url.startswith(url))))
        page.goto(ROOT)
        check(page)
        log_in(page, gateway.keys.texts["operator"])
        own = (
            f"jobs/{job.id}",
            f"jobs/{job.id}/again",
            "models/seen",
            "models/seen/1",
            "try/seen",
            "compare?model=seen",
            "jobs/act?what=resubmit&kind=train&state=succeeded",
            "audit/check",
        )
        for path in (*PLACES, *(f"{ROOT}/{each}" for each in own)):
            page.goto(path)
            expect(page.get_by_role("heading", level=1)).to_be_visible()
            check(page)
    assert said == []


def check(page: Page) -> None:
    """Nothing is found by axe."""
    found = Axe().run(page).response["violations"]
    assert [(page.url, each["id"], [node["html"] for node in each["nodes"]][:3]) for each in found] == []


def test_all_of_it_works_without_a_script(browser: Browser, gateway: Gateway, client: stoker.Client) -> None:
    job = client.submit(stoker.Describe(data="sample://iris", not_before=_FAR))
    url = f"http://127.0.0.1:{gateway.port}"
    with closing(browser.new_context(base_url=url, java_script_enabled=False)) as context:
        page = context.new_page()
        page.goto(f"{ROOT}/jobs/{job.id}")
        log_in(page, gateway.keys.texts["client"])
        expect(page.get_by_role("heading", level=1)).to_have_text("describe")
        page.get_by_role("button", name="Cancel").click()
        expect(page.locator(_NEWS)).to_contain_text("Cancelled")
    assert job.wait(PATIENCE_S) is JobState.CANCELLED


def test_names_and_tags_that_hold_markup_are_text(console: Page, client: stoker.Client) -> None:
    markup = "<img src=x onerror=alert(1)>\u202e"
    job = client.submit(stoker.Describe(data="sample://iris", tags={"team": markup}, not_before=_FAR))
    shown: list[str] = []
    console.on("dialog", lambda dialog: shown.append(dialog.message))
    for path in (
        f"{ROOT}/jobs",
        f"{ROOT}/jobs/{job.id}",
        f"{ROOT}/jobs/{job.id}/again",
        f"{ROOT}/jobs?model=%3Cscript%3E",
    ):
        console.goto(path)
        expect(console.get_by_role("heading", level=1)).to_be_visible()
        assert console.locator("main img").count() == 0
    console.goto(f"{ROOT}/jobs/{job.id}")
    assert "<img src=x" in fact(console, "Tags")
    assert shown == []
    job.cancel()
