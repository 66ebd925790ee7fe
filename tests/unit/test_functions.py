"""Functions as jobs: what is submitted, what a worker may call, and what a function sees of its job."""

import datetime as dt
import gc
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from shop import jobs as shop

import stoker
from stoker import kinds
from stoker.events import Checkpoint, Epoch, Event, Log, Progress
from stoker.functions import Arguments
from stoker.models.access import Access
from stoker.models.store import Store
from stoker_workers import Run
from stoker_workers.functions.context import call
from stoker_workers.functions.value import as_json
from stoker_workers.ml import run as execution
from stoker_workers.ml.own import own_job
from stoker_workers.ml.run import Children, Stopped, StopRequest

from ..conftest import PATIENCE_S

PACKAGE = Path(shop.__file__).parents[1]
JOB = "00000000-0000-0000-0000-000000000000"


# What is submitted.


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({"not a name": 1}, "expected the name of a parameter"),
        ({"run": 1}, "which the worker gives"),
        ({"at": {1, 2}}, "set is no plain data"),
        ({"at": float("nan")}, "no number that JSON can hold"),
    ],
)
def test_arguments_are_plain_data_by_name(arguments: dict[str, object], told: str) -> None:
    with pytest.raises(stoker.InvalidJob, match=told):
        stoker.Run("shop.jobs:tidy", arguments)


@pytest.mark.parametrize(
    "path", ["shop.jobs", "shop.jobs:a.b", "shop jobs:f", "../jobs:f", "shop.jobs:f()", ":f", "shop..jobs:f", "shop.:f"]
)
def test_a_function_is_a_module_and_a_name(path: str) -> None:
    with pytest.raises(stoker.InvalidJob, match=r"Run\.function: .* is not allowed: write package\.module:function"):
        stoker.Run(path)


def test_a_spec_is_written_and_read_like_any_other() -> None:
    spec = stoker.Run("shop.jobs:tidy", {"what": ["a"]}, device="gpu", timeout=5, seed=3)
    assert kinds.read_spec(spec.model_dump_json()) == spec
    assert kinds.parse_spec({"kind": "run", "function": "shop.jobs:tidy"}) == stoker.Run("shop.jobs:tidy")
    assert kinds.needs_of(spec) == ("function:shop.jobs:tidy",)
    with pytest.raises(stoker.InvalidJob, match="function is missing"):
        kinds.parse_spec({"kind": "run"})


def test_a_decorated_function_is_called_as_before_and_makes_specs() -> None:
    @stoker.job(device="gpu", timeout=3600)
    def double(number: int) -> int:
        """Twice as much."""
        return 2 * number

    assert double(4) == 8
    assert double.__doc__ == "Twice as much."
    spec = shop.train_ranker.spec(8, epochs=2)
    assert spec == stoker.Run(
        "shop.jobs:train_ranker", {"weeks": 8, "epochs": 2}, timeout=600, tags={"team": "ranking"}
    )
    with pytest.raises(stoker.InvalidJob, match="move it outside"):
        double.spec(number=1)


def test_a_wrong_option_is_refused_where_it_is_written() -> None:
    with pytest.raises(stoker.InvalidJob, match="did you mean 'timeout'"):
        stoker.job(timeuot=3)(dated)  # type: ignore[call-overload]


def dated(run: Run, day: dt.date, sizes: tuple[int, ...] = (1,), *, copy: str = "", **others: float) -> object:
    return day, sizes, copy, others


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({}, "day is missing"),
        ({"day": "2026-11-27", "sizes": ["many"]}, "valid integer"),
        ({"day": "someday"}, "valid date"),
        ({"day": "2026-11-27", "run": 1}, "run"),
    ],
)
def test_arguments_are_checked_against_the_signature(given: dict[str, object], told: str) -> None:
    with pytest.raises(stoker.InvalidJob, match=told):
        stoker.Run("shop:dated", Arguments(dated, "shop:dated").checked(**given))


def test_a_function_gets_the_types_that_it_names() -> None:
    arguments = Arguments(dated, "shop:dated")
    plain = arguments.checked(dt.date(2026, 11, 27), sizes=(2, 3), copy="c", weight=1.5)
    assert plain == {"day": "2026-11-27", "sizes": [2, 3], "copy": "c", "weight": 1.5}
    assert arguments.read(json.loads(json.dumps(plain))) == {
        "day": dt.date(2026, 11, 27), "sizes": (2, 3), "copy": "c", "weight": 1.5
    }  # fmt: skip
    assert arguments.read({"day": "2026-11-27"}) == {"day": dt.date(2026, 11, 27)}


def test_arguments_without_names_are_refused() -> None:
    def by_place(*numbers: int) -> None: ...

    async def later() -> None: ...

    with pytest.raises(stoker.InvalidJob, match="given by their names"):
        Arguments(by_place, "shop:by_place")
    with pytest.raises(stoker.InvalidJob, match="async"):
        Arguments(later, "shop:later")


# What a worker may call.


@pytest.mark.parametrize(
    "path",
    [
        "os:system",
        "shop.orders:forget_all",
        "shop:jobs",
        "shop.jobs:_hidden",
        "shop.jobs:__loader__",
        "shop.jobs:__builtins__",
        "shop.jobs:os",
        "shop.jobs:getpid",
        "shop.jobs:forget_all",
        "shop.jobs:secret",
        "shop.jobs:Path",
        "shop.jobs:nowhere",
        "shop.jobs.orders:week",
    ],
)
def test_nothing_else_than_the_functions_of_an_allowed_module_is_called(path: str) -> None:
    with pytest.raises(stoker.InvalidJob):
        own_job(path, ("shop.jobs:*",))


def test_what_is_allowed_is_found() -> None:
    assert own_job("shop.jobs:tidy", ("shop.jobs:*",)) is shop.tidy
    assert own_job("shop.jobs:train_ranker", ("shop.jobs:*",)) is shop.train_ranker.function
    assert own_job("shop.jobs:forget_all", ("shop.jobs:forget_all",))() == "forgotten"
    with pytest.raises(stoker.InvalidJob, match="add it to `functions`"):
        own_job("shop.jobs:tidy", ("shop.jobs:careless",))


# What a function sees.


class Job:
    """A job's attempts without a worker: what they send, and the checkpoints that stay."""

    def __init__(self, folder: Path) -> None:
        self.store = Store(str(folder / "store"))
        self.sent: list[Event] = []
        self.stop: StopRequest | None = None
        self._folder = folder

    def attempt(self, number: int = 1, children: tuple[stoker.RunResult, ...] = ()) -> Run:
        scratch = self._folder / f"scratch-{number}"
        scratch.mkdir()
        checkpoints = [event.artifact for event in self.sent if isinstance(event, Checkpoint)]
        return Run(
            execution.Run(
                job=JOB,
                store=self.store,
                builders=(),
                access=Access((str(self._folder),), self.store.url),
                models=(),
                checkpoints=tuple(checkpoints[-2:]),
                children=children,
                scratch=scratch,
                emit=self.sent.append,
                stop_requested=lambda: self.stop,
            )
        )


@pytest.fixture
def job(tmp_path: Path) -> Job:
    return Job(tmp_path)


def test_what_it_says_becomes_events(job: Job) -> None:
    run = job.attempt()
    run.log("two\nlines", level="warning")
    for done in range(1000):
        run.progress(done, 1000, "orders", stage="reading")
    run.progress(1000, 1000, "orders", stage="reading")
    run.epoch(1, {"loss": np.float32(0.5)}, epochs=4, rows=10)
    run.epoch(2, {"loss": 0.25})
    logs = [event for event in job.sent if isinstance(event, Log)]
    assert [(event.line, event.level) for event in logs] == [("two", "warning"), ("lines", "warning")]
    shown = [(event.done, event.total) for event in job.sent if isinstance(event, Progress)]
    assert (shown[0], shown[-1]) == ((0, 1000), (1000, 1000))
    assert len(shown) < 100
    first, second = [event for event in job.sent if isinstance(event, Epoch)]
    assert first.metrics == {"loss": 0.5}
    assert first.rows_per_s is not None
    assert first.eta_s is not None
    assert second.words() == "epoch 2  loss 0.25"


def test_a_checkpoint_keeps_a_file_or_a_folder_and_what_was_made_before(job: Job) -> None:
    run = job.attempt(1)
    folder = run.scratch / "state"
    (folder / "deep").mkdir(parents=True)
    (folder / "deep" / "weights").write_text("1 2 3")
    (run.scratch / "early.txt").write_text("early")
    run.artifact("early", run.scratch / "early.txt")
    run.checkpoint(folder)
    (run.scratch / "late.txt").write_text("late")
    run.artifact("late", run.scratch / "late.txt")

    resumed = job.attempt(2)

    assert resumed.resumed_from is not None
    assert (resumed.resumed_from / "deep" / "weights").read_text() == "1 2 3"
    assert set(resumed.files) == {"early"}
    lone = resumed.scratch / "lone.bin"
    lone.write_bytes(b"lone")
    resumed.checkpoint(lone)
    last = job.attempt(3)
    assert last.resumed_from is not None
    assert last.resumed_from.read_bytes() == b"lone"


def test_the_folder_for_files_may_be_kept_as_a_whole(job: Job) -> None:
    run = job.attempt(1)
    (run.scratch / "old").write_text("old")
    os.utime(run.scratch / "old", (0, 0))  # before the first day that a zip knows
    (run.scratch / "model.keras").write_text("not ours")
    for place in (run.scratch, run.scratch / "x" / ".."):
        run.checkpoint(place)
        run.artifact("all", place)

    resumed = job.attempt(2)

    assert resumed.resumed_from is not None
    assert sorted(path.name for path in resumed.resumed_from.iterdir()) == ["model.keras", "old"]
    assert list(resumed.scratch.iterdir()) == []


def test_a_damaged_checkpoint_is_left_out_with_a_warning(job: Job) -> None:
    run = job.attempt(1)
    (run.scratch / "state").write_text("good")
    run.checkpoint(run.scratch / "state")
    run.checkpoint(run.scratch / "state")
    newest = [event.artifact for event in job.sent if isinstance(event, Checkpoint)][-1]
    Path(job.store.of_job(JOB).location(newest)).write_bytes(b"damaged")

    resumed = job.attempt(2)

    assert resumed.resumed_from is not None
    assert resumed.resumed_from.read_text() == "good"
    assert any(isinstance(event, Log) and "is left out" in event.line for event in job.sent)


@pytest.mark.parametrize(
    "keep",
    [
        lambda run: run.checkpoint("nowhere"),
        lambda run: run.artifact("gone", "nowhere"),
        lambda run: run.artifact("bad", _touched(run.scratch / "ü b")),
        lambda run: run.artifact("../up", _touched(run.scratch / "f")),
        lambda run: run.artifact("\x1b[31m", _touched(run.scratch / "f")),
        lambda run: run.artifact("n" * 201, _touched(run.scratch / "f")),
        lambda run: run.checkpoint(_pipe(run.scratch / "folder")),
        lambda run: run.artifact("folder", _pipe(run.scratch / "folder")),
        lambda run: [run.artifact(str(number), _touched(run.scratch / "f")) for number in range(1_001)],
    ],
)
def test_what_cannot_be_kept_is_refused(job: Job, keep: Callable[[Run], object]) -> None:
    with pytest.raises(stoker.InvalidArgument, match="cannot be"):
        keep(job.attempt())


def _touched(path: Path) -> Path:
    path.touch()
    return path


def _pipe(folder: Path) -> Path:
    folder.mkdir()
    os.mkfifo(folder / "pipe")
    return folder


def test_a_folder_is_kept_as_a_zip(job: Job) -> None:
    run = job.attempt()
    (run.scratch / "logs").mkdir()
    (run.scratch / "logs" / "one").write_text("1")
    assert run.artifact("logs", run.scratch / "logs").name == "logs.zip"


def test_a_function_that_returns_after_a_stop_has_stopped(job: Job) -> None:
    def stops(run: Run) -> str:
        job.stop = "drain"
        return "half" if run.stop_requested else "whole"

    def fails(run: Run) -> None:
        job.stop = "cancel"
        if run.stop_requested:
            raise KeyError("its own way out")

    def does_not_look(run: Run) -> str:
        job.stop = "cancel"
        return "whole"

    for number, (function, reason) in enumerate(((stops, "drain"), (fails, "cancel"))):
        job.stop = None
        run = job.attempt(number)
        with pytest.raises(Stopped) as stopped:
            call(function, {"run": run}, run)
        assert stopped.value.reason == reason
    job.stop = None
    run = job.attempt(9)
    assert call(does_not_look, {"run": run}, run)[0] == "whole"


def test_children_end_the_attempt_and_then_have_results(job: Job) -> None:
    def asks(run: Run) -> list[object]:
        first = run.children([stoker.Run("shop.jobs:fit_forest", {"depth": depth}) for depth in (1, 2)])
        second = run.children([stoker.Run("shop.jobs:tidy", {"what": [str(first[0].words())]})])
        return [result.value for result in (*first, *second) if isinstance(result, stoker.RunResult)]

    def swallows(run: Run) -> str:
        with suppress(Exception):
            asks(run)
        return "done"

    results = tuple(stoker.RunResult(function="f", value=number, seed=0, run_s=0) for number in range(3))
    for number, (function, known, wanted) in enumerate(((asks, 0, 2), (asks, 2, 1), (swallows, 0, 2))):
        run = job.attempt(number, results[:known])
        with pytest.raises(Children) as asked:
            call(function, {"run": run}, run)
        assert len(asked.value.specs) == wanted
    run = job.attempt(8, results)
    assert call(asks, {"run": run}, run)[0] == [0, 1, 2]


def test_children_that_cannot_be_are_refused(job: Job) -> None:
    result = stoker.RunResult(function="f", value=1, seed=0, run_s=0)
    with pytest.raises(stoker.InvalidJob, match="other jobs than an earlier attempt"):
        job.attempt(1, (result,)).children([stoker.Describe(data="sample://iris")])
    with pytest.raises(stoker.InvalidJob, match="comes after another"):
        job.attempt(2).children([stoker.Run("shop.jobs:tidy", after=("#0",))])
    assert job.attempt(3).children([]) == ()
    with pytest.raises(stoker.InvalidJob, match="give each job a reference"):
        job.attempt(4).children([stoker.Run("shop.jobs:tidy", {"what": "x" * 3_000_000})] * 6)


def test_it_may_be_used_from_several_threads(job: Job) -> None:
    run = job.attempt()

    def talk() -> None:
        for number in range(50):
            run.log(number)

    threads = [threading.Thread(target=talk) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(job.sent) == 400


@pytest.mark.parametrize(
    ("returned", "told"),
    [
        (object(), "object is no plain data"),
        ({"loss": float("inf")}, "no number that JSON can hold"),
        ({1: 2}, "must be text"),
        (b"bytes", "bytes is no plain data"),
        ("x" * 2_000_000, "write it to a file"),
    ],
)
def test_what_json_cannot_hold_is_no_result(returned: object, told: str) -> None:
    with pytest.raises(stoker.InvalidJob, match=told):
        as_json(returned, "shop.jobs:careless")


def test_what_holds_itself_is_no_result() -> None:
    endless: list[object] = []
    endless.append(endless)
    with pytest.raises(stoker.InvalidJob, match="holds itself"):
        as_json(endless, "shop.jobs:careless")


def test_numbers_of_numpy_are_numbers() -> None:
    returned = {"mean": np.float32(0.5), "counts": np.arange(3), "rows": (np.int64(2), None)}
    assert as_json(returned, "f") == {"mean": 0.5, "counts": [0, 1, 2], "rows": [2, None]}


# Without a job.


def test_a_local_run_is_resumed_from_its_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for count in range(4):
        run = Run.local(tmp_path)
        before = int(run.resumed_from.read_text()) if run.resumed_from else 0
        assert before == count
        (run.scratch / "count").write_text(str(before + 1))
        run.checkpoint(run.scratch / "count")
    assert capsys.readouterr().out.count("checkpoint after") == 4
    assert len(list(tmp_path.glob("store/**/*.zip"))) == 2


def test_a_run_of_its_own_leaves_no_folder() -> None:
    run = Run()
    scratch = run.scratch
    assert scratch.is_dir()
    del run
    gc.collect()
    assert not scratch.exists()


def test_a_function_without_a_parameter_for_it_finds_its_run(job: Job) -> None:
    run = job.attempt()
    assert call(Run.current, {}, run)[0] is run
    assert Run.current() is not run


def test_the_package_of_an_author_is_tested_without_a_server_and_without_tensorflow() -> None:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:valkey", str(PACKAGE)]
    environment = {"PYTHONPATH": str(PACKAGE)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=PATIENCE_S)
    assert done.returncode == 0, done.stdout
