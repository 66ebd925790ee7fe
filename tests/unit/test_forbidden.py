"""What a server answers who may not, in whatever words its version has for it."""

import pytest
from redis.exceptions import ResponseError

from stoker.errors import Unauthorized
from stoker.redis.retries import reason_of


@pytest.mark.parametrize(
    "answer",
    [
        "ACL failure in script: No permissions to access a key",
        "The user executing the script can't access at least one of the keys mentioned in the command arguments",
        "The user executing the script can't run this command or subcommand",
    ],
)
def test_a_command_that_is_forbidden_in_a_script_is_told_as_one_outside(answer: str) -> None:
    reason = reason_of(ResponseError(answer), "redis://here")
    assert isinstance(reason, Unauthorized)
    assert answer in reason.message
