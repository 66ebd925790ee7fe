"""Which registered versions a rule could choose on some data: those that can be measured by it."""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from ..errors import InvalidArgument, InvalidJob, ModelNotFound
from ..kinds import Data, as_data
from ..kinds.compare import qualities, ruler
from ..kinds.needs import lacking, module_word
from ..kinds.rules import COSTS, Rule
from ..ledger import presence, records, registry
from ..models.data import columns_of, listed
from ..models.manifest import CHAMPION, ModelVersion
from ..models.model_files import served_bytes
from ..models.signature import Signature
from ..redis.calls import Steps
from . import arguments

MOST = 32
"""How many are measured where nobody says."""
MOST_EVER = 1000
_MOST_JOBS = 10_000


@dataclass(frozen=True)
class Question:
    """What is asked of the registry.

    Attributes:
        data: what to measure on.
        rule: see `Rule.parse`.
        models: names, for all versions of a model, and references of single ones; empty for all.
        tags: of the jobs that have made the versions.
        target: the column to predict; None for the one that the models were trained on.
        most: how many versions are measured at most.
        device: where; "auto" leaves it to the rule.
    """

    data: str | Data
    rule: str
    models: tuple[str, ...] = ()
    tags: Mapping[str, str] = field(default_factory=dict)
    target: str | None = None
    most: int = MOST
    device: str = "auto"


@dataclass(frozen=True)
class Candidates:
    """The versions that could be chosen.

    Attributes:
        versions: those to be measured: champions first, then those with another alias, then the newest.
        left_out: why not, of each other one that was looked at, by its exact reference.
    """

    versions: tuple[ModelVersion, ...] = ()
    left_out: Mapping[str, str] = field(default_factory=dict)


def candidates(question: Question) -> Steps[Candidates]:
    """Look through the registry; nothing is loaded.

    Raises:
        InvalidArgument: the versions that fit cannot be held against each other.
        InvalidJob: the rule or the data is wrong.
        ModelNotFound: there is no model of a name.
    """
    rule = Rule.parse(question.rule)
    versions: list[ModelVersion] = yield registry.versions()
    versions = yield from _meant(versions, question)
    workers: list[presence.Worker] = yield presence.workers()
    names = [name for version in versions for name in _columns(version.signature)]
    data = as_data(question.data)
    columns = columns_of(data.ref, data.stated, names)
    left_out: dict[str, str] = {}
    fitting = []
    for version in versions:
        reasons = _reasons(version, rule, question, columns, workers)
        if reason := next(reasons, None):
            left_out[version.ref] = reason
        else:
            fitting.append(version)
    _require_one_ruler(fitting, question)
    fitting.sort(key=lambda version: version.created_at, reverse=True)
    fitting.sort(key=lambda version: (CHAMPION not in version.aliases, not version.aliases))
    beyond = f"not looked at: only the first {question.most} of {len(fitting)} that fit"
    left_out |= {version.ref: beyond for version in fitting[question.most :]}
    return Candidates(tuple(fitting[: question.most]), left_out)


def _meant(versions: Sequence[ModelVersion], question: Question) -> Steps[list[ModelVersion]]:
    """The versions that the question names, or all."""
    meant = list(versions)
    if question.models:
        names = {name for name in question.models if "@" not in name}
        if unknown := names - {version.name for version in versions}:
            raise ModelNotFound(f"there is no model {min(unknown)!r}: `stoker models list` has those that there are")
        refs = [ref for ref in question.models if "@" in ref]
        exact: list[ModelVersion] = (yield registry.resolve_all(refs)) if refs else []
        wanted = {version.ref for version in exact}
        meant = [version for version in versions if version.name in names or version.ref in wanted]
    if question.tags:
        search = arguments.search(None, None, None, question.tags, None)
        jobs = yield from records.search(search, _MOST_JOBS, None)
        makers = {job.id for job in jobs}
        meant = [version for version in meant if version.job in makers]
    return meant


def _reasons(
    version: ModelVersion,
    rule: Rule,
    question: Question,
    columns: Collection[str] | None,
    workers: Sequence[presence.Worker],
) -> Iterator[str]:
    """Why a version is not to be measured, without loading it."""
    signature = version.signature
    known = (*qualities(signature), *COSTS)
    if unknown := next((metric for metric in rule.metrics if metric not in known), None):
        yield f"is not measured by {unknown}"
    targets = signature.target_columns
    if question.target is not None and targets and targets != (question.target,):
        yield f"predicts {listed(targets)}"
    if question.target is not None and signature.task in ("several", "reconstruction"):
        yield f"predicts more than {question.target!r}"
    if columns is not None:
        wanted = [*_columns(signature), *([question.target] if question.target else targets)]
        if missing := [name for name in dict.fromkeys(wanted) if name not in columns]:
            yield f"needs {listed(missing)}, which the data has not"
    words = [module_word(module) for module in version.modules]
    if words and workers and all(lacking(words, worker.offers) for worker in workers):
        yield f"needs {', '.join(words)}, which no live worker offers"
    try:
        size = served_bytes(version)
    except InvalidJob:
        yield "has no file of a model"
        return
    facts = {"bytes": size, "parameters": version.parameters}
    for each in rule.conditions:
        if each.metric in facts and not each.holds(facts[each.metric]):
            yield f"has {facts[each.metric]:,} {each.metric}, not {each.operator} {each.text}"


def _columns(signature: Signature) -> tuple[str, ...]:
    """The columns of data that a model takes."""
    if signature.forecast:
        return signature.forecast.columns
    return tuple(name for tensor in signature.inputs for name in tensor.columns or (tensor.name,))


def _require_one_ruler(versions: Sequence[ModelVersion], question: Question) -> None:
    rulers = Counter(ruler(version.signature, question.target) for version in versions)
    if len(rulers) < 2:
        return
    example = {ruler(version.signature, question.target): version.ref for version in versions}
    kinds = "; ".join(f"{count} of {each}, such as {example[each]}" for each, count in rulers.most_common())
    raise InvalidArgument(
        f"{question.data} and the rule fit models that nothing measures alike: {kinds}: name the target, or the models"
    )
