"""Who may do what in Redis: the users and the guide are made of one table, which knows every key and command."""

import re
from pathlib import Path

import pytest

import stoker
from stoker.access.table import COMMANDS, LANE_WRITERS, WRITERS, Party
from stoker.access.users import acl_file, with_table
from stoker.lanes import keys as lane_keys
from stoker.ledger import keys

_ROOT = Path(__file__).parents[2]
_LIGHT = Path(stoker.__file__).parent
# Run by the worker or the controller alone: the search for leftovers, the repair, queues and batches of requests.
_RIGHTS_OF_FEW = {"scan", "pttl", "memory|usage", "unlink"}


def test_the_users_are_what_the_table_makes_of_them() -> None:
    assert (_ROOT / "config" / "users.acl").read_text() == acl_file(), "run python -m stoker.access.users"


def test_the_guide_has_the_table_of_keys() -> None:
    guide = (_ROOT / "docs" / "security.md").read_text()
    assert guide == with_table(guide), "run python -m stoker.access.users"


def test_the_table_has_every_key() -> None:
    assert WRITERS.keys() == keys.PREFIX.keys()
    assert LANE_WRITERS.keys() == lane_keys.PREFIX.keys()


def test_the_table_has_the_commands_of_every_script_and_no_others() -> None:
    called = re.compile(r"(?:redis|server)\.p?call\(\s*'([A-Z]+)'(?:, '([A-Z]{3,})')?")
    sent = re.compile(r"(?:Call\(|words[^=\n]*= |\n +)\(?\(\"([A-Z]+)\",")
    lua = "\n".join(path.read_text() for path in _LIGHT.rglob("*.lua"))
    python = "\n".join(path.read_text() for path in _LIGHT.rglob("*.py"))
    scripts = {"|".join(filter(None, words)).lower() for words in called.findall(lua + python)}
    assert scripts - _RIGHTS_OF_FEW - set(COMMANDS) == set()
    # Celery's `AsyncResult` asks for results.
    known = scripts | {word.lower() for word in sent.findall(python)} | {"evalsha", "mget"}
    assert set(COMMANDS) - known == set()


@pytest.mark.parametrize("party", Party)
def test_nobody_but_an_operator_brings_lua_and_only_workers_and_controllers_load_it(party: Party) -> None:
    [line] = [line for line in acl_file().splitlines() if line.startswith(f"user {party} ")]
    rules = line.split()
    assert not {"+eval", "+eval_ro", "+fcall", "+function", "+@scripting", "+@all", "~*", "allkeys"} & set(rules)
    assert ("+script|load" in rules) == (party in (Party.WORKER, Party.CONTROLLER))
