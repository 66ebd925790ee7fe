"""Linking Lua scripts: what a script gets of a library, and in which order."""

import pytest

from stoker import lanes
from stoker.ledger import scripts
from stoker.redis.linking import linked

LIBRARY = """\
-- How much is added.
local STEP = 1
local later
local unused = 'local'

local function add(n)
  return n + STEP
end

-- Adds twice.
local function twice(n)
  return add(add(n))
end

function later(n)
  return n
end
local odd = {}
for n = 1, 3 do
  odd[n] = true
end
"""


def test_a_script_gets_the_definitions_that_it_and_they_use_in_their_order() -> None:
    assert linked("return twice(1)\n", LIBRARY, {}) == (
        "local STEP = 1\n"
        "local function add(n)\n  return n + STEP\nend\n"
        "local function twice(n)\n  return add(add(n))\nend\n\n"
        "return twice(1)\n"
    )


def test_what_is_declared_first_and_defined_later_comes_with_both() -> None:
    assert linked("return later(1)\n", LIBRARY, {}) == (
        "local later\nfunction later(n)\n  return n\nend\nreturn later(1)\n"
    )


def test_statements_stay_with_the_definition_before_them() -> None:
    assert "odd[n] = true" in linked("return odd\n", LIBRARY, {})
    assert "odd" not in linked("return STEP\n", LIBRARY, {})


@pytest.mark.parametrize("script", ["return 'twice'\n", "return job.twice\n", "-- As twice does.\nreturn 1\n"])
def test_a_text_a_field_and_a_comment_use_nothing(script: str) -> None:
    assert linked(script, LIBRARY, {}) == script


def test_an_apostrophe_within_a_text_hides_no_name_behind_it() -> None:
    script = 'return "it\'s " .. twice(1) .. "it\'s"\n'
    assert linked(script, LIBRARY, {}) == linked("return twice(1)\n", LIBRARY, {}).replace("return twice(1)\n", script)


def test_the_texts_of_a_constant_table_take_its_place() -> None:
    assert linked("return KEY.job .. 1\n", "local KEY = { job = 'j:' }\n", {"KEY": {"job": "j:"}}) == (
        "return 'j:' .. 1\n"
    )
    with pytest.raises(ValueError, match=r"KEY\.jobs: there is no such key"):
        linked("return KEY.jobs\n", "", {"KEY": {"job": "j:"}})


def test_a_constant_table_that_is_used_as_a_whole_comes_along() -> None:
    library = "local KEY = { job = 'j:' }\n"
    assert linked("return KEY[ARGV[1]]\n", library, {"KEY": {"job": "j:"}}).startswith(library)


def test_what_only_a_function_that_is_seldom_called_uses_is_built_when_it_is_first_called() -> None:
    assert linked("return STEP or twice(1)\n", LIBRARY, {}, seldom=["twice"]) == (
        "local STEP = 1\n"
        "local built_twice\n"
        "local function twice(...)\n"
        "  if not built_twice then\n"
        "    local function add(n)\n      return n + STEP\n    end\n"
        "    local function twice(n)\n      return add(add(n))\n    end\n\n"
        "    built_twice = twice\n"
        "  end\n"
        "  return built_twice(...)\n"
        "end\n"
        "return STEP or twice(1)\n"
    )


def test_every_script_that_is_told_who_calls_it_takes_that_off_its_arguments() -> None:
    told = [script for name in scripts.script_names() if (script := scripts.script(name)).names_caller]
    assert told
    for script in told:
        assert "table.remove(ARGV, 1), table.remove(ARGV, 1)" in script.source
    assert "table.remove(ARGV, 1), table.remove(ARGV, 1)" not in lanes.script("take").source
