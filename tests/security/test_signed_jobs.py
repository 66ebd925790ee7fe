"""Jobs that are signed, and those that are refused: nothing of them is executed, which a file would show."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

import stoker
from stoker.ledger import intake
from stoker.ledger.intake import NewJob
from stoker.redis.calls import drive
from stoker.security import audit
from stoker.security.key_files import revoke
from stoker.security.signing import nth
from stoker_workers.node.capacity import Capacity
from stoker_workers.node.machine import Nvml
from stoker_workers.worker.app import run_worker

from .parties import QUEUE, Parties

NOW = datetime.now(UTC)


def test_a_signed_job_runs_and_its_result_is_believed(parties: Parties) -> None:
    job_id = parties.submit()
    assert parties.run(job_id).how == "succeeded"
    assert parties.canary.exists()
    with parties.client() as client:
        result = client.job(job_id).result(timeout=0)
    assert isinstance(result, stoker.RunResult)
    assert result.value == str(parties.canary)


def test_unsigned(parties: Parties) -> None:
    job_id = parties.submit(None)
    assert parties.run(job_id).how == "failed"
    assert "is refused: it is not signed: submit it with STOKER_SIGNING_KEY" in parties.reason(job_id)


def test_what_is_refused_is_noted_in_the_audit(parties: Parties) -> None:
    key = parties.add_key("narrow", scopes={"kinds": ("train",)})
    parties.connection.run(audit.look(is_on=True, limit=1))
    job_id = parties.submit("narrow")
    parties.run(job_id)
    *_, noted = drive(audit.newest(9), parties.connection.run)
    assert (noted.what, noted.who, noted.about, noted.tenant) == ("refused", key.id, job_id, "research")
    assert noted.text == parties.reason(job_id)


def test_altered_spec(parties: Parties) -> None:
    job_id = parties.submit(spec=parties.spec.model_copy(update={"arguments": {"path": "/nowhere"}}))
    parties.write(job_id, spec=parties.spec.model_dump_json())
    parties.run(job_id)
    assert "its spec was altered after it was signed" in parties.reason(job_id)


def test_a_signature_of_another_job(parties: Parties) -> None:
    signed, forged = parties.submit(), parties.submit(None)
    parties.write(forged, envelope=parties.read(signed, "envelope"))
    parties.run(forged)
    assert f"what is signed is job {signed}" in parties.reason(forged)


def test_an_altered_statement(parties: Parties) -> None:
    job_id = parties.submit(None)
    envelope = parties.read(parties.submit(), "envelope")
    first = envelope.split('"jobs":[["')[1].split('"')[0]
    parties.write(job_id, envelope=envelope.replace(first, job_id))
    parties.run(job_id)
    assert "is wrong: it was altered, or forged" in parties.reason(job_id)


def test_a_job_that_has_ended_is_not_run_again(parties: Parties) -> None:
    job_id = parties.submit()
    parties.run(job_id)
    parties.canary.unlink()
    envelope, spec = parties.read(job_id, "envelope"), stoker.kinds.read_spec(parties.read(job_id, "spec"))
    again = NewJob(job_id, spec, QUEUE, envelope=envelope)
    assert parties.connection.run(intake.submit([again])) == [job_id]
    assert parties.run(job_id).how == "dropped"
    assert not parties.canary.exists()


def test_a_job_that_lost_more_workers_than_are_signed(parties: Parties) -> None:
    job_id = parties.submit()
    parties.write(job_id, losses="3", max_attempts="99")
    parties.run(job_id)
    assert "it has lost 3 workers, and 3 attempts are signed" in parties.reason(job_id)


@pytest.mark.parametrize(
    ("scope", "patterns", "told"),
    [
        ("kinds", ("train", "eval*"), "the kind 'run'"),
        ("functions", ("shop.*",), "the function 'canary:touch'"),
        ("tenants", ("sales",), "the tenant 'research'"),
        ("devices", ("gpu",), "the device 'cpu'"),
    ],
)
def test_beyond_the_role(parties: Parties, scope: str, patterns: tuple[str, ...], told: str) -> None:
    key = parties.add_key("narrow", scopes={scope: patterns})
    job_id = parties.submit("narrow")
    parties.run(job_id)
    assert f"key {key.id} (narrow) may not have {told}" in parties.reason(job_id)


@pytest.mark.parametrize(
    ("scope", "patterns", "told"),
    [
        ("models", ("other",), "the model 'digits'"),
        ("aliases", ("canary",), "the alias 'live'"),
        ("functions", (), "the function 'shop.digits:deep'"),
    ],
)
def test_beyond_the_role_of_a_training(parties: Parties, scope: str, patterns: tuple[str, ...], told: str) -> None:
    parties.add_key("narrow", scopes={scope: patterns})
    network = stoker.Builder("shop.digits:deep")
    spec = stoker.Train(model="digits", data="sample://iris", architecture=network, alias="live", device="cpu")
    job_id = parties.submit("narrow", spec)
    parties.run(job_id)
    assert told in parties.reason(job_id)


@pytest.mark.parametrize("role", ["worker", "controller"])
def test_a_key_of_another_role(parties: Parties, role: str) -> None:
    job_id = parties.submit(role)
    parties.run(job_id)
    assert "signs children of its jobs alone" in parties.reason(job_id) or "of nobody" in parties.reason(job_id)


def test_one_key_for_a_machine_of_ones_own(parties: Parties) -> None:
    parties.add_key("me", "all")
    slot, job_id = parties.slot("me"), parties.submit("me")
    assert parties.run(job_id, slot).how == "succeeded"
    with parties.client() as client:
        assert client.job(job_id).result(timeout=0).words()


def test_expired(parties: Parties) -> None:
    parties.add_key("old", expires=NOW - timedelta(seconds=1))
    job_id = parties.submit("old")
    parties.run(job_id)
    assert "(old) expired at" in parties.reason(job_id)


def test_revoked_while_the_worker_runs(parties: Parties) -> None:
    slot, job_id = parties.slot(), parties.submit()
    assert slot.signatures.trust
    revoke(parties.trusted, "client")
    parties.run(job_id, slot)
    assert "(client) was revoked at" in parties.reason(job_id)


def test_what_waits_when_its_key_is_revoked_is_refused_and_what_runs_ends(parties: Parties) -> None:
    parties.add_key("alice")
    parties.add_key("alice-2")
    waiting = [parties.submit("alice") for _ in range(3)]
    renewed = parties.submit("alice-2")
    slot = parties.slot()
    assert parties.run(waiting[0], slot).how == "succeeded"
    parties.canary.unlink()
    revoke(parties.trusted, "alice")
    for job_id in waiting[1:]:
        parties.run(job_id, slot)
        assert "(alice) was revoked at" in parties.reason(job_id)
    # The result of what ran before stays, for a worker has signed that; and the new key's jobs go on.
    with parties.client("alice-2") as client:
        assert client.job(waiting[0]).result(timeout=0)
    assert parties.run(renewed, slot).how == "succeeded"


def test_keys_change_while_jobs_run(parties: Parties) -> None:
    """A client, two workers and the keys of all, each replaced in turn: nothing is refused, and all is believed."""
    ids = [parties.submit() for _ in range(12)]
    keys = iter(("worker-2", "worker-3"))
    slots = [parties.slot()]

    def take(at: int) -> str:
        if at % 4 == 3 and (name := next(keys, None)):
            parties.add_key(name, "worker")
            parties.add_key(f"client-{name}", "client")
            ids.append(parties.submit(f"client-{name}"))
            slots.append(parties.slot(name))
        return parties.run(ids[at], slots[at % len(slots)]).how

    with ThreadPoolExecutor(2) as pool:
        assert set(pool.map(take, range(12))) == {"succeeded"}
    assert {parties.run(job_id, slots[-1]).how for job_id in ids[12:]} == {"succeeded"}
    with parties.client() as client:
        assert all(client.job(job_id).result(timeout=0) for job_id in ids)
    assert len(slots) == 3


def test_keys_that_follow_each_other_are_both_valid(parties: Parties) -> None:
    slot = parties.slot()
    parties.add_key("client2", expires=NOW + timedelta(days=1))
    for key in ("client", "client2"):
        assert parties.run(parties.submit(key), slot).how == "succeeded"


def test_an_unknown_key(parties: Parties) -> None:
    job_id = parties.submit()
    (parties.trusted / "client.toml").unlink()
    parties.run(job_id)
    assert "is not trusted here" in parties.reason(job_id)


def test_one_signature_covers_jobs_that_share_a_spec_and_no_other(parties: Parties) -> None:
    with parties.client() as client:
        jobs = client.submit_many([parties.spec] * 3)
    assert len({parties.read(job.id, "envelope") for job in jobs}) == 1
    assert parties.run(jobs[2].id).how == "succeeded"
    parties.canary.unlink()
    beyond = nth(jobs[0].id, 3)
    forged = NewJob(beyond, parties.spec, QUEUE, envelope=parties.read(jobs[0].id, "envelope"))
    parties.connection.run(intake.submit([forged]))
    parties.run(beyond)
    assert "its statement was put to another job" in parties.reason(beyond)


def test_resubmitted_and_retried_jobs_are_signed_anew(parties: Parties) -> None:
    job_id = parties.submit(None)
    parties.run(job_id)
    with parties.client() as client:
        for job in (client.job(job_id).retry(), client.resubmit(job_id)):
            assert parties.run(job.id).how == "succeeded"


def test_another_job_that_is_given_for_a_retry_is_refused(parties: Parties) -> None:
    job_id = parties.submit(None)
    parties.run(job_id)
    other = parties.submit(spec=stoker.Describe(data="sample://iris"))
    with parties.client() as client:
        first = client.job(job_id).retry()
        assert client.job(job_id).retry().id == first.id
        parties.redis.set(f"stoker:idempotency:retry of {job_id}", other)
        with pytest.raises(stoker.Untrusted, match=f"job {other} is given for the retry of job {job_id}"):
            client.job(job_id).retry()
    with parties.client(trusts=False) as client:
        assert client.job(job_id).retry().id == other


@pytest.mark.parametrize("name", ["signing_key", "trusted_keys"])
def test_a_worker_without_its_keys_does_not_start(parties: Parties, name: str) -> None:
    settings = parties.settings("worker").model_copy(update={name: parties.folder / "gone"})
    with pytest.raises(stoker.InvalidSettings, match=f"{name}.* cannot be read"):
        run_worker(settings, parties.redis_url, Capacity(settings, "cpu", None, Nvml(), 0))


def test_a_worker_that_trusts_everybody_runs_all_as_before(parties: Parties) -> None:
    slot = parties.slot(None, trusts=False)
    for key in (None, "client"):
        assert parties.run(parties.submit(key), slot).how == "succeeded"
