"""What `stoker doctor` says of the users on a server."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from stoker.access.users import acl_file
from stoker.cli.doctor.check import Finding, System, Verdict
from stoker.cli.doctor.users import CHECKS, User
from stoker.local.server import local_server
from stoker.settings import Settings


@pytest.fixture
def admin(tmp_path: Path) -> Iterator[redis.Redis]:
    """A server of its own, which has one user with a password."""
    with local_server(tmp_path) as url, redis.Redis.from_url(url, decode_responses=True) as admin:
        yield admin


def found(admin: redis.Redis) -> Finding:
    options = admin.connection_pool.connection_kwargs
    url = f"redis://:{options['password']}@{options['host']}:{options['port']}/0"
    [check] = CHECKS
    return check.finding(System(Settings(redis_url=url)))


def set_users(admin: redis.Redis) -> None:
    for _, name, *rules in map(str.split, acl_file().splitlines()):
        if name != "default":
            admin.execute_command("ACL", "SETUSER", name, "reset", *rules)


def test_the_one_user_of_a_local_server_and_those_of_this_version_are_well(admin: redis.Redis) -> None:
    assert found(admin).verdict is Verdict.OK
    set_users(admin)
    assert found(admin) == Finding(
        verdict=Verdict.OK,
        told="6: approver, client, controller, default, operator, worker",
        numbers={"users": 6, "bring_lua": 0},
    )


def test_who_needs_no_password_is_named_and_it_is_worse_without_protected_mode(admin: redis.Redis) -> None:
    admin.execute_command("ACL", "SETUSER", "guest", "on", "nopass")
    open_to_this_machine = found(admin)
    assert open_to_this_machine.verdict is Verdict.WARN
    assert "guest comes in without a password: give it one" in open_to_this_machine.told
    admin.config_set("protected-mode", "no")
    assert found(admin).verdict is Verdict.FAIL


def test_rights_that_this_version_does_not_give_or_that_it_needs_are_named(admin: redis.Redis) -> None:
    set_users(admin)
    admin.execute_command("ACL", "SETUSER", "client", "+eval", "~stoker:model:*", "-hscan")
    finding = found(admin)
    assert finding.verdict is Verdict.WARN
    assert finding.numbers["bring_lua"] == 1
    assert "client may bring Lua of their own" in finding.told
    assert "client lacks +hscan" in finding.told
    assert "client has beyond its need +eval, ~stoker:model:*" in finding.told
    assert finding.told.endswith("take config/users.acl of this version")


@pytest.mark.parametrize(
    ("rules", "brings"),
    [
        ("+eval_ro", True),
        ("+function|load", True),
        ("+fcall", True),
        ("+@scripting -eval", True),
        ("+@scripting -eval -eval_ro -function -fcall -fcall_ro", False),
        ("+eval -@all", False),
        ("+evalsha +script|exists", False),
    ],
)
def test_every_way_to_bring_lua_counts(rules: str, brings: bool) -> None:
    assert User.read(f"user somebody on >x ~stoker:* {rules}").brings_lua is brings


def test_who_comes_as_the_user_who_may_do_everything_from_elsewhere_is_named(
    admin: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """This machine's own address stands for another's."""
    monkeypatch.setattr("stoker.cli.doctor.users._THIS_MACHINE", ("/",))
    assert "127.0.0.1 come as user default, who may do everything" in found(admin).told
