"""Mutated records, keys and encrypted files are read as far as they are ours, or refused in a sentence."""

import base64
import io
import json
import random
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pyrage
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from pydantic import BaseModel

import stoker
from stoker.errors import InvalidJob, InvalidSettings, JobFailed, Untrusted
from stoker.foresight.estimates import Example
from stoker.foresight.look import Look
from stoker.kinds.rollout import Approval
from stoker.ledger import guards, intake, quotas, results, sampling
from stoker.ledger.attempt import read_attempt
from stoker.ledger.readable import readable
from stoker.ledger.schedules import read_schedule, read_state
from stoker.models.encryption import Keys, NotDecrypted
from stoker.models.signature import Signature, TensorSpec
from stoker.models.uploads import FolderFiles, Pieces
from stoker.schedules.schedule import JobSchedule
from stoker.security.key_files import write_pair
from stoker.security.keys import read_private, read_trusted
from stoker.security.signatures import Signatures
from stoker.security.signing import Signer, digest_of_text
from stoker.security.trust import Trust

from .mutations import is_clear, mutated, mutated_bytes, mutated_text, tried

QUICK, FULL = 300, 10_000
NOW = datetime(2026, 1, 1, tzinfo=UTC).isoformat()
GUARD = {"ranges": {"x": [0, 1]}, "categories": {"t": ["a"]}, "most_rows": 3, "longest_text": 9, "most_a_minute": 60}
SIGNATURE = Signature(
    inputs=(TensorSpec(name="x", shape=(), dtype="float32"), TensorSpec(name="t", shape=(), dtype="string")),
    outputs=(TensorSpec(name="y", shape=(3,), dtype="float32"),),
    task="multiclass",
    classes=("a", "b", "c"),
)
SCHEDULE = {
    "name": "nightly", "when": "0 3 * * *", "zone": "Europe/Vienna", "catch_up": "latest", "at_most": 2,
    "jobs": [{"kind": "describe", "data": "sample://iris"}], "created_at": NOW,
}  # fmt: skip
APPROVAL = {"role": "release-managers", "by": "approver", "at": NOW, "is_granted": True, "note": "well done"}
SAMPLING = {"job": "j", "share": 0.5, "off": ["name"], "window": 100, "horizon_s": 60.0}
LIKENESS = {"same": "a", "subject": "b", "work": {"rows": 3.0}}
EXAMPLE = {"likeness": LIKENESS, "ms": 3.5, "peak_bytes": 10}
# The folder of the test's keys.
KEYS: list[Path] = []
SPEC = '{"kind":"run","function":"a:b"}'
JOB = "1" * 36
FILES = {"files": [{"path": "a/b.csv", "digest": "0" * 64, "size": 3}]}
PIECES = {"size": 3, "pieces": ["0" * 64]}
WAITING = {"id": JOB, "kind": "train", "queue": "cpu.train", "priority": "normal", "likeness": json.dumps(LIKENESS)}
LOOK = {"at": 1.0, "ageing_ms": 2.0, "running": [WAITING], "ended": [WAITING], "since": None}
WATCHED = {
    "kind": "monitor", "model": "m@1", "windows": 3, "rows": 10, "alarms": ["x drifts"], "metric": "accuracy",
    "files": {"html": {"name": "report.html", "digest": "0" * 64, "size": 10}},
}  # fmt: skip


def guard(rng: random.Random) -> None:
    text = mutated_text(GUARD, rng)
    if not _refuses(lambda: guards.of("m").decode(text), InvalidJob):
        read = guards.of("m").decode(text)
        assert isinstance(read, stoker.Guard)
        rows = {"x": np.array([0.5, np.nan], np.float32), "t": np.array(["a", "b"])}
        assert all(is_clear(why) for _, why in read.flaws(SIGNATURE, rows))
        read.flaw_of_outputs(SIGNATURE, np.zeros((2, 3), np.float32))


def schedule(rng: random.Random) -> None:
    text = mutated_text(SCHEDULE, rng)
    read = read_schedule(text)
    assert read is None or read.jobs
    read_state(text)


def approval(rng: random.Random) -> None:
    read = readable(Approval, mutated_text(APPROVAL, rng))
    assert read is None or isinstance(read.words(), str)


def sampled(rng: random.Random) -> None:
    read = sampling.wanted("m").decode(mutated_text(SAMPLING, rng))
    assert read is None or isinstance(read.window, int)
    sampling.all_wanted().decode({b"m": mutated_text(SAMPLING, rng), mutated_bytes(b"n", rng): b"{}"})


def foreseen(rng: random.Random) -> None:
    readable(Example, mutated_text(EXAMPLE, rng))
    look = readable(Look, mutated_text(LOOK, rng))
    assert all(job.alike is None or job.alike.same for job in (look.running if look else ()))


def result(rng: random.Random) -> None:
    raw = mutated_text(WATCHED, rng)
    _refuses(lambda: results.result(JOB).decode([b"SUCCEEDED", raw, b"", b"", b""]), InvalidJob)


def attempt(rng: random.Random) -> None:
    names = ("spec", "checkpoints", "kind", "queue", "traceparent", "likeness", "halving", "needs", "envelope")
    trust, signed, _ = _keys()
    texts = {"spec": SPEC, "checkpoints": "[]", "envelope": signed}
    read = read_attempt(JOB, "owner", {name: mutated_bytes(texts.get(name, "ä").encode(), rng) for name in names})
    _refuses(lambda: trust.admit(JOB, read.spec, read.envelope), Untrusted)


def listed(rng: random.Random) -> None:
    changed = mutated_bytes("ä 0".encode(), rng)
    intake.accepted().decode([changed])
    intake.submitted("key").decode(changed)
    quotas.tenants().decode([[changed, b"1"], [changed, b"x"]])


def failure(rng: random.Random) -> None:
    doubt = Signatures(None, KEYS[-1]).doubt
    signed = Signer(Ed25519PrivateKey.from_private_bytes(bytes(32))).sign("failure", JOB, "0" * 64)
    reason, traceback, said = (mutated_bytes(text.encode(), rng) for text in ("schön", "in line 3 of ü", signed))
    with suppress(JobFailed):
        _refuses(lambda: results.result(JOB, doubt=doubt).decode([b"FAILED", None, reason, traceback, said]), Untrusted)


def envelope(rng: random.Random) -> None:
    trust, signed, _ = _keys()
    changed = mutated_bytes(signed.encode(), rng).decode("utf-8", "replace")
    assert _refuses(lambda: trust.admit(JOB, SPEC, changed), Untrusted) or changed == signed
    signature, _, text = signed.partition(" ")
    said = json.dumps(mutated(json.loads(text), rng))
    assert _refuses(lambda: trust.admit(JOB, SPEC, f"{signature} {said}"), Untrusted)


def document(rng: random.Random) -> None:
    trust, _, document = _keys()
    changed = mutated_bytes(document.encode(), rng)
    # What JSON does not tell apart, such as a space, is not signed.
    refused = _refuses(lambda: trust.check_document("result", JOB, changed), Untrusted)
    assert refused or json.loads(changed) == json.loads(document)


def key_file(rng: random.Random) -> None:
    text = (KEYS[-1] / "a.toml").read_bytes() + b'[b]\nexpires = 2027-11-28T00:00:00Z\nkinds = ["eval*"]\n'
    (path := Path("mutated.toml")).write_bytes(mutated_bytes(text, rng))
    _refuses(lambda: read_trusted(path), InvalidSettings)


def private_key(rng: random.Random) -> None:
    (path := Path("mutated.pem")).touch(mode=0o600)
    path.write_bytes(mutated_bytes((KEYS[-1] / "worker.pem").read_bytes(), rng))
    _refuses(lambda: read_private(path), InvalidSettings)


def upload(rng: random.Random) -> None:
    readable(FolderFiles, mutated_text(FILES, rng))
    readable(Pieces, mutated_text(PIECES, rng))


def age_file(rng: random.Random) -> None:
    identity, encrypted = _encrypted()
    changed, sink = mutated_bytes(encrypted, rng), io.BytesIO()
    with suppress(NotDecrypted):
        Keys(identities=(identity,)).decrypt(io.BytesIO(changed), sink)
        assert sink.getvalue() == b"plain" * 100


SORTS = (
    *(
        guard,
        schedule,
        approval,
        sampled,
        foreseen,
        result,
        attempt,
        listed,
        failure,
        envelope,
        document,
        key_file,
        private_key,
        upload,
        age_file,
    ),
)


def _refuses(read: Callable[[], object], kind: type[stoker.StokerError]) -> bool:
    """Whether something is refused, in a sentence."""
    refusal = None
    try:
        read()
    except kind as error:
        refusal = error.message
    assert refusal is None or is_clear(refusal), refusal
    return refusal is not None


@cache
def _keys() -> tuple[Trust, str, str]:
    private = Ed25519PrivateKey.from_private_bytes(bytes(32))
    signer = Signer(private)
    return (
        Trust(KEYS[-1]),
        signer.sign_jobs([(JOB, digest_of_text(SPEC), 1)]),
        signer.sign_document("result", JOB, '{"kind":"describe","rows":3}'),
    )


@cache
def _encrypted() -> tuple[Any, bytes]:
    identity = pyrage.x25519.Identity.generate()
    return identity, pyrage.encrypt(b"plain" * 100, [identity.to_public()])


@pytest.fixture(scope="module", autouse=True)
def _trusted(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("trusted")
    public = base64.b64encode(Ed25519PrivateKey.from_private_bytes(bytes(32)).public_key().public_bytes_raw()).decode()
    (folder / "a.toml").write_text(f'[a]\npublic = "{public}"\nrole = "all"\n')
    write_pair("worker", folder / "worker.pem", folder, "worker", None, {})
    KEYS.append(folder)


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("sort", SORTS, ids=lambda sort: sort.__name__)
def test_what_was_changed_is_read_or_refused_in_a_sentence(sort: Callable[[random.Random], None]) -> None:
    tried(sort, QUICK)


@pytest.mark.parametrize(("sort", "seed"), [(private_key, "4242 private_key 2419")])
def test_what_was_refused_otherwise_once(sort: Callable[[random.Random], None], seed: str) -> None:
    sort(random.Random(seed))


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("sort", SORTS, ids=lambda sort: sort.__name__)
def test_ten_thousand_of_each(sort: Callable[[random.Random], None]) -> None:
    tried(sort, FULL)


def test_what_is_changed_was_right_before() -> None:
    texts = (GUARD, SCHEDULE, APPROVAL, SAMPLING, EXAMPLE, FILES, PIECES)
    kinds: tuple[type[BaseModel], ...] = (
        stoker.Guard,
        JobSchedule,
        Approval,
        sampling.Sampling,
        Example,
        FolderFiles,
        Pieces,
    )
    for text, kind in zip(texts, kinds, strict=True):
        kind.model_validate_json(json.dumps(text))
    trust, signed, document = _keys()
    trust.admit(JOB, SPEC, signed)
    trust.check_document("result", JOB, document)
