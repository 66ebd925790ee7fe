"""Every step that the table of rights forbids is tried, by every user, from outside and within a script."""

import json
import uuid
from collections.abc import Iterator
from contextlib import closing

import pytest
import redis
from redis.exceptions import NoPermissionError, ResponseError

import stoker
from stoker.access.loading import load_missing, scripts
from stoker.access.table import LANE_WRITERS, WRITERS, Party, commands
from stoker.fleet.topology import DEVICES
from stoker.lanes.keys import PREFIX as LANE_PREFIX
from stoker.ledger import intake, presence
from stoker.ledger.intake import NewJob
from stoker.ledger.keys import PREFIX, key
from stoker.redis.calls import drive
from stoker.redis.connection import Connection
from stoker.settings import Settings

from ..conftest import Eventually
from .conftest import controlled
from .test_acl import SPEC, server_url, url_of

__all__ = ["server_url"]

# Each kind of write that the commands of a user allow; what else writes needs the same rights to the key.
WRITES = (
    *(("SET", "1"), ("DEL",), ("EXPIRE", "1"), ("PERSIST",), ("INCR",), ("HSET", "a", "1"), ("HDEL", "a")),
    *(("LPUSH", "1"), ("LPOP",), ("LTRIM", "0", "0"), ("SADD", "1"), ("SREM", "1"), ("ZADD", "1", "a"), ("ZREM", "a")),
    *(("XADD", "*", "a", "1"), ("XDEL", "1-1"), ("XTRIM", "MAXLEN", "0")),
)
# What each user may do to where the audit notes who has entries; test_audit.py tries what it may do to its own.
NOTED = ("SADD", PREFIX["audits"])
CALLS = "return redis.call(unpack(ARGV))"
SHA = "0" * 40
STORED = "celery-task-meta-stored"


def name_below(prefix: str) -> str:
    """A key of those that begin so, or the one that is called so."""
    return f"{prefix}x" if prefix.endswith((":", "-")) else prefix


KEYS = {
    name_below(prefixes[name]): parties
    for writers, prefixes in ((WRITERS, PREFIX), (LANE_WRITERS, LANE_PREFIX))
    for name, parties in writers.items()
}


@pytest.fixture
def admin(server_url: str) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(server_url, decode_responses=True) as admin:
        yield admin
        for key in (*KEYS, "another-app", STORED):
            admin.delete(key)


@pytest.fixture
def sha(admin: redis.Redis) -> str:
    """Of a script that runs any command."""
    return str(admin.script_load(CALLS))


def user_of(party: Party, server_url: str) -> redis.Redis:
    return redis.Redis.from_url(url_of(party, server_url), decode_responses=True)


def is_forbidden(user: redis.Redis, *words: str) -> bool:
    """Whether the server's rules forbid it, as a command of its own or of a script."""
    try:
        user.execute_command(*words)
    except NoPermissionError:
        return True
    except ResponseError as error:
        # Redis before 7.2 says it otherwise.
        return str(error).startswith(("ACL failure in script", "The user executing the script can't"))
    return False


@pytest.mark.parametrize("party", Party)
def test_no_user_writes_a_key_of_others(party: Party, server_url: str, admin: redis.Redis, sha: str) -> None:
    others = [key for key, parties in KEYS.items() if party not in parties]
    others += ["another-app", "stoker:another", *(STORED for _ in [party] if party is Party.APPROVER)]
    assert len(others) > 5
    with user_of(party, server_url) as user:
        for key in others:
            for command, *rest in (write for write in WRITES if (write[0], key) != NOTED):
                assert is_forbidden(user, command, key, *rest), (command, key)
                assert is_forbidden(user, "EVALSHA", sha, "0", command, key, *rest), (command, key)
    assert admin.exists(*others) == 0


@pytest.mark.parametrize("party", [Party.CLIENT, Party.WORKER, Party.CONTROLLER])
def test_each_user_may_write_its_own_keys(party: Party, server_url: str, admin: redis.Redis, sha: str) -> None:
    """So that the test above forbids what it says, and not everything."""
    with user_of(party, server_url) as user:
        for key in (key for key, parties in KEYS.items() if party in parties):
            assert user.execute_command("EVALSHA", sha, "0", "SET", key, "1") == "OK", key


@pytest.mark.parametrize("party", Party)
def test_no_user_runs_a_command_that_is_not_in_the_table(party: Party, server_url: str, admin: redis.Redis) -> None:
    allowed = {word for word in commands(party) if not word.startswith("@")}
    for category in ("connection", *(word[1:] for word in commands(party) if word.startswith("@"))):
        allowed |= set(admin.execute_command("ACL", "CAT", category)) - set(admin.acl_cat("dangerous"))
    others = sorted(set(all_commands(admin)) - allowed)
    assert {"eval", "eval_ro", "fcall", "fcall_ro", "flushall", "keys", "monitor", "config|set", "restore"} < {*others}
    assert {"script|load"} < {*others} or party in (Party.WORKER, Party.CONTROLLER)
    for command in others:
        name = command.split("|")
        words = [*name, *[name_below(PREFIX["job"])] * (arity_of(admin, command) - len(name))]
        answer = admin.execute_command("ACL", "DRYRUN", party, *words)
        assert "has no permissions to run" in answer, (command, answer)


def all_commands(admin: redis.Redis) -> Iterator[str]:
    """Every command and subcommand that the server knows, as its rules call them; no names that only have some."""
    every = {word for category in admin.acl_cat() for word in admin.execute_command("ACL", "CAT", category)}
    yield from every - {word.split("|")[0] for word in every if "|" in word}


def arity_of(admin: redis.Redis, command: str) -> int:
    """How many words it takes at least, its own included."""
    [about] = admin.execute_command("COMMAND", "INFO", command).values()
    return abs(int(about["arity"]))


@pytest.mark.parametrize("party", Party)
@pytest.mark.parametrize(
    "words",
    [
        ("EVAL", "return 1", "0"),
        ("EVAL_RO", "return 1", "0"),
        ("FUNCTION", "LOAD", "#!lua name=mine\nredis.register_function('f', function() return 1 end)"),
        ("FCALL", "f", "0"),
        ("SCRIPT", "FLUSH"),
        ("SCRIPT", "KILL"),
    ],
    ids=lambda words: " ".join(words[:2]),
)
def test_no_user_brings_lua_of_its_own(party: Party, words: tuple[str, ...], server_url: str) -> None:
    with user_of(party, server_url) as user:
        assert is_forbidden(user, *words)


@pytest.mark.parametrize("party", [Party.CLIENT, Party.APPROVER])
def test_a_client_runs_only_what_others_have_loaded(party: Party, server_url: str) -> None:
    with user_of(party, server_url) as user:
        assert is_forbidden(user, "SCRIPT", "LOAD", "return 1")
        with pytest.raises(redis.exceptions.NoScriptError):
            user.evalsha(SHA, 0)


@pytest.mark.parametrize(
    "words",
    [("LRANGE", "0", "-1"), ("LPOP",), ("RPOP",), ("LMOVE", "cpu.x", "LEFT", "LEFT")],
    ids=lambda words: words[0],
)
def test_a_client_sends_messages_and_takes_none(words: tuple[str, ...], server_url: str, admin: redis.Redis) -> None:
    command, *rest = words
    with user_of(Party.CLIENT, server_url) as user:
        for device in DEVICES:
            assert is_forbidden(user, command, f"{device}.train\x06\x166", *rest)


def test_without_a_controller_a_client_is_told_and_with_one_it_goes_on(redis_url: str, eventually: Eventually) -> None:
    """A server that was started again, or has just become the master, has no scripts."""
    with redis.Redis.from_url(redis_url, decode_responses=True) as admin:
        admin.execute_command("ACL", "SETUSER", "poor", "on", ">poor", "~*", "&*", "+@all", "-@scripting", "+evalsha")
        poor = redis_url.replace("://", "://poor:poor@") if "@" not in redis_url else None
        poor = poor or f"redis://poor:poor@{redis_url.split('@')[1]}"
        try:
            with closing(Connection.open(Settings(), poor)) as client:
                admin.script_flush()
                with pytest.raises(stoker.Unavailable, match=r"lacks scripts of this version .* a controller of this"):
                    client.run(presence.workers())
                with controlled(Settings(), redis_url):
                    assert client.run(presence.workers()) == []
                    admin.script_flush()
                    # Within the call's own patience.
                    assert client.run(presence.workers()) == []
                    eventually(lambda: all(admin.script_exists(*(script.sha for script in scripts()))))
        finally:
            admin.execute_command("ACL", "DELUSER", "poor")


def test_what_is_missing_is_loaded_and_nothing_else(redis_url: str) -> None:
    with closing(Connection.open(Settings(), redis_url)) as connection:
        connection.client.script_flush()
        every = scripts()
        connection.run(presence.workers())
        # Not that of the call, but the one that stands for all.
        assert drive(load_missing(), connection.run) == len(every)
        assert drive(load_missing(), connection.run) == 0
        assert len({script.sha for script in every}) == len(every)


def test_what_a_clients_password_can_forge(server_url: str, admin: redis.Redis) -> None:
    """What docs/security.md says of an ACL's limits; what is signed is not believed: see tests/security."""
    with closing(Connection.open(Settings(), server_url)) as everyone:
        [job_id] = everyone.run(intake.submit([NewJob(str(uuid.uuid4()), SPEC, "gpu.train")]))
    with user_of(Party.CLIENT, server_url) as user:
        forged = user.hgetall(key("job", job_id)) | {"state": "FAILED", "reason": "forged", "finished_at": "1"}
        user.hset(key("job", job_id), mapping=forged)
        user.xadd(key("events", job_id), {"event": '{"type": "failed", "reason": "forged"}'})
        user.set(key("meta", job_id), json.dumps({"status": "SUCCESS", "result": "forged", "task_id": job_id}))
    with stoker.Client(settings=Settings(redis_url=url_of("client", server_url))) as client:
        assert client.job(job_id).status().reason == "forged"
