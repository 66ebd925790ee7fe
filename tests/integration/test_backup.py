"""Backup and restore: taken while jobs run, restored elsewhere, and all goes on."""

import json
import shutil
import threading
from pathlib import Path

import pytest
import redis

import stoker
from stoker import JobState, events
from stoker.backup.contents import Backup, read_sums, sha256_of, write_sums
from stoker.backup.hold import Hold
from stoker.backup.restoring import restore_backup
from stoker.backup.snapshot import take_snapshot
from stoker.backup.taking import take_backup
from stoker.errors import InvalidArgument
from stoker.kinds import Checkpoints
from stoker.ledger import backups
from stoker.ledger.duty_runs import duties
from stoker.ledger.keys import key
from stoker.local.server import local_server
from stoker.models.store import Store
from stoker.redis.connection import Connection
from stoker.security.audit.chain import Batch, Head
from stoker.security.audit.sealed_files import SealedFiles
from stoker.security.securing import secure
from stoker.settings import Settings

from .. import commands
from ..conftest import PATIENCE_S, Eventually
from .conftest import BRIEF, OFFERS, SLOW, SMALL, controlled, every_store, serving
from .test_acl import USERS, url_of

# An epoch takes a quarter of a second.
LONG = stoker.Train(
    model="long",
    data="sample://digits",
    architecture=stoker.Builder(SLOW.target),
    epochs=100,
    batch_size=128,
    device="cpu",
    checkpoint=Checkpoints(steps=12),
)


def quietly(*_: object) -> None:
    """A progress that nobody follows."""


@pytest.mark.slow
def test_what_was_backed_up_under_load_is_all_there_elsewhere_and_jobs_that_ran_go_on(tmp_path: Path) -> None:
    first, second, folder = tmp_path / "first", tmp_path / "second", tmp_path / "backup"
    secure(Settings(home=first))
    settings, accepted, ends = Settings(home=first, **OFFERS), list[str](), threading.Event()

    def submit_on() -> None:
        with stoker.Client(settings=settings) as submitter:
            while not ends.is_set():
                jobs = submitter.submit_many([BRIEF] * 3)
                accepted.extend(job.id for job in jobs)
                jobs[0].result(timeout=PATIENCE_S)

    with serving(settings) as stack, stoker.Client(settings=settings) as client:
        trained = client.submit(stoker.Train(model="small", data="sample://iris", device="cpu", **SMALL))
        ref = trained.result(timeout=PATIENCE_S).model
        client.alias_model(ref, "candidate")
        upload = client.upload([{"x": 1.0}], name="rows")
        running = client.submit(LONG)
        next(event for event in running.events() if isinstance(event, events.Checkpoint))
        load = threading.Thread(target=submit_on)
        load.start()
        try:
            variables = {"STOKER_HOME": str(first)}
            done = commands.run("backup", str(folder), "--json", env=variables)
            before = list(accepted)
            again = commands.run("backup", str(folder), "--json", env=variables)
        finally:
            ends.set()
            load.join()
        assert (done.returncode, again.returncode) == (0, 0), done.stderr + again.stderr
        assert running.status().state is JobState.RUNNING
        stack.hurry()
    assert before
    assert before != accepted
    taken = Backup.model_validate_json(again.stdout)
    assert taken.encrypted
    assert taken.at > Backup.model_validate_json(done.stdout).at
    assert len(list(folder.glob("*.rdb"))) == 1
    shutil.copytree(first / "keys", second / "keys")
    shutil.rmtree(first)
    restored = commands.run("restore", str(folder), env={"STOKER_HOME": str(second)})
    assert "jobs that ran go on from their checkpoints" in restored.stdout, restored.stderr
    secure(Settings(home=second))
    settings = Settings(home=second, log_format="json", **OFFERS)
    with serving(settings), stoker.Client(settings=settings) as client:
        assert client.model("small@candidate").ref == ref
        assert [each.ref for each in client.uploads()] == [upload]
        assert client.job(trained.id).result(timeout=PATIENCE_S).gives_model() == ref
        assert len(client.predict("small", [[5.1, 3.5, 1.4, 0.2]], timeout=PATIENCE_S)) == 1
        goes_on = client.job(running.id)
        assert goes_on.result(timeout=PATIENCE_S).gives_model() == "long@1"
        assert goes_on.status().attempt == 2
        seen = list(goes_on.events())
        second_start = [n for n, event in enumerate(seen) if isinstance(event, events.Started)][-1]
        assert next(event for event in seen[second_start:] if isinstance(event, events.Epoch)).epoch > 1
        for job_id in before:
            client.job(job_id).result(timeout=PATIENCE_S)
        doctor = json.loads(commands.run("doctor", "--json", env={"STOKER_HOME": str(second)}).stdout)
        assert {each["name"]: each["verdict"] for each in doctor["checks"]}["files"] == "ok"
        assert commands.run("audit", "verify", env={"STOKER_HOME": str(second)}).returncode == 0
    for name in ("controller", "worker"):
        lines = (second / "logs" / f"{name}.log").read_text().splitlines()
        # Native code speaks for itself.
        told = [json.loads(line) for line in lines if line.startswith("{")]
        assert not [line for line in lines if line.startswith("[20")]
        assert running.id in {record.get("job") for record in told}
        assert name in {record["process"] for record in told}


def settings_of(store: Store, redis_url: str | None = None) -> Settings:
    return Settings(store_url=store.url, redis_url=redis_url)


def contents(store: Store) -> dict[str, bytes]:
    """Every file of a store."""
    paths = store._files.sizes(store._files.root)
    return {path.removeprefix(store._files.root).lstrip("/"): store._files.read(path) for path in paths}


@every_store
def test_a_backup_of_any_store_is_restored_into_an_empty_one_and_a_server_that_begins_from_it(
    store: Store, redis_url: str, connection: Connection, tmp_path: Path
) -> None:
    folder = tmp_path / "backup"
    model = store.put_bytes(b"a model", "model.keras")
    store.of_job("j").put_bytes(b"half", "checkpoint")
    SealedFiles(store.url).write("a b", Batch((b"{}",), Head(number=1)))
    connection.client.set("named", "before")
    first = take_backup(settings_of(store, redis_url), folder, quietly)
    connection.client.set("named", "now")
    store.delete(model)
    store.put_bytes(b"another model", "model.keras")
    taken = take_backup(settings_of(store, redis_url), folder, quietly)
    assert (first.files, taken.files, taken.encrypted, taken.left_out) == (3, 3, False, ())
    assert {path.stat().st_mode & 0o077 for path in folder.rglob("[!.]*")} == {0}
    target = Store(f"{store.url}-restored")
    for _ in range(2):
        # As after one that was ended before its last step.
        (tmp_path / "home" / "redis" / "appendonly.aof").unlink(missing_ok=True)
        assert restore_backup(settings_of(target), folder, None, quietly) == taken
    assert contents(target) == contents(store)
    with local_server(tmp_path / "home") as url, redis.Redis.from_url(url) as server:
        assert server.get("named") == b"now"
        assert not connection.client.exists(key("backup"))


def test_nothing_is_restored_over_something_else_or_from_what_has_changed(
    tmp_path: Path, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, store = tmp_path / "backup", Store(str(tmp_path / "store"))
    artifact = store.put_bytes(b"a model", "model.keras")
    (tmp_path / "full" / "of").mkdir(parents=True)
    with pytest.raises(InvalidArgument, match="has something else than a backup"):
        take_backup(settings_of(store, redis_url), tmp_path / "full", quietly)
    with pytest.raises(InvalidArgument, match="one is in the other"):
        take_backup(settings_of(store, redis_url), tmp_path / "store" / "backup", quietly)
    with pytest.raises(InvalidArgument, match=r"has no backup\.json: it is no backup, or one that was not finished"):
        restore_backup(settings_of(store), tmp_path / "full", None, quietly)
    backup = take_backup(settings_of(store, redis_url), folder, quietly)
    other = Store(str(tmp_path / "other"))
    other.put_bytes(b"of another", "model.keras")
    with pytest.raises(InvalidArgument, match=r"other is not empty, it has sha256/.*model.keras: name an empty"):
        restore_backup(settings_of(other), folder, None, quietly)
    empty = settings_of(Store(str(tmp_path / "empty")))
    (unfinished := folder / "redis-1.rdb").touch()
    with pytest.raises(stoker.Unavailable, match=r"has no file, and the backup in .* has some: see that"):
        take_backup(empty.model_copy(update={"redis_url": redis_url}), folder, quietly)
    assert not unfinished.exists()
    assert Backup.read(folder) == backup
    with pytest.raises(InvalidArgument, match="away is no folder"):
        restore_backup(empty, folder, tmp_path / "away", quietly)
    assert not (tmp_path / "empty").exists()
    with pytest.raises(InvalidArgument, match="name a Redis of yours"):
        restore_backup(Settings(redis_url=redis_url), folder, None, quietly)
    copy = folder / "store" / Path(store._path(artifact)).relative_to(store.url)
    copy.write_bytes(b"a_model")
    with pytest.raises(InvalidArgument, match="is not what it was when the backup was taken"):
        restore_backup(empty, folder, None, quietly)
    copy.unlink()
    with pytest.raises(InvalidArgument, match=r"model.keras is gone from the backup"):
        restore_backup(empty, folder, None, quietly)
    assert take_backup(settings_of(store, redis_url), folder, quietly).files == 1
    restore_backup(empty, folder, None, quietly)
    with pytest.raises(InvalidArgument, match=r"has appendonly.aof of another server"):
        restore_backup(empty, folder, None, quietly)
    (folder / backup.sums).write_text("")
    assert Path(store._path(artifact)).write_bytes(b"a_model")
    damaged = Path(store._path(artifact)).relative_to(store.url).as_posix()
    assert take_backup(settings_of(store, redis_url), tmp_path / "second", quietly).left_out == (damaged,)
    restored = commands.run("restore", str(tmp_path / "second"), env={"STOKER_HOME": str(tmp_path / "new")})
    assert restored.returncode == 0, restored.stderr
    assert f"{damaged} was left out of the backup, and is not there" in " ".join(restored.stderr.split())


@pytest.mark.parametrize("path", ["../../outside", "/outside", "sha256/./outside"])
def test_a_backup_that_names_a_file_outside_the_store_is_refused(tmp_path: Path, redis_url: str, path: str) -> None:
    folder, store = tmp_path / "backup", Store(str(tmp_path / "store"))
    store.put_bytes(b"a model", "model.keras")
    backup = take_backup(settings_of(store, redis_url), folder, quietly)
    sums = folder / backup.sums
    write_sums(sums, dict(read_sums(sums)) | {f"store/{path}": sha256_of(sums)})
    forged = backup.model_copy(update={"sums_digest": sha256_of(sums)})
    (folder / "backup.json").write_text(forged.model_dump_json())
    empty = settings_of(Store(str(tmp_path / "empty" / "store")))
    with pytest.raises(InvalidArgument, match=r"names '.*outside', which is no file of a store"):
        restore_backup(empty, folder, None, quietly)
    assert not (tmp_path / "empty").exists()


def test_a_full_disk_is_no_outage_of_redis(connection: Connection) -> None:
    with pytest.raises(stoker.Unavailable, match="the folder /dev has no space left"):
        take_snapshot(connection, Path("/dev/full"), quietly)


def test_a_user_who_is_no_operator_is_refused(tmp_path: Path) -> None:
    with local_server(tmp_path / "server") as server_url:
        with redis.Redis.from_url(server_url) as admin:
            for _, name, *rules in map(str.split, USERS):
                if name != "default":
                    admin.execute_command("ACL", "SETUSER", name, *rules)
        with pytest.raises(stoker.Unauthorized, match="forbids this user a command"):
            take_backup(Settings(redis_url=url_of("controller", server_url)), tmp_path / "backup", quietly)
        settings = Settings(redis_url=url_of("operator", server_url), store_url=str(tmp_path / "store"))
        assert take_backup(settings, tmp_path / "backup", quietly).files == 0


def test_nothing_is_removed_from_the_store_while_a_backup_goes_on(
    tmp_path: Path, redis_url: str, connection: Connection, eventually: Eventually
) -> None:
    store = Store(str(tmp_path / "store"))
    checkpoint = store.of_job("j").put_bytes(b"half", "checkpoint")
    connection.client.hset(key("discarded"), f"j/{checkpoint.digest}", checkpoint.model_dump_json())
    connection.client.sadd(key("ended"), "k")
    store.of_job("k").put_bytes(b"whole", "checkpoint")
    with Hold(connection, tmp_path), controlled(settings_of(store, redis_url), redis_url):
        with pytest.raises(stoker.Unavailable, match="another backup goes on"), Hold(connection, tmp_path / "other"):
            pass
        eventually(
            lambda: {"delete checkpoints", "clear ended jobs"} <= {duty.name for duty in connection.run(duties())}
        )
        assert len(contents(store)) == 2
        connection.client.delete(key("backup"))
        eventually(lambda: not store._files.sizes(store._files.root))
    with Hold(connection, tmp_path) as hold:
        connection.client.delete(key("backup"))
        hold._said = 0.0
        with pytest.raises(stoker.Unavailable, match="stood still for more than 10 minutes"):
            hold.go_on()


def test_a_backup_that_stood_still_is_none_that_has_begun_meanwhile_and_ends_none(
    tmp_path: Path, connection: Connection
) -> None:
    with Hold(connection, tmp_path) as still:
        connection.client.delete(key("backup"))
        with Hold(connection, tmp_path / "\udcffother"):
            still._said = 0.0
            with pytest.raises(stoker.Unavailable, match="stood still for more than 10 minutes"):
                still.go_on()
            still.__exit__()
            assert connection.run(backups.goes_on())
        assert not connection.run(backups.goes_on())
