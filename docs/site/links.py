"""Links of Markdown: which there are, whether they lead anywhere, and where to in the site."""

import posixpath
import re
from collections.abc import Callable, Iterator

_FENCE = re.compile(r"^( *```.*?^ *```)$", re.DOTALL | re.MULTILINE)
_CODE = re.compile(r"(`+)(?:(?!\1).)+?\1", re.DOTALL)
_LINK = re.compile(r"(?P<before>!?\[(?:[^\[\]]|\[[^\]]*\])*\]\()(?P<target>[^()\s]+)(?P<after>\))")
_HEADING = re.compile(r"^#{1,6} (.+)$", re.MULTILINE)


def targets(text: str) -> Iterator[str]:
    """What a page links to and shows, but for other sites."""
    for link in _LINK.finditer(_CODE.sub("", _FENCE.sub("", text))):
        if not _is_elsewhere(link["target"]):
            yield link["target"]


def moved(text: str, where: Callable[[str], str]) -> str:
    """A page whose links lead to where a function says, but for those to other sites; code is left as it is."""

    def move(link: re.Match[str]) -> str:
        target = link["target"]
        return link[0] if _is_elsewhere(target) else f"{link['before']}{where(target)}{link['after']}"

    parts = _FENCE.split(text)
    return "".join(part if number % 2 else _LINK.sub(move, part) for number, part in enumerate(parts))


def resolved(page: str, target: str) -> tuple[str, str]:
    """The path, from the repository's root, that a link of a page at such a path leads to, and its anchor."""
    path, _, anchor = target.partition("#")
    return (posixpath.normpath(posixpath.join(posixpath.dirname(page), path)) if path else page), anchor


def anchors(text: str) -> set[str]:
    """The anchors of a page's headings, as GitHub and the site name them."""
    found: set[str] = set()
    for heading in _HEADING.findall(_FENCE.sub("", text)):
        plain = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", heading).replace("`", "")
        slug = re.sub(r"[^\w\- ]", "", plain.lower()).strip().replace(" ", "-")
        number = 0
        while (numbered := f"{slug}_{number}" if number else slug) in found:
            number += 1
        found.add(numbered)
    return found


def _is_elsewhere(target: str) -> bool:
    return re.match(r"[a-z]+:", target) is not None
