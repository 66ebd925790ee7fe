"""What people have, from the file to the answer: every kind of column, in every format, for every task.

Each case is trained on, evaluated, predicted in bulk, and asked for single raw rows, and every number of these is
held against what the saved .keras file gives in plain Keras. What cannot be is refused with what is wrong and how to
mend it.
"""

from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from stoker.errors import InvalidJob
from stoker.models.manifest import ModelVersion
from stoker_workers.ml.prediction.predictor import Predictor

from .cases import TASKS, Case, Combination, covering, possible, refused, trained, triples, values
from .files import write
from .rows import Rows
from .whole_way import OpenRun, fitted, take, training

# Reading records computes nothing that is trained.
pytestmark = pytest.mark.filterwarnings(
    "ignore:Even though the `tf.config.experimental_run_functions_eagerly`:UserWarning"
)


@pytest.fixture(autouse=True)
def _only_what_depends_on_the_data(models_converted: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Load each model once: others test that."""
    loaded: dict[str, Predictor] = {}
    load = Predictor.load

    def load_once(version: ModelVersion, *args: Any, **fields: Any) -> Predictor:
        digest = version.files["keras"].digest
        if digest not in loaded:
            loaded.clear()
            loaded[digest] = load(version, *args, **fields)
        return loaded[digest]

    monkeypatch.setattr(Predictor, "load", load_once)


@cache
def chosen(aims: Callable[[Case], set[Combination]]) -> list[Case]:
    return covering(possible(trained), aims, measured=True)


def take_each(cases: Sequence[Case], open_run: OpenRun, folder: Path, subtests: pytest.Subtests) -> None:
    assert cases
    for number, case in enumerate(cases):
        with subtests.test(str(case)):
            take(case, open_run, folder / str(number))


@pytest.mark.parametrize("task", TASKS)
def test_what_is_trained_on_is_served_as_by_plain_keras(
    task: str, open_run: OpenRun, tmp_path: Path, subtests: pytest.Subtests
) -> None:
    take_each([case for case in chosen(values) if case.task == task], open_run, tmp_path, subtests)


@pytest.mark.slow
@pytest.mark.timeout(3_600)
@pytest.mark.parametrize("task", TASKS)
def test_whatever_three_things_meet_is_served_as_by_plain_keras(
    task: str, open_run: OpenRun, tmp_path: Path, subtests: pytest.Subtests
) -> None:
    take_each([case for case in chosen(triples) if case.task == task], open_run, tmp_path, subtests)


def refuse_each(cases: Sequence[Case], open_run: OpenRun, folder: Path, subtests: pytest.Subtests) -> None:
    assert cases
    for number, case in enumerate(cases):
        with subtests.test(str(case)):
            rows, pattern = Rows(case), refused(case)
            assert pattern
            ref = write(rows, *case.written[0], folder / str(number))
            with pytest.raises(InvalidJob, match=f"(?s){pattern}"):
                fitted(training(case, rows, ref), open_run())


def test_what_cannot_be_trained_on_is_refused_with_column_row_and_fix(
    open_run: OpenRun, tmp_path: Path, subtests: pytest.Subtests
) -> None:
    cases = covering(possible(lambda case: not trained(case)), values, measured=False)
    refuse_each(cases, open_run, tmp_path, subtests)


@pytest.mark.slow
@pytest.mark.timeout(3_600)
def test_whatever_cannot_be_trained_on_is_refused_with_column_row_and_fix(
    open_run: OpenRun, tmp_path: Path, subtests: pytest.Subtests
) -> None:
    refuse_each(possible(lambda case: not trained(case)), open_run, tmp_path, subtests)
