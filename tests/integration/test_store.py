"""The artifact store on a folder, in memory and on S3: what was put is what is read, whatever lay there before."""

import multiprocessing
import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from stoker.models.manifest import Artifact
from stoker.models.store import Corrupt, Store
from stoker.outages import Dependency, DependencyUnavailable

from ..conftest import PATIENCE_S

BYTES = b"weights" * 1000
DAY_S = 24 * 3600
FORK = multiprocessing.get_context("fork")


def overwrite(store: Store, artifact: Artifact, data: bytes) -> None:
    """What a broken disk or a careless hand does to a file."""
    store._files._system.pipe_file(store._path(artifact), data)


@pytest.mark.parametrize(
    "broken", [b"W" + BYTES[1:], BYTES[:-1], BYTES + b"!", b""], ids=["same size", "shorter", "longer", "empty"]
)
def test_an_artifact_put_over_a_corrupt_file_replaces_it(store: Store, broken: bytes) -> None:
    artifact = store.put_bytes(BYTES, "weights.h5")
    overwrite(store, artifact, broken)
    with pytest.raises(Corrupt):
        store.read(artifact)
    assert store.put_bytes(BYTES, "weights.h5") == artifact
    assert store.read(artifact) == BYTES


def test_a_file_put_over_a_corrupt_one_replaces_it(store: Store, tmp_path: Path) -> None:
    (tmp_path / "weights.h5").write_bytes(BYTES)
    artifact = store.put_file(tmp_path / "weights.h5")
    overwrite(store, artifact, BYTES[::-1])
    store.put_file(tmp_path / "weights.h5")
    store.verify(artifact)


def test_a_file_that_was_fetched_before_stays_until_the_next_one_is_whole(store: Store, tmp_path: Path) -> None:
    artifact = store.put_bytes(BYTES, "weights.h5")
    fetched = store.fetch(artifact, tmp_path)
    overwrite(store, artifact, BYTES[::-1])
    with pytest.raises(Corrupt):
        store.fetch(artifact, tmp_path)
    assert fetched.read_bytes() == BYTES
    assert list(tmp_path.glob("weights*")) == [fetched]


def test_a_store_that_was_used_before_a_fork_serves_parent_and_child(store: Store) -> None:
    artifact = store.put_bytes(BYTES, "weights.h5")
    child = FORK.Process(target=store.verify, args=(artifact,))
    child.start()
    child.join(PATIENCE_S)
    assert child.exitcode == 0
    assert store.read(artifact) == BYTES


def test_a_folder_that_takes_no_file_is_named(store: Store, tmp_path: Path) -> None:
    artifact, folder = store.put_bytes(BYTES, "weights.h5"), tmp_path / "not-there"
    with pytest.raises(DependencyUnavailable, match=f"the folder {folder} of .* cannot be used") as raised:
        store.fetch(artifact, folder)
    assert raised.value.outage.of == Dependency.DISK


def test_an_artifact_put_by_several_at_once_is_one_whole_file(store: Store) -> None:
    artifact = store.put_bytes(BYTES, "weights.h5")
    overwrite(store, artifact, BYTES[::-1])
    with ThreadPoolExecutor(8) as threads:
        put = list(threads.map(lambda _: store.put_bytes(BYTES, "weights.h5"), range(8)))
    assert set(put) == {artifact}
    assert store.read(artifact) == BYTES
    store._files._system.invalidate_cache()
    assert [path.rpartition("/")[2] for path in store._files._system.find(store._root)] == ["weights.h5"]


def test_a_reader_is_not_disturbed_by_who_puts_the_same(store: Store) -> None:
    artifact = store.put_bytes(BYTES, "weights.h5")
    ended = threading.Event()

    def put() -> None:
        while not ended.is_set():
            store.put_bytes(BYTES, "weights.h5")

    with ThreadPoolExecutor(1) as thread:
        putting = thread.submit(put)
        for _ in range(20):
            assert store.read(artifact) == BYTES
        ended.set()
        putting.result()


def test_what_is_put_again_is_as_young_as_what_is_put_first(tmp_path: Path) -> None:
    store = Store(str(tmp_path))
    artifact = store.put_bytes(BYTES, "weights.h5")
    path = store.location(artifact)
    os.utime(path, (time.time() - 2 * DAY_S,) * 2)
    store.put_bytes(BYTES, "weights.h5")
    assert Path(path).stat().st_mtime > time.time() - DAY_S
