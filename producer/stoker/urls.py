"""URLs of Redis: of a server, or of sentinels that know which server is the master."""

import re
from dataclasses import dataclass
from urllib.parse import SplitResult, parse_qs, quote, unquote, urlsplit

_SENTINEL = "sentinel://"
_SENTINEL_PORT = 26379
_REDIS_PORT = 6379
_EXPECTED = (
    "expected redis://[user:password@]host[:port][/database], rediss:// for TLS, or "
    "sentinel://[user:password@]host[:port];sentinel://host[:port][/database]?master_name=NAME, "
    "with special characters of the password percent-encoded"
)

# Celery's transport fails for other options: a client would submit jobs that no worker can take.
TLS_OPTIONS = {
    "ssl_ca_certs",
    "ssl_ca_path",
    "ssl_cert_reqs",
    "ssl_certfile",
    "ssl_check_hostname",
    "ssl_keyfile",
    "ssl_password",
}

# Everything before the last @, even if the URL is malformed; a password in a parameter; and keys of age.
_CREDENTIALS = re.compile(r"^([a-z0-9+.-]*://)?.*@|(?<=password=)[^&]+|AGE-SECRET-KEY-1[0-9A-Z]*", re.IGNORECASE)


def masked(url: str) -> str:
    """A URL, well formed or not, with its user and password masked."""
    parts = re.split(f";(?={_SENTINEL})", url) if url.startswith(_SENTINEL) else [url]
    return ";".join(
        _CREDENTIALS.sub(lambda match: f"{match[1] or ''}***{'@' if match[0].endswith('@') else ''}", part)
        for part in parts
    )


@dataclass(frozen=True)
class Sentinels:
    """The sentinels that watch a master and its replicas.

    Attributes:
        hosts: host and port of each sentinel.
        master_name: the master's name.
        database: the number of the database on the master.
        login: `username` and `password` of the master and its replicas, if they need them.
        sentinel_login: the same for the sentinels themselves.
    """

    hosts: tuple[tuple[str, int], ...]
    master_name: str
    database: int
    login: dict[str, str]
    sentinel_login: dict[str, str]

    @property
    def celery_url(self) -> str:
        """The URL for Celery and kombu, which take the other attributes as transport options."""
        words = (quote(self.login.get(name, ""), safe="") for name in ("username", "password"))
        login = f"{':'.join(words)}@" if self.login else ""
        return ";".join(f"{_SENTINEL}{login}{_bracketed(host)}:{port}/{self.database}" for host, port in self.hosts)


def checked(url: str) -> str:
    """Check a URL; a TLS URL gets the option that has the server's certificate verified.

    Raises:
        ValueError: it is malformed, or turns off a part of the certificate's verification; says what to do.
    """
    if sentinels_of(url):
        return url
    parts = urlsplit(url)
    if parts.scheme not in ("redis", "rediss") or not _has_address(parts) or not _is_database(parts.path):
        raise ValueError(_EXPECTED)
    options = parse_qs(parts.query, keep_blank_values=True)
    tls = sorted(name for name in options if name.startswith("ssl_"))
    if unknown := sorted(options.keys() - TLS_OPTIONS):
        raise ValueError(
            f"{unknown[0]} is no option of such a URL: user, password and database stand before its '?', and its "
            f"options, for rediss:// alone, are {', '.join(sorted(TLS_OPTIONS))}"
        )
    if parts.scheme == "redis":
        if tls:
            raise ValueError(f"{tls[0]} is for TLS only: write rediss:// in place of redis://, or leave it out")
        return url
    for name in ("ssl_cert_reqs", "ssl_check_hostname"):
        for value in options.get(name, []):
            if name == "ssl_check_hostname" or value != "required":
                raise ValueError(
                    f"{name}={value} is refused, the server's certificate and host name are always checked: "
                    "leave it out, and name your CA's file with ssl_ca_certs=… if the system does not know it"
                )
    # Without the option, Celery's transport would silently not verify the certificate.
    return url if "ssl_cert_reqs" in options else f"{url}{'&' if parts.query else '?'}ssl_cert_reqs=required"


def tls_options(url: str) -> dict[str, str]:
    """The TLS options of a checked rediss:// URL, as redis-py names them; empty for other URLs."""
    options = parse_qs(urlsplit(url).query) if url.startswith("rediss:") else {}
    return {name: values[0] for name, values in options.items() if name.startswith("ssl_")}


def sentinels_of(url: str) -> Sentinels | None:
    """The sentinels of a sentinel:// URL; None for any other URL.

    Raises:
        ValueError: it is malformed.
    """
    if not url.startswith(_SENTINEL):
        return None
    addresses, _, query = url.partition("?")
    parts = [urlsplit(part) for part in addresses.split(";")]
    logins = [login for part in parts if (login := _login(part.username, part.password))]
    databases = [part.path.strip("/") for part in parts if part.path.strip("/")]
    if not all(part.scheme == "sentinel" and _has_address(part) and _is_database(part.path) for part in parts):
        raise ValueError(_EXPECTED)
    if any(login != logins[0] for login in logins) or len(set(databases)) > 1:
        raise ValueError("the sentinels' addresses differ in user, password or database: write these once")
    options = _sentinel_options(query)
    return Sentinels(
        hosts=tuple((unquote(part.hostname or ""), part.port or _SENTINEL_PORT) for part in parts),
        master_name=options["master_name"],
        database=int(databases[0]) if databases else 0,
        login=logins[0] if logins else {},
        sentinel_login=_login(options.get("sentinel_username"), options.get("sentinel_password")),
    )


def user_of(url: str) -> str:
    """The Redis user that a URL names: "default" where it names none, as the server has it."""
    sentinels = sentinels_of(url)
    name = sentinels.login.get("username") if sentinels else unquote(urlsplit(url).username or "")
    return name or "default"


def endpoint(url: str) -> tuple[str, int]:
    """A URL's host and port; of a sentinel:// URL, those of the first sentinel."""
    if sentinels := sentinels_of(url):
        return sentinels.hosts[0]
    parts = urlsplit(url)
    return unquote(parts.hostname or ""), parts.port or _REDIS_PORT


def _sentinel_options(query: str) -> dict[str, str]:
    options = {name: values[-1] for name, values in parse_qs(query).items()}
    known = {"master_name", "sentinel_username", "sentinel_password"}
    if unknown := sorted(options.keys() - known):
        raise ValueError(f"{unknown[0]} is no option of a sentinel:// URL; its options are {', '.join(sorted(known))}")
    if "master_name" not in options:
        raise ValueError("a sentinel:// URL says which master is meant: add ?master_name=NAME at its end")
    return options


def _login(username: str | None, password: str | None) -> dict[str, str]:
    words = {"username": username, "password": password}
    return {name: unquote(word) for name, word in words.items() if word}


def _has_address(parts: SplitResult) -> bool:
    try:
        return bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def _is_database(path: str) -> bool:
    return (path.strip("/") or "0").isdigit()


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host
