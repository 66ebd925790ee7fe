"""The change of keys over a whole store: killed anywhere it goes on, and there is always a file that can be read."""

import multiprocessing
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Thread

import pytest
from typer.testing import CliRunner

from stoker.cli import app
from stoker.errors import InvalidSettings
from stoker.models.encryption import Encryption, StorePlace
from stoker.models.manifest import Artifact
from stoker.models.store import Store
from stoker.models.store.files import Files
from stoker.models.store.reencrypting import Reencrypted, Reencrypting

from .test_encrypted_store import both, key, keyed, url

__all__ = ["url"]

FORK = multiprocessing.get_context("fork")
KILLED = 9


def reencrypt(url: str, path: Path, *recipients: str) -> Reencrypted:
    return Reencrypting(StorePlace(url, Encryption(str(path), recipients))).reencrypt(lambda done, total: None)


def fill(store: Store) -> list[tuple[Store, Artifact, bytes]]:
    """A few artifacts, some of a job, two with the same bytes."""
    put = []
    for number, of in enumerate((store, store, store.of_job("job-1"))):
        for name in ("model.keras", "data"):
            data = bytes([number]) * 70_000
            put.append((of, of.put_bytes(data, name), data))
    return put


def readable(url: str, path: Path, put: list[tuple[Store, Artifact, bytes]]) -> bool:
    stores = (keyed(url, path), keyed(url, path).of_job("job-1"))
    return all(stores[of._root.endswith("job-1")].read(artifact) == data for of, artifact, data in put)


def keys_of(url: str) -> list[frozenset[str]]:
    stores = (Store(url), Store(url).of_job("job-1"))
    return [file.keys for store in stores for file in store.stored("")]


def test_a_store_is_encrypted_anew_for_the_new_key_alone(url: str, tmp_path: Path) -> None:
    old, new = key(tmp_path, "old.key"), key(tmp_path, "new.key")
    put = fill(Store(url))
    done = reencrypt(url, old)
    assert (done.files, done.removed, done.right, done.failures) == (6, 6, 0, [])
    assert readable(url, old, put)
    changing, public = both(tmp_path, new, old), new.read_text().split()[3]
    assert reencrypt(url, changing).files == 6
    assert readable(url, old, put)
    assert readable(url, new, put)
    done = reencrypt(url, changing, public)
    assert (done.files, done.removed) == (6, 6)
    assert len(keys_of(url)) == 6
    assert all(len(keys) == 1 for keys in keys_of(url))
    assert readable(url, new, put)
    again = reencrypt(url, new)
    assert (again.files, again.removed, again.right) == (0, 0, 6)


@pytest.mark.parametrize("step", range(0, 13, 2))
def test_killed_at_any_step_it_goes_on_and_nothing_is_lost(tmp_path: Path, step: int) -> None:
    url, path = str(tmp_path / "store"), key(tmp_path)
    put = fill(Store(url))

    def killed() -> None:
        steps = iter(range(step))
        patch = pytest.MonkeyPatch()
        for name in ("write_named", "remove"):
            patch.setattr(Files, name, dying(getattr(Files, name), steps))
        reencrypt(url, path)

    process = FORK.Process(target=killed)
    process.start()
    process.join(60)
    assert process.exitcode == KILLED if step < 12 else process.exitcode == 0
    assert readable(url, path, put)
    assert reencrypt(url, path).failures == []
    assert readable(url, path, put)
    assert len(keys_of(url)) == 6
    assert all(keys_of(url))


def dying(method: Callable[..., None], steps: Iterator[int]) -> Callable[..., None]:
    def call(*arguments: object) -> None:
        if next(steps, None) is None:
            os._exit(KILLED)
        method(*arguments)

    return call


def test_two_at_once_leave_one_file_of_each(tmp_path: Path) -> None:
    url, path = str(tmp_path / "store"), key(tmp_path)
    put = fill(Store(url))
    processes = [FORK.Process(target=reencrypt, args=(url, path)) for _ in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
        assert process.exitcode == 0
    assert readable(url, path, put)
    reencrypt(url, path)
    assert len(keys_of(url)) == 6
    assert readable(url, path, put)


def test_readers_and_writers_go_on_meanwhile(url: str, tmp_path: Path) -> None:
    old, new = key(tmp_path, "old.key"), key(tmp_path, "new.key")
    changing = both(tmp_path, new, old)
    put = fill(keyed(url, old))
    thread = Thread(target=reencrypt, args=(url, changing))
    thread.start()
    while thread.is_alive():
        assert readable(url, changing, put)
        fill(keyed(url, changing))
    thread.join()
    assert readable(url, new, put)


def test_what_cannot_be_decrypted_stays_and_is_named(tmp_path: Path) -> None:
    url, path, other = str(tmp_path / "store"), key(tmp_path), key(tmp_path, "other.key")
    foreign = keyed(url, other).put_bytes(b"foreign", "data")
    damaged = keyed(url, path).put_bytes(b"damaged", "data")
    Path(keyed(url, path).location(damaged)).write_bytes(b"age-encryption.org/v1\n")
    plain = Store(url).put_bytes(b"damaged", "data")
    done = reencrypt(url, path)
    assert len(done.failures) == 1
    assert "is encrypted for the keys" in done.failures[0]
    assert keyed(url, path).read(plain) == b"damaged"
    assert keyed(url, other).read(foreign) == b"foreign"
    with pytest.raises(InvalidSettings, match="STOKER_ENCRYPTION_KEY"):
        reencrypt(url, path.with_name("none"))


def test_the_commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STOKER_STORE_URL", url := str(tmp_path / "store"))
    runner, path = CliRunner(), tmp_path / "artifacts.key"
    artifact = Store(url).put_bytes(b"rows", "data")
    made = runner.invoke(app, ["files", "new-key", str(path)])
    assert made.exit_code == 0
    assert made.stdout.startswith("age1")
    assert path.stat().st_mode & 0o777 == 0o600
    monkeypatch.setenv("STOKER_ENCRYPTION_KEY", str(path))
    done = runner.invoke(app, ["files", "reencrypt"])
    assert done.exit_code == 0
    assert "1 artifacts with" in done.stdout
    assert keyed(url, path).read(artifact) == b"rows"
