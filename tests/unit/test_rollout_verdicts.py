"""What evidence says of a new version: simulated rollouts, by the tests that a controller uses."""

import random

import numpy as np
import pytest
from scipy import stats

from stoker.kinds.deploy import Tolerance
from stoker.ledger.routes import Evidence, Side
from stoker_workers.controller.rollouts.statistics import (
    binomial,
    chi_square,
    distance,
    fisher,
    quantile,
    smallest_seen,
)
from stoker_workers.controller.rollouts.verdict import ALPHA, findings, harms, look_at, spent_at

LEAST = 200
NONE = Side()


def rolled_back_after(
    chance: random.Random, errors: tuple[float, float], share: float, requests: int, steps: int = 1
) -> int | None:
    """After how many requests a canary is rolled back; None if it is not. `errors` are of the old and the new one."""
    counts = [[0, 0], [0, 0]]
    looked = 0
    for number in range(1, requests + 1):
        side = int(chance.random() < share)
        counts[side][0] += 1
        counts[side][1] += chance.random() < errors[side]
        if (due := look_at(counts[1][0], LEAST)) > looked:
            looked = due
            old, new = (Side(requests=of, errors=bad) for of, bad in counts)
            if any(harms(findings(Evidence(old, new, NONE), Tolerance(), due, steps))):
                return number
    return None


def simulated(errors: tuple[float, float], share: float, requests: int, runs: int = 100) -> int:
    """How many of so many rollouts are rolled back."""
    chance = random.Random(f"{errors} {share}")
    return sum(rolled_back_after(chance, errors, share, requests) is not None for _ in range(runs))


@pytest.mark.parametrize("rate", [0.0, 0.01, 0.05, 0.3])
def test_a_version_like_the_other_is_rarely_rolled_back(rate: float) -> None:
    assert simulated((rate, rate), 0.1, 4000) <= 2


def test_a_version_like_the_other_is_rarely_rolled_back_by_any_criterion_in_three_steps() -> None:
    """Two classes of ten come up often, one batch in 20 is slow, one answer in 50 fails and as many are wrong."""
    chance = np.random.default_rng(0)
    classes = np.array([0.3, 0.3, *[0.05] * 8])

    def more(side: Side, requests: int) -> Side:
        drawn, slow = chance.multinomial(requests, classes), int(chance.binomial(requests, 0.05))
        return Side(
            requests=side.requests + requests,
            errors=side.errors + int(chance.binomial(requests, 0.02)),
            refused=side.refused + int(chance.binomial(requests, 0.01)),
            latency={(0, us): side.latency.get((0, us), 0) + n for us, n in ((10, requests - slow), (12, slow))},
            outputs={"": {k: side.outputs.get("", {}).get(k, 0) + int(n) for k, n in enumerate(drawn)}},
            right=side.right + requests,
            wrong=side.wrong + int(chance.binomial(requests, 0.02)),
        )

    def is_rolled_back() -> bool:
        for share in (0.01, 0.1, 0.5):
            old, new = NONE, NONE
            for look in range(1, 12):
                asked = LEAST * look // 8 - new.requests
                old, new = more(old, round(asked * (1 - share) / share)), more(new, asked)
                if any(harms(findings(Evidence(old, new, NONE), Tolerance(predictions=0.01, latency=1.01), look, 3))):
                    return True
        return False

    assert sum(is_rolled_back() for _ in range(100)) <= 2


def test_five_percent_of_errors_against_none_are_found_within_2000_requests() -> None:
    assert simulated((0.0, 0.05), 0.1, 2000) >= 95


def test_six_percent_of_errors_against_one_are_found_within_4000_requests() -> None:
    assert simulated((0.01, 0.06), 0.1, 4000) >= 95


def test_all_looks_of_all_steps_spend_no_more_than_there_is() -> None:
    assert sum(spent_at(look, 3) for look in range(1, 10_000)) * 3 <= ALPHA
    assert [look_at(requests, 80) for requests in (0, 9, 10, 79, 80, 99, 100, 125)] == [0, 0, 1, 7, 8, 8, 9, 10]


def test_the_tests_are_those_of_textbooks() -> None:
    table = [[10, 190], [3, 1797]]
    assert fisher(10, 200, 3, 1800) == pytest.approx(stats.fisher_exact(table, alternative="greater").pvalue)
    assert fisher(1, 200, 30, 1800) == 1.0
    assert binomial(7, 20, 0.2) == pytest.approx(stats.binom.sf(6, 20, 0.2))
    assert binomial(2, 20, 0.2) == pytest.approx(stats.binom.sf(1, 20, 0.2))
    one, two = {"a": 50, "b": 30, "c": 20}, {"a": 400, "b": 350, "c": 250}
    expected = stats.chi2_contingency([[*one.values()], [*two.values()]], correction=False).pvalue
    assert chi_square(one, two) == pytest.approx(expected)
    assert distance(one, two) == pytest.approx(0.1)
    assert quantile({10: 95, 12: 5}, 0.95) == 2048.0
    assert quantile({}, 0.95) is None


def test_the_smallest_harm_that_would_have_been_seen_is_seen_nine_times_of_ten() -> None:
    least = smallest_seen(200, 10, 1800, 0.001, 0.9)
    assert least is not None
    chance = random.Random(0)
    seen = sum(fisher(sum(chance.random() < least for _ in range(200)), 200, 10, 1800) <= 0.001 for _ in range(400))
    assert 0.85 <= seen / 400 <= 0.95
    assert smallest_seen(3, 0, 10, 0.0001, 0.9) is None


def counted(latency: dict[int, int], outputs: dict[int, int]) -> Side:
    batches = {(0, us): count for us, count in latency.items()}
    return Side(requests=1000, latency=batches, outputs={"": outputs})


def harm(before: Side, to: Side, tolerate: Tolerance | None = None) -> list[str]:
    seen = Evidence(before, to, NONE)
    return [each.of for each in harms(findings(seen, tolerate or Tolerance(), 8, 3))]


def test_slow_batches_and_other_predictions_are_harm_beyond_what_is_tolerated() -> None:
    old = counted({10: 960, 11: 40}, {0: 500, 1: 500})
    slow = counted({10: 500, 13: 500}, {0: 500, 1: 500})
    other = counted({10: 960, 11: 40}, {0: 950, 1: 50})

    assert harm(old, old) == []
    assert harm(old, slow) == ["latency"]
    assert harm(old, other) == ["predictions"]
    assert harm(old, other, Tolerance(predictions=0.5)) == harm(old, slow, Tolerance(latency=100)) == []


def test_wrong_answers_are_harm_and_a_shadow_that_fails_or_says_something_else() -> None:
    assert harm(Side(900, right=800, wrong=100), Side(100, right=50, wrong=50)) == ["labels"]

    def shadow(failed: int, disagreed: int) -> list[str]:
        seen = Evidence(Side(200), NONE, Side(200, errors=failed), compared=200, disagreed=disagreed)
        return [each.of for each in harms(findings(seen, Tolerance(), 8, 1, is_shadow=True))]

    assert shadow(0, 90) == []
    assert shadow(0, 150) == ["disagreement"]
    assert shadow(40, 90) == ["errors"]
