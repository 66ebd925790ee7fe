"""The audit: what is done is noted by the step that does it, sealed, and found out when somebody has changed it."""

import asyncio
import json
import os
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
import redis

import stoker
from stoker.ledger import attempts, dead_jobs, intake
from stoker.ledger.attempt import Attempt
from stoker.ledger.intake import NewJob
from stoker.redis.connection import Connection
from stoker.redis.origin import origin
from stoker.security import audit
from stoker.security.audit import sealing
from stoker.security.audit.chain import Head, chained
from stoker.security.audit.sealed_files import SealedFiles
from stoker.security.audit.sealing import Sealer
from stoker.settings import Settings

from .. import commands
from ..conftest import Eventually
from .conftest import controlled
from .test_model_keeping import register

SPEC = stoker.Train(model="digits", data="sample://digits", device="cpu", tags={"tenant": "shop"})


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "store"


@pytest.fixture
def settings(redis_url: str, store: Path, tmp_path: Path) -> Settings:
    return Settings(redis_url=redis_url, store_url=str(store), home=tmp_path / "home", audit=True)


@pytest.fixture
def connection(settings: Settings, redis_url: str) -> Iterator[Connection]:
    with closing(Connection.open(settings, redis_url)) as connection:
        yield connection


@pytest.fixture
def sealer(store: Path, connection: Connection) -> Sealer:
    """Of an audit that is on."""
    sealer = Sealer(str(store), connection)
    sealer.step(is_on=True)
    return sealer


@pytest.fixture
def client(settings: Settings) -> Iterator[stoker.Client]:
    with stoker.Client(settings=settings) as client:
        yield client


def submit(connection: Connection, job_id: str, tenant: str = "shop") -> None:
    spec = SPEC.model_copy(update={"tags": {"tenant": tenant} if tenant else {}})
    connection.run(intake.submit([NewJob(job_id, spec, "cpu.train")]))


def files_of(store: Path, tenant: str = "shop") -> list[Path]:
    return sorted((store / "audit" / f"tenant-{tenant}").iterdir())


def flaws(client: stoker.Client) -> list[tuple[int, str]]:
    return [(flaw.number, flaw.flaw) for flaw in client.verify_audit().flaws]


def test_what_is_done_is_noted_once_with_who_did_it(
    connection: Connection, sealer: Sealer, client: stoker.Client
) -> None:
    for _ in range(2):
        submit(connection, "one")
    submit(connection, "two")
    for _ in range(2):
        client.job("one").cancel()
    client.job("two").pause()
    client.job("two").resume()
    register(connection, 1)
    note = audit.note("refused", "key-7", "job three", "its signature is not that of its spec", "shop")
    for _ in range(2):
        connection.run(note)
    client.alias_model("digits@1", "live")
    sealer.step(is_on=True)

    told = [(entry.what, entry.about.partition(" ")[0], entry.tenant) for entry in client.audit(tenant="shop")]
    assert told == [
        ("submitted", "one", "shop"),
        ("submitted", "two", "shop"),
        ("cancelled", "one", "shop"),
        ("paused", "two", "shop"),
        ("resumed", "two", "shop"),
        ("refused", "job", "shop"),
    ]
    entries = client.audit()
    assert {(entry.user, entry.by) for entry in entries} == {("default", origin())}
    assert [entry.what for entry in entries if not entry.tenant] == ["audit on", "submitted", "registered", "moved"]
    assert next(entry for entry in entries if entry.what == "refused").who == "key-7"
    assert [entry.number for entry in client.audit(tenant="shop")] == [1, 2, 3, 4, 5, 6]
    assert client.verify_audit().is_sound
    assert connection.client.xlen("stoker:audit:default") == 0
    assert not connection.client.exists("stoker:repairs")

    async def asked() -> list[audit.AuditEntry]:
        async with stoker.AsyncClient(settings=client.settings) as other:
            assert (await other.verify_audit()).is_sound
            return await other.audit(2, tenant="shop")

    assert [entry.number for entry in asyncio.run(asked())] == [5, 6]


def test_off_nothing_is_noted_and_turning_it_off_is(
    connection: Connection, sealer: Sealer, client: stoker.Client
) -> None:
    sealer.step(is_on=False)
    submit(connection, "one")
    connection.run(audit.note("refused", "", "", ""))
    assert [entry.what for entry in client.audit()] == ["audit on", "audit off"]
    assert client.verify_audit().is_sound


def test_a_list_of_jobs_and_what_becomes_of_a_dead_one(
    connection: Connection, sealer: Sealer, client: stoker.Client
) -> None:
    jobs = [NewJob(f"job-{number}", SPEC, "cpu.train") for number in range(3)]
    connection.run(intake.stage("list", 1, jobs))
    connection.run(intake.accept("list", jobs))
    connection.run(intake.take_in("list"))
    attempt = connection.run(attempts.claim("job-0", "owner", "worker", 60))
    assert isinstance(attempt, Attempt)
    connection.run(attempts.fail(attempt, stoker.JobState.FAILED, "gave up"))
    connection.client.hset("stoker:job:job-0", "state", "DEAD")
    connection.run(dead_jobs.requeue("job-0"))
    sealer.step(is_on=True)
    told = [(entry.what, entry.about, entry.text) for entry in client.audit(tenant="shop")]
    assert told[0] == ("submitted", "list", "a list of 3 jobs")
    assert told[1][:2] == ("taken in", "job-0 job-1 job-2")
    assert told[1][2].endswith(", of the list list")
    assert told[2][:2] == ("requeued", "job-0")


def edit(lines: list[bytes]) -> list[bytes]:
    return [*lines[:2], lines[2].replace(b"job-3", b"job-9"), *lines[3:]]


def edit_last(lines: list[bytes]) -> list[bytes]:
    return [*lines[:-1], lines[-1].replace(b"submitted", b"cancelled")]


def cut(lines: list[bytes]) -> list[bytes]:
    return [*lines[:1], *lines[3:]]


def cut_end(lines: list[bytes]) -> list[bytes]:
    return lines[:-2]


def reorder(lines: list[bytes]) -> list[bytes]:
    return [lines[0], lines[2], lines[1], *lines[3:]]


def double(lines: list[bytes]) -> list[bytes]:
    return [*lines[:2], lines[1], *lines[2:]]


def garble(lines: list[bytes]) -> list[bytes]:
    return [*lines[:2], b"\xff{", *lines[3:]]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (edit, {3: "was changed"}),
        (edit_last, {6: "was changed"}),
        (cut, {2: "and those up to 3 are missing before entry 4"}),
        (cut_end, {4: "is not what its file was named after", 5: "and those up to 6 are missing at the end"}),
        (reorder, {2: "stands behind entry 3"}),
        (double, {2: "there twice"}),
        (garble, {3: "cannot be read"}),
    ],
)
def test_who_changes_the_store_is_found_and_where(
    connection: Connection,
    sealer: Sealer,
    client: stoker.Client,
    store: Path,
    change: Callable[[list[bytes]], list[bytes]],
    expected: dict[int, str],
) -> None:
    for number in range(1, 7):
        submit(connection, f"job-{number}")
    sealer.step(is_on=True)
    assert flaws(client) == []
    [path] = files_of(store)
    path.write_bytes(b"".join(line + b"\n" for line in change(path.read_bytes().splitlines())))
    found = dict(flaws(client))
    assert found.keys() >= expected.keys()
    for number, words in expected.items():
        assert words in found[number]
    told = commands.run("audit", "verify", env=client.settings.environment())
    assert told.returncode == 1
    assert f"entry {min(expected)} of tenant 'shop'" in told.stdout


def test_a_file_that_is_gone_and_a_chain_that_is_written_anew_are_found(
    connection: Connection, sealer: Sealer, client: stoker.Client, store: Path
) -> None:
    for number in range(1, 4):
        submit(connection, f"job-{number}")
        sealer.step(is_on=True)
    paths = files_of(store)
    assert len(paths) == 3
    kept = paths[1].read_bytes()
    paths[1].unlink()
    assert flaws(client) == [(2, "is missing before entry 3")]
    paths[1].write_bytes(kept)
    paths[2].unlink()
    assert flaws(client) == [(3, "is missing at the end")]

    # Whoever may write to the store alone writes a whole chain, which agrees with itself.
    entries = [entry.model_copy(update={"about": "another"}) for entry in client.audit(tenant="shop")]
    for path in files_of(store):
        path.unlink()
    batch = chained([*entries, entries[0]], Head())
    SealedFiles(str(store)).write("shop", batch)
    [(number, words)] = flaws(client)
    assert (number, "is not what was sealed last" in words) == (3, True)


@pytest.mark.parametrize("how", ["trimmed", "removed", "begun anew"])
def test_who_cuts_in_redis_what_is_not_sealed_is_found(
    connection: Connection, sealer: Sealer, client: stoker.Client, how: str
) -> None:
    submit(connection, "one")
    sealer.step(is_on=True)
    submit(connection, "two")
    submit(connection, "three")
    stream = "stoker:audit:default"
    if how == "trimmed":
        connection.client.xtrim(stream, minid=f"{int(1e15)}")
        submit(connection, "four")
    else:
        connection.client.delete(stream)
        if how == "begun anew":
            submit(connection, "four")
    for _ in range(2):
        sealer.step(is_on=True)
    report = client.verify_audit()
    assert not report.flaws
    [lost] = report.lost
    assert (lost.user, lost.text.split(":")[0]) == (
        "default",
        {
            "trimmed": "2 entries were cut before they were sealed",
            "removed": "the stream was removed",
            "begun anew": "the stream was removed and begun anew",
        }[how],
    )
    assert commands.run("audit", "verify", env=client.settings.environment()).returncode == 1


def test_a_controller_that_dies_between_store_and_ledger_seals_nothing_twice(
    connection: Connection, sealer: Sealer, client: stoker.Client, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    submit(connection, "one")
    with monkeypatch.context() as patch:

        def die(*_: object) -> None:
            raise KeyboardInterrupt

        patch.setattr(sealing, "seal", die)
        with pytest.raises(KeyboardInterrupt):
            sealer.step(is_on=True)
    submit(connection, "two")
    # Redis comes back from a backup of before, too: the store has more than it knows.
    Sealer(str(store), connection).step(is_on=True)
    assert [(entry.number, entry.about) for entry in client.audit(tenant="shop")] == [(1, "one"), (2, "two")]
    before = connection.run(audit.sealed())
    submit(connection, "three")
    sealer.step(is_on=True)
    connection.client.delete("stoker:audit-heads", "stoker:audit:default", "stoker:audits")
    connection.client.hset("stoker:audit-heads", mapping=dict(before))  # type: ignore[arg-type]  # redis-py's dict is invariant
    submit(connection, "four")
    Sealer(str(store), connection).step(is_on=True)
    assert [entry.about for entry in client.audit(tenant="shop")] == ["one", "two", "three", "four"]
    assert client.verify_audit().flaws == ()


def test_a_controller_that_outlives_what_redis_loses_goes_on_behind_what_it_has_sealed(
    connection: Connection, sealer: Sealer, client: stoker.Client
) -> None:
    submit(connection, "one")
    sealer.step(is_on=True)
    # Redis comes back without its last second, and the controller has not ended.
    before = connection.run(audit.sealed())
    submit(connection, "two")
    sealer.step(is_on=True)
    connection.client.delete("stoker:audit:default")
    connection.client.hset("stoker:audit-heads", mapping=dict(before))  # type: ignore[arg-type]  # redis-py's dict is invariant
    for about in ("three", "four"):
        submit(connection, about)
        sealer.step(is_on=True)
    entries = client.audit(tenant="shop")
    assert [(entry.number, entry.about) for entry in entries] == [(1, "one"), (2, "two"), (3, "three"), (4, "four")]
    assert client.verify_audit().flaws == ()


@pytest.mark.parametrize("place", [f"{2**64 - 2}-7", f"{2**45}-{2**64 - 1}", f"{2**64 - 1}-{2**64 - 1}"])
def test_entries_of_times_that_their_writer_chose_stop_neither_the_seal_nor_their_user(
    connection: Connection, sealer: Sealer, client: stoker.Client, place: str
) -> None:
    connection.client.xadd("stoker:audit:default", {"entry": json.dumps({"what": "early"})}, id=place)
    assert [entry.what for entry in client.audit()] == ["audit on", "early"]
    sealer.step(is_on=True)
    submit(connection, "one")
    sealer.step(is_on=True)
    sealer.step(is_on=True)
    assert sorted((entry.what, entry.number) for entry in client.audit()) == [
        ("audit on", 1),
        ("early", 2),
        ("submitted", 1),
    ]
    assert client.verify_audit().is_sound
    assert connection.client.xlen("stoker:audit:default") == 0


def test_nobody_but_a_controller_says_that_entries_are_lost(
    connection: Connection, sealer: Sealer, client: stoker.Client
) -> None:
    connection.client.xadd("stoker:audit:default", {"entry": json.dumps({"what": audit.LOST, "text": "all"})})
    sealer.step(is_on=True)
    assert [entry.what for entry in client.audit()] == ["audit on", audit.LOST]
    assert client.verify_audit().is_sound


def test_two_controllers_at_once_seal_everything_once(
    connection: Connection, sealer: Sealer, client: stoker.Client, store: Path
) -> None:
    other = Sealer(str(store), connection)
    for number in range(8):
        submit(connection, f"job-{number}")
        # Both have read before either writes.
        seen = connection.run(audit.look(is_on=True, limit=10))
        for each in (sealer, other) if number % 2 else (other, sealer):
            each._seal(seen)
            each.step(is_on=True)
    assert [entry.about for entry in client.audit(tenant="shop")] == [f"job-{number}" for number in range(8)]
    assert client.verify_audit().is_sound


def test_the_controller_seals_and_doctor_tells_when_none_does(
    settings: Settings, connection: Connection, client: stoker.Client, redis_url: str, eventually: Eventually
) -> None:
    with controlled(settings, redis_url):
        eventually(lambda: connection.run(audit.is_on()))
        submit(connection, "one")
        eventually(lambda: [entry.number for entry in client.audit(tenant="shop")] == [1])
    connection.client.xadd("stoker:audit:default", {"entry": "junk"})
    told = json.loads(commands.run("audit", "tail", "--json", env=settings.environment()).stdout)
    assert [entry["what"] for entry in told][-1] == "unreadable"
    connection.client.delete("stoker:audit:default")
    connection.client.xadd("stoker:audit:default", {"entry": json.dumps({"what": "old"})}, id="1-1")
    checks = json.loads(commands.run("doctor", "--json", env=settings.environment()).stdout)["checks"]
    [check] = [check for check in checks if check["name"] == "audit"]
    assert check["verdict"] == "fail"
    assert "1 entries are not sealed" in check["told"]


def test_export_writes_what_is_sealed_as_lines(
    connection: Connection, sealer: Sealer, client: stoker.Client, tmp_path: Path
) -> None:
    submit(connection, "one")
    submit(connection, "two", "other/../tenant")
    sealer.step(is_on=True)
    env = client.settings.environment()
    lines = commands.run("audit", "export", env=env).stdout.splitlines()
    assert [(json.loads(line)["what"], json.loads(line)["tenant"]) for line in lines] == [
        ("audit on", ""),
        ("submitted", "other/../tenant"),
        ("submitted", "shop"),
    ]
    to = tmp_path / "audit.jsonl"
    assert "1 entries" in commands.run("audit", "export", "--tenant", "shop", "--to", str(to), env=env).stdout
    assert json.loads(to.read_text())["about"] == "one"
    assert commands.run("audit", "export", "--to", str(to), env=env).returncode == 2
    assert not os.path.lexists(tmp_path / "store" / "tenant")


def test_a_user_may_add_to_its_own_entries_and_nothing_else(
    redis_url: str, connection: Connection, sealer: Sealer
) -> None:
    users = (Path(__file__).parents[2] / "config" / "users.acl").read_text().splitlines()
    _, _, *rules = next(line for line in users if line.startswith("user client ")).split()
    with redis.Redis.from_url(redis_url) as admin:
        admin.execute_command("ACL", "SETUSER", "client", *rules, "nopass")
        url = (
            redis_url.replace("://", "://client:x@")
            if "@" not in redis_url
            else f"redis://client:x@{redis_url.split('@')[1]}"
        )
        try:
            with closing(Connection.open(Settings(), url)) as own:
                submit(own, "one")
                assert connection.run(audit.look(is_on=True, limit=10)).journals[0].user
                for forbidden in (
                    ("XADD", "stoker:audit:default", "*", "entry", "{}"),
                    ("DEL", "stoker:audit:client"),
                    ("XDEL", "stoker:audit:client", "1-1"),
                    ("XTRIM", "stoker:audit:client", "MAXLEN", "0"),
                    ("SREM", "stoker:audits", "client"),
                    ("DEL", "stoker:auditing"),
                    ("HSET", "stoker:audit-heads", "tenant shop", "0"),
                ):
                    with pytest.raises(redis.exceptions.NoPermissionError):
                        own.client.execute_command(*forbidden)
        finally:
            admin.execute_command("ACL", "DELUSER", "client")
    entries = {journal.user: journal.entries for journal in connection.run(audit.look(is_on=True, limit=10)).journals}
    assert [entry.what for entry in entries["client"]] == ["submitted"]
