"""llms.txt, as https://llmstxt.org has it: every page with its first sentence, in the order of the navigation."""

from collections.abc import Callable, Iterable
from itertools import groupby
from pathlib import Path

from .pages import ELSEWHERE, ROOT, Page, navigation, summary_of, title_of

FILE = ROOT / "llms.txt"
_HEAD = """# Stoker

> Machine-learning jobs as a service: an app submits jobs that train, evaluate and use TensorFlow/Keras models; workers
> on CPU and GPU machines run them through Celery and Redis, and none is lost.
"""
_CONTENTS = "<!-- contents -->"


def of_repository() -> str:
    """That of the repository, whose links are its files: without what is only in the site."""
    pages = [page for page in navigation() if not page.is_made]
    return f"{_HEAD}\n{_sections(pages, lambda page: page.source.read_text(), _in_repository)}"


def of_site(docs: Path) -> str:
    """That of the site, of which each page is there as Markdown, too.

    Args:
        docs: the folder of the site's pages as Markdown.
    """
    return f"{_HEAD}\n{_sections(navigation(), lambda page: (docs / page.path).read_text(), lambda page: page.path)}"


def with_contents(docs: Path) -> str:
    """The first page with the list of all others, for a reader who looks for one.

    Args:
        docs: the folder of the site's pages as Markdown.
    """
    pages = [page for page in navigation() if page.path != "index.md"]
    parts = []
    for tab, found in groupby(pages, key=lambda page: page.section[0]):
        parts.append(f"## {tab}")
        for section, listed in groupby(found, key=lambda page: page.section[1:]):
            parts += [f"**{title}**" for title in section]
            parts.append(_list(listed, lambda page: (docs / page.path).read_text(), lambda page: page.path))
    return (docs / "index.md").read_text().replace(_CONTENTS, "\n\n".join(parts))


def _sections(pages: list[Page], text_of: Callable[[Page], str], place_of: Callable[[Page], str]) -> str:
    parts = []
    for section, found in groupby(pages, key=lambda page: page.section):
        parts.append(f"## {': '.join(section)}\n\n{_list(found, text_of, place_of)}")
    return "\n\n".join(parts) + "\n"


def _list(pages: Iterable[Page], text_of: Callable[[Page], str], place_of: Callable[[Page], str]) -> str:
    lines = []
    for page in pages:
        text = text_of(page)
        summary = summary_of(text)
        lines.append(f"- [{title_of(text)}]({place_of(page)}){f': {summary}' if summary else ''}")
    return "\n".join(lines)


def _in_repository(page: Page) -> str:
    return ELSEWHERE.get(page.path, f"docs/{page.path}")
