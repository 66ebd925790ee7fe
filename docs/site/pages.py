"""The pages of the site, in the order in which zensical.toml teaches them."""

import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
CONFIG = Path(__file__).with_name("zensical.toml")
# Pages that have their source elsewhere in the repository, by where the site has them.
ELSEWHERE = {"benchmarks.md": "bench/README.md", "contributing.md": "CONTRIBUTING.md", "changes.md": "CHANGELOG.md"}
# Pages that the build makes of the code.
MADE = "reference/"
# A heading, a table, a list, a fence, an image, a comment.
_NO_PROSE = re.compile(r"#|\||<!|[-*] |\d+\. |```|!\[")
_SENTENCE = re.compile(r"(.+?[.!?])(?=\s+[^a-z]|$)", re.DOTALL)


@dataclass(frozen=True)
class Page:
    """A page of the navigation.

    Attributes:
        path: below the site's root, such as `examples/churn.md`.
        section: the titles of the sections that it is in, the outermost first.
    """

    path: str
    section: tuple[str, ...]

    @property
    def is_made(self) -> bool:
        """Whether the build writes it, and docs/ has no such file."""
        return self.path.startswith(MADE)

    @property
    def source(self) -> Path:
        """The file of a page that is not made."""
        return ROOT / ELSEWHERE[self.path] if self.path in ELSEWHERE else DOCS / self.path


def config() -> str:
    """What Zensical is configured by, with every decision in its navigation."""
    decisions = (f'"{file.relative_to(DOCS).as_posix()}"' for file in sorted((DOCS / "decisions").glob("*.md")))
    return CONFIG.read_text().replace('"decisions/*"', ", ".join(decisions))


def navigation() -> list[Page]:
    """All pages of the navigation, in its order."""
    return list(_pages(tomllib.loads(config())["project"]["nav"], ()))


def _pages(entries: Sequence[object], section: tuple[str, ...]) -> Iterator[Page]:
    for entry in entries:
        if isinstance(entry, str):
            yield Page(entry, section)
            continue
        assert isinstance(entry, Mapping), entry
        for title, content in entry.items():
            if isinstance(content, str):
                yield Page(content, section)
            else:
                yield from _pages(content, (*section, title))


def title_of(text: str) -> str:
    """The first heading of a page."""
    first = text.lstrip().split("\n", 1)[0]
    if not first.startswith("# "):
        raise ValueError(f"a page begins with its heading, '# …', not with {first[:60]!r}")
    return first.removeprefix("# ").strip()


def summary_of(text: str) -> str:
    """The first sentence below a page's heading, as plain text; empty where there is none but in tables and lists."""
    blocks = (block.strip() for block in re.split(r"\n\s*\n", text.split("\n", 1)[1]))
    prose = next((block for block in blocks if block and not _NO_PROSE.match(block)), "")
    plain = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", " ".join(prose.split())).replace("**", "")
    found = _SENTENCE.match(plain)
    return (found[1] if found else plain).rstrip(":")
