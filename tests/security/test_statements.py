"""Statements: what is signed is in the form of RFC 8785, and what is made of one is refused in a sentence."""

import base64
import json
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from stoker.errors import Untrusted
from stoker.security.key_files import write_pair
from stoker.security.signing import (
    Signer,
    canonical,
    digest_of_document,
    digest_of_text,
    nth,
    place_of,
    read_statement,
)
from stoker.security.trust import Trust

PRIVATE = Ed25519PrivateKey.from_private_bytes(bytes(32))
SPEC = '{"kind":"run","function":"a:b"}'


@pytest.fixture(scope="module")
def trust(tmp_path_factory: pytest.TempPathFactory) -> Trust:
    folder = tmp_path_factory.mktemp("trusted")
    public = base64.b64encode(PRIVATE.public_key().public_bytes_raw()).decode()
    (folder / "a.toml").write_text(f'[a]\npublic = "{public}"\nrole = "client"\n')
    write_pair("worker", folder / "worker.pem", folder, "worker", None, {})
    return Trust(folder)


def signed(job_id: str = "1" * 36) -> str:
    return Signer(PRIVATE).sign_jobs([(job_id, digest_of_text(SPEC), 1)])


def test_what_is_signed_is_as_rfc_8785_has_it() -> None:
    # Names in order, no spaces, and of all characters only those escaped that JSON asks for: its section 3.2.
    assert canonical({"b": 1, "a": '\u20ac$\x0f\nA\'B"\\\\"/', "c": "é"}) == (
        '{"a":"\u20ac$\\u000f\\nA\'B\\"\\\\\\\\\\"/","b":1,"c":"é"}'
    )
    several = [("1" * 36, digest_of_text(SPEC), 2), ('\u20ac"\n', "", 1)]
    for envelope in (signed(), Signer(PRIVATE).sign_jobs(several, under="a5baf1bb58218063")):
        _, _, text = envelope.partition(" ")
        assert text == canonical(json.loads(text))


@settings(max_examples=300)
@given(data=st.data())
def test_a_mutated_statement_or_spec_is_refused(trust: Trust, data: st.DataObject) -> None:
    original = [signed(), SPEC, "1" * 36]
    envelope, spec, job_id = mutated = list(original)
    assert trust.admit(job_id, spec, envelope).statement.digest_of(job_id)
    which = data.draw(st.integers(0, 2))
    text = mutated[which]
    at = data.draw(st.integers(0, len(text) - 1))
    put = data.draw(st.text(max_size=3))
    mutated[which] = text[:at] + put + text[at + data.draw(st.integers(0, 3)) :]
    envelope, spec, job_id = mutated
    if mutated == original:
        return
    with pytest.raises(Untrusted) as refused:
        trust.admit(job_id, spec, envelope)
    assert "\n" not in refused.value.message


@settings(max_examples=200)
@given(st.text(max_size=60) | st.binary(max_size=60))
def test_documents_of_anybody_are_refused_in_a_sentence(trust: Trust, document: str | bytes) -> None:
    with pytest.raises(Untrusted, match="result job is refused: "):
        trust.check_document("result", "job", document)


def test_a_document_says_the_same_however_it_is_written() -> None:
    document = Signer(PRIVATE).sign_document("result", "job", '{"b":[1.5,1e400],"a":null}')
    fields = json.loads(document)
    assert list(fields) == ["b", "a", "signed"]
    assert digest_of_document(document) == digest_of_document(json.dumps(fields, indent=1, sort_keys=True))
    assert Signer(PRIVATE).has_signed(document)
    assert json.loads(Signer(PRIVATE).sign_document("result", "job", "{}"))["signed"]


def test_ids_that_count_on() -> None:
    first = "ffffffff-1111-4111-8111-111111111111"
    assert nth(first, 1) == "00000000-1111-4111-8111-111111111111"
    assert [place_of(nth(first, number), first) for number in (0, 1, 7)] == [0, 1, 7]
    assert min(place_of(other, first) for other in ("", "zz", first[:-1], first.upper(), f"+{first[1:]}")) == 2**32


@pytest.mark.parametrize("at", ["-1", str(10**12), str(10**30)])
def test_a_time_that_is_none_is_refused_as_any_other_text(at: str) -> None:
    signature, _, text = signed().partition(" ")
    was = str(json.loads(text)["at"])
    with pytest.raises(Untrusted, match="its signature cannot be read"):
        read_statement(f"{signature} {text.replace(was, at)}")


def test_keys_that_cannot_be_read_any_more_hold_as_they_were(tmp_path: Path) -> None:
    key = write_pair("a", tmp_path / "a.pem", tmp_path / "trusted", "client", None, {})
    trust = Trust(tmp_path / "trusted")
    (tmp_path / "trusted" / "a.toml").write_text("[a")
    assert list(trust.keys) == [key.id]
    (tmp_path / "trusted" / "a.toml").write_text("")
    assert list(trust.keys) == [key.id]
