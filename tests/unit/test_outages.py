"""Which failures are an outage, and what the store and data sources make of it."""

import ctypes
import errno
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import pytest
import s3fs

from stoker.errors import InvalidJob
from stoker.models.data import locate, reading
from stoker.models.manifest import Artifact
from stoker.models.store import Corrupt, Missing, Store
from stoker.outages import Dependency, DependencyUnavailable, Fault, disk_outage, fault_of, lacks_room
from stoker.settings import Settings
from stoker_workers.attempt import dependencies
from stoker_workers.attempt.dependencies import Dependencies, DependencyWatch
from stoker_workers.attempt.messages import Away, Failed, Lost
from stoker_workers.attempt.runner import end_of, own_doing

from ..conftest import Eventually
from ..hosts import host

MNT_DETACH = 2


@contextmanager
def mount(folder: Path) -> Iterator[IO[bytes]]:
    """A file system that answers nothing, as one whose host is away; who closes its device breaks it off."""
    folder.mkdir()
    libc = ctypes.CDLL(None)
    with Path("/dev/fuse" if Path("/dev/fuse").exists() else os.devnull).open("r+b", buffering=0) as device:
        options = f"fd={device.fileno()},rootmode=40000,user_id={os.getuid()},group_id={os.getgid()}"
        if libc.mount(b"silent", bytes(folder), b"fuse", 0, options.encode()):
            pytest.skip("only root may mount a file system")
        yield device
    libc.umount2(bytes(folder), MNT_DETACH)


@pytest.fixture
def silent_mount(tmp_path: Path) -> Iterator[Path]:
    with mount(tmp_path / "silent"):
        yield tmp_path / "silent"


@pytest.fixture
def dead_mount(tmp_path: Path) -> Iterator[Path]:
    with mount(tmp_path / "dead") as device:
        device.close()
        yield tmp_path / "dead"


def os_error(number: int, path: str | None = None) -> OSError:
    return OSError(number, os.strerror(number), path)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (ConnectionRefusedError(), Fault.AWAY),
        (TimeoutError(), Fault.AWAY),
        (os_error(errno.EIO), Fault.AWAY),
        (os_error(errno.ESTALE), Fault.AWAY),
        (os_error(errno.EHOSTUNREACH), Fault.AWAY),
        (os_error(errno.ENOENT), Fault.MISSING),
        (os_error(errno.ENOTDIR), Fault.MISSING),
        (os_error(errno.EACCES), Fault.FORBIDDEN),
        (os_error(errno.ENAMETOOLONG), Fault.NO_PATH),
        (FileNotFoundError("https://host/a.csv"), Fault.MISSING),
        # pyarrow's word for a malformed file.
        (OSError("Unexpected end of stream"), Fault.UNREADABLE),
        # Of the machine that reads, not of what it reads.
        (os_error(errno.EMFILE), None),
        (os_error(errno.ENOSPC), None),
        (MemoryError(), None),
        (ValueError("not a number"), None),
    ],
)
def test_why_something_cannot_be_read(error: Exception, expected: Fault | None) -> None:
    assert fault_of(error) is expected


@pytest.mark.parametrize(
    ("status", "expected"),
    [(503, Fault.AWAY), (429, Fault.AWAY), (404, Fault.MISSING), (403, Fault.FORBIDDEN), (416, Fault.UNREADABLE)],
)
def test_what_a_host_answers_says_it_however_its_client_calls_it(status: int, expected: Fault) -> None:
    error = OSError("it did not work")
    error.__cause__ = answer = RuntimeError()
    answer.status = status  # type: ignore[attr-defined]  # as aiohttp's errors have it
    assert fault_of(error) is expected


def test_a_host_that_is_away_is_not_taken_for_a_file_that_is_not_there() -> None:
    # As fsspec raises it.
    error = FileNotFoundError("https://host/a.csv")
    error.__cause__ = ConnectionRefusedError()
    assert fault_of(error) is Fault.AWAY


# --- how an attempt ends


def ends(error: Exception) -> object:
    def work() -> None:
        raise error

    return end_of(work)  # type: ignore[arg-type]


def test_a_full_temporary_folder_is_an_outage_of_this_node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    full = os_error(errno.ENOSPC, str(tmp_path / "model.keras"))
    # HDF5 and TensorFlow have words only.
    for error in (full, RuntimeError(f"{tmp_path}/logs: No space left on device")):
        end = ends(error)
        assert isinstance(end, Away)
        assert end.outage.of == Dependency.DISK
        assert "no space left" in end.outage.reason


def test_a_full_disk_elsewhere_is_no_outage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    assert isinstance(ends(os_error(errno.ENOSPC, "/elsewhere/file")), Lost)
    assert isinstance(ends(os_error(errno.EMFILE)), Lost)
    assert disk_outage(ValueError("no")) is None


@pytest.mark.parametrize(("writer", "expected"), [("job", Failed), ("others", Away)])
def test_a_disk_that_a_job_fills_by_itself_is_its_own_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, writer: str, expected: type
) -> None:
    if ctypes.CDLL(None).mount(b"tmpfs", bytes(tmp_path), b"tmpfs", 0, b"size=4m"):
        pytest.skip("only root may mount a file system")
    try:
        for name in ("job", "others"):
            (tmp_path / name).mkdir()
        monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "job"))

        def fill() -> None:
            (tmp_path / writer / "file").write_bytes(bytes(3 << 20))
            (tmp_path / "job" / "model.keras").write_bytes(bytes(2 << 20))

        assert isinstance(own_doing(end_of(fill)), expected)  # type: ignore[arg-type]
    finally:
        ctypes.CDLL(None).umount2(bytes(tmp_path), MNT_DETACH)


def test_an_artifact_that_is_gone_fails_the_job_in_one_sentence(tmp_path: Path) -> None:
    store = Store(str(tmp_path / "store"))
    artifact = store.put_bytes(b"model", "model.keras")
    store.delete(artifact)

    end = end_of(lambda: store.verify(artifact))  # type: ignore[arg-type, return-value]
    assert isinstance(end, Failed)
    assert "model.keras is gone from the artifact store" in end.reason


# --- the store


def test_a_store_that_is_gone_is_an_outage_and_one_without_the_artifact_is_not(tmp_path: Path) -> None:
    store = Store(str(tmp_path / "store"))
    artifact, other = store.put_bytes(b"model", "model"), Artifact(name="other", digest="0" * 64, size=1)
    for read in (store.read, store.verify, lambda artifact: store.fetch(artifact, tmp_path)):
        with pytest.raises(Missing):
            read(other)
        (tmp_path / "store").rename(tmp_path / "away")
        with pytest.raises(DependencyUnavailable) as away:
            read(artifact)
        assert away.value.outage.of == Dependency.STORE
        (tmp_path / "away").rename(tmp_path / "store")
        read(artifact)


def test_the_store_of_a_job_that_has_none_yet_is_no_outage(tmp_path: Path) -> None:
    store = Store(str(tmp_path))
    artifact = store.put_bytes(b"model", "model")
    with pytest.raises(Missing):
        store.of_job("job").read(artifact)
    store.of_job("job").clear()


def test_a_corrupt_artifact_is_no_outage(tmp_path: Path) -> None:
    store = Store(str(tmp_path))
    artifact = store.put_bytes(b"model", "model")
    Path(store.location(artifact)).write_bytes(b"ledom")
    with pytest.raises(Corrupt):
        store.read(artifact)


def test_a_store_in_place_of_whose_folder_a_file_lies_is_an_outage(tmp_path: Path) -> None:
    (tmp_path / "store").touch()
    store = Store(str(tmp_path / "store"))
    with pytest.raises(DependencyUnavailable):
        store.put_bytes(b"model", "model")
    with pytest.raises(DependencyUnavailable):
        store.probe()


def test_a_folder_lacks_room_when_less_is_free_than_must_be(tmp_path: Path) -> None:
    assert lacks_room(Dependency.STORE, "the store", tmp_path / "not" / "there", 0) is None
    outage = lacks_room(Dependency.STORE, "the store", tmp_path, 1 << 62)
    assert outage
    assert "the store has no space left" in outage.reason


def test_a_mount_that_is_dead_is_an_outage_of_what_lies_on_it(dead_mount: Path) -> None:
    outage = lacks_room(Dependency.STORE, "the store", dead_mount / "artifacts", 0)
    assert outage
    assert outage.of == Dependency.STORE


def test_a_mount_that_does_not_answer_is_an_outage_and_holds_up_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, eventually: Eventually, silent_mount: Path
) -> None:
    monkeypatch.setattr(dependencies, "_SILENT_S", 0.5)
    known = Dependencies()
    watch = DependencyWatch(known, Settings(home=tmp_path, store_url=str(silent_mount)))

    def is_away() -> bool:
        watch.step()
        return known.missing() is not None

    eventually(is_away)
    watch.end()
    assert [outage.of for outage in known.ongoing()] == [Dependency.STORE]


def test_what_is_full_is_known_before_a_job_meets_it(tmp_path: Path, eventually: Eventually) -> None:
    known = Dependencies()
    watch = DependencyWatch(known, Settings(home=tmp_path, least_free_bytes=1 << 62))

    def is_full() -> bool:
        watch.step()
        return len(known.ongoing()) == 2

    eventually(is_full)
    watch.end()


@pytest.mark.parametrize("broken", [b"ledom", None], ids=["corrupt", "gone"])
def test_what_could_not_be_fetched_whole_leaves_nothing(tmp_path: Path, broken: bytes | None) -> None:
    store, folder = Store(str(tmp_path / "store")), tmp_path / "scratch"
    folder.mkdir()
    artifact = store.put_bytes(b"model", "model")
    place = Path(store.location(artifact))
    place.unlink()
    if broken:
        place.write_bytes(broken)

    with pytest.raises(Corrupt if broken else Missing):
        store.fetch(artifact, folder)

    assert list(folder.iterdir()) == []


def bucket_at(url: str, monkeypatch: pytest.MonkeyPatch) -> Store:
    for name, value in {
        "AWS_ENDPOINT_URL": url,
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_MAX_ATTEMPTS": "1",
    }.items():
        monkeypatch.setenv(name, value)
    s3fs.S3FileSystem.clear_instance_cache()
    return Store(f"s3://bucket-{url.rpartition(':')[2]}/stoker")


def test_an_object_store_that_does_not_answer_is_an_outage(monkeypatch: pytest.MonkeyPatch) -> None:
    with host() as (url, _):
        pass
    store = bucket_at(url, monkeypatch)
    with pytest.raises(DependencyUnavailable):
        store.put_bytes(b"model", "model")
    with pytest.raises(DependencyUnavailable):
        store.read(Artifact(name="model", digest="0" * 64, size=1))


def test_a_bucket_that_does_not_exist_is_not_made(monkeypatch: pytest.MonkeyPatch) -> None:
    body = b"<Error><Code>NoSuchBucket</Code><Message>The specified bucket does not exist</Message></Error>"
    with host(status=404, body=body) as (url, requests):
        store = bucket_at(url, monkeypatch)
        bucket = store.url.removeprefix("s3://").partition("/")[0]
        with pytest.raises(DependencyUnavailable):
            store.probe()
    assert requests
    assert not [request for request in requests if request.rstrip("/") == f"PUT /{bucket}"]


@pytest.mark.parametrize("says_length", [True, False])
def test_a_page_in_place_of_a_bucket_is_an_outage_that_says_so(
    says_length: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    with host(body=b"<html>please log in</html>", says_length=says_length) as (url, _):
        store = bucket_at(url, monkeypatch)
        with pytest.raises(DependencyUnavailable, match="what answers there is no store: its answer has no"):
            store.put_bytes(b"model", "model")


# --- data


@pytest.mark.parametrize(
    ("error", "of"),
    [
        (ConnectionResetError(), Dependency.DATA),
        (os_error(errno.ESTALE, "/data/t.csv"), Dependency.DATA),
        (os_error(errno.ENOSPC, f"{tempfile.gettempdir()}/copy"), Dependency.DISK),
        (os_error(errno.EROFS, f"{tempfile.gettempdir()}/copy"), Dependency.DISK),
    ],
)
def test_what_is_away_while_data_is_read_is_told_apart(error: Exception, of: Dependency) -> None:
    with pytest.raises(DependencyUnavailable) as away, reading("/data/t.csv"):
        raise error
    assert away.value.outage.of == of


@pytest.mark.parametrize("error", [os_error(errno.EMFILE), MemoryError(), ZeroDivisionError()])
def test_what_is_no_fault_of_data_is_not_told_as_one(error: Exception) -> None:
    with pytest.raises(type(error)) as same, reading("/data/t.csv", lambda _: None):
        raise error
    assert same.value is error


def test_what_a_library_says_of_damage_is_told_without_it() -> None:
    with pytest.raises(InvalidJob) as told, reading("/data/t.csv", lambda _: "is malformed"):
        raise ValueError("the content")
    assert told.value.message == "/data/t.csv is malformed"
    assert told.value.__cause__ is None
    assert told.value.__suppress_context__


@pytest.mark.parametrize("name", ["data.csv", "data.npz", "data.parquet", "data.tfrecord"])
def test_a_bucket_of_data_that_does_not_answer_is_an_outage(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with host() as (url, _):
        pass
    bucket_at(url, monkeypatch)
    with pytest.raises(DependencyUnavailable) as away:
        locate(f"s3://bucket/{name}")
    assert away.value.outage.of == Dependency.DATA


def test_data_that_is_not_in_its_bucket_is_the_jobs_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    with host(status=404, body=b"<Error><Code>NoSuchKey</Code><Message>no</Message></Error>") as (url, _):
        bucket_at(url, monkeypatch)
        with pytest.raises(InvalidJob):
            locate("s3://bucket/data.csv")
