"""Times on the command line."""

from datetime import UTC, datetime, timedelta

import pytest

from stoker import InvalidArgument
from stoker.cli.moments import moment


def test_a_time_is_so_long_ago_or_of_this_machines_zone() -> None:
    before = datetime.now(UTC)
    ago = moment("--since", "90m")
    assert ago is not None
    assert before <= ago + timedelta(minutes=90) <= datetime.now(UTC)
    assert moment("--since", "2026-01-31T08:00+02:00") == datetime(2026, 1, 31, 6, tzinfo=UTC)
    assert moment("--since", "2026-01-31") == datetime(2026, 1, 31).astimezone()
    assert moment("--since", None) is None


@pytest.mark.parametrize("text", ["yesterday", "3", "7w", "", "0001-01-01", "999999d", "9999999999s"])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(InvalidArgument, match="--since is a time such as 30m, 12h, 7d"):
        moment("--since", text)
