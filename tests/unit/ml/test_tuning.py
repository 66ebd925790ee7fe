"""Searches for settings, step by step: which trials are asked for, and what is made of them."""

import json
import math
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.storages.journal import JournalFileBackend, JournalStorage

import stoker
from stoker import Choice, Float, Int
from stoker.events import Event, Progress
from stoker.kinds import checked
from stoker.kinds.child import ChildJob
from stoker.kinds.tuning.halving import Halving, survives
from stoker.models.access import Access
from stoker.models.effects import MoveAlias
from stoker.models.store import Store
from stoker_workers.kinds import tune
from stoker_workers.ml.run import Children, Outcome, Run
from stoker_workers.ml.tuning.jobs import Clock, last_job, trial_job
from stoker_workers.ml.tuning.trials import TOO_LARGE, trial_jobs

SPACE = {"x": Float(-1, 1), "y": Choice(["a", "b", "c"]), "n": Int(1, 9, when={"y": "b"})}


def spec(**fields: Any) -> stoker.Tune:
    job = stoker.Run("shop.jobs:cost")
    given = {"job": job, "space": SPACE, "goal": "min cost", "trials": 12, "seed": 7, "finish": "none"}
    return stoker.Tune(**(given | fields))


def cost(x: float, y: str, n: int = 0, **_: object) -> dict[str, float]:
    return {"cost": (x - 0.3) ** 2 + {"a": 1.0, "b": 0.1 * (9 - n), "c": 0.5}[y]}


class Tuning:
    """A tuning without a ledger: its jobs end as a function of their arguments says.

    Attributes:
        asked: the jobs so far.
        most_open: how many were open at once.
    """

    def __init__(self, job: stoker.Tune, folder: Path, give: Callable[..., Any], *, slots: int = 1) -> None:
        self._job = job
        self._give = give
        self.events: list[Event] = []
        self.most_open = 0
        self.asked: list[ChildJob] = []
        self._halving: Halving | None = None
        folder.mkdir(exist_ok=True)
        store = Store(str(folder / "store"))
        self._run = Run(
            job="tuning", store=store, builders=(), access=Access(("/",), store.url), models=(), checkpoints=(),
            scratch=folder, slots=slots, emit=self.events.append,
        )  # fmt: skip

    def step(self) -> Outcome | list[ChildJob]:
        """An attempt of the tuning; gives what it ends with, or asks for."""
        try:
            return tune.run(self._job, replace(self._run, asked=tuple(self.asked)))
        except Children as asked:
            new, each, self._halving = asked.specs, asked.each, asked.halving
        assert each
        return [
            ChildJob(id=f"tuning-1-{number}", number=number, spec=spec, state="QUEUED")
            for number, spec in enumerate(new, len(self.asked))
        ]

    def outcome(self) -> Outcome:
        """Run it to its end, one job after the other."""
        while True:
            new = self.step()
            if isinstance(new, Outcome):
                return new
            self.asked += new
            open_ones = [child for child in self.asked if child.state == "QUEUED"]
            assert open_ones, "it waits for nothing"
            self.most_open = max(self.most_open, len(open_ones))
            self.end(open_ones[0])

    def end(self, child: ChildJob) -> None:
        """Let a job end, by what its function gives: a value, an error, or what it reaches at each rung."""
        assert isinstance(child.spec, stoker.Run)
        update: dict[str, Any] = {"state": "SUCCEEDED", "run_s": 1.0}
        try:
            value = self._give(**child.spec.arguments)
        except (ValueError, RuntimeError) as error:
            update |= {"state": "FAILED" if isinstance(error, ValueError) else "DEAD", "reason": str(error)}
        else:
            if isinstance(value, list) and self._halving:
                update |= self._reached(value, self._halving)
                value = value[-1]
            update["result"] = stoker.RunResult(function=child.spec.function, value=value, seed=1, run_s=1.0)
        self.asked[child.number] = child.model_copy(update=update)

    def _reached(self, values: list[float], halving: Halving) -> dict[str, Any]:
        reached: dict[int, float] = {}
        for rung in halving.rungs:
            reached[rung] = values[rung - 1]
            there = [child.reached[rung] for child in self.asked if rung in child.reached] + [reached[rung]]
            if not survives(there, reached[rung], halving):
                return {"reached": reached, "state": "PRUNED", "reason": "pruned"}
        return {"reached": reached}


def result(outcome: Outcome) -> stoker.TuneResult:
    assert isinstance(outcome.result, stoker.TuneResult)
    return outcome.result


def arguments(jobs: Outcome | list[ChildJob]) -> list[str]:
    assert isinstance(jobs, list)
    return [json.dumps(child.spec.arguments) for child in jobs if isinstance(child.spec, stoker.Run)]


def settings(tuning: Tuning) -> list[str]:
    return arguments(tuning.asked)


def test_the_best_of_its_trials_is_found(tmp_path: Path) -> None:
    tuning = Tuning(spec(trials=40), tmp_path, cost, slots=2)
    found = result(tuning.outcome())
    assert tuning.most_open == 3, "one for each slot, and one more"
    assert (len(found.trials), found.why, found.counts["SUCCEEDED"]) == (40, "all 40 trials have ended", 40)
    assert found.value == min(trial.value or 0 for trial in found.trials) < 0.2
    assert found.settings["y"] == "b"
    assert found.settings == found.trials[found.best].settings
    assert all(("n" in trial.settings) == (trial.settings["y"] == "b") for trial in found.trials)
    assert len(set(settings(tuning))) == 40
    assert sum(found.importances.values()) == pytest.approx(1)
    assert found.ranking[0].number == found.best
    assert found.model is None
    told = [event.words() for event in tuning.events if isinstance(event, Progress)]
    assert told[0] == "tuning: 0/40 trials"
    assert told[-1] == f"tuning, best cost {found.value:.4g} (trial {found.best}): 40/40 trials"


def test_the_same_history_gives_the_same_proposals(tmp_path: Path) -> None:
    undisturbed = Tuning(spec(trials=25, parallel=3), tmp_path, cost)
    undisturbed.outcome()
    again = Tuning(spec(trials=25, parallel=3), tmp_path / "again", cost)
    steps = 0
    while not isinstance(new := again.step(), Outcome):
        # An attempt that is lost before it has asked: the next one asks for the same.
        assert arguments(new) == arguments(again.step())
        again.asked += new
        again.end(next(child for child in again.asked if child.state == "QUEUED"))
        steps += 1
    assert steps >= 25
    assert settings(again) == settings(undisturbed)
    other = Tuning(spec(trials=25, parallel=3, seed=8), tmp_path / "other", cost)
    other.outcome()
    assert set(settings(other)).isdisjoint(settings(undisturbed))


@pytest.mark.parametrize("sampler", ["tpe", "random", "grid"])
def test_a_space_that_is_exhausted_ends_early(sampler: Any, tmp_path: Path) -> None:
    space = {"y": Choice(["a", "b", "c"]), "n": Int(1, 4, when={"y": "b"}), "x": Float(0, 0.3, step=0.1)}
    tuning = Tuning(spec(space=space, sampler=sampler, trials=100), tmp_path, cost, slots=4)
    found = result(tuning.outcome())
    assert found.why == "there are no settings left that no trial has had"
    assert len(found.trials) == len(set(settings(tuning))) == (1 + 4 + 1) * 4


@pytest.mark.parametrize("trials", [40, pytest.param(100, marks=pytest.mark.slow)])
def test_no_two_trials_are_equal(trials: int, tmp_path: Path) -> None:
    space = {"y": Choice(["a", "b", "c"]), "n": Int(1, 9), "k": Choice([1, 2, 3, 4, 5])}
    tuning = Tuning(spec(space=space, trials=trials, parallel=8), tmp_path, lambda y, n, k: cost(0, y, n)["cost"] + k)
    assert len(result(tuning.outcome()).trials) == len(set(settings(tuning))) == trials


def test_trials_that_fail_count_and_are_avoided(tmp_path: Path) -> None:
    def fails_sometimes(x: float, y: str, n: int = 0) -> Any:
        if y == "a":
            raise ValueError("a does not work")
        if y == "c":
            raise RuntimeError("its worker was lost 3 times")
        return "nothing" if n == 9 else cost(x, y, n)

    found = result(Tuning(spec(trials=30), tmp_path, fails_sometimes).outcome())
    assert found.counts["FAILED"] == 30 - found.counts["SUCCEEDED"] > 0
    reasons = {trial.reason for trial in found.trials if trial.state == "FAILED"}
    assert {"a does not work", "its worker was lost 3 times"} <= reasons
    assert found.value == min(trial.value for trial in found.trials if trial.value is not None)


def test_it_does_not_go_on_where_the_first_trials_all_fail(tmp_path: Path) -> None:
    def fails(**_: object) -> None:
        raise ValueError("there is no column price")

    tuning = Tuning(spec(), tmp_path, fails)
    with pytest.raises(
        stoker.InvalidJob, match=r"its first 5 trials have all failed.*trial 0: there is no column price"
    ):
        tuning.outcome()
    few = Tuning(spec(trials=2), tmp_path / "few", fails)
    with pytest.raises(stoker.InvalidJob, match=r"none of its trials has ended well: 2 FAILED; trial 0: there is no"):
        few.outcome()


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"costs": 1}, "it has measured costs, and no cost"),
        ({}, "it has measured nothing, and no cost"),
        ("much", "its function gave 'much': expected a number, or a mapping with cost"),
        ({"cost": True}, "it has measured cost, and no cost"),
    ],
)
def test_what_a_function_gives_must_have_the_goal(given: object, reason: str, tmp_path: Path) -> None:
    tuning = Tuning(spec(trials=1), tmp_path, lambda **_: given)
    with pytest.raises(stoker.InvalidJob, match=reason):
        tuning.outcome()


def test_pruned_trials_are_told_by_what_they_had_reached(tmp_path: Path) -> None:
    tuning = Tuning(
        spec(trials=30, rungs=(1, 3)),
        tmp_path,
        lambda **each: [cost(**each)["cost"] + 3 / epoch for epoch in (1, 2, 3)],
    )
    found = result(tuning.outcome())
    assert 5 < found.counts["PRUNED"] < 25
    pruned = [trial for trial in found.trials if trial.state == "PRUNED"]
    assert all(trial.value is not None and trial.epochs in (1, 3) for trial in pruned)
    states = [trial.state for trial in found.ranking]
    assert states == sorted(states, reverse=True), "those that ended well come first"
    furthest = [trial.epochs or 0 for trial in found.ranking if trial.state == "PRUNED"]
    assert set(furthest) == {1, 3}
    assert furthest == sorted(furthest, reverse=True), "of the pruned, those come first that got furthest"


@pytest.mark.usefixtures("pages_drawn")
def test_a_trial_that_has_diverged_has_no_value(tmp_path: Path) -> None:
    def diverges(y: str, **each: Any) -> list[float]:
        return [math.nan, math.inf, 9.0] if y == "a" else [cost(y=y, **each)["cost"]] * 3

    space = {"x": Float(-1, 1), "y": Choice(["a", "b", "c"])}
    job = spec(space=space, trials=30, rungs=(1, 2), sampler="random")
    found = result(Tuning(job, tmp_path, diverges).outcome())
    diverged = [trial for trial in found.trials if trial.state == "PRUNED" and trial.settings["y"] == "a"]
    assert diverged
    assert {trial.value for trial in diverged} == {None}
    assert "html" in found.files
    assert type(found).model_validate_json(found.model_dump_json()) == found, "what is written reads back equal"


@pytest.mark.usefixtures("pages_drawn")
def test_the_study_can_be_opened_by_optuna(tmp_path: Path) -> None:
    def fails_sometimes(x: float, y: str, n: int = 0) -> Any:
        if y == "c":
            raise ValueError("c does not work")
        return cost(x, y, n)

    found = result(Tuning(spec(), tmp_path, fails_sometimes).outcome())
    store = Store(str(tmp_path / "store"))
    journal = JournalStorage(JournalFileBackend(str(store.fetch(found.files["study"], tmp_path))))
    [study] = optuna.get_all_study_names(journal)
    trials = optuna.load_study(study_name=study, storage=journal).trials
    assert [trial.value for trial in trials] == [trial.value for trial in found.trials]
    assert [trial.params["y"] for trial in trials] == [trial.settings["y"] for trial in found.trials]
    assert trials[0].user_attrs["job"] == "tuning-1-0"
    page = store.fetch(found.files["html"], tmp_path).read_text()
    assert "<script" not in page
    assert "Tuning of shop.jobs:cost" in page
    assert json.loads(store.fetch(found.files["report"], tmp_path).read_text())["best"] == found.best


def test_a_function_is_called_again_with_the_best_arguments(tmp_path: Path) -> None:
    tuning = Tuning(spec(finish="retrain"), tmp_path, cost)
    found = result(tuning.outcome())
    assert len(tuning.asked) == 13
    last = tuning.asked[-1].spec
    assert isinstance(last, stoker.Run)
    assert last.arguments == found.settings
    assert last.trial is not None
    assert last.trial.note.startswith(f"trial {found.best} of tuning: x=")


def test_it_makes_no_model_of_what_is_not_good_enough(tmp_path: Path) -> None:
    tuning = Tuning(spec(finish="retrain", min_metrics={"cost": 10}), tmp_path, cost)
    found = result(tuning.outcome())
    assert len(tuning.asked) == 12
    assert "and must be at least 10: no model was made of it" in found.notes[0]


@pytest.mark.parametrize(("least", "made"), [({"cost": 0.5}, 1), ({"cost": 10}, 0), ({"share": 0}, 0)])
def test_a_plain_number_and_what_is_none_are_held_against_min_metrics(
    least: dict[str, float], made: int, tmp_path: Path
) -> None:
    job = spec(goal="max cost", finish="same", trials=2, min_metrics=least)
    tuning = Tuning(job, tmp_path, lambda **_: 1.0)
    found = result(tuning.outcome())
    assert len(tuning.asked) == 2 + made
    assert bool(found.notes) == (not made)


def trained(**fields: Any) -> stoker.TrainResult:
    given = {"model": "", "metrics": {"val_loss": 0.5}, "history": {"val_loss": (3.0, 1.0, 0.5, 0.7)}, "epochs": 4}
    rest = {"rows": 1, "parameters": 1, "seed": 1, "run_s": 1.0, "files": {}}
    return stoker.TrainResult.model_validate(given | rest | fields).brief()


def test_a_result_that_is_too_large_is_said_to_be() -> None:
    function = trial_job(spec(), 0, {"x": 0.5, "y": "a"}, 7, Clock(datetime.now(UTC)))
    # What the ledger gives of a job that has succeeded with so much.
    child = ChildJob(id="t-1-0", number=0, spec=function, state="SUCCEEDED")
    [ended] = trial_jobs(spec(), [child])
    assert (ended.state, ended.reason) == ("FAILED", TOO_LARGE)
    names = [f"val_output_{number}_mae" for number in range(200)]
    many = trained(metrics=dict.fromkeys(names, 1 / 3), history=dict.fromkeys(names, (1 / 3,) * 1000))
    assert len(many.model_dump_json()) < 2**16, "a training of many outputs is none of those"


def test_the_best_epoch_is_one_whose_metric_is_known() -> None:
    assert trained(history={"val_auc": (math.nan, 0.5, 0.9, 0.7)}).extreme_epochs == {"val_auc": (2, 3)}
    assert trained(history={"val_auc": (math.nan,), "val_loss": ()}).extreme_epochs == {}


STOP = stoker.EarlyStopping(patience=2)
PLATEAU = stoker.Plateau(patience=2)


@pytest.mark.parametrize(
    ("job", "changed"),
    [
        ({}, {"epochs": 3, "validation_split": 0}),
        (
            {"early_stopping": STOP, "plateau": PLATEAU},
            {"epochs": 3, "plateau": PLATEAU.model_copy(update={"monitor": "loss"})},
        ),
        ({"group": "customer"}, {"epochs": 3, "group": None}),
        ({"time": "day"}, {"epochs": 3, "time": None}),
        ({"stratify": True}, {"epochs": 3, "stratify": None}),
        ({"folds": 3}, {"epochs": 4, "folds": None}),
        ({"optimizer": stoker.Optimizer(schedule=stoker.Schedule(decay="cosine"))}, {"epochs": 4}),
        ({"validation_data": "other.csv", "early_stopping": STOP}, {"epochs": 20, "early_stopping": STOP}),
    ],
)
def test_the_best_settings_are_trained_on_all_rows(job: dict[str, Any], changed: dict[str, Any]) -> None:
    train = stoker.Train(model="m", data="m.csv", target="y", epochs=20, **job)
    tuning = stoker.Tune(job=train, space={"batch_size": [16, 32]}, goal="min val_loss")
    trial = trial_job(tuning, 0, {"batch_size": 16}, 7, Clock(datetime.now(UTC)))
    result = trained(history={}) if "folds" in job else trained()
    child = ChildJob(id="t-1-0", number=0, spec=trial, state="SUCCEEDED", result=result)
    [ended] = trial_jobs(tuning, [child])
    last = last_job(tuning, ended, 7, "t")
    assert checked(last) == last
    assert isinstance(last, stoker.Train)
    assert (last.batch_size, last.seed, last.registers) == (16, 7, True)
    assert {name: getattr(last, name) for name in changed} == changed
    assert last.early_stopping == changed.get("early_stopping")
    assert isinstance(trial, stoker.Train)
    assert not trial.registers


def test_trials_get_what_is_left_of_the_time() -> None:
    clock = Clock(datetime.now(UTC) - timedelta(seconds=40))
    function = trial_job(spec(budget_s=100), 0, {"x": 0.5, "y": "a"}, 7, clock)
    assert function.timeout == pytest.approx(60, abs=5)
    training = stoker.Tune(
        job=stoker.Train(model="m", data="m.csv", budget_s=9),
        space={"batch_size": [16]},
        goal="min val_loss",
        budget_s=100,
    )
    least = trial_job(training, 0, {"batch_size": 16}, 7, clock)
    assert isinstance(least, stoker.Train)
    assert least.budget_s == 9


@pytest.mark.parametrize(
    ("fields", "why"),
    [({"budget_s": 3}, "its 3 s are over"), ({"slot_hours": 2.5 / 3600}, "its trials have run for 0.000833 of")],
)
def test_a_budget_that_is_used_up_ends_it(
    fields: dict[str, float], why: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended: list[float] = []

    def lasting(x: float, **arguments: Any) -> dict[str, float]:
        ended.append(x)
        return cost(x, **arguments)

    monkeypatch.setattr(Clock, "run_s", property(lambda _: float(len(ended))))
    found = result(Tuning(spec(**fields), tmp_path, lasting, slots=4).outcome())
    assert found.why.startswith(why)
    assert len(found.trials) < 12
    assert found.counts["OPEN"] > 0


def test_the_folds_of_a_trial_count_among_its_hours(tmp_path: Path) -> None:
    train = stoker.Train(model="m", data="m.csv", target="y", folds=3)
    job = stoker.Tune(
        job=train, space={"batch_size": [16, 32]}, goal="min val_loss", slot_hours=1 / 60, finish="none", parallel=1
    )
    tuning = Tuning(job, tmp_path, cost)
    asked = tuning.step()
    assert isinstance(asked, list)
    given = trained(run_s=59, cross_validation={"folds": [], "mean": {}, "spread": {}})
    tuning.asked = [asked[0].model_copy(update={"state": "SUCCEEDED", "run_s": 2.0, "result": given})]
    end = tuning.step()
    assert isinstance(end, Outcome)
    assert (result(end).trials[0].run_s, result(end).run_s) == (61, 61)
    assert result(end).why.startswith("its trials have run for 0.0169 of 0.0166667 hours")


class Gate:
    """A tuning whose last training has made a version, up to its end."""

    def __init__(self, tuning: Tuning, model: str) -> None:
        self._tuning = tuning
        while not isinstance(new := tuning.step(), Outcome):
            tuning.asked += new
            child = tuning.asked[-1]
            if not isinstance(child.spec, stoker.Run) or (child.spec.trial and child.spec.trial.note):
                break
            tuning.end(child)
        made = stoker.RunResult(function="shop.jobs:cost", value=1, models=(model,), seed=1, run_s=1.0)
        tuning.asked[-1] = tuning.asked[-1].model_copy(update={"state": "SUCCEEDED", "result": made})

    def outcome(self, **compared: Any) -> Outcome:
        """The end, after a comparison that ends so."""
        new = self._tuning.step()
        if isinstance(new, Outcome):
            return new
        [child] = new
        assert isinstance(child.spec, stoker.Compare)
        assert child.spec.models == ("prices@best", "prices@7")
        assert child.spec.choose == "min mae"
        self._tuning.asked.append(child.model_copy(update=compared))
        end = self._tuning.step()
        assert isinstance(end, Outcome)
        return end


def compared(chosen: str) -> stoker.CompareResult:
    return stoker.CompareResult(
        data="t.csv", rows=1, models=(), axes=("mae",), chosen=chosen, why=f"{chosen} is better", files={}
    )


@pytest.mark.parametrize(
    ("model", "end", "alias", "note"),
    [
        ("prices@1", {}, "best", "prices@1 is the first version of prices"),
        ("prices@7", {"state": "SUCCEEDED", "result": compared("prices@7")}, "best", "prices@7 is better"),
        ("prices@7", {"state": "SUCCEEDED", "result": compared("prices@3")}, None, "prices@3 is better"),
        (
            "prices@7",
            {"state": "FAILED", "reason": "there is no model prices@best: its aliases are champion"},
            "best",
            "there was no prices@best before",
        ),
        (
            "prices@7",
            {"state": "DEAD", "reason": "gave up"},
            None,
            "prices@best stays, for the comparison is DEAD: gave up",
        ),
    ],
)
def test_an_alias_moves_to_what_is_better(
    model: str, end: dict[str, Any], alias: str | None, note: str, tmp_path: Path
) -> None:
    job = spec(goal="min mae", trials=2, finish="same", alias="best", test_data="t.csv")
    tuning = Tuning(job, tmp_path, lambda **each: {"mae": cost(**each)["cost"]})
    outcome = Gate(tuning, model).outcome(**end)
    found = result(outcome)
    assert (found.model, found.alias, found.notes) == (model, alias, (note,))
    assert outcome.effects == ((MoveAlias(model=model, alias="best"),) if alias else ())
