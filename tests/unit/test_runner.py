"""What a job's code may do to the process that it runs in: its slot hears of one end, and of nothing too large."""

import os
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

import stoker
from stoker.events import Epoch, Event, Log, Progress
from stoker.models.access import Access
from stoker.models.store import Store
from stoker_workers.attempt import runner
from stoker_workers.attempt.messages import Done, Emitted, End, Failed, Halted
from stoker_workers.attempt.runner import Runner
from stoker_workers.functions.context import Run as Context
from stoker_workers.functions.context import call
from stoker_workers.ml.run import Outcome, Run

from ..conftest import PATIENCE_S

Work = Callable[[Context], object]
Ended = tuple[End | None, list[Event]]


@pytest.fixture
def ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[Work], Ended]:
    """How a job's code ends, and what it has sent until then; it is asked to stop once it has sent something."""

    def run(work: Work) -> Ended:
        def execute(_spec: object, run: Run) -> Outcome:
            value, _ = call(partial(work, context := Context(run)), {}, context)
            return Outcome(stoker.RunResult(function="a.b:c", value=value, seed=0, run_s=0))

        monkeypatch.setattr(runner, "execute", execute)
        prepared = Run(
            job="job",
            store=Store(str(tmp_path)),
            builders=(),
            access=Access([], str(tmp_path)),
            models=(),
            checkpoints=(),
        )
        events, deadline = list[Event](), time.monotonic() + PATIENCE_S
        with Runner(stoker.Run("a.b:c"), prepared) as running:
            while time.monotonic() < deadline:
                for message in running.receive(0.1):
                    if not isinstance(message, Emitted):
                        return message if isinstance(message, End) else None, events
                    events.append(message.event)
                    if isinstance(message.event, Progress):
                        running.stop("cancel")
        return None, events

    return run


class Unheard(BaseException):
    """An error that `except Exception` does not catch."""


@pytest.mark.parametrize("error", [KeyboardInterrupt(), GeneratorExit(), Unheard("of"), ValueError("of")])
def test_whatever_is_raised_is_the_jobs_own_failure(error: BaseException, ended: Callable[[Work], Ended]) -> None:
    def work(_: Context) -> None:
        raise error

    end, _ = ended(work)
    assert isinstance(end, Failed)
    assert end.reason.startswith(type(error).__name__)


@pytest.mark.parametrize("error", [SystemExit(1), KeyboardInterrupt()])
def test_a_function_may_end_in_any_way_after_a_stop(error: BaseException, ended: Callable[[Work], Ended]) -> None:
    def work(run: Context) -> None:
        run.progress(0)
        while not run.stop_requested:
            time.sleep(0.01)
        raise error

    end, _ = ended(work)
    assert isinstance(end, Halted)


def test_a_copy_of_the_process_neither_ends_the_job_nor_reports_for_it(ended: Callable[[Work], Ended]) -> None:
    def work(run: Context) -> object:
        run.progress(0)
        while not run.stop_requested:
            time.sleep(0.01)
        if (copy := os.fork()) == 0:
            run.log("from the copy")
            return "copy"
        os.waitpid(copy, 0)
        return "job"

    end, events = ended(work)
    assert isinstance(end, Halted)
    lines = [event.line for event in events if isinstance(event, Log)]
    assert any("cannot report for the job" in line for line in lines), lines
    assert "from the copy" not in lines


def test_a_copy_that_returns_is_not_the_job(ended: Callable[[Work], Ended]) -> None:
    def work(_: Context) -> object:
        if (copy := os.fork()) == 0:
            return "copy"
        os.waitpid(copy, 0)
        return "job"

    end, _ = ended(work)
    assert isinstance(end, Done)
    assert isinstance(end.result, stoker.RunResult)
    assert end.result.value == "job"


def test_what_the_ledger_cannot_keep_is_left_out_and_told(ended: Callable[[Work], Ended]) -> None:
    def work(run: Context) -> None:
        run.epoch(1, {"loss \udcff": 1.0})
        run.epoch(2, {f"metric {number}": 1.0 for number in range(10_000)})
        raise ValueError("x" * 1_000_000)

    end, events = ended(work)
    assert [event.epoch for event in events if isinstance(event, Epoch)] == [1]
    assert any(isinstance(event, Log) and "the type epoch is left out" in event.line for event in events)
    assert isinstance(end, Failed)
    assert len(end.reason) < 5_000
    assert len(end.traceback) < 65_000
    assert "characters are left out" in end.reason
