"""A whole Stoker, `stoker flower` before it, and a real Chromium that looks at it."""

import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

import stoker
from stoker import JobState
from stoker.settings import Settings

from ..conftest import PATIENCE_S
from ..flower import Flower, running_flower
from ..integration.conftest import SLOW, serving

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run", "--disable-sync"]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    # No longer than the module: as long as it runs, nobody else can run an event loop in this process.
    found = next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        pytest.skip("there is no Chromium on this machine: apt-get install chromium")
    with sync_playwright() as playwright, playwright.chromium.launch(executable_path=found, args=FLAGS) as browser:
        yield browser


@pytest.fixture(scope="module")
def stack(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """One server and one worker with two slots for all tests here; gives the settings to reach them."""
    settings = Settings(home=tmp_path_factory.mktemp("browser"), slots=2, builders=(SLOW.target,))
    with serving(settings):
        yield settings


@pytest.fixture(scope="module")
def flower(stack: Settings) -> Iterator[Flower]:
    with running_flower(stack) as flower:
        # It asks the workers for events every five seconds, and tells of those it has heard of.
        worker_log = stack.home / "logs" / "worker.log"
        deadline = time.monotonic() + PATIENCE_S
        while "{task} enabled by remote" not in worker_log.read_text() or flower.get("/api/workers") == b"{}":
            assert time.monotonic() < deadline, flower.log.read_text()
            time.sleep(0.1)
        yield flower


@pytest.fixture
def client(stack: Settings) -> Iterator[stoker.Client]:
    """A client whose jobs do not outlive the test."""
    with stoker.Client(settings=stack) as client:
        yield client
        for state in (JobState.QUEUED, JobState.RUNNING):
            for status in client.jobs(state=state):
                client.job(status.id).cancel()


@pytest.fixture
def page(browser: Browser, flower: Flower, tmp_path: Path) -> Iterator[Page]:
    """A page whose user has logged in to Flower; what goes wrong in it can be seen in tmp_path."""
    context = browser.new_context(
        base_url=flower.url,
        http_credentials={"username": flower.user, "password": flower.password},
        viewport={"width": 1280, "height": 640},
    )
    context.set_default_timeout(PATIENCE_S * 1000)
    expect.set_options(timeout=PATIENCE_S * 1000)
    page = context.new_page()
    # Chromium sends the login to all of a site only if it was asked for at the root, as an operator is.
    page.goto("/")
    yield page
    page.screenshot(path=tmp_path / "last.png")
    (tmp_path / "last.txt").write_text(page.inner_text("body"))
    context.close()
