"""Cleans up the store of a chaos run, killed in the middle and then to its end, and judges what it has left there.

What names a file is found in Redis as the checker finds it: without the code of the clean-up.
"""

import re
import subprocess
import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import stoker
from stoker.settings import Settings

from ..conftest import PATIENCE_S
from ..integration import clean_up
from .plain import Redis

_DIGEST = re.compile(r"(?<![0-9a-f])[0-9a-f]{64}(?![0-9a-f])")
_ENDED = ("SUCCEEDED", "FAILED", "CANCELLED", "PRUNED")
# How much a clean-up has told when it is killed: it tells of each file before and after.
_LINES = 3


def forget_some(client: Redis, settings: Settings) -> None:
    """Let every second record go, as its time would, and all versions but each model's newest and what that needs."""
    for name in sorted(client.names("stoker:job:*"))[::2]:
        if client.fields(name).get("state") in _ENDED:
            client.send("DEL", name)
    with stoker.Client(settings=settings) as app:
        for model in {version.name for version in app.models()}:
            app.keep_versions(model, 1)


def untidy(client: Redis, settings: Settings, store: Path) -> Iterator[str]:
    """What a clean-up takes that something names, also where it is killed, and what it leaves that nothing names."""
    command = [sys.executable, str(clean_up.__file__), str(store), settings.redis_url or ""]
    named, before = _named(client, store), _digests(store)
    if not before - named:
        yield "the run has left nothing to clean up"
        return
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        lines = list(islice(process.stdout, _LINES))
        process.kill()
    if len(lines) < _LINES:
        yield f"a clean-up was not killed in the middle: it told {lines}"
    for digest in sorted((named & before) - _digests(store)):
        yield f"{digest} is named, and a clean-up that was killed has taken it"
    subprocess.run(command, stdout=subprocess.DEVNULL, check=True, timeout=PATIENCE_S)
    left = _digests(store)
    for digest in sorted((named & before) - left):
        yield f"{digest} is named, and the clean-up has taken it"
    for digest in sorted(left - named):
        yield f"{digest} is named by nothing, and the clean-up has left it"


def _named(client: Redis, store: Path) -> set[str]:
    """All digests in records and models, and those of files of jobs that may go on."""
    digests: set[str] = set()
    for name in (*client.names("stoker:job:*"), *client.names("stoker:model:*")):
        fields = client.fields(name)
        digests.update(*map(_DIGEST.findall, fields.values()))
        if fields.get("state", "SUCCEEDED") not in _ENDED:
            digests |= _digests(store / "jobs" / name.removeprefix("stoker:job:"))
    return digests


def _digests(store: Path) -> set[str]:
    """Of all files in the store, with those that jobs need only while they run."""
    return {path.parent.name for path in store.glob("**/sha256/*/*/*") if path.is_file()}
