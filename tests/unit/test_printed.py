"""What an attempt prints, and how much of it is kept."""

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stoker.client.logs import text_lines
from stoker.ledger.logs import KeptLog, LoggedLines
from stoker.models.store import Store
from stoker_workers.attempt import printed as module
from stoker_workers.attempt.printed import Printed

HALF = 40


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(str(tmp_path))


@pytest.fixture(autouse=True, scope="module")
def _small() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "HALF_BYTES", HALF)
        yield


@contextmanager
def of(*lines: str) -> Iterator[Printed]:
    with closing(Printed()) as printed:
        for line in lines:
            printed.add(line)
        yield printed


def put(store: Store, number: int, lines: Sequence[str], before: KeptLog | None, logged: LoggedLines) -> KeptLog:
    with of(*lines) as printed:
        return module.put(store, number, printed, before, logged)


@given(st.lists(st.text("abcdé\u2028\x00", min_size=1, max_size=15), max_size=40))
def test_the_first_and_the_last_lines_are_kept_and_each_is_whole(lines: list[str]) -> None:
    with of(*lines) as printed:
        first, last = printed.read()
    written = [f"{line}\n".encode() for line in lines]
    assert printed.size == len(b"".join(written))
    if printed.size <= 2 * HALF:
        assert (first, last) == (b"".join(written), b"")
        return
    assert b"".join(written).startswith(first)
    assert b"".join(written).endswith(last)
    assert HALF - 32 < len(first) <= HALF
    assert HALF - 32 < len(last) <= HALF
    assert first.endswith(b"\n")


def lines_of(store: Store, log: KeptLog) -> list[str]:
    return text_lines(store.read(log.artifact))


def test_a_line_says_how_much_is_left_out_of_all_attempts(store: Store) -> None:
    lines = [f"line {n:02}" for n in range(40)]
    one = put(store, 1, lines, None, LoggedLines())
    told = lines_of(store, one)
    assert told[:5] == lines[:5]
    assert told[5].startswith("… 248 bytes are left out here")
    assert told[6:] == lines[-4:]
    two = put(store, 2, ["more"], one, LoggedLines())
    told = lines_of(store, two)
    assert (two.attempt, told[:5], told[-1]) == (2, lines[:5], "more")
    assert two.left_out > one.left_out
    assert sum("are left out here" in line for line in told) == 1


def test_attempts_whose_worker_was_killed_come_from_the_events_and_no_line_comes_twice(store: Store) -> None:
    logged = LoggedLines(((1, "a"), (2, "b"), (3, "c")))
    one = put(store, 1, ["a"], None, LoggedLines())
    assert lines_of(store, put(store, 3, ["c"], one, logged)) == ["a", "b", "… attempt 3 begins here …", "c"]
    store.delete(one.artifact)
    assert lines_of(store, put(store, 3, ["c"], one, logged)) == ["a", "b", "… attempt 3 begins here …", "c"]


def test_lines_that_cannot_be_written_are_no_failure_of_the_job(monkeypatch: pytest.MonkeyPatch, store: Store) -> None:
    monkeypatch.setattr(tempfile, "tempdir", "/dev/null/nowhere")
    with of("one") as printed:
        assert not printed.is_empty
        with pytest.raises(OSError, match="nowhere"):
            module.put(store, 1, printed, None, LoggedLines())
    assert Printed().is_empty
