"""The shop's own tests: they need neither a server nor a worker."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from shop.jobs import best_forest, fit_forest, tidy, train_ranker

import stoker
from stoker_workers import Run


def test_the_ranker_learns() -> None:
    run = Run()
    few, many = train_ranker(run, weeks=4, epochs=1), train_ranker(Run(), weeks=4, epochs=20)
    assert many["loss"] < few["loss"]
    assert set(run.files) == {"ranker"}


def test_a_ranker_that_is_stopped_goes_on_where_it_was(tmp_path: Path) -> None:
    undisturbed = train_ranker(Run(), weeks=4, epochs=6)

    def after_two() -> "str | None":
        return "drain" if list(tmp_path.glob("store/jobs/**/checkpoint-2-*.zip")) else None

    assert train_ranker(Run.local(tmp_path, stop_requested=after_two), weeks=4, epochs=6) == {}  # type: ignore[arg-type]
    resumed = train_ranker(Run.local(tmp_path), weeks=4, epochs=6)
    assert resumed["first"] == 2
    np.testing.assert_array_equal(resumed["weights"], undisturbed["weights"])


def test_the_forest_knows_wine() -> None:
    assert fit_forest(Run(), depth=4)["accuracy"] > 0.8


def test_the_best_of_given_forests_is_chosen(tmp_path: Path) -> None:
    results = [stoker.RunResult(function="f", value={"accuracy": share}, seed=1, run_s=1) for share in (0.5, 0.9, 0.7)]
    assert best_forest(Run.local(tmp_path, children=results), depths=(1, 2, 3)) == 2


def test_wrong_arguments_are_refused_before_anything_is_sent() -> None:
    with pytest.raises(stoker.InvalidJob, match="weeks"):
        train_ranker.spec(weeks="many")
    assert train_ranker.spec(weeks=8).arguments == {"weeks": 8}


def test_a_plain_function_stays_one() -> None:
    assert tidy(["b", "a"]) == "a, b"


def test_none_of_it_needs_tensorflow() -> None:
    code = "import sys, shop.jobs as s; s.train_ranker(s.Run(), weeks=4, epochs=1); print('tensorflow' in sys.modules)"
    package = Path(__file__).parents[1]
    done = subprocess.run([sys.executable, "-c", code], cwd=package, capture_output=True, text=True, check=True)
    assert done.stdout.split()[-1] == "False"
