"""Lays out what the site is built of: the pages of docs/, and as pages of their own the files that they link to."""

import posixpath
import re
import shutil
from collections.abc import Iterable
from pathlib import Path

from . import links
from .pages import DOCS, ELSEWHERE, ROOT

_SHOWN_AS = {".py": "python", ".sh": "bash", ".toml": "toml", ".yml": "yaml", ".yaml": "yaml", ".json": "json"}
_IMAGES = (".png", ".svg", ".jpg")
_STAGED = {source: page for page, source in ELSEWHERE.items()}


class Stage:
    """A folder with all that the site is built of, links and all.

    Args:
        folder: is made anew.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._linked: set[str] = set()
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)

    def add_pages(self, sources: Iterable[Path]) -> None:
        """Add pages, and whatever of the repository they link to or show."""
        for source in sources:
            path = source.relative_to(ROOT).as_posix()
            self.write(self._place(path), self._moved(path, source.read_text()))
        for path in sorted(self._linked):
            self._add_linked(path)

    def write(self, place: str, text: str) -> None:
        """Write a page; a list right below a paragraph gets the empty line that Markdown's first dialect needs."""
        file = self._folder / place
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(re.sub(r"(?m)^([^\s|#>\-<`*].*)\n(?=- )", r"\1\n\n", text))

    def _moved(self, path: str, text: str) -> str:
        place = self._place(path)

        def where(target: str) -> str:
            to, anchor = links.resolved(path, target)
            if not (to.startswith("docs/") and to.endswith(".md")) and to not in _STAGED:
                self._linked.add(to)
            moved = posixpath.relpath(self._place(to), posixpath.dirname(place) or ".") if to != path else ""
            return f"{moved}#{anchor}" if anchor else moved

        return links.moved(text, where)

    def _place(self, path: str) -> str:
        """Where the site has a file of the repository."""
        if path in _STAGED:
            return _STAGED[path]
        if path.endswith((*_IMAGES, ".md")):
            return path.removeprefix("docs/")
        return f"source/{path}.md"

    def _add_linked(self, path: str) -> None:
        source = ROOT / path
        if path.endswith(_IMAGES):
            (self._folder / self._place(path)).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, self._folder / self._place(path))
        elif source.is_dir():
            files = sorted(file.relative_to(source).as_posix() for file in source.rglob("*") if file.is_file())
            self.write(self._place(path), _page(path, "\n".join(f"- `{file}`" for file in files)))
        else:
            language = _SHOWN_AS.get(source.suffix, "text")
            self.write(self._place(path), _page(path, f"````{language}\n{source.read_text()}````"))


def _page(path: str, content: str) -> str:
    said = "A file of the repository, as it was when this site was built."
    return f"---\nsearch:\n  exclude: true\n---\n\n# {Path(path).name}\n\n`{path}`: {said}\n\n{content}\n"


def pages_of_docs() -> list[Path]:
    """All pages that docs/ has."""
    return sorted(file for file in DOCS.rglob("*.md") if "site" not in file.relative_to(DOCS).parts)
