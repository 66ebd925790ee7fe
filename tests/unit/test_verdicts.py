"""What is said of two checkouts that were measured side by side."""

import math

import pytest
from bench.verdicts import ratios, told, verdict


def test_eight_rounds_that_agree_are_a_verdict_and_seven_are_not() -> None:
    assert verdict([1.10] * 8) == "FASTER by 10%"
    assert verdict([0.75] * 8) == "SLOWER by 25%"
    assert verdict([1.10] * 7) == "too few rounds to tell"


def test_rounds_that_disagree_show_no_difference() -> None:
    assert verdict([0.9, 1.1] * 10) == "no difference shown"


@pytest.mark.parametrize("outlier", [0.01, 100.0])
def test_a_round_that_the_machine_spoilt_changes_no_verdict(outlier: float) -> None:
    assert verdict([1.1] * 14 + [outlier]) == "FASTER by 10%"


def test_each_round_is_compared_with_the_same_round_of_the_other() -> None:
    assert ratios([{"per_s": 10.0}, {"per_s": 40.0}], [{"per_s": 20.0}, {"per_s": 20.0}], "per_s") == [0.5, 2.0]


def test_a_round_in_which_nothing_ended_is_compared_as_well() -> None:
    nothing, some = {"per_s": 0.0}, {"per_s": 5.0}
    assert ratios([nothing, some, nothing], [some, nothing, nothing], "per_s") == [0.0, math.inf, 1.0]


def test_a_scenario_is_a_line_of_ratios_and_a_row_with_what_went_wrong_on_either_side() -> None:
    def case(system: str, rate: float, wrong: int) -> dict[str, object]:
        rounds = [{"per_s": rate, "wrong": wrong, "failed": {"Timeout": 1}}]
        return {"system": system, "model": "mlp", "callers": 64, "per_s": {"median": rate}, "rounds": rounds}

    text = told([case("ours", 1500.0, 0), case("theirs", 1000.0, 2)], "ours", "theirs")
    assert "mlp, callers: 64, in a second: 1.50" in text
    assert text.splitlines()[-1].split("  ")[0] == "mlp, callers: 64"
    assert "1,500.0" in text.splitlines()[-1]
    assert text.splitlines()[-1].endswith("4      too few rounds to tell")
