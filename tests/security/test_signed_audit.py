"""The audit's chains are signed by the controller that seals: one that is written anew is found, though it is sound."""

import json
from pathlib import Path

import stoker
from stoker.ledger import intake
from stoker.ledger.intake import NewJob
from stoker.redis.connection import Connection
from stoker.security.audit import chain
from stoker.security.audit.sealing import Sealer
from stoker.security.signing import Signer

from .parties import Parties


def sealed(parties: Parties, store: Path, signer: Signer | None, names: str) -> None:
    """Some jobs are submitted, and the audit of each is sealed."""
    sealer = Sealer(str(store), parties.connection, signer)
    for name in names:
        sealer.step(is_on=True)
        parties.connection.run(intake.submit([NewJob(name, parties.spec, "cpu.batch")]))
    sealer.step(is_on=True)


def signer_of(parties: Parties, key: str) -> Signer:
    signer = parties.slot(key).signatures.signer
    assert signer
    return signer


def flaws(parties: Parties, store: Path) -> dict[int, str]:
    settings = parties.settings(store_url=str(store))
    with stoker.Client(settings=settings) as client:
        return {flaw.number: flaw.flaw for flaw in client.verify_audit().flaws if flaw.tenant == "research"}


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
