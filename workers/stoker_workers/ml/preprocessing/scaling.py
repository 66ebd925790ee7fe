"""How the numbers of each column are scaled: as the job says, and what that takes."""

from collections.abc import Iterator, Mapping
from dataclasses import replace

from stoker.errors import InvalidJob
from stoker.models.columns import Scaling, listed

from .figures import quartile_distance
from .profile import Profile
from .tensors import Feature


def with_scaling(profile: Profile, scaling: Scaling | Mapping[str, Scaling]) -> Profile:
    """A profile whose columns of numbers are scaled as a job says: all of them alike, or those that it names.

    Raises:
        InvalidJob: it names a column that has no plain numbers.
    """
    numbers = [name for name, feature in profile.features.items() if _has_numbers(feature)]
    chosen = dict.fromkeys(numbers, scaling) if isinstance(scaling, str) else scaling
    if isinstance(scaling, str) and not numbers:
        raise InvalidJob(f"scaling={scaling!r} is for columns of plain numbers, and there are none: leave it out")
    for name in chosen:
        if name not in numbers:
            instead = f"columns={{{name!r}: 'number'}} makes it one, if it can be" if name in _names(profile) else ""
            raise InvalidJob(
                f"scaling names {name!r}, which is no column of plain numbers to learn from; there are "
                f"{listed(numbers)}" + (f"; {instead}" if instead else "")
            )
    features = {
        name: replace(feature, scaling=chosen.get(name, feature.scaling)) for name, feature in profile.features.items()
    }
    columns = tuple(
        column.model_copy(update={"scaling": chosen[column.name]}) if column.name in chosen else column
        for column in profile.columns
    )
    return replace(profile, features=features, columns=columns)


def scaling_words(profile: Profile) -> Iterator[str]:
    """What was made of the columns that are not scaled as usual, a sentence each."""
    by_scaling: dict[Scaling, list[str]] = {}
    for name, feature in profile.features.items():
        by_scaling.setdefault(feature.scaling, []).append(name)
        if feature.scaling == "robust" and not quartile_distance(feature.stats):
            yield (
                f"column {name!r}: half of its numbers are alike, so that its quartiles have no distance; it is scaled "
                "by its standard deviation"
            )
    for scaling, names in by_scaling.items():
        if scaling != "standard":
            yield f"scaled by {_BY[scaling]}: {listed(names)}"


_BY: Mapping[Scaling, str] = {
    "standard": "mean and standard deviation",
    "robust": "median and quartiles",
    "quantile": "quantiles",
    "log": "logarithm",
}


def refuse_unscaled(features: Mapping[str, Feature], why: str) -> None:
    """Refuse to leave columns as they are which a job wants to be scaled.

    Raises:
        InvalidJob: there is one.
    """
    scaled = [name for name, feature in features.items() if feature.scaling != "standard"]
    if scaled:
        raise InvalidJob(f"scaling names {listed(scaled)}, but {why}: leave it out of scaling")


def _has_numbers(feature: Feature) -> bool:
    return feature.kind == "number" and not feature.stats.column.shape


def _names(profile: Profile) -> set[str]:
    return {column.name for column in profile.columns}
