"""Data that an app puts into the store: read back equal, sent once, and kept as long as somebody names it."""

import asyncio
import hashlib
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

import stoker
from stoker.client import stores
from stoker.client.job_files import JobFile
from stoker.ledger import uploads as ledger
from stoker.models.store import Store
from stoker.models.store import uploads as stored
from stoker.models.store.uploads import UploadStore
from stoker.models.uploads import parse_upload
from stoker.redis.calls import Call, drive
from stoker.redis.connection import Connection
from stoker.settings import Settings
from stoker_workers.controller.leftovers import LeftoverSearch

from .. import commands
from ..conftest import PATIENCE_S, Eventually
from .conftest import every_store
from .test_leftovers import _second_look_at_once, all_old, look  # noqa: F401  # two are fixtures

TABLE = "age,colour,label\n" + "".join(f"{age},{('red', 'blue')[age % 2]},{age % 2}\n" for age in range(60))
PIECE = 1 << 20


@pytest.fixture
def client(store: Store, redis_url: str) -> Iterator[stoker.Client]:
    with stoker.Client(settings=Settings(redis_url=redis_url, store_url=store.url)) as client:
        yield client


@pytest.fixture
def connection(redis_url: str) -> Iterator[Connection]:
    with closing(Connection.open(Settings(), redis_url)) as connection:
        yield connection


@pytest.fixture
def short_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stored, "PIECE_BYTES", PIECE)


def table(folder: Path, name: str = "customers.csv") -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(TABLE)
    return path


def written(store: Store) -> dict[str, str]:
    """The files of a store, and when each was written."""
    store._files._system.invalidate_cache()
    return {path: str(store._files.written_at(path)) for path in store._files.sizes(store._root)}


quick_stores = pytest.mark.parametrize("store", ["folder", "memory"], indirect=True)


@every_store
def test_a_file_is_named_by_its_digest_and_read_back(client: stoker.Client, tmp_path: Path) -> None:
    ref = client.upload(table(tmp_path))
    digest = hashlib.sha256(TABLE.encode()).hexdigest()
    assert ref == f"store://{digest}/customers.csv"
    assert client.download(ref, tmp_path / "back.csv").read_text() == TABLE
    of_a_job = JobFile(Store(client.settings.store_place).put_bytes(b"made", "made.txt"), client.settings.store_place)
    assert client.download(of_a_job, tmp_path).read_text() == "made"
    [upload] = client.uploads()
    assert (upload.ref, upload.size, upload.files, upload.keep_s) == (ref, len(TABLE), 1, 30 * 86_400)
    assert timedelta(days=29) < upload.expires_at - datetime.now(UTC) <= timedelta(days=30)


def test_the_same_bytes_are_sent_once(client: stoker.Client, store: Store, tmp_path: Path) -> None:
    first = client.upload(table(tmp_path))
    before = written(store)
    sent: list[tuple[int, int]] = []
    again = client.upload(table(tmp_path, "other/name.csv"), progress=lambda *told: sent.append(told))
    assert (parse_upload(again).digest, parse_upload(again).name) == (parse_upload(first).digest, "name.csv")
    assert written(store) == before
    assert client.upload(table(tmp_path)) == first
    assert len(client.uploads()) == 2
    assert sent[-1] == (len(TABLE), len(TABLE))


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("Umsätze 2024 (neu).csv", "Ums_tze_2024__neu_.csv"),
        ("..csv", "data.csv"),
        ("-rf; $(x).csv.gz", "rf____x_.csv.gz"),
        ("x" * 200 + ".csv", "x" * 124 + ".csv"),
        ("of.folder", "of_folder"),
        ("日本", "data"),
        ("日本.csv", "data.csv"),
        ("顧客.csv.gz", "data.csv.gz"),
        (".csv", "csv"),
        ("a\nb.csv", "a_b.csv"),
    ],
)
@pytest.mark.parametrize("store", ["folder"], indirect=True)
def test_names_are_kept_as_far_as_references_can_have_them(
    client: stoker.Client, tmp_path: Path, name: str, kept: str
) -> None:
    assert client.upload(table(tmp_path), name=name).rpartition("/")[2] == kept


@quick_stores
def test_an_empty_file(client: stoker.Client, tmp_path: Path) -> None:
    (tmp_path / "empty.csv").touch()
    ref = client.upload(tmp_path / "empty.csv")
    assert client.download(ref, tmp_path / "back").read_bytes() == b""


def test_a_folder_keeps_its_files_by_their_paths(client: stoker.Client, tmp_path: Path) -> None:
    paths = ["red/1.csv", "red/ümlaut (1).csv", "blue/deep/2.csv"]
    for path in paths:
        table(tmp_path / "shop", path)
    (tmp_path / "shop" / "red" / "link.csv").symlink_to(tmp_path / "shop" / "red" / "1.csv")
    (tmp_path / "shop" / ".hidden").touch()
    ref = client.upload(tmp_path / "shop")
    assert ref.endswith("/shop.folder")
    assert client.uploads()[0].files == 4
    got = client.download(ref, tmp_path / "got")
    assert sorted(str(path.relative_to(got)) for path in got.rglob("*") if path.is_file()) == sorted(
        [*paths, "red/link.csv"]
    )
    assert (got / "blue/deep/2.csv").read_text() == TABLE
    some = client.download(f"{ref}/red/*.csv", tmp_path / "some")
    assert len(list(some.rglob("*.csv"))) == 3


@quick_stores
def test_what_a_folder_cannot_hold_is_named(client: stoker.Client, tmp_path: Path) -> None:
    folder = tmp_path / "shop"
    folder.mkdir()
    with pytest.raises(stoker.InvalidArgument, match="without files"):
        client.upload(folder)
    (folder / "lost").symlink_to(tmp_path / "nowhere")
    with pytest.raises(stoker.InvalidArgument, match="leads nowhere"):
        client.upload(folder)
    (folder / "lost").unlink()
    (folder / "circle").symlink_to(folder)
    with pytest.raises(stoker.InvalidArgument, match="link to a folder"):
        client.upload(folder)
    (folder / "circle").unlink()
    os.mkfifo(folder / "pipe")
    with pytest.raises(stoker.InvalidArgument, match="is a pipe"):
        client.upload(folder)
    with pytest.raises(stoker.InvalidArgument, match="there is no"):
        client.upload(folder / "nothing")
    with pytest.raises(stoker.InvalidArgument, match="which workers read themselves"):
        client.upload("s3://bucket/table.csv")
    for empty in ("", "x" * 5000, "\0"):
        with pytest.raises(stoker.InvalidArgument, match=r"an empty path|there is no"):
            client.upload(empty)
    with pytest.raises(stoker.InvalidArgument, match="keep_days must be"):
        client.upload(table(tmp_path), keep_days=0)


@quick_stores
def test_tables_and_arrays(client: stoker.Client, tmp_path: Path) -> None:
    rows = pa.table({"age": [1, 2, None], "at": pa.array([0, 1, 2], pa.timestamp("us"))})
    ref = client.upload(rows, name="ages")
    assert ref.endswith("/ages.parquet")
    assert parquet.read_table(client.download(ref, tmp_path / "1")).equals(rows)
    ref = client.upload({"age": [1.5, None], "who": ["Ada", "Bö"], "at": np.array(["2024-01-01", "NaT"], "M8[D]")})
    assert ref.endswith("/data.jsonl")
    assert client.download(ref, tmp_path / "2").read_text() == (
        '{"age": 1.5, "who": "Ada", "at": "2024-01-01"}\n{"age": null, "who": "Bö", "at": null}\n'
    )
    ref = client.upload({"x": np.ones((2, 3)), "y": [0, 1]})
    assert ref.endswith("/data.npz")
    with np.load(client.download(ref, tmp_path / "3")) as arrays:
        assert (arrays["x"].shape, arrays["y"].tolist()) == ((2, 3), [0, 1])
    assert ref == client.upload({"x": np.ones((2, 3)), "y": [0, 1]})
    with pytest.raises(stoker.InvalidJob, match="different numbers of rows"):
        client.upload({"a": [1], "b": [1, 2]})
    with pytest.raises(stoker.InvalidArgument, match="the table cannot be written"):
        client.upload({"a": ["\ud800"]})
    with pytest.raises(stoker.InvalidArgument, match="a column holds b'x'"):
        client.upload({"a": [b"x"]})


@every_store
def test_a_long_file_is_in_pieces_but_in_a_folder(
    client: stoker.Client, store: Store, tmp_path: Path, short_pieces: None
) -> None:
    content = os.urandom(3 * PIECE + 5)
    (tmp_path / "long.bin").write_bytes(content)
    ref = client.upload(tmp_path / "long.bin")
    assert len(written(store)) == (1 if store.folder else 5)
    assert client.download(ref, tmp_path / "back").read_bytes() == content
    assert client.upload(tmp_path / "long.bin") == ref


@pytest.mark.parametrize("store", ["s3"], indirect=True)
def test_what_was_killed_in_the_middle_goes_on(
    client: stoker.Client, store: Store, tmp_path: Path, short_pieces: None, eventually: Eventually
) -> None:
    (tmp_path / "long.bin").write_bytes(os.urandom(12 * PIECE))
    code = (
        "import sys, stoker; from stoker.models.store import uploads; uploads.PIECE_BYTES = 1 << 20\n"
        "stoker.Client(sys.argv[1]).upload(sys.argv[2])"
    )
    environment = os.environ | {"STOKER_STORE_URL": store.url}
    redis_url = client.settings.redis_url or ""
    child = subprocess.Popen([sys.executable, "-c", code, redis_url, str(tmp_path / "long.bin")], env=environment)
    eventually(lambda: len(whole_files(store)) >= 2 or child.poll() is not None)
    child.send_signal(signal.SIGKILL)
    child.wait(PATIENCE_S)
    before = {path: at for path, at in written(store).items() if path.endswith("/data")}
    assert client.uploads() == []
    ref = client.upload(tmp_path / "long.bin")
    assert before.items() <= written(store).items(), "what was there was not sent again"
    assert client.download(ref, tmp_path / "back").read_bytes() == (tmp_path / "long.bin").read_bytes()


def whole_files(store: Store) -> list[str]:
    store._files._system.invalidate_cache()
    return [path for path in store._files.sizes(store._root) if path.endswith("/data")]


@quick_stores
def test_two_clients_upload_the_same_at_once(client: stoker.Client, store: Store, tmp_path: Path) -> None:
    path = table(tmp_path)
    with ThreadPoolExecutor(8) as threads:
        refs = set(threads.map(lambda _: client.upload(path), range(16)))
    assert len(refs) == len(client.uploads()) == 1
    assert len(written(store)) == 1
    assert client.download(refs.pop(), tmp_path / "back").read_text() == TABLE


@pytest.mark.parametrize("store", ["folder"], indirect=True)
def test_the_first_upload_of_another_client_makes_no_store_look_as_if_it_were_not_mounted(
    client: stoker.Client, store: Store, tmp_path: Path
) -> None:
    steps = stores.require(store)
    next(steps)
    client.upload(table(tmp_path))
    with pytest.raises(StopIteration):
        steps.send(True)  # noqa: FBT003  # what Redis answers


@quick_stores
def test_a_file_that_changes_meanwhile_is_refused(
    client: stoker.Client, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, content = table(tmp_path), UploadStore.content

    def changed(store: UploadStore, path: Path) -> stored.Content:
        told = content(store, path)
        path.write_text(TABLE.swapcase())
        return told

    monkeypatch.setattr(UploadStore, "content", changed)
    with pytest.raises(stoker.InvalidArgument, match="has changed while it was read"):
        client.upload(path)
    assert (client.uploads(), written(store)) == ([], {})


@pytest.mark.parametrize("size", [192 << 20, pytest.param(2 << 30, marks=pytest.mark.slow)])
@pytest.mark.parametrize("store", ["folder"], indirect=True)
def test_a_long_file_takes_no_memory(client: stoker.Client, tmp_path: Path, size: int) -> None:
    path = tmp_path / "long.bin"
    with path.open("wb") as file:
        file.truncate(size)
    code = (
        "import resource, sys, stoker\n"
        "client = stoker.Client(sys.argv[1])\n"
        "def peak(): return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024\n"
        "client.uploads(); before = peak()\n"
        "client.download(client.upload(sys.argv[2]), sys.argv[2] + '.back'); print(peak() - before)"
    )
    environment = os.environ | {"STOKER_STORE_URL": client.settings.store}
    command = [sys.executable, "-c", code, client.settings.redis_url or "", str(path)]
    told = subprocess.run(command, env=environment, check=True, capture_output=True, text=True, timeout=PATIENCE_S)
    assert int(told.stdout) < 100, "MiB"
    assert (tmp_path / "long.bin.back").stat().st_size == size


def test_a_folder_that_is_not_mounted_is_no_new_store(
    redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    unmounted, model = tmp_path / "unmounted", tmp_path / "model.keras"
    model.touch()
    with stoker.Client(settings=Settings(redis_url=redis_url, store_url=str(unmounted))) as other:
        first = other.upload(table(tmp_path, "first.csv"))
        shutil.rmtree(unmounted)
        for is_made in (False, True):
            for use in (lambda: other.upload(table(tmp_path)), lambda: other.register("made", model)):
                with pytest.raises(stoker.Unavailable, match=r"is empty on this machine.*mount it here, or set STOKER"):
                    use()
            assert unmounted.exists() == is_made
            unmounted.mkdir(exist_ok=True)
        monkeypatch.setenv("STOKER_REDIS_URL", redis_url)
        monkeypatch.setenv("STOKER_STORE_URL", str(unmounted))
        told = commands.run("doctor", env={"COLUMNS": "200"})
        assert "is empty on this machine" in told.stdout
        other.remove_upload(first)
        assert other.upload(table(tmp_path))


def test_a_store_that_is_away_is_said(redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "store").write_text("a file where the folder should be")
    with (
        stoker.Client(settings=Settings(redis_url=redis_url, store_url=str(tmp_path / "store"))) as client,
        pytest.raises(stoker.Unavailable, match="the artifact store"),
    ):
        client.upload(table(tmp_path))


@quick_stores
def test_a_download_overwrites_nothing_unasked(client: stoker.Client, tmp_path: Path) -> None:
    ref, target = client.upload(table(tmp_path)), tmp_path / "mine.csv"
    target.write_text("mine")
    with pytest.raises(stoker.InvalidArgument, match=r"mine\.csv is there already, and another file"):
        client.download(ref, target)
    assert target.read_text() == "mine"
    client.download(ref, target, overwrite=True)
    assert client.download(ref, target).read_text() == TABLE
    artifact = Store(client.settings.store).put_bytes(b"report", "report.html")
    assert client.download(artifact, tmp_path / "out" / "r.html").read_bytes() == b"report"
    (tmp_path / "out" / "r.html").write_bytes(b"other")
    with pytest.raises(stoker.InvalidArgument, match="is there already"):
        client.download(artifact, tmp_path / "out" / "r.html")
    folder = client.upload(tmp_path / "out")
    assert client.download(folder, tmp_path / "folder") == tmp_path / "folder"
    assert client.download(folder, tmp_path / "folder") == tmp_path / "folder" / "out"
    with pytest.raises(stoker.InvalidArgument, match="is there already"):
        client.download(folder, tmp_path / "folder")
    assert list(tmp_path.rglob("*.part")) == []


def test_what_has_changed_in_the_store_is_refused(client: stoker.Client, store: Store, tmp_path: Path) -> None:
    ref = client.upload(table(tmp_path))
    [path] = written(store)
    store._files._system.pipe_file(path, TABLE.swapcase().encode())
    with pytest.raises(stoker.InvalidJob, match="is damaged"):
        client.download(ref, tmp_path / "back.csv")
    assert not (tmp_path / "back.csv").exists()
    client.remove_upload(ref)
    assert client.download(client.upload(table(tmp_path)), tmp_path / "back.csv").read_text() == TABLE


@quick_stores
def test_what_is_gone_from_the_store_is_told_as_that_and_put_again(
    client: stoker.Client, store: Store, tmp_path: Path
) -> None:
    ref = client.upload(table(tmp_path))
    [path] = written(store)
    (tmp_path / "other.csv").write_text("a store that is empty would be taken for one that is not mounted")
    client.upload(tmp_path / "other.csv")
    store._files._system.rm_file(path)
    with pytest.raises(stoker.InvalidJob, match="was uploaded, but its bytes are gone from the store"):
        client.download(ref, tmp_path / "back.csv")
    assert client.upload(table(tmp_path)) == ref
    assert client.download(ref, tmp_path / "back.csv").read_text() == TABLE


@quick_stores
def test_the_door_knows_every_reference(client: stoker.Client, tmp_path: Path) -> None:
    ref = client.upload(table(tmp_path), keep_days=2)
    data = [ref, stoker.Data(ref, separator=",")]
    client.submit_many([stoker.Train(model="m", data=each, validation_data=ref, device="cpu") for each in data])
    unknown = ref.replace("store://", "store://0000")[: len("store://") + 64] + "/customers.csv"
    for spec in (
        stoker.Train(model="m", data=unknown, device="cpu"),
        stoker.Train(model="m", data=ref, validation_data=unknown, device="cpu"),
        stoker.Import(model="m", source=unknown, format="onnx"),
        stoker.Run("shop.jobs:nothing", {"deep": [{"data": unknown}]}),
        stoker.Describe(data=unknown),
    ):
        with pytest.raises(stoker.InvalidJob, match="never uploaded to this server"):
            client.submit(spec)
    with pytest.raises(stoker.InvalidJob, match="is no reference to an upload"):
        client.submit(stoker.Describe(data="store://customers.csv"))
    with pytest.raises(stoker.InvalidJob, match="is one file, and has no 'x"):
        client.submit(stoker.Describe(data=f"{ref}/x.csv"))
    folder = client.upload(table(tmp_path / "shop").parent)
    with pytest.raises(stoker.InvalidJob, match="leads out of the uploaded folder"):
        client.submit(stoker.Describe(data=f"{folder}/a/../../../shop.csv"))
    client.remove_upload(ref)
    with pytest.raises(stoker.InvalidJob, match="never uploaded"):
        client.submit(stoker.Describe(data=ref))
    with pytest.raises(stoker.InvalidArgument, match="never uploaded"):
        client.remove_upload(ref)


@quick_stores
def test_use_begins_the_time_anew(client: stoker.Client, connection: Connection, tmp_path: Path) -> None:
    ref = client.upload(table(tmp_path), keep_days=2)
    soon = datetime.now(UTC) + timedelta(hours=1)
    connection.client.zadd("stoker:uploads-until", {ref: soon.timestamp() * 1000})
    assert client.uploads()[0].expires_at < soon + timedelta(minutes=1)
    client.submit(stoker.Describe(data=ref, device="cpu"))
    assert client.uploads()[0].expires_at > soon + timedelta(days=1)
    client.upload(table(tmp_path), keep_days=1)
    assert client.uploads()[0].keep_s == 2 * 86_400, "the longest holds"


@quick_stores
def test_many_uploads_are_listed_page_by_page(client: stoker.Client, connection: Connection) -> None:
    many = [ledger.new_upload(f"store://{number:064x}/a.csv", 1, 1, 1) for number in range(2_000)]
    for upload in many:
        connection.run(ledger.keep(upload))
    assert [each.ref for each in client.uploads()] == [each.ref for each in reversed(many)]
    pages: list[Call[Any]] = []

    def run(call: Call[Any]) -> Any:
        pages.append(call)
        return connection.run(call)

    assert drive(ledger.lifetimes(), run).keys() == {each.ref for each in many}
    assert len(pages) > 2


def test_entries_that_something_else_has_written_hide_no_other(
    client: stoker.Client, store: Store, connection: Connection, tmp_path: Path
) -> None:
    ref, day = client.upload(table(tmp_path)), '"files":1,"size":1,"created_at":"2026-01-01T00:00:00'
    records: dict[str | bytes, str] = {
        "junk": "no JSON",
        "early": f'{{"ref":"early",{day}","keep_s":1}}',
        "long": f'{{"ref":"long",{day}Z","keep_s":1e300}}',
        "late": f'{{"ref":"late",{day}Z","keep_s":1}}',
        b"\xff": "{}",
    }
    for name, record in records.items():
        connection.client.execute_command("HSET", "stoker:uploads", name, record)
    connection.client.zadd("stoker:uploads-until", {"late": float("inf"), "junk": -1e300})
    assert {upload.ref for upload in client.uploads()} == {ref, "late"}
    look(store, connection)
    assert ref in {upload.ref for upload in client.uploads()}


def expire(connection: Connection, *refs: str) -> None:
    connection.client.zadd("stoker:uploads-until", dict.fromkeys(refs, 1.0))


def test_the_clean_up_takes_what_is_over_and_unnamed(
    client: stoker.Client,
    store: Store,
    connection: Connection,
    tmp_path: Path,
    all_old: None,  # noqa: F811
    short_pieces: None,
) -> None:
    (tmp_path / "long.bin").write_bytes(os.urandom(2 * PIECE + 99))
    table(tmp_path / "shop", "a/1.csv")
    living = [client.upload(tmp_path / "long.bin"), client.upload(tmp_path / "shop")]
    (tmp_path / "other.bin").write_bytes(os.urandom(2 * PIECE + 99))
    (tmp_path / "shop" / "a" / "2.csv").write_text("2")
    over = [client.upload(tmp_path / "other.bin"), client.upload(tmp_path / "shop")]
    named = client.upload(table(tmp_path, "named.csv").parent / "named.csv")
    client.submit(stoker.Describe(data=named, device="cpu")).cancel()
    expire(connection, *over, named)
    size = sum(upload.size for upload in client.uploads() if upload.ref in (*living, named))
    before = len(written(store))
    found = look(store, connection)
    assert found.uploaded_size == size
    assert not found.is_strange
    # The first folder has a file that the second has too.
    assert found.files == (1 if store.folder else 4) + 2
    assert len(written(store)) == before - found.files
    assert {upload.ref for upload in client.uploads()} == {*living, named}
    for ref in (*living, named):
        client.download(ref, tmp_path / "got" / parse_upload(ref).digest)
    for ref in over:
        with pytest.raises(stoker.InvalidArgument, match="never uploaded"):
            client.download(ref, tmp_path / "got")


@pytest.mark.parametrize("store", ["memory"], indirect=True)
def test_one_that_is_damaged_neither_stops_the_clean_up_nor_loses_what_lies_beside_it(
    client: stoker.Client,
    store: Store,
    connection: Connection,
    tmp_path: Path,
    all_old: None,  # noqa: F811
    short_pieces: None,
) -> None:
    shop, contents = tmp_path / "shop", {name: os.urandom(2 * PIECE + 1) for name in ("1.bin", "2.bin")}
    shop.mkdir()
    for name, content in contents.items():
        (shop / name).write_bytes(content)
    ref = client.upload(shop)
    digest = hashlib.sha256(contents["1.bin"]).hexdigest()
    [pieces] = [path for path in written(store) if f"/{digest}/pieces.json" in path]
    store._files._system.pipe_file(pieces, b"{")
    assert look(store, connection).files == 3, "the pieces that only the damaged list has named"
    path = client.download(f"{ref}/2.bin", tmp_path / "back")
    assert (path / "2.bin").read_bytes() == contents["2.bin"]


@pytest.mark.parametrize("store", ["folder"], indirect=True)
def test_an_upload_while_the_clean_up_runs_stays(
    client: stoker.Client, store: Store, connection: Connection, tmp_path: Path
) -> None:
    ref, old = client.upload(table(tmp_path)), datetime.now(UTC) - timedelta(days=2)
    [file] = written(store)
    os.utime(file, (old.timestamp(),) * 2)
    expire(connection, ref)
    search = LeftoverSearch(store, connection, removes=True)
    while client.uploads():
        search.step()
    # It has forgotten it, and not yet come to its files.
    client.upload(table(tmp_path))
    while connection.client.get("stoker:leftovers") is None:
        search.step()
    assert client.download(ref, tmp_path / "back").read_text() == TABLE


@quick_stores
def test_of_two_that_end_and_begin_at_once_the_use_holds(
    client: stoker.Client, connection: Connection, tmp_path: Path
) -> None:
    ref, now = client.upload(table(tmp_path)), datetime.now(UTC)
    expire(connection, ref)
    client.submit(stoker.Describe(data=ref, device="cpu"))
    assert not connection.run(ledger.forget(ref, before=now))
    connection.client.delete("stoker:uploads-until")
    assert [upload.ref for upload in client.uploads()] == [ref], "whose time was lost is still there"


@quick_stores
def test_the_asyncio_client_has_the_same(client: stoker.Client, tmp_path: Path) -> None:
    async def use() -> None:
        async with stoker.AsyncClient(settings=client.settings) as later:
            ref = await later.upload(table(tmp_path))
            assert [upload.ref for upload in await later.uploads()] == [ref]
            assert (await later.download(ref, tmp_path / "back.csv")).read_text() == TABLE
            with pytest.raises(stoker.InvalidArgument, match="there is no"):
                await later.upload(tmp_path / "nothing")
            await later.remove_upload(ref)
            assert await later.uploads() == []

    asyncio.run(use())


def test_a_store_that_does_not_answer_hangs_nobody(redis_url: str, tmp_path: Path) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as silent:
        port = silent.getsockname()[1]
    environment = os.environ | {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "STOKER_STORE_URL": "s3://bucket/store",
        "STOKER_REDIS_URL": redis_url,
    }
    code = "import stoker, sys; stoker.Client().upload(sys.argv[1])"
    command = [sys.executable, "-c", code, str(table(tmp_path))]
    told = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=PATIENCE_S)
    assert told.stderr.splitlines()[-1].startswith("stoker.outages.DependencyUnavailable: the artifact store")
