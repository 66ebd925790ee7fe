"""Files in the store that nothing names: found on every kind of store, counted, and removed only if that is wanted."""

import subprocess
import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path
from typing import NoReturn, Self

import pytest

import stoker
from stoker import JobState
from stoker.ledger import attempts, intake, store_files, uploads
from stoker.ledger.attempt import Attempt
from stoker.ledger.counters import read_tallies
from stoker.ledger.intake import NewJob
from stoker.ledger.keys import key
from stoker.ledger.store_files import Leftovers
from stoker.models.manifest import Artifact
from stoker.models.store import Store
from stoker.redis.calls import drive
from stoker.redis.connection import Connection
from stoker.settings import Settings
from stoker_workers.controller import leftovers, upload_ends
from stoker_workers.controller.leftovers import LeftoverSearch

from .test_doctor import checks
from .test_ledger import result_of, version
from .test_store import overwrite

# A look asks a store for 256 folders; the S3 server of the tests is slow, so one look there must do.
pytestmark = pytest.mark.timeout(600)
SPEC = stoker.Train(model="leftovers", data="sample://iris", device="cpu")
# For what the ledger alone decides.
quick_stores = pytest.mark.parametrize("store", ["folder", "memory"], indirect=True)


@pytest.fixture
def connection(redis_url: str) -> Iterator[Connection]:
    with closing(Connection.open(Settings(), redis_url)) as connection:
        yield connection


@pytest.fixture
def all_old(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is put counts as older than a day."""
    monkeypatch.setattr(leftovers, "YOUNG", -timedelta(minutes=5))


@pytest.fixture(autouse=True)
def _second_look_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leftovers, "SECOND_LOOK", timedelta())


def look(store: Store, connection: Connection, *, removes: bool = True) -> Leftovers:
    """A look through the whole store or, to remove what it finds, two of them; gives what the last one found."""
    # A ledger that names nothing would be none of the store's.
    connection.client.hset(key("job", "of-the-store"), mapping={"state": "SUCCEEDED", "spec": "e" * 64})
    for _ in range(2 if removes else 1):
        found = look_once(store, connection, removes=removes)
    return found


def look_once(store: Store, connection: Connection, *, removes: bool = True) -> Leftovers:
    connection.client.delete(key("leftovers"))
    search = LeftoverSearch(store, connection, removes=removes)
    while (found := connection.run(store_files.leftovers())) is None:
        search.step()
    return found


def exhaust(search: LeftoverSearch) -> NoReturn:
    while True:
        search.step()


def put(store: Store, name: str = "model.keras") -> Artifact:
    return store.put_bytes(uuid.uuid4().bytes, name)


def is_there(store: Store, artifact: Artifact) -> bool:
    store._files._system.invalidate_cache()
    return bool(store._files._system.exists(store._path(artifact)))


def claimed(connection: Connection) -> Attempt:
    job_id = str(uuid.uuid4())
    connection.run(intake.submit([NewJob(job_id, SPEC, "cpu.train")]))
    attempt = connection.run(attempts.claim(job_id, f"owner of {job_id}", "worker", 60))
    assert isinstance(attempt, Attempt)
    return attempt


def test_what_nothing_names_is_removed_and_nothing_else(store: Store, connection: Connection, all_old: None) -> None:
    attempt = claimed(connection)
    of_version, of_result, orphan = put(store), put(store, "report.json"), put(store)
    manifest = version(1, attempt.job_id).model_copy(update={"files": {"keras": of_version}})
    result = result_of().model_copy(update={"files": {"history": of_result}})
    connection.run(attempts.succeed(attempt, result, [manifest]))
    store._files._system.pipe_file(f"{store._path(of_version)}.{'0' * 32}.part", b"half")
    store._files._system.makedirs(f"{store._root}/notes", exist_ok=True)
    store._files._system.pipe_file(f"{store._root}/notes/sha256.txt", b"somebody else's")
    of_forgotten = put(store.of_job("job-of-old"), "checkpoint.npz")
    found = look(store, connection)
    assert (found.files, found.size, found.removed) == (3, 16 + 4 + 16, True)
    assert is_there(store, of_version)
    assert is_there(store, of_result)
    assert not is_there(store, orphan)
    assert not is_there(store.of_job("job-of-old"), of_forgotten)
    assert store._files._system.exists(f"{store._root}/notes/sha256.txt")


@quick_stores
def test_what_was_removed_is_found_no_more(store: Store, connection: Connection, all_old: None) -> None:
    put(store)
    put(store.of_job("gone"))
    assert look(store, connection).files == 2
    assert look(store, connection).files == 0


@quick_stores
def test_by_a_clock_that_is_days_ahead_nothing_young_is_old(
    store: Store, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Ahead(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> Self:
            return super().now(tz) + timedelta(days=40)

    young, upload = put(store), put(store)
    ref = f"store://{upload.digest}/rows.csv"
    connection.run(uploads.keep(uploads.new_upload(ref, upload.size, 1, keep_days=30)))
    for module in (leftovers, upload_ends):
        monkeypatch.setattr(module, "datetime", Ahead, raising=False)
    assert look(store, connection).files == 0
    assert is_there(store, young)
    assert ref in drive(uploads.lifetimes(), connection.run)


@quick_stores
def test_without_leave_it_only_counts(store: Store, connection: Connection, redis_url: str, all_old: None) -> None:
    orphan = put(store)
    found = look(store, connection, removes=False)
    assert (found.files, found.size, found.removed) == (1, 16, False)
    assert is_there(store, orphan)
    told = checks(redis_url)["leftovers"]
    assert told["verdict"] == "warn"
    assert told["numbers"] == {"files": 1, "bytes": 16, "stored_bytes": 16}
    assert "STOKER_REMOVE_LEFTOVERS=true" in told["told"]
    assert orphan.digest in told["told"]


@quick_stores
def test_only_what_two_looks_have_found_is_removed(
    store: Store, connection: Connection, redis_url: str, all_old: None
) -> None:
    orphan, renamed = put(store), put(store)
    connection.client.hset(key("job", "of-the-store"), mapping={"state": "SUCCEEDED", "spec": "e" * 64})
    first = look_once(store, connection)
    assert (first.files, first.removed_files, first.stored_files, first.stored_size) == (2, 0, 2, 32)
    assert "2 are from" in checks(redis_url)["leftovers"]["told"]
    # Its record had another key when the look came there.
    connection.client.hset(key("model", "digits"), "1", renamed.model_dump_json())
    second = look_once(store, connection)
    assert (second.files, second.removed_files, second.removed_size) == (1, 1, 16)
    assert not is_there(store, orphan)
    connection.client.delete(key("model", "digits"))
    assert look_once(store, connection).removed_files == 0, "it was named in between"
    assert is_there(store, renamed)
    assert look_once(store, connection).removed_files == 1
    assert connection.run(read_tallies()).removed_bytes == 32
    assert not connection.client.exists(key("unnamed"))


@quick_stores
def test_the_second_look_comes_later(
    store: Store, connection: Connection, all_old: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leftovers, "SECOND_LOOK", timedelta(minutes=30))
    orphan = put(store)
    look(store, connection)
    assert is_there(store, orphan)
    [path] = connection.run(store_files.found_before())
    connection.client.zincrby(key("unnamed"), -1_800_000, path)
    assert look_once(store, connection).removed_files == 1


@quick_stores
def test_an_empty_ledger_removes_nothing(store: Store, connection: Connection, redis_url: str, all_old: None) -> None:
    artifact = put(store)
    for _ in range(3):
        assert look_once(store, connection).is_strange
    assert is_there(store, artifact)
    told = checks(redis_url)["leftovers"]
    assert told["verdict"] == "warn"
    assert "this ledger names no file at all: is it the store's?" in told["told"]


@quick_stores
def test_a_job_that_has_not_begun_holds_nothing(store: Store, connection: Connection, all_old: None) -> None:
    put(store)
    waits = str(uuid.uuid4())
    connection.run(intake.submit([NewJob(waits, SPEC, "cpu.train")]))
    connection.client.hset(key("job", waits), "submitted_at", 1)
    assert look(store, connection).removed_files == 1


def test_every_store_tells_how_old_its_files_are(store: Store) -> None:
    artifact, now = put(store), datetime.now(UTC)
    [file] = store.stored(artifact.digest[:2])
    assert not store.is_older(file, now - timedelta(minutes=5))
    assert store.is_older(file, now + timedelta(minutes=5))


@quick_stores
def test_what_is_younger_than_a_day_stays(store: Store, connection: Connection) -> None:
    orphan, of_gone = put(store), put(store.of_job("gone"))
    assert look(store, connection).files == 0
    assert is_there(store, orphan)
    assert is_there(store.of_job("gone"), of_gone)


@quick_stores
def test_what_was_put_since_the_oldest_job_was_submitted_that_has_not_ended_stays(
    store: Store, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leftovers, "YOUNG", timedelta(minutes=-5))
    attempt = claimed(connection)
    chunk, checkpoint = put(store), put(store.of_job(attempt.job_id))
    connection.client.hset(key("job", attempt.job_id), "submitted_at", 1)
    assert look(store, connection).files == 0
    assert is_there(store, chunk)
    connection.run(attempts.fail(attempt, JobState.FAILED, "for a test"))
    assert look(store, connection).files == 2
    assert not is_there(store, chunk)
    assert not is_there(store.of_job(attempt.job_id), checkpoint)


@quick_stores
def test_a_checkpoint_that_a_job_lists_and_a_record_of_another_version_keep_their_files(
    store: Store, connection: Connection, all_old: None
) -> None:
    named, named_by_a_later_version = put(store), put(store)
    connection.client.hset(key("job", "job-1"), mapping={"state": "FAILED", "checkpoints": named.model_dump_json()})
    connection.client.hset(
        key("job", "job-2"), mapping={"state": "SUCCEEDED", "new": f'["{named_by_a_later_version.digest}"]'}
    )
    assert look(store, connection).files == 0


@quick_stores
def test_what_is_corrupt_is_named_as_before(store: Store, connection: Connection, all_old: None) -> None:
    artifact = put(store)
    connection.client.hset(key("model", "digits"), "1", artifact.model_dump_json())
    overwrite(store, artifact, b"broken")
    assert look(store, connection).files == 0
    assert is_there(store, artifact)


def test_a_folder_that_cannot_be_cleared_keeps_no_other_from_it(
    connection: Connection, tmp_path: Path, all_old: None
) -> None:
    store = Store(str(tmp_path))
    stuck, orphan = (Artifact(name="model", digest=digit * 64, size=0) for digit in "0f")
    for artifact in (stuck, orphan):
        Path(store.location(artifact)).parent.mkdir(parents=True)
    with read_only(Path(store.location(stuck)).parent, holds=stuck.name):
        Path(store.location(orphan)).touch()
        look(store, connection, removes=False)
        connection.client.delete(key("leftovers"))
        search = LeftoverSearch(store, connection, removes=True)

        with pytest.raises(ExceptionGroup) as failures:
            exhaust(search)

    assert len(failures.value.exceptions) == 1
    assert not is_there(store, orphan)
    found = connection.run(store_files.leftovers())
    assert found
    assert found.files == 2


@contextmanager
def read_only(folder: Path, *, holds: str) -> Iterator[None]:
    """A file system of its own that holds a file and cannot be written to."""
    if subprocess.run(["mount", "-t", "tmpfs", "tmpfs", folder], capture_output=True).returncode:
        pytest.skip("only root may mount a file system")
    try:
        (folder / holds).touch()
        subprocess.run(["mount", "-o", "remount,ro", folder], check=True)
        yield
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)
