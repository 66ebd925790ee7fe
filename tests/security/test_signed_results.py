"""What workers make is signed by them: results, models and checkpoints that somebody else has written are refused."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

import stoker
from stoker.client.signing import sign
from stoker.events import Checkpoint
from stoker.kinds import Spec
from stoker.ledger import attempts, children, intake, registry
from stoker.ledger.attempt import Attempt
from stoker.ledger.intake import NewJob
from stoker.models.manifest import Artifact, ModelVersion
from stoker.models.signature import Signature, TensorSpec
from stoker.redis.calls import drive
from stoker.security import audit
from stoker.security.key_files import revoke
from stoker_workers.attempt.admission import (
    admitted,
    believed_checkpoints,
    check_asked,
    check_children,
    sign_children,
    sign_for,
)
from stoker_workers.attempt.preparation import prepared
from stoker_workers.attempt.reports import Reports
from stoker_workers.attempt.slot import Slot

from .parties import QUEUE, Parties

FILE = Artifact(name="model.keras", digest="0" * 64, size=1)


def altered(document: str, **fields: object) -> str:
    return json.dumps({**json.loads(document), **fields})


def result_of(parties: Parties, job_id: str) -> Any:
    with parties.client() as client:
        return client.job(job_id).result(timeout=0)


def test_a_forged_result(parties: Parties) -> None:
    job_id = parties.submit()
    parties.run(job_id)
    good = parties.read(job_id, "result")
    assert result_of(parties, job_id).value == str(parties.canary)
    parties.write(job_id, result=altered(good, value="/etc/passwd"))
    with pytest.raises(stoker.Untrusted, match=f"result {job_id} is refused: it was altered after it was signed"):
        result_of(parties, job_id)
    twice = good.replace('"value"', '"value":"/etc/passwd","value"')
    parties.write(job_id, result=twice)
    with pytest.raises(stoker.Untrusted, match="cannot be read"):
        result_of(parties, job_id)


def test_a_result_of_nobody_or_of_another_job_or_by_a_client(parties: Parties) -> None:
    job_id, other = parties.submit(), parties.submit()
    parties.run(job_id, parties.slot(None))
    with pytest.raises(stoker.Untrusted, match="it is not signed: its worker needs"):
        result_of(parties, job_id)
    with parties.client(trusts=False) as client:
        assert client.job(job_id).result(timeout=0).words()
    parties.run(other)
    parties.write(job_id, result=parties.read(other, "result"))
    with pytest.raises(stoker.Untrusted, match=f"what is signed is result {other}"):
        result_of(parties, job_id)
    forged = parties.slot("client").signatures.signer
    assert forged
    document = stoker.RunResult(function="canary:touch", value="/etc/passwd", seed=0, run_s=1).model_dump_json()
    parties.write(job_id, result=forged.sign_document("result", job_id, document))
    with pytest.raises(stoker.Untrusted, match=r"\(client\) has the role client, which signs no results"):
        result_of(parties, job_id)


def test_what_a_revoked_worker_has_made(parties: Parties) -> None:
    job_id = parties.submit()
    parties.run(job_id)
    revoke(parties.trusted, "worker")
    with pytest.raises(stoker.Untrusted, match=r"\(worker\) was revoked"):
        result_of(parties, job_id)


def claimed(parties: Parties, slot: Slot, spec: Any = None) -> Attempt:
    job_id = parties.submit(spec=spec)
    attempt = parties.connection.run(attempts.claim(job_id, "owner", slot.worker, 60, slot.offers))
    assert isinstance(attempt, Attempt)
    return attempt


def claimed_as(parties: Parties, slot: Slot, job_id: str) -> Attempt:
    attempt = parties.connection.run(attempts.claim(job_id, f"owner of {job_id}", slot.worker, 60, slot.offers))
    assert isinstance(attempt, Attempt)
    return attempt


def register(parties: Parties, slot: Slot, number: int) -> None:
    """A version of the model "digits"."""
    attempt = claimed(parties, slot)
    version = ModelVersion(
        name="digits",
        version=number,
        created_at=datetime.now(UTC),
        signature=Signature(
            inputs=(TensorSpec(name="x", shape=(None, 4), dtype="float32"),),
            outputs=(TensorSpec(name="y", shape=(None, 1), dtype="float32"),),
            task="regression",
        ),
        metrics={"mse": float("nan")},
        files={"keras": FILE},
        parameters=1,
        job=attempt.job_id,
        data="sample://iris",
    )
    result = stoker.RunResult(function="canary:touch", seed=0, run_s=0.1)
    parties.connection.run(attempts.succeed(attempt, result, [version], sign=sign_for(slot, attempt)))


def test_a_forged_model(parties: Parties) -> None:
    slot = parties.slot()
    for number in (1, 2):
        register(parties, slot, number)

    def loaded(ref: str) -> ModelVersion:
        return parties.connection.run(registry.resolve(ref, slot.check_version))

    assert [loaded(ref).version for ref in ("digits", "digits@1", "digits@latest")] == [1, 1, 2]
    good = str(parties.redis.hget("stoker:model:digits", "1"))
    file = {"keras": FILE.model_copy(update={"digest": "1" * 64}).model_dump()}
    for forged, told in (
        (altered(good, files=file), "it was altered"),
        (altered(good, metrics={"mse": 0.0}), "it was altered"),
        (altered(good, signed=""), "it is not signed"),
        (str(parties.redis.hget("stoker:model:digits", "2")), "what is signed is model digits@2"),
    ):
        parties.redis.hset("stoker:model:digits", "1", forged)
        with pytest.raises(stoker.Untrusted, match=f"model digits@1 is refused: {told}"):
            loaded("digits")
    parties.redis.hset("stoker:model:other", "1", good)
    parties.redis.hset("stoker:aliases:other", "champion", "1")
    with pytest.raises(stoker.Untrusted, match="what is signed is model digits@1"):
        loaded("other")
    with parties.client() as client, pytest.raises(stoker.Untrusted):
        client.model("digits@1")
    # What the claim reads beside the record of the job is not believed for being there.
    spec = stoker.Evaluate(model="digits@1", data="sample://iris", device="cpu")
    job_id = parties.submit(spec=spec)
    parties.run(job_id, slot)
    assert "model digits@1 is refused" in parties.reason(job_id)


def test_a_model_that_a_spec_names_by_its_job_is_held_against_the_key(parties: Parties) -> None:
    slot = parties.slot()
    register(parties, slot, 1)
    chooser = claimed(parties, slot)
    chosen = stoker.CompareResult(
        data="sample://iris", rows=1, models=(), axes=("mse",), chosen="digits@1", why="it is", files={}
    )
    parties.connection.run(attempts.succeed(chooser, chosen, sign=sign_for(slot, chooser)))
    spec = stoker.Evaluate(model=f"job:{chooser.job_id}", data="sample://iris", device="cpu")
    parties.add_key("wide", scopes={"models": ("dig*",)})
    parties.add_key("narrow", scopes={"models": ("other",)})
    attempts_of = {}
    for name in ("wide", "narrow"):
        job_id = parties.submit(name, spec)
        attempt = parties.connection.run(attempts.claim(job_id, name, slot.worker, 60, slot.offers))
        assert isinstance(attempt, Attempt)
        attempts_of[name] = attempt, admitted(slot, attempt)
    assert [version.ref for version in prepared(slot, *attempts_of["wide"]).models] == ["digits@1"]
    with pytest.raises(stoker.Untrusted, match=r"\(narrow\) may not have the model 'digits'"):
        prepared(slot, *attempts_of["narrow"])


def test_a_forged_checkpoint(parties: Parties) -> None:
    slot = parties.slot()
    attempt = claimed(parties, slot)
    reports = Reports(slot, attempt, 2, ())
    for step in (1, 2):
        reports.add(Checkpoint(epoch=1, step=step, artifact=FILE.model_copy(update={"digest": str(step) * 64})))
    reports.send()

    def next_attempt() -> Attempt:
        parties.write(attempt.job_id, state="QUEUED")
        again = parties.connection.run(attempts.claim(attempt.job_id, "next", slot.worker, 60, slot.offers))
        assert isinstance(again, Attempt)
        return again

    believed, left_out = believed_checkpoints(slot, next_attempt())
    assert [artifact.digest[0] for artifact in believed] == ["1", "2"]
    assert not left_out
    listed = json.loads(parties.read(attempt.job_id, "checkpoints"))
    listed[1]["digest"] = "3" * 64
    parties.write(attempt.job_id, checkpoints=json.dumps(listed))
    believed, left_out = believed_checkpoints(slot, next_attempt())
    assert [artifact.digest[0] for artifact in believed] == ["1"]
    assert left_out == (f"checkpoint {attempt.job_id} is refused: it was altered after it was signed",)


def test_children_are_signed_by_the_worker_for_whoever_wanted_the_parent(parties: Parties) -> None:
    narrow = parties.add_key("narrow", scopes={"functions": ("canary:*",), "kinds": ("run",)})
    slot = parties.slot()
    job_id = parties.submit("narrow")
    attempt = parties.connection.run(attempts.claim(job_id, "owner", slot.worker, 60, slot.offers))
    assert isinstance(attempt, Attempt)
    sign_all, trust = sign_children(slot, attempt), slot.signatures.trust
    assert trust
    specs: dict[str, Spec] = {
        "": stoker.Describe(data="sample://iris"),
        "function": parties.spec.model_copy(update={"function": "shop.jobs:steal"}),
    }
    for number, (told, spec) in enumerate(specs.items()):
        child = NewJob(f"{job_id}-1-{number}", spec, "cpu.batch")
        sign_all([child])
        admission = trust.admit(child.id, child.document, child.envelope)
        assert [key.name for key in admission.keys] == ["worker", "narrow"]
        if told:
            with pytest.raises(stoker.Untrusted, match=rf"{narrow.id} \(narrow\) may not have the {told}"):
                admission.check(spec, "cpu")
        else:
            admission.check(spec, "cpu")


def test_results_of_children_that_were_changed_or_changed_places(parties: Parties) -> None:
    slot = parties.slot()
    parties.connection.run(audit.look(is_on=True, limit=1))
    job_id = "0" * 36
    asked = [NewJob(f"{job_id}-1-{number}", parties.spec, QUEUE) for number in range(3)]
    sign = sign_for(slot, Attempt(job_id, "o", 1, asked[0].document, ()))
    results = [
        sign("result", f"{job_id}-{child}", stoker.RunResult(function="a:b", seed=1, run_s=1).model_dump_json())
        for child in ("1-0", "1-1", "1-2", "2-0")
    ]

    def asked_by(*documents: str) -> Attempt:
        return Attempt(job_id, "o", 2, "", (), children=tuple(map(str.encode, documents)), children_signed=signed)

    def gathered(*documents: str) -> None:
        check_children(slot, asked_by(*documents))

    envelope = parties.read(parties.submit(), "envelope")
    signed = sign_children(slot, Attempt(job_id, "o", 1, "", (), envelope=envelope))(asked)
    first, second, third, _ = results
    gathered(first, second, third)
    # A function that goes on may ask for more: they are signed with those of before.
    more = sign_children(slot, asked_by(first, second, third))([NewJob(f"{job_id}-2-0", parties.spec, QUEUE)])
    check_children(slot, replace(asked_by(*results), children_signed=more))
    with pytest.raises(stoker.Untrusted, match="the results are more, fewer or others than were asked for"):
        check_children(slot, replace(asked_by(first, second, third), children_signed=more))
    with pytest.raises(stoker.Untrusted, match=r"what job .* has asked for is refused: it is not signed: the worker"):
        check_children(slot, replace(asked_by(first), children_signed=""))
    for wrong in (
        [second, first, third],
        [first, first, third],
        [first, third],
        [first, second],
        results,
        [altered(first, seed=7), second, third],
        ["{}"],
    ):
        with pytest.raises(stoker.Untrusted) as refused:
            gathered(*wrong)
        *_, noted = drive(audit.newest(9), parties.connection.run)
        assert (noted.what, noted.about, noted.text) == ("refused", job_id, refused.value.message)
    with pytest.raises(stoker.Untrusted, match="has asked for is refused: it is not signed: its worker needs"):
        gathered(first, "{}")


def test_the_result_of_a_child_that_was_taken_away(parties: Parties) -> None:
    slot = parties.slot()
    parent = claimed(parties, slot)
    asks = children.await_children(parent, parties.spec, [parties.spec] * 2, sign=sign_children(slot, parent))
    assert parties.connection.run(asks)
    for number in range(2):
        child = claimed_as(parties, slot, f"{parent.job_id}-1-{number}")
        result = stoker.RunResult(function="a:b", seed=number, run_s=1)
        parties.connection.run(attempts.succeed(child, result, sign=sign_for(slot, child)))
    check_children(slot, claimed_as(parties, slot, parent.job_id))
    parties.redis.hdel(f"stoker:children:{parent.job_id}", f"{parent.job_id}-1-1")
    # The same owner once more: a repeat of a claim whose answer was lost.
    again = claimed_as(parties, slot, parent.job_id)
    with pytest.raises(stoker.Untrusted, match="the results are more, fewer or others than were asked for"):
        prepared(slot, again, parties.spec)


def test_what_a_job_sees_of_its_children_is_bound_to_their_signed_results(parties: Parties) -> None:
    slot, trials = parties.slot(), [parties.spec.model_copy(update={"seed": number}) for number in range(2)]
    parent = claimed(parties, slot)
    asks = children.await_children(parent, parties.spec, trials, each=True, sign=sign_children(slot, parent))
    assert parties.connection.run(asks)
    for number in range(2):
        child = claimed_as(parties, slot, f"{parent.job_id}-1-{number}")
        admitted(slot, child)
        result = stoker.RunResult(function="a:b", seed=number, run_s=1)
        parties.connection.run(attempts.succeed(child, result, sign=sign_for(slot, child)))
    again = claimed_as(parties, slot, parent.job_id)
    first, second = (json.loads(document) for document in again.asked)
    check_asked(slot, again)

    def seen(**changes: object) -> None:
        document = json.dumps(first | changes, separators=(",", ":"))
        check_asked(slot, Attempt(parent.job_id, "o", 2, "", (), asked=(document.encode(),)))

    seen()
    for changes, told in (
        ({"spec": second["spec"]}, "is of a job with another spec"),
        ({"spec": None}, "the spec of job .* cannot be read"),
        ({"number": 1}, "is listed as another"),
        ({"id": second["id"]}, "is listed as another"),
        ({"state": "FAILED"}, "is listed as FAILED, and has a result"),
        ({"result": second["result"]}, f"what is signed is result {second['id']}"),
        ({"result": first["result"] | {"seed": 7}}, "it was altered after it was signed"),
    ):
        with pytest.raises(stoker.Untrusted, match=told):
            seen(**changes)
    # Half a pair of surrogates, which is no UTF-8 but for a parser of JSON.
    half = again.asked[0].replace(b'"spec":{', b'"spec":{"x":"\xed\xa0\x80",')
    with pytest.raises(stoker.Untrusted, match=r"the spec of job .* cannot be read"):
        check_asked(slot, Attempt(parent.job_id, "o", 2, "", (), asked=(half,)))


def test_a_child_that_a_client_has_signed_is_refused(parties: Parties) -> None:
    slot = parties.slot()
    child = f"{parties.submit()}-1-0"
    job = NewJob(child, parties.spec, QUEUE)
    signer = parties.slot("client").signatures.signer
    assert signer
    sign([job], signer)
    parties.connection.run(intake.submit([job]))
    parties.run(child, slot)
    assert "is a client's, and it is a child, which workers sign" in parties.reason(child)


def test_a_result_of_another_spec(parties: Parties) -> None:
    """A client that is trusted has signed a job under the id of another's."""
    other = parties.spec.model_copy(update={"arguments": {"path": "/dev/null"}})
    signer = parties.slot("client").signatures.signer
    assert signer
    with parties.client() as client:
        job = client.submit(parties.spec)
        stolen = NewJob(job.id, other, QUEUE)
        sign([stolen], signer)
        parties.write(job.id, spec=stolen.document, envelope=stolen.envelope)
        assert parties.run(job.id).how == "succeeded"
        with pytest.raises(stoker.Untrusted, match=f"result {job.id} is refused: it is of a job with another spec"):
            job.result(timeout=0)
        # Who has not submitted it asks for whatever has this id.
        assert client.job(job.id).result(timeout=0).words()


def test_a_key_that_leads_to_another_job(parties: Parties) -> None:
    """An idempotency key, a singleton and reuse lead to jobs that they may lead to, or the client says so."""
    spec = stoker.Describe(data="sample://iris", device="cpu")

    def submitted(**terms: Any) -> str:
        return client.submit(spec, **terms).id

    with parties.client() as client:
        other = client.submit(parties.spec).id
        for terms, pointer in ({"idempotency_key": "k"}, "idempotency:k"), ({"singleton": "s"}, "singleton:s"):
            first = submitted(**terms)
            assert submitted(**terms) == first
            parties.redis.set(f"stoker:{pointer}", str(parties.redis.get(f"stoker:{pointer}")).replace(first, other))
            with pytest.raises(stoker.Untrusted, match="has another spec; neither a singleton"):
                submitted(**terms)
    with parties.client(trusts=False) as client:
        assert submitted(singleton="s") == other


def test_a_forged_failure(parties: Parties) -> None:
    spec = parties.spec.model_copy(update={"arguments": {}})
    with parties.client() as client:
        job = client.submit(spec)
        assert parties.run(job.id).how == "failed"
        with pytest.raises(stoker.JobFailed) as failed:
            job.result(timeout=0)
        assert "no worker has signed" not in failed.value.message
        parties.write(job.id, reason="your account is locked, call …")
        with pytest.raises(stoker.Untrusted, match=f"failure {job.id} is refused: it was altered"):
            job.result(timeout=0)
        parties.redis.hdel(f"stoker:job:{job.id}", "reason_signed")
        with pytest.raises(stoker.JobFailed, match=r"call … \(no worker has signed that"):
            job.result(timeout=0)
        good = client.submit(parties.spec)
        parties.run(good.id)
        parties.write(good.id, state="FAILED", reason="it failed")
        with pytest.raises(stoker.JobFailed, match=r"it failed \(no worker has signed that"):
            good.result(timeout=0)
    with parties.client(trusts=False) as client, pytest.raises(stoker.JobFailed, match=r"it failed$"):
        client.job(good.id).result(timeout=0)


def test_a_renamed_model_is_signed_by_who_renames_it(parties: Parties) -> None:
    slot = parties.slot()
    register(parties, slot, 1)

    def loaded(ref: str) -> ModelVersion:
        return parties.connection.run(registry.resolve(ref, slot.check_version))

    for key in ("client", None):
        with parties.client(key) as other, pytest.raises(stoker.Untrusted, match="model figures@1 is refused"):
            other.rename_model("digits", "figures")
    assert loaded("digits").name == "digits"
    with parties.client("worker") as keeper:
        keeper.rename_model("digits", "figures")
        assert loaded("figures").name == "figures"
    with parties.client(None, trusts=False) as nobody:
        nobody.rename_model("figures", "numerals")
    with pytest.raises(stoker.Untrusted, match="model numerals@1 is refused: it is not signed"):
        loaded("numerals")
    with parties.client("worker") as keeper, pytest.raises(stoker.Untrusted):
        keeper.rename_model("numerals", "digits")
