"""The site of the documentation, built once, and read in a real Chromium that reaches no network."""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from docs.site.__main__ import build
from docs.site.pages import navigation
from playwright.sync_api import Browser, Route, expect

import stoker

from ..conftest import PATIENCE_S

# What a browser fetches by itself: not where a reader may click.
FETCHED = re.compile(r"<(?:script|img|iframe|source)[^>]* src=\"([^\"]*)\"|<link[^>]* href=\"([^\"]*)\"|url\(([^)]*)\)")


def test_the_site_is_read_and_searched_without_a_network(
    tmp_path: Path, request: pytest.FixtureRequest, subtests: pytest.Subtests
) -> None:
    site = build(tmp_path)
    pages = [site / page.path.replace(".md", ".html") for page in navigation()]
    assert all(page.exists() for page in pages)
    for file in (*site.rglob("*.html"), *site.rglob("*.css")):
        for fetched in FETCHED.findall(file.read_text()):
            assert not re.match(r"(https?:)?//", "".join(fetched).strip("'\"")), f"{file.name} fetches {fetched}"

    with subtests.test("the reference has all of the code"):
        python, commands, http = (headings(site / "reference", each) for each in ("*.md", "commands.md", "http.md"))
        assert {*stoker.__all__} - {"events", "Event", "JobState"} <= python
        assert {"Epoch", "JobState", "Client.submit", "AsyncJob.result"} <= python
        assert {"stoker up", "stoker submit", "stoker models rollback"} <= commands
        paths = json.loads((site / "reference" / "openapi.json").read_text())["paths"]
        assert {f"{method.upper()} {path}" for path, methods in paths.items() for method in methods} <= http
    with subtests.test("llms.txt names every page"):
        named = re.findall(r"^- \[.+?\]\((.+?)\)", (site / "llms.txt").read_text(), re.MULTILINE)
        assert named == [page.path for page in navigation()]
        assert all((site / path).exists() for path in named)

    with subtests.test("every page is two clicks from every other"):
        tabs = re.findall(
            r'class="md-tabs__link" href="([^"]+)"|href="([^"]+)" class="md-tabs__link"', pages[0].read_text()
        )
        reached = {page for tab in tabs for page in linked_from(site / "".join(tab))}
        assert set(pages) <= reached

    browser = request.getfixturevalue("browser")
    with subtests.test("opened as files"):
        read(browser, site.as_uri())
    with subtests.test("from a server of files"), serving(site) as place:
        read(browser, place)


def headings(folder: Path, pages: str) -> set[str]:
    """The headings of pages, but their first."""
    return {
        found for page in folder.glob(pages) for found in re.findall(r"^###? (.+)$", page.read_text(), re.MULTILINE)
    }


def linked_from(page: Path) -> set[Path]:
    """The page, and those to which it links."""
    hrefs = re.findall(r'href="([^"#]+\.html)', page.read_text())
    return {page, *((page.parent / href).resolve() for href in hrefs)}


@contextmanager
def serving(folder: Path) -> Iterator[str]:
    """Serves the files of a folder; gives where."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=folder)) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


class Quiet(SimpleHTTPRequestHandler):
    """Says nothing of its requests."""

    def log_message(self, format: str, *_args: object) -> None:  # noqa: A002  # as its base calls it
        """See its base."""


def read(browser: Browser, place: str) -> None:
    """Open the first page, search, and follow what is found; nothing else than the site may be asked for."""
    context = browser.new_context()
    context.set_default_timeout(PATIENCE_S * 1000)
    asked: list[str] = []

    def keep_inside(route: Route) -> None:
        if route.request.url.startswith((place, "data:", "blob:")):
            route.continue_()
        else:
            asked.append(route.request.url)
            route.abort()

    context.route("**/*", keep_inside)
    page = context.new_page()
    wrong: list[str] = []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)
    page.goto(f"{place}/index.html")
    expect(page.locator("h1")).to_contain_text("Stoker")
    page.keyboard.press("/")
    page.keyboard.type("idempotency_key")
    page.locator("dialog[open] a").filter(has_text="Clients and jobs").first.click()
    expect(page.locator("h1")).to_contain_text("Clients and jobs")
    assert "reference/clients.html" in page.url
    assert (asked, wrong) == ([], [])
    context.close()
