"""Keeping the registry in order: what goes, what may not go, and what is known of it afterwards."""

import asyncio
import json
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

import stoker
from stoker import JobState
from stoker.ledger import attempts, intake, model_changes, registry
from stoker.ledger.attempt import Attempt
from stoker.ledger.children import await_children
from stoker.ledger.counters import read_tallies
from stoker.ledger.intake import NewJob
from stoker.ledger.keys import key
from stoker.ledger.model_uses import Uses
from stoker.ledger.replies import CommitReply
from stoker.ledger.scripts import script
from stoker.models.effects import MoveAlias
from stoker.models.manifest import ModelVersion
from stoker.models.retention import Retention, retention_of
from stoker.redis.calls import Steps
from stoker.redis.connection import Connection
from stoker.redis.origin import origin
from stoker.settings import Settings
from stoker_workers.controller import controller

from .. import commands
from ..conftest import Eventually
from .conftest import controlled
from .test_ledger import result_of, version

SPEC = stoker.Train(model="digits", data="sample://digits", device="cpu")


@pytest.fixture
def client(redis_url: str) -> Iterator[stoker.Client]:
    with stoker.Client(redis_url) as client:
        yield client


def submit(connection: Connection, spec: stoker.kinds.Spec = SPEC) -> str:
    [job_id] = connection.run(intake.submit([NewJob(str(uuid.uuid4()), spec, "cpu.train", spec.after)]))
    return job_id


def run(connection: Connection, job_id: str) -> Attempt:
    attempt = connection.run(attempts.claim(job_id, f"owner of {job_id}", "worker", 60))
    assert isinstance(attempt, Attempt)
    return attempt


def register(connection: Connection, number: int, name: str = "digits", parent: str | None = None) -> ModelVersion:
    """A version, by a job that has ended."""
    attempt = run(connection, submit(connection))
    made = version(number, attempt.job_id).model_copy(update={"name": name, "parent": parent})
    connection.run(attempts.succeed(attempt, result_of(), [made]))
    return made


def go_on(steps: Steps[object], connection: Connection, answer: object) -> None:
    while True:
        answer = connection.run(steps.send(answer))


def refs(client: stoker.Client) -> list[str]:
    return [version.ref for version in client.models()]


# --- aliases


def test_an_alias_moves_goes_back_step_by_step_and_can_be_dropped(
    connection: Connection, client: stoker.Client
) -> None:
    for number in (1, 2, 3):
        register(connection, number)
    assert client.alias_model("digits@latest", "canary").aliases == ("canary",)
    for number in (2, 3):
        client.alias_model(f"digits@{number}", "champion")
    assert client.model("digits").ref == "digits@3"
    assert client.rollback_model("digits").ref == "digits@2"
    assert client.rollback_model("digits").ref == "digits@1"
    with pytest.raises(stoker.ModelNotFound, match=r"digits@champion cannot go back.*stoker models log digits"):
        client.rollback_model("digits")
    client.alias_model("digits@3", "champion")
    assert client.rollback_model("digits").ref == "digits@1"
    client.drop_alias("digits", "champion")
    with pytest.raises(stoker.ModelNotFound, match="its aliases are canary"):
        client.model("digits")
    with pytest.raises(stoker.ModelNotFound, match="digits has no alias 'champion'"):
        client.drop_alias("digits", "champion")
    assert client.rollback_model("digits").ref == "digits@1"
    assert client.model("digits@canary").ref == "digits@3"


def test_a_rollback_passes_over_what_was_removed(connection: Connection, client: stoker.Client) -> None:
    for number in (1, 2, 3):
        register(connection, number)
        client.alias_model(f"digits@{number}", "champion")
    client.remove_model("digits@2")
    assert client.rollback_model("digits").ref == "digits@1"


def test_a_repeat_of_a_call_whose_answer_was_lost_changes_nothing(
    connection: Connection, client: stoker.Client
) -> None:
    for number in (1, 2, 3):
        register(connection, number)
        client.alias_model(f"digits@{number}", "champion")
    back = next(model_changes.roll_back("digits"))
    assert connection.run(back) == connection.run(back) == "ok"
    assert client.model("digits").ref == "digits@2"
    removal = model_changes._removed("digits", [client.model("digits@3")], Uses({}, [], 10))
    assert connection.run(removal) == connection.run(removal) == ["ok"]
    dropped = next(model_changes.drop_alias("digits", "champion"))
    assert connection.run(dropped) == connection.run(dropped) == "ok"


def test_who_changed_what_is_noted(connection: Connection, client: stoker.Client) -> None:
    made = register(connection, 1)
    register(connection, 2)
    client.alias_model("digits@2", "canary")
    client.note_model("digits@1", "measured by hand")
    client.drop_alias("digits", "canary")
    client.remove_model("digits@2")
    client.rename_model("digits", "numerals")
    renamed, removed, dropped, noted, moved, first = client.model_changes("numerals")
    assert (renamed.renamed, removed.removed, removed.why) == ("digits", 2, "asked")
    assert (dropped.alias, dropped.before, dropped.to) == ("canary", 2, None)
    assert (noted.noted, moved.alias, moved.before, moved.to) == (1, "canary", None, 2)
    assert (first.by, first.alias, first.to) == (made.job, "champion", 1)
    assert {change.by for change in (renamed, removed, dropped, noted, moved)} == {origin()}
    assert client.model_changes("digits") == []


def test_an_alias_never_points_at_what_was_removed(connection: Connection, client: stoker.Client) -> None:
    register(connection, 1)
    register(connection, 2)
    attempt = run(connection, submit(connection))
    client.remove_model("digits@2")
    deployed = stoker.DeployResult(model="digits@2", alias="live")
    committed = connection.run(attempts.succeed(attempt, deployed, [MoveAlias(model="digits@2", alias="live")]))
    assert committed is CommitReply.VERSION_GONE
    assert client.model("digits@1").aliases == ("champion",)
    with pytest.raises(stoker.ModelNotFound, match="digits@2 was removed at"):
        client.alias_model("digits@2", "live")


# --- notes


def test_a_note_shows_wherever_the_version_does(connection: Connection, client: stoker.Client) -> None:
    register(connection, 1)
    assert client.note_model("digits", "by hand, for München").note == "by hand, for München"
    assert [version.note for version in client.models()] == ["by hand, for München"]
    assert client.note_model("digits@1", "").note == ""
    assert not connection.client.exists(key("notes", "digits"))
    with pytest.raises(stoker.InvalidArgument, match="up to 2,000 characters"):
        client.note_model("digits", "x" * 2001)


# --- versions that go


def test_a_removed_version_is_gone_and_its_number_stays_taken(connection: Connection, client: stoker.Client) -> None:
    for number in (1, 2, 3):
        register(connection, number)
    client.note_model("digits@3", "short-lived")
    assert client.remove_model("digits@3") == ("digits@3",)
    assert refs(client) == ["digits@2", "digits@1"]
    assert client.model("digits@latest").ref == "digits@2"
    with pytest.raises(stoker.ModelNotFound, match=r"digits@3 was removed at .* UTC by .*, who asked for it"):
        client.model("digits@3")
    with pytest.raises(stoker.ModelNotFound, match="digits@3 was removed"):
        client.submit(stoker.Evaluate(model="digits@3", data="sample://digits"))
    with pytest.raises(stoker.ModelNotFound, match="digits@3 was removed"):
        client.remove_model("digits@3")
    assert connection.run(registry.next_number("digits")) == 4
    register(connection, 4)
    assert client.model("digits@latest").ref == "digits@4"
    assert client.model("digits@4").note == ""
    assert connection.run(read_tallies()).removed_versions == {"asked": 1}


def test_what_is_in_use_is_not_removed(connection: Connection, client: stoker.Client) -> None:
    for number in (1, 2, 3, 4, 5):
        register(connection, number, parent="digits@2" if number == 3 else None)
    evaluation = submit(connection, stoker.Evaluate(model="digits@4", data="sample://digits"))
    newest = submit(connection, stoker.Evaluate(model="digits@latest", data="sample://digits"))
    for ref, told in (
        ("digits@1", "digits@1 is what digits@champion points at"),
        ("digits", "digits is named by job"),
        ("digits@2", "digits@2 is what digits@3 was made from"),
        ("digits@4", f"digits@4 is named by job {evaluation}: wait until it has ended"),
        ("digits@5", f"digits@5 is named by job {newest}"),
    ):
        with pytest.raises(stoker.ModelInUse, match=told):
            client.remove_model(ref)
    with pytest.raises(stoker.ModelInUse, match="is named by job"):
        client.rename_model("digits", "numerals")
    assert len(refs(client)) == 5
    for job_id in (evaluation, newest):
        client.job(job_id).cancel()
    assert client.remove_model("digits@5") == ("digits@5",)
    assert client.remove_model("digits@4") == ("digits@4",)
    assert client.remove_model("digits@3") == ("digits@3",)
    assert client.remove_model("digits@2") == ("digits@2",)


def test_a_model_that_a_waiting_job_takes_from_another_job_stays(connection: Connection, client: stoker.Client) -> None:
    made = register(connection, 1)
    second = register(connection, 2)
    client.alias_model("digits@2", "champion")
    result = result_of().model_copy(update={"model": "digits@1"})
    connection.client.hset(key("job", made.job), "result", result.model_dump_json())
    waits = submit(connection, stoker.Evaluate(model=f"job:{made.job}", data="sample://digits"))
    with pytest.raises(stoker.ModelInUse, match=f"digits@1 is named by job {waits}"):
        client.remove_model("digits@1")
    assert client.keep_versions("digits", 1).kept == {"digits@1": f"job {waits} names it"}
    assert second.job != made.job


def test_what_a_child_names_stays_though_its_parent_names_nothing(
    connection: Connection, client: stoker.Client
) -> None:
    for number in (1, 2, 3):
        register(connection, number)
    parent = stoker.Run(function="shop.jobs:score", device="cpu")
    attempt = run(connection, submit(connection, parent))
    child = stoker.Infer(model="digits@2", data="sample://digits", rows=(0, 10))
    assert connection.run(await_children(attempt, parent, [child]))
    with pytest.raises(stoker.ModelInUse, match=f"digits@2 is named by job {attempt.job_id}-1-0"):
        client.remove_model("digits@2")
    assert client.keep_versions("digits", 1).kept["digits@2"] == f"job {attempt.job_id}-1-0 names it"


def test_a_job_that_comes_between_the_look_and_the_removal_is_seen(
    connection: Connection, client: stoker.Client
) -> None:
    register(connection, 1)
    register(connection, 2)
    steps = model_changes.remove("digits@2")
    call = next(steps)
    while call.script is not script("remove_versions"):
        call = steps.send(connection.run(call))
    late = submit(connection, stoker.Evaluate(model="digits@2", data="sample://digits"))
    answer = connection.run(call)
    assert answer == ["jobs"]
    with pytest.raises(stoker.ModelInUse, match=f"digits@2 is named by job {late}"):
        go_on(steps, connection, answer)
    assert refs(client) == ["digits@2", "digits@1"]


def test_a_whole_model_goes_with_its_aliases_and_its_name_is_free(
    connection: Connection, client: stoker.Client
) -> None:
    for number in (1, 2, 3):
        register(connection, number)
    client.alias_model("digits@2", "canary")
    client.note_model("digits@2", "a note")
    client.remove_model("digits@3")
    register(connection, 1, name="child", parent="digits@2")
    with pytest.raises(stoker.ModelInUse, match="digits@2 is what child@1 was made from"):
        client.remove_model("digits")
    client.remove_model("child")
    assert sorted(client.remove_model("digits")) == ["digits@1", "digits@2"]
    assert client.models() == []
    with pytest.raises(stoker.ModelNotFound, match="there is no model digits@champion"):
        client.model("digits")
    left = connection.client.keys("stoker:*digits*")
    assert left == [key("moves", "digits").encode()]
    assert connection.client.ttl(key("moves", "digits")) > 0
    register(connection, 1)
    assert client.model("digits").ref == "digits@1"
    assert connection.client.ttl(key("moves", "digits")) == -1
    with pytest.raises(stoker.ModelNotFound, match="cannot go back"):
        client.rollback_model("digits")


def test_a_version_that_a_newer_release_describes_keeps_its_fields_under_another_name(
    connection: Connection, client: stoker.Client
) -> None:
    register(connection, 1)
    register(connection, 2, parent="digits@1")
    register(connection, 1, name="child", parent="digits@2")
    raw = {record.number: record.raw for record in connection.run(registry.records()) if record.model == "digits"}["1"]
    connection.client.hset(key("model", "digits"), "1", raw[:-1] + b',"of_later":{"empty":[],"pi":3.141592653589793}}')
    client.alias_model("digits@2", "canary")
    client.note_model("digits@2", "a note")
    assert [version.ref for version in client.rename_model("digits", "numerals")] == ["numerals@2", "numerals@1"]
    renamed = {record.number: record.raw for record in connection.run(registry.records()) if record.model == "numerals"}
    assert renamed["1"].endswith(b',"of_later":{"empty":[],"pi":3.141592653589793}}')
    assert [(version.parent, version.aliases, version.note) for version in client.models()] == [
        ("numerals@2", ("champion",), ""),
        ("numerals@1", ("canary",), "a note"),
        (None, ("champion",), ""),
    ]
    with pytest.raises(stoker.ModelNotFound, match="there is no model digits"):
        client.model("digits")
    for name in ("numerals", "nobody"):
        with pytest.raises((stoker.ModelInUse, stoker.ModelNotFound), match=r"another model's name|there is no model"):
            client.rename_model(name, "child")
    assert not [name for name in connection.client.keys("*") if b"digits" in name]


def test_a_name_that_an_unfinished_job_means_another_model_by_is_not_given(
    connection: Connection, client: stoker.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    register(connection, 1, name="other")
    job_id = submit(connection, SPEC)
    with pytest.raises(stoker.ModelInUse, match=f"digits is named by job {job_id}, which means another model by it"):
        client.rename_model("other", "digits")
    # It came when the jobs had been looked through.
    monkeypatch.setattr(model_changes, "_TRIES", 1)
    monkeypatch.setattr(model_changes, "uses", unseen)
    with pytest.raises(stoker.ModelInUse, match="are being submitted all the time"):
        client.rename_model("other", "digits")
    client.job(job_id).cancel()
    assert [version.ref for version in client.rename_model("other", "digits")] == ["digits@1"]


def unseen(_: str) -> Steps[Uses]:
    """No uses, as long as there were no jobs."""
    yield from ()
    return Uses({}, [], 0)


@pytest.mark.parametrize("written", ["[]", "{", "null", "[" * 100_000])
def test_a_damaged_version_is_named_as_such_and_keeps_no_other_model_from_its_name(
    connection: Connection, client: stoker.Client, written: str
) -> None:
    register(connection, 1)
    register(connection, 1, name="other")
    connection.client.hset(key("model", "other"), "2", written)
    assert [version.ref for version in client.rename_model("digits", "numerals")] == ["numerals@1"]
    with pytest.raises(stoker.ModelNotFound, match="the record of other@2 is damaged"):
        client.rename_model("other", "another")


# --- keeping the newest


def test_the_newest_stay_and_what_is_in_use_with_all_its_parents(connection: Connection, client: stoker.Client) -> None:
    parents = {3: "digits@2", 2: "digits@1", 6: "digits@5", 9: "digits@4"}
    for number in range(1, 11):
        register(connection, number, parent=parents.get(number))
    register(connection, 1, name="child", parent="digits@7")
    client.alias_model("digits@3", "champion")
    named = submit(connection, stoker.Evaluate(model="digits@6", data="sample://digits"))
    promised = client.keep_versions("digits", 2, dry_run=True)
    assert promised.removed == ("digits@8",)
    assert len(refs(client)) == 11
    assert client.keep_versions("digits", 2) == promised
    assert promised.kept == {
        "digits@7": "child@1 was made from it",
        "digits@6": f"job {named} names it",
        "digits@5": "digits@6 was made from it",
        "digits@4": "digits@9 was made from it",
        "digits@3": "is under the alias champion",
        "digits@2": "digits@3 was made from it",
        "digits@1": "digits@2 was made from it",
    }
    client.job(named).cancel()
    client.alias_model("digits@10", "champion")
    assert client.keep_versions("digits", 2).removed == ("digits@6", "digits@5", "digits@3", "digits@2", "digits@1")
    assert client.keep_versions("digits", 2).removed == ()


def test_what_is_no_name_alias_or_count_is_refused_before_anything_is_sent(client: stoker.Client) -> None:
    for call, told in (
        (lambda: client.alias_model("digits", "latest"), "an alias is"),
        (lambda: client.drop_alias("digits@3", "canary"), "a model's name is"),
        (lambda: client.rename_model("digits", "Über"), "a model's name is"),
        (lambda: client.keep_versions("digits", 0), "keep is how many versions stay"),
        (lambda: client.rollback_model(3), "a model's name is"),  # type: ignore[arg-type]
    ):
        with pytest.raises(stoker.InvalidArgument, match=told):
            call()


def test_the_asyncio_client_does_the_same(connection: Connection, redis_url: str) -> None:
    register(connection, 1)
    register(connection, 2)

    async def keep() -> None:
        async with stoker.AsyncClient(redis_url) as client:
            await client.alias_model("digits@2", "champion")
            assert (await client.rollback_model("digits")).ref == "digits@1"
            await client.alias_model("digits@2", "canary")
            await client.drop_alias("digits", "canary")
            assert (await client.note_model("digits", "noted")).note == "noted"
            assert (await client.keep_versions("digits", 1, dry_run=True)).removed == ()
            assert await client.remove_model("digits@2") == ("digits@2",)
            assert [version.ref for version in await client.rename_model("digits", "numerals")] == ["numerals@1"]
            assert (await client.model_changes("numerals"))[0].renamed == "digits"

    asyncio.run(keep())


def test_a_job_that_has_ended_keeps_no_version(connection: Connection, client: stoker.Client) -> None:
    register(connection, 1)
    register(connection, 2)
    job_id = submit(connection, stoker.Evaluate(model="digits@2", data="sample://digits"))
    attempt = run(connection, job_id)
    connection.run(attempts.fail(attempt, JobState.FAILED, "for a test"))
    client.remove_model("digits@2")
    assert client.job(job_id).status().state is JobState.FAILED


# --- rules of the settings


def test_a_controller_removes_what_no_rule_keeps(
    connection: Connection,
    client: stoker.Client,
    redis_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    eventually: Eventually,
) -> None:
    monkeypatch.setattr(controller, "OLD_VERSIONS_S", 0.05)
    (tmp_path / "stoker.toml").write_text('[retention."digits*"]\nkeep = 2\n')
    monkeypatch.setenv("STOKER_CONFIG", str(tmp_path / "stoker.toml"))
    for number in (1, 2, 3, 4, 5):
        register(connection, number, parent="digits@2" if number == 4 else None)
        register(connection, number, name="other")
    with controlled(Settings(redis_url=redis_url, home=tmp_path), redis_url):
        eventually(lambda: refs(client)[:4] == ["digits@5", "digits@4", "digits@2", "digits@1"])
    assert len(refs(client)) == 9
    removed, *_ = client.model_changes("digits")
    assert (removed.removed, removed.why) == (3, "retention")
    with pytest.raises(stoker.ModelNotFound, match=r"digits@3 was removed .* which keeps fewer versions"):
        client.model("digits@3")
    assert connection.run(read_tallies()).removed_versions == {"retention": 1}


def test_of_several_rules_the_first_that_fits_holds() -> None:
    rules = {"digits": Retention(keep=3), "d*": Retention(keep=2), "*": Retention(keep=1)}
    kept = [rule.keep if (rule := retention_of(name, rules)) else None for name in ("digits", "dogs", "cats")]
    assert kept == [3, 2, 1]
    assert retention_of("cats", {"d*": Retention(keep=2)}) is None


# --- the command line


def test_the_command_line_keeps_the_registry_in_order(connection: Connection, redis_url: str) -> None:
    def stoker_models(*words: str) -> str:
        told = commands.run("models", *words, env={"STOKER_REDIS_URL": redis_url})
        assert told.returncode == 0, told.stderr
        return told.stdout

    for number in range(1, 6):
        register(connection, number, parent="digits@1" if number == 5 else None)
    assert "digits@3  champion" in stoker_models("alias", "digits@3", "champion")
    assert json.loads(stoker_models("rollback", "digits", "--json"))["version"] == 1
    assert "digits@2    on old rows" in stoker_models("note", "digits@2", "on old rows")
    assert "on old rows" in stoker_models("show", "digits@2")
    assert "digits@2 would go" in stoker_models("keep", "digits", "1", "--dry-run")
    assert stoker_models("rm", "digits@2", "--yes") == "removed: digits@2\n"
    assert json.loads(stoker_models("keep", "digits", "2", "--yes", "--json")) == {
        "removed": ["digits@3"],
        "kept": {"digits@1": "is under the alias champion"},
    }
    assert stoker_models("rename", "digits", "numerals") == "digits is now numerals, with 3 versions\n"
    assert "renamed from digits" in stoker_models("log", "numerals")
    assert "parent  numerals@1\n" in stoker_models("show", "numerals@5")
    told = commands.run("models", "rollback", "digits", env={"STOKER_REDIS_URL": redis_url})
    assert "there is no model digits@champion" in told.stderr
    assert stoker_models("alias", "numerals", "champion", "--drop") == "numerals@champion is no more\n"


def test_nothing_goes_unasked(connection: Connection, client: stoker.Client, redis_url: str) -> None:
    register(connection, 1)
    register(connection, 2)
    for words, what in (
        (("rm", "digits"), "Remove digits@2, digits@1 with digits@champion?"),
        (("keep", "digits", "1"), ""),
    ):
        told = commands.run("models", *words, env={"STOKER_REDIS_URL": redis_url})
        assert told.returncode == (2 if what else 0)
        assert what in told.stderr
    assert len(refs(client)) == 2
    told = commands.run("models", "rm", "digits@1", "--yes", "--json", env={"STOKER_REDIS_URL": redis_url})
    assert json.loads(told.stdout)["error"] == "ModelInUse"
    assert told.returncode == 1
