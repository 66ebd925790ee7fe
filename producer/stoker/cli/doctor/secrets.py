"""Taking secrets out of text that goes to somebody else.

Two ways, for neither is enough: every value that is known to be secret, wherever it stands, and everything that looks
as secrets do.
"""

import re
from collections.abc import Iterable, Mapping
from urllib.parse import unquote, urlsplit

HIDDEN = "***"
# A shorter one would be found everywhere, and hides nothing.
_SHORTEST = 4
_NAMES = re.compile(r"pass|secret|token|key|credential|auth|cookie|dsn|private|webhook", re.IGNORECASE)
_LOOKS = (
    # A key as a file has it, also in one line.
    re.compile(r"-----BEGIN [A-Z ]+-----.*?(-----END [A-Z ]+-----|\Z)", re.DOTALL),
    re.compile(r"AGE-SECRET-KEY-[0-9A-Z]+"),
    # The user and password of a URL.
    re.compile(r"(?<=://)[^\s/@]*@"),
    # name=value, "name": "value" and name: value, also of headers.
    re.compile(
        r"(?i)(?<![a-z])[\w-]*(?:pass(?:word|wd|phrase)?|secret|token|api[_-]?key|access[_-]?key|credentials?|authorization|cookie)"
        r"[\w-]*[\"']?\s*[=:]\s*(?:(?:bearer|basic)\s+)?(?:\"[^\"]*\"|'[^']*'|[^\s\"',;&}]+)"
    ),
    re.compile(r"(?i)\b(?:bearer|basic)\s+[\w.~+/=-]{8,}"),
    # Long words of letters, digits and signs that are neither a path, nor hexadecimal as digests and ids are.
    re.compile(r"(?<![\w./-])(?![0-9a-f-]+(?![\w+/=]))(?=[\w+=-]*[0-9])(?=[\w+=-]*[A-Za-z])[\w+=-]{20,}(?![\w./-])"),
)


class Secrets:
    """Knows what is secret.

    Args:
        values: texts that are, wherever they stand.
    """

    def __init__(self, values: Iterable[str]) -> None:
        known = {form for value in values for form in (value, unquote(value)) if len(form) >= _SHORTEST}
        self._known = sorted(known, key=len, reverse=True)

    def hide(self, text: str) -> str:
        """The text with every secret replaced."""
        for value in self._known:
            text = text.replace(value, HIDDEN)
        for look in _LOOKS:
            text = look.sub(HIDDEN, text)
        return text


def secrets_in(urls: Iterable[str | None], environment: Mapping[str, str]) -> Iterable[str]:
    """The passwords of URLs, and the values of variables whose name says that they are secret."""
    for url in (*filter(None, urls), *environment.values()):
        for part in url.split(";") if "://" in url else ():
            yield from _password(part)
    yield from (value for name, value in environment.items() if _NAMES.search(name) and "://" not in value)


def _password(url: str) -> Iterable[str]:
    try:
        if password := urlsplit(url).password:
            yield password
    except ValueError:
        # What is no URL has no password that could be told.
        return
