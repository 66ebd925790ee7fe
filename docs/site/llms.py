"""llms.txt, as https://llmstxt.org has it: every page with its first sentence, in the order of the navigation."""

from collections.abc import Iterable
from itertools import groupby
from pathlib import Path

from .pages import Page, navigation, summary_of, title_of

_HEAD = """# Stoker

> Machine-learning jobs as a service: an app submits jobs that train, evaluate and use TensorFlow/Keras models; workers
> on CPU and GPU machines run them through Celery and Redis, and none is lost.
"""
_CONTENTS = "<!-- contents -->"


def of_site(docs: Path) -> str:
    """The text for a site of which each page is there as Markdown, too.

    Args:
        docs: the folder of the site's pages as Markdown.
    """
    return f"{_HEAD}\n{_sections(navigation(), docs)}"


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
            parts.append(_list(listed, docs))
    return (docs / "index.md").read_text().replace(_CONTENTS, "\n\n".join(parts))


def _sections(pages: list[Page], docs: Path) -> str:
    parts = []
    for section, found in groupby(pages, key=lambda page: page.section):
        parts.append(f"## {': '.join(section)}\n\n{_list(found, docs)}")
    return "\n\n".join(parts) + "\n"


def _list(pages: Iterable[Page], docs: Path) -> str:
    lines = []
    for page in pages:
        text = (docs / page.path).read_text()
        summary = summary_of(text)
        lines.append(f"- [{title_of(text)}]({page.path}){f': {summary}' if summary else ''}")
    return "\n".join(lines)
