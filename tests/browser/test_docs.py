"""The site of the documentation, built once, and read in a real Chromium that reaches no network."""

import json
import re
from pathlib import Path

import pytest
from docs.site.__main__ import build
from docs.site.pages import navigation
from playwright.sync_api import Browser, Request, expect

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

    with subtests.test("opened as files"):
        read(request.getfixturevalue("browser"), site)


def headings(folder: Path, pages: str) -> set[str]:
    """The headings of pages, but their first."""
    return {
        found for page in folder.glob(pages) for found in re.findall(r"^###? (.+)$", page.read_text(), re.MULTILINE)
    }


def linked_from(page: Path) -> set[Path]:
    """The page, and those to which it links."""
    hrefs = re.findall(r'href="([^"#]+\.html)', page.read_text())
    return {page, *((page.parent / href).resolve() for href in hrefs)}


def read(browser: Browser, site: Path) -> None:
    asked: list[str] = []

    def note(request: Request) -> None:
        if not request.url.startswith(("file:", "data:", "blob:")):
            asked.append(request.url)

    context = browser.new_context(offline=True)
    context.set_default_timeout(PATIENCE_S * 1000)
    page = context.new_page()
    page.on("request", note)
    wrong: list[str] = []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)
    page.goto((site / "index.html").as_uri())
    expect(page.locator("h1")).to_contain_text("Stoker")
    page.keyboard.press("/")
    page.keyboard.type("idempotency_key")
    page.locator("dialog[open] a").filter(has_text="Clients and jobs").first.click()
    expect(page.locator("h1")).to_contain_text("Clients and jobs")
    assert "reference/clients.html" in page.url
    assert (asked, wrong) == ([], [])
    context.close()
