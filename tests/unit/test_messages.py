"""What a runner tells its slot reads back as it was, whatever a job has made of it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

import stoker
from stoker.events import Checkpoint, Epoch, Log, Progress
from stoker.kinds import (
    Accuracy,
    ClassScore,
    ComparedModel,
    CompareResult,
    DeployResult,
    DescribedColumn,
    DescribeResult,
    EvaluateResult,
    Histogram,
    InferResult,
    TrainResult,
)
from stoker.models.described import Described
from stoker.models.effects import MoveAlias, Register
from stoker.models.manifest import Artifact, ModelManifest
from stoker.models.signature import Signature, TensorSpec
from stoker.outages import Outage
from stoker_workers.attempt.messages import (
    MESSAGE,
    Asked,
    Away,
    Blocked,
    Done,
    Emitted,
    End,
    Failed,
    Halted,
    Lost,
    Outgrown,
    Waits,
)
from stoker_workers.attempt.runner import end_of


def build(model: type[Described]) -> None:
    """Give the models below one their signatures, which Hypothesis reads and which else come with their first use."""
    for each in model.__subclasses__():
        each.model_rebuild()
        build(each)


build(Described)

# With lone surrogates, as in file names that are not UTF-8.
texts = st.text(st.characters(), max_size=9)
artifacts = st.builds(Artifact, name=st.just("a.json"), digest=st.just("0" * 64), size=st.integers(0, 2**40))
files = st.dictionaries(st.sampled_from(["keras", "report"]), artifacts)
outages = st.builds(Outage, reason=texts)
events = st.one_of(
    st.builds(Epoch),
    st.builds(Progress, rows_per_s=st.floats()),
    st.builds(Checkpoint, artifact=artifacts),
    st.builds(Log, line=texts),
)
accuracies = st.builds(
    Accuracy,
    metrics=st.dictionaries(st.text(), st.floats()),
    classes=st.dictionaries(st.text(), st.builds(ClassScore)),
    roc_auc=st.none() | st.floats(),
)
# What a column holds is told as a finite number, or a moment.
values = st.floats(allow_nan=False, allow_infinity=False) | st.just("2026-01-01")
described = st.builds(
    DescribedColumn,
    shape=st.just((2,)),
    **dict.fromkeys(("low", "high", "mean", "median"), st.none() | values),
    histogram=st.none() | st.builds(Histogram, edges=st.lists(values, max_size=2).map(tuple)),
    commonest=st.just({"a": 1}),
)
results = st.one_of(
    st.builds(TrainResult, files=files),
    st.builds(EvaluateResult, accuracy=accuracies, files=files),
    st.builds(CompareResult, models=st.lists(st.builds(ComparedModel), max_size=2).map(tuple), files=files),
    st.builds(InferResult, chunks=st.lists(artifacts, max_size=2).map(tuple)),
    st.builds(DeployResult),
    st.builds(DescribeResult, columns=st.lists(described, max_size=2).map(tuple), files=files),
)
tensors = st.builds(
    TensorSpec, low=st.none() | st.floats(), limits=st.dictionaries(st.text(), st.tuples(st.floats(), st.floats()))
)
signatures = st.builds(Signature, inputs=st.tuples(tensors), outputs=st.tuples(tensors))
manifests = st.builds(ModelManifest, name=st.just("m"), signature=signatures, files=files)
effects = st.builds(Register, manifest=manifests) | st.builds(MoveAlias, alias=st.just("champion"))
messages = st.one_of(
    st.builds(Emitted, event=events),
    st.builds(Blocked, outage=st.none() | outages),
    st.builds(Done, result=results, effects=st.lists(effects, max_size=2).map(tuple)),
    st.builds(Failed, reason=texts, traceback=texts),
    st.builds(Asked, children=st.just((stoker.Infer(model="m@1", data="rows.npz"),))),
    st.builds(Halted),
    st.builds(Lost, reason=texts),
    st.builds(Waits, why=texts, keep=st.binary(max_size=9)),
    st.builds(Away, outage=outages),
)


@given(messages)
def test_every_message_reads_back_as_it_was(message: Emitted | Blocked | End) -> None:
    # NaN equals nothing, not even itself; but it is written alike.
    assert repr(MESSAGE.validate_json(message.model_dump_json())) == repr(message)


def test_text_that_is_no_valid_unicode_is_told_with_escapes() -> None:
    assert Outgrown(reason="caf\udce9", limit_bytes=1).reason == r"caf\udce9"


@pytest.mark.parametrize("error", [ValueError("caf\udce9"), FileNotFoundError(2, "no such file", "caf\udce9")])
def test_an_error_that_names_a_file_whose_name_is_not_utf_8_fails_the_job_with_its_words(error: Exception) -> None:
    def work() -> None:
        raise error

    end = MESSAGE.validate_json(end_of(work).model_dump_json())  # type: ignore[arg-type]
    assert isinstance(end, Failed)
    assert r"\udce9" in end.reason
    assert r"\udce9" in end.traceback


@pytest.mark.parametrize("code", [None, 0, 3, "so long"])
def test_code_that_exits_has_failed_and_lost_no_worker(code: object) -> None:
    def work() -> None:
        raise SystemExit(code)

    end = end_of(work)  # type: ignore[arg-type]
    assert isinstance(end, Failed)
    assert end.reason.startswith(f"the job's code called sys.exit({code!r})")
