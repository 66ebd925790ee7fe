"""The pages of docs/: all in the navigation, each with its heading, and no link that leads nowhere."""

import re
from collections import Counter
from pathlib import Path

import pytest
from bench import comparison
from bench.figures import RESULTS
from docs.site import links
from docs.site.pages import DOCS, ELSEWHERE, ROOT, navigation, summary_of, title_of
from docs.site.staging import pages_of_docs

PAGES = [*pages_of_docs(), *(ROOT / source for source in ELSEWHERE.values()), ROOT / "README.md"]


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def test_the_navigation_in_zensical_toml_names_every_page_once() -> None:
    named = Counter(page.source for page in navigation() if not page.is_made)
    assert [page for page, count in named.items() if count > 1] == []
    assert sorted(map(name_of, named)) == sorted(map(name_of, PAGES[:-1]))


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_a_page_has_one_heading_at_its_beginning_and_links_that_lead_somewhere(page: Path) -> None:
    text = page.read_text()
    assert title_of(text)
    assert len(re.findall(r"^# ", re.sub(r"(?ms)^ *```.*?^ *```$", "", text), re.MULTILINE)) == 1
    for target in links.targets(text):
        path, anchor = links.resolved(name_of(page), target)
        assert (ROOT / path).exists(), f"{target} leads nowhere"
        if anchor:
            assert anchor in links.anchors((ROOT / path).read_text()), f"{target}: there is no such heading"


def test_the_examples_of_the_quick_start_are_those_of_the_readme_whose_tests_run_them() -> None:
    examples = re.findall(r"```python\n.*?```", (DOCS / "quickstart.md").read_text(), re.DOTALL)
    assert len(examples) == 2
    assert all(example in (ROOT / "README.md").read_text() for example in examples)


def test_the_comparison_has_the_figures_that_were_measured() -> None:
    page = comparison.PAGE.read_text()
    assert page == comparison.filled(page, RESULTS), "write it anew: python -m bench report"


@pytest.mark.parametrize(
    ("text", "summary"),
    [
        ("# A\n\nOne, e.g. two. Three.\n", "One, e.g. two."),
        ("# A\n\n![picture](a.png)\n\n| a |\n| --- |\n\n**Bold** and [link](b.md): more\n", "Bold and link: more"),
        ("# A\n\n- only\n- a list\n", ""),
    ],
)
def test_a_summary_is_the_first_sentence_of_prose(text: str, summary: str) -> None:
    assert summary_of(text) == summary


def test_links_in_code_are_no_links() -> None:
    text = "[a](a.md) `[b](b.md)`\n\n```text\n[c](c.md)\n```\n\n[d](https://example.org) ![e](e.png)\n"
    assert list(links.targets(text)) == ["a.md", "e.png"]
