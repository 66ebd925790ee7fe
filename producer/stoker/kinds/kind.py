"""What is to be known of a job kind by all who handle jobs; no other module asks which kind it has."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, Literal, Protocol, TypeVar

from ..models.manifest import ModelVersion
from .base import JobSpec, several
from .data import Data

if TYPE_CHECKING:
    from . import Spec

S = TypeVar("S", bound=JobSpec[Any])


class SubmitChecks(Protocol):
    """What a spec can be checked against before it is queued."""

    def version(self, ref: str) -> ModelVersion | None:
        """The registered version behind a reference; None if another job is yet to make it."""

    def preflight(
        self,
        data: str | Data,
        *,
        target: str | tuple[str, ...] | None,
        features: tuple[str, ...] | None,
        labelled: bool = True,
    ) -> str | Data:
        """Check data; gives them as a worker finds them. See `models.data.preflight`."""

    def file(self, ref: str) -> str:
        """Check a single file; gives it as a worker finds it. See `models.data.preflight_file`."""


@dataclass(frozen=True)
class Sampled:
    """What a job wants to be sampled of the requests to the model that it reads: see `ledger.sampling.Sampling`."""

    share: float
    off: tuple[str, ...]
    window: int
    horizon_s: float


@dataclass(frozen=True)
class Kind(Generic[S]):
    """One kind of jobs.

    Attributes:
        queue: the class of its queues: see `fleet.topology.CLASSES`.
        usual_s: seconds that a job is taken to run before any has ended.
        summary: a job in a few words, as Flower and `celery inspect` show its arguments.
        gains_by_gpu: whether it is faster on a GPU than its data take to get there.
        is_brief: whether it takes milliseconds, so that it runs within its slot, without a folder for its files.
        takes_longer: of a brief kind, which jobs are not, and have a process and a folder of their own.
        beside: the alias of its first model whose version it is held against, if there is one; None for none.
        is_followed: whether a controller goes on with its jobs while they wait.
        reads: the fields that name the models which it reads, each one reference, several, or none.
        makes: the field that names the model of which it makes a version; None if it makes none.
        slots: how many slots it takes at once.
        may_have_children: whether it may submit children, and learns how many slots there are for them.
        trial: of a search, the job of which it tries settings, and that some worker must be able to run as well.
        checkpoints: how many of its checkpoints are kept: of two, one is left if the newest is damaged; 0 for a kind
            that keeps no files.
        needs: the words that its worker must offer, besides the labels of the spec: see `needs.py`.
        memory_plans: how it makes do with less memory, in words, each with less than the last: an attempt that has
            run out while that would have helped is followed by one that runs by the next plan.
        work: numbers of a job that its time is about proportional to, by name.
        samples: what is sampled of the requests to the first model that it reads, from its first attempt to its end.
        predicts: whether what the first model that it reads gives is sampled, where that is watched, and guarded.
        differs: why a job that is equal to another may give or do something else, in words behind "reuse='identical' ";
            "" if it does not, so that the result of one may be given for that of the other.
        check: what is refused at submit; gives the spec with its data as a worker finds them.
    """

    name: str
    spec: type[S]
    queue: Literal["train", "batch"]
    usual_s: float
    summary: Callable[[S], str]
    gains_by_gpu: bool = False
    is_brief: bool = False
    takes_longer: Callable[[S], bool] = lambda _: False
    beside: Callable[[S], str | None] = lambda _: None
    is_followed: bool = False
    reads: tuple[str, ...] = ("model",)
    makes: str | None = None
    slots: Callable[[S], int] = lambda _: 1
    may_have_children: Callable[[S], bool] = lambda _: False
    trial: Callable[[S], "Spec | None"] = lambda _: None
    checkpoints: Callable[[S], int] = lambda _: 2
    needs: Callable[[S], tuple[str, ...]] = lambda _: ()
    memory_plans: Callable[[S], tuple[str, ...]] = lambda _: ()
    work: Callable[[S], Mapping[str, float]] = lambda _: {}
    samples: Callable[[S], Sampled | None] = lambda _: None
    predicts: bool = False
    differs: Callable[[S], str] = lambda spec: f"is not for {type(spec).__name__}, which does more than give a result"
    check: Callable[[S, SubmitChecks], S] = lambda spec, _: spec

    def models(self, spec: S) -> tuple[str, ...]:
        """The references of the models that a job reads."""
        refs: list[str] = []
        for name in self.reads:
            refs.extend(several(getattr(spec, name)) or ())
        return tuple(refs)

    def with_models(self, spec: S, named: Callable[[str], str]) -> S:
        """The job with other references to the models that it reads."""
        fields: dict[str, object] = {}
        for name in self.reads:
            refs = getattr(spec, name)
            if refs is not None:
                fields[name] = named(refs) if isinstance(refs, str) else tuple(map(named, refs))
        return with_fields(spec, **fields)


def with_fields(spec: S, **fields: object) -> S:
    """The spec with other values; itself where they are the same, for in a long list each copy counts."""
    return spec.model_copy(update=fields) if any(getattr(spec, name) != fields[name] for name in fields) else spec


def preflight_for(
    model: str,
    data: str | Data,
    checks: SubmitChecks,
    *,
    target: str | None = None,
    labelled: bool,
    others: tuple[str, ...] = (),
) -> str | Data:
    """Check data that a model shall read, as far as the model is known yet; gives it as a worker finds it.

    Args:
        others: columns that it must have besides the model's.
    """
    version = checks.version(model)
    if version is None:
        return checks.preflight(data, target=target, features=None, labelled=False)
    targets = (target,) if target else version.signature.target_columns
    if forecast := version.signature.forecast:
        features = tuple(name for name in forecast.columns if name not in targets)
        return checks.preflight(data, target=targets or None, features=features or None, labelled=labelled)
    labelled = labelled and version.signature.task != "reconstruction"
    inputs = version.signature.inputs
    arrays = len(inputs) == 1 and not inputs[0].columns and inputs[0].kind is None
    features = () if arrays else tuple(name for tensor in inputs for name in tensor.columns or (tensor.name,))
    if features:
        features += tuple(name for name in others if name not in features and name not in targets)
    return checks.preflight(data, target=targets or None, features=features or None, labelled=labelled)
