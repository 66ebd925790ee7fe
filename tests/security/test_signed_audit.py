"""The audit's chains are signed by the controller that seals: one that is written anew is found, though it is sound."""

import json
from pathlib import Path

import pytest

import stoker
from stoker.ledger import intake
from stoker.ledger.intake import NewJob
from stoker.redis.connection import Connection
from stoker.security.audit import chain
from stoker.security.audit.sealing import Sealer
from stoker.security.audit.verifying import AuditReport
from stoker.security.key_files import revoke
from stoker.security.signing import Signer

from .. import commands
from .parties import Parties


def sealed(parties: Parties, store: Path, signer: Signer | None, names: str, sealer: Sealer | None = None) -> Sealer:
    """Some jobs are submitted, and the audit of each is sealed, by a controller that starts or by one that runs."""
    sealer = sealer or Sealer(str(store), parties.connection, signer, parties.slot("controller").signatures.trust)
    for name in names:
        sealer.step(is_on=True)
        parties.connection.run(intake.submit([NewJob(name, parties.spec, "cpu.batch")]))
    sealer.step(is_on=True)
    return sealer


def signer_of(parties: Parties, key: str) -> Signer:
    signer = parties.slot(key).signatures.signer
    assert signer
    return signer


def verified(parties: Parties, store: Path) -> AuditReport:
    with stoker.Client(settings=parties.settings(store_url=str(store))) as client:
        return client.verify_audit()


def flaws(parties: Parties, store: Path) -> dict[int, str]:
    return {flaw.number: flaw.flaw for flaw in verified(parties, store).flaws if flaw.tenant == "research"}


def lost(parties: Parties, store: Path) -> dict[int | None, str]:
    return {entry.number: entry.text for entry in verified(parties, store).lost}


def rewrite(connection: Connection, store: Path, forger: Signer | None) -> None:
    """Write the whole chain anew, with all its digests, in the store and in Redis."""
    folder, head = store / "audit" / "tenant-research", chain.Head()
    for file in sorted(folder.iterdir()):
        entries = list(chain.entries_of(chain.lines_of(file.read_bytes())))
        file.unlink()
        batch = chain.chained([entry.model_copy(update={"about": "nothing"}) for entry in entries], head, forger)
        (folder / batch.name).write_bytes(chain.lines_to(batch))
        head = batch.head
    connection.client.hset("stoker:audit-heads", "tenant research", str(head))


def test_a_chain_that_is_signed_is_sound_and_one_that_is_written_anew_is_not(parties: Parties, tmp_path: Path) -> None:
    store = tmp_path / "store"
    sealed(parties, store, signer_of(parties, "controller"), "abc")
    assert not flaws(parties, store)
    rewrite(parties.connection, store, None)
    assert flaws(parties, store) == {1: "and those up to 3 are signed by no controller that is trusted"}
    rewrite(parties.connection, store, signer_of(parties, "worker"))
    assert "has the role worker, which signs no audits" in flaws(parties, store)[1]


def test_a_signature_of_another_line_is_wrong(parties: Parties, tmp_path: Path) -> None:
    store = tmp_path / "store"
    sealed(parties, store, signer_of(parties, "controller"), "ab")
    first, second = sorted((store / "audit" / "tenant-research").iterdir())
    line = json.loads(second.read_text()) | {"signed": json.loads(first.read_text())["signed"]}
    second.write_text(json.dumps(line, sort_keys=True, separators=(",", ":")) + "\n")
    assert "it was altered after it was signed" in flaws(parties, store)[2]


def test_what_was_sealed_before_there_was_a_key_is_vouched_for_by_the_next_signature(
    parties: Parties, tmp_path: Path
) -> None:
    store = tmp_path / "store"
    sealed(parties, store, None, "a")
    assert flaws(parties, store) == {1: "is signed by no controller that is trusted"}
    sealed(parties, store, signer_of(parties, "controller"), "b")
    assert not flaws(parties, store)


def test_a_chain_that_was_written_anew_is_found_however_often_is_sealed_upon_it(
    parties: Parties, tmp_path: Path
) -> None:
    store, signer = tmp_path / "store", signer_of(parties, "controller")
    running = sealed(parties, store, signer, "abc")
    rewrite(parties.connection, store, None)
    for name in "de":
        sealed(parties, store, signer, name, running)
        assert "entry 3 was the last that was sealed, and the chain is another" in lost(parties, store)[5]
    assert not flaws(parties, store)
    # One that has just started knows no end; a signature that nobody trusts tells it the same.
    rewrite(parties.connection, store, signer_of(parties, "worker"))
    sealed(parties, store, signer, "f")
    assert any("has the role worker" in text for text in lost(parties, store).values())


def test_an_end_of_before_is_found_by_the_controller_that_has_sealed_more(parties: Parties, tmp_path: Path) -> None:
    store, signer = tmp_path / "store", signer_of(parties, "controller")
    running = sealed(parties, store, signer, "a")
    before = parties.connection.client.hget("stoker:audit-heads", "tenant research")
    sealed(parties, store, signer, "b", running)
    assert before
    parties.connection.client.hset("stoker:audit-heads", "tenant research", before)
    first, second = sorted((store / "audit" / "tenant-research").iterdir())
    second.unlink()
    sealed(parties, store, signer, "c", running)
    assert "entry 2 was the last that was sealed, and the chain is another" in lost(parties, store)[3]
    assert first.exists()


def remarks(parties: Parties, store: Path) -> dict[tuple[str, str], str]:
    with stoker.Client(settings=parties.settings(store_url=str(store))) as client:
        return {(entry.what, entry.tenant): entry.text for entry in client.audit() if not entry.user}


def test_a_controllers_key_may_be_revoked_once_its_successor_vouches(parties: Parties, tmp_path: Path) -> None:
    store = tmp_path / "store"
    sealed(parties, store, signer_of(parties, "controller"), "ab")
    parties.add_key("controller-2", "controller")
    # It vouches for all tenants as it begins, though nothing more is noted of them.
    sealed(parties, store, successor := signer_of(parties, "controller-2"), "")
    assert remarks(parties, store).keys() == {("handed on", "research"), ("handed on", "")}
    assert f"key {successor.id} vouches for those up to 2" in remarks(parties, store)["handed on", "research"]
    revoke(parties.trusted, "controller")
    assert verified(parties, store).is_sound
    sealed(parties, store, successor, "")
    assert len(remarks(parties, store)) == 2


def test_what_a_revoked_key_alone_vouched_for_is_said_to_be_in_doubt(parties: Parties, tmp_path: Path) -> None:
    store = tmp_path / "store"
    sealed(parties, store, signer_of(parties, "controller"), "ab")
    parties.add_key("controller-2", "controller")
    revoke(parties.trusted, "controller")
    assert flaws(parties, store) == {1: "and those up to 2 are signed by no controller that is trusted"}
    sealed(parties, store, signer_of(parties, "controller-2"), "")
    assert verified(parties, store).is_sound
    told = remarks(parties, store)["unvouched", "research"]
    assert told.startswith("entry 2 vouches for none before it")
    assert "(controller) was revoked at" in told


@pytest.mark.parametrize("since", [[], ["--since", "1h"]])
def test_what_is_exported_is_verified_without_redis(parties: Parties, tmp_path: Path, since: list[str]) -> None:
    store, to = tmp_path / "store", tmp_path / "audit.jsonl"
    sealed(parties, store, signer_of(parties, "controller"), "abc")
    env = parties.settings(store_url=str(store)).environment()
    assert commands.run("audit", "export", "--to", str(to), *since, env=env).returncode == 0
    printed = tmp_path / "printed.jsonl"
    printed.write_text(commands.run("audit", "export", env=env).stdout)
    away = {"STOKER_TRUSTED_KEYS": str(parties.trusted), "STOKER_REDIS_URL": "redis://127.0.0.1:1/0"}
    for file in (to, printed):
        told = commands.run("audit", "verify", str(file), env=away)
        assert (told.returncode, "everything is there as it was sealed" in told.stdout) == (0, True), told.stdout
    lines = to.read_text().splitlines()
    [at] = [number for number, line in enumerate(lines) if '"about":"b"' in line]
    for changed, found in (
        (lines[at].replace('"about":"b"', '"about":"x"'), "was altered after it was signed"),
        ("", "missing"),
        ("no line", "cannot be read"),
    ):
        to.write_text("\n".join([*lines[:at], *filter(None, [changed]), *lines[at + 1 :]]))
        told = commands.run("audit", "verify", str(to), env=away)
        assert (told.returncode, found in told.stdout) == (1, True), told.stdout
    # What is cut off at its end was vouched for by nobody else, where keys are trusted.
    to.write_text("\n".join([*lines[:at], lines[at].replace('"signed"', '"unsigned"')]))
    assert "signed by no controller that is trusted" in commands.run("audit", "verify", str(to), env=away).stdout
    missing = commands.run("audit", "verify", str(tmp_path / "nothing"), env=away)
    assert (missing.returncode, "cannot be read" in missing.stderr) == (2, True)
