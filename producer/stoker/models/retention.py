"""Which versions of a model are kept: the newest, those in use, and those that these were made from."""

from collections.abc import Callable, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from .described import Described
from .manifest import ModelVersion

ModelPattern = Annotated[str, StringConstraints(pattern=r"^[a-z0-9*?\[\]!._-]{1,64}$")]


class Retention(BaseModel):
    """How many versions of a model are kept: a table `[retention."PATTERN"]` of stoker.toml.

    Attributes:
        keep: the newest versions that stay in any case. Others go, but for those under an alias, those that an
            unfinished job names, and those that one which stays was made from.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    keep: int = Field(ge=1, le=1_000_000)


class Removal(Described):
    """What became of the versions of a model that are not among its newest.

    Attributes:
        removed: the references of those that went, or would go.
        kept: why each of the others stays, by its reference.
    """

    removed: tuple[str, ...]
    kept: dict[str, str]


def retention_of(name: str, rules: Mapping[str, Retention]) -> Retention | None:
    """The first rule, in the order of the settings, whose pattern fits a model's name; None if none does."""
    return next((rule for pattern, rule in rules.items() if fnmatchcase(name, pattern)), None)


def reasons_to_keep(
    versions: Sequence[ModelVersion], name: str, keep: int, job_of: Callable[[ModelVersion, bool], str | None]
) -> dict[str, str]:
    """Why versions of a model stay, by reference: the newest ones, those in use, and their parents.

    Args:
        versions: all that the registry has.
        job_of: gives the unfinished job that names a version, which is the newest or not.
    """
    kept = {version.ref: "is of another model" for version in versions if version.name != name}
    own = sorted((version for version in versions if version.name == name), key=lambda version: -version.version)
    for place, version in enumerate(own):
        if place < keep:
            kept[version.ref] = f"is among the newest {keep}"
        elif version.aliases:
            kept[version.ref] = f"is under the alias {', '.join(version.aliases)}"
        elif job := job_of(version, place == 0):
            kept[version.ref] = f"job {job} names it"
    return _with_parents(kept, {version.ref: version for version in versions})


def _with_parents(kept: Mapping[str, str], versions: Mapping[str, ModelVersion]) -> dict[str, str]:
    """These references and those of their parents, of the parents' parents and so on, each with why it is kept."""
    reasons, line = dict(kept), list(kept)
    while line:
        child = versions.get(line.pop())
        parent = child.parent if child else None
        if child and parent and parent not in reasons:
            reasons[parent] = f"{child.ref} was made from it"
            line.append(parent)
    return reasons
