"""Which settings come next. What is proposed depends on the seed and on the trials before it, and on nothing else."""

import hashlib
import itertools
import json
import math
import random
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import TYPE_CHECKING

from stoker.errors import InvalidJob
from stoker.kinds import Tune
from stoker.kinds.tune import MOST_COMBINATIONS
from stoker.kinds.tuning.space import Parameter, as_numbers
from stoker.kinds.tuning.template import Template

from .trials import TrialJob

if TYPE_CHECKING:
    from .sampling import Sampling

Settings = dict[str, object]
# How often settings are drawn that a trial has had, before others are looked for one by one.
_MOST_DRAWS = 5
# Of the settings that no trial has had, one is drawn among so many.
_MOST_LEFT = 1_000


def next_numbers(trials: Sequence[TrialJob], count: int) -> list[int]:
    """The numbers of the next trials: those that none has, for a search that was dead has lost some of its trials."""
    taken = {trial.number for trial in trials}
    return list(islice((number for number in itertools.count() if number not in taken), count))


def proposals(spec: Tune, trials: Sequence[TrialJob], count: int, seed: int) -> list[Settings]:
    """Settings for the next trials, each of which no trial has had; fewer than `count` if there are no more."""
    template = spec.template
    taken = {key_of(trial.trial.settings): trial for trial in trials}
    if spec.sampler == "grid":
        every = list(template.combinations(lambda parameter: parameter.values))
        random.Random(seed).shuffle(every)
        return list(islice(_allowed(template, every, taken), count))
    return _sampled(spec, template, trials, count, seed, taken)


def seed_of(*words: object) -> int:
    """A seed of 32 bits for each list of words."""
    return int.from_bytes(hashlib.sha256("/".join(map(str, words)).encode()).digest()[:4])


def key_of(numbers: Mapping[str, int | float]) -> str:
    """What is equal for equal settings, given as numbers: those that differ by rounding are equal."""
    return json.dumps({name: f"{number:.12g}" for name, number in sorted(numbers.items())})


def _sampled(
    spec: Tune, template: Template, trials: Sequence[TrialJob], count: int, seed: int, taken: dict[str, TrialJob]
) -> list[Settings]:
    from .sampling import Sampling  # brings Optuna along, which a grid does not need

    sampling = Sampling(spec, template, trials)
    known: dict[str, TrialJob | None] = dict(taken)
    proposed: list[Settings] = []
    for number in next_numbers(trials, count):
        settings = _fresh(template, sampling, known, (seed, number))
        if settings is None:
            break
        known[_key(template, settings)] = None
        proposed.append(settings)
    return proposed


def _fresh(
    template: Template, sampling: "Sampling", known: Mapping[str, TrialJob | None], words: tuple[int, int]
) -> Settings | None:
    """Settings that no trial has had; None if there are none.

    Args:
        known: the trials by their settings; None for what is proposed together with these.
    """
    for turn in range(_MOST_DRAWS):
        settings = sampling.draw(seed_of(*words, turn))
        key = _key(template, settings)
        if key not in known and _is_allowed(template, settings):
            return settings
        # Drawn again, it counts once more. Of one that is open, it stays a trial that runs.
        same = known.get(key)
        if key not in known or (same and not same.is_open):
            sampling.tell(same.value if same and same.state == "SUCCEEDED" else None)
    return _left(template, known, random.Random(seed_of(*words, "left")))


def _left(template: Template, known: Collection[str], drawn: random.Random) -> Settings | None:
    """Settings that no trial has had, looked for one by one where all can be; None if there are none."""
    counts = [parameter.count for parameter in template.space.values()]
    if all(counts) and math.prod(count or 1 for count in counts) <= MOST_COMBINATIONS:
        every = template.combinations(lambda parameter: parameter.values)
    else:
        every = (template.draw(lambda _, each: _any(each, drawn)) for _ in range(_MOST_LEFT))
    left = list(islice(_allowed(template, every, known), _MOST_LEFT))
    return drawn.choice(left) if left else None


def _key(template: Template, settings: Settings) -> str:
    return key_of(as_numbers(template.space, settings))


def _any(parameter: Parameter, drawn: random.Random) -> object:
    return (
        drawn.choice(parameter.corners) if parameter.count is None else parameter.at(drawn.randrange(parameter.count))
    )


def _allowed(template: Template, settings: Iterable[Settings], known: Collection[str]) -> Iterator[Settings]:
    """Those that no trial has had and the job allows."""
    return (each for each in settings if _key(template, each) not in known and _is_allowed(template, each))


def _is_allowed(template: Template, settings: Settings) -> bool:
    try:
        template.with_settings(settings)
    except InvalidJob:
        return False
    return True
