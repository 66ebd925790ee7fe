"""Which versions `client.best` has measured, and what it makes of the comparisons: on a registry in memory."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import stoker
from stoker import testing
from stoker.client import choosing, rounds
from stoker.client.candidates import Candidates
from stoker.kinds import ComparedModel, Interval, Latency
from stoker.models.manifest import Artifact, ModelVersion
from stoker.redis.calls import drive

COLUMNS = ("age", "city")


@pytest.fixture
def client() -> Iterator[testing.Client]:
    with testing.Client() as client:
        yield client


@pytest.fixture
def table(tmp_path: Path) -> str:
    (tmp_path / "later.csv").write_text("age,city,left,price\n31,1,no,5\n45,2,yes,6\n")
    return str(tmp_path / "later.csv")


def add(
    client: testing.Client, name: str, *, inputs: tuple[str, ...] = COLUMNS, target: str = "left", size: int = 1000
) -> ModelVersion:
    classes = ("no", "yes") if target == "left" else ()
    version = client.add_model(name, inputs=inputs, classes=classes, target=target)
    model = client.ledger.models.by_name[name]
    file = Artifact(name="model.keras", digest="0" * 64, size=size)
    kept = version.model_copy(update={"files": {"keras": file}, "parameters": size // 10})
    model.versions[version.version] = kept.model_dump_json().encode()
    return kept


def test_what_the_signature_or_a_cheap_fact_tells_is_not_loaded(client: testing.Client, table: str) -> None:
    add(client, "good")
    add(client, "large", size=2_000_000)
    add(client, "wide", inputs=("age", "height"))
    add(client, "price", target="price")
    add(client, "other", target="gone")
    found = client.candidates(table, "max accuracy where p99_ms < 2 on cpu and bytes < 1MB and parameters < 1e6")
    assert [version.ref for version in found.versions] == ["good@1"]
    assert found.left_out == {
        "large@1": "has 2,000,000 bytes, not < 1 MB",
        "wide@1": "needs 'height', which the data has not",
        "price@1": "is not measured by accuracy",
        "other@1": "is not measured by accuracy",
    }
    result = client.best(table, "max accuracy where p99_ms < 2 on cpu and bytes < 1MB")
    assert isinstance(result, stoker.CompareResult)
    assert result.chosen == "good@1"
    assert result.left_out.keys() == found.left_out.keys()
    [job] = client.jobs(kind="compare")
    spec = client.job(job.id).spec()
    assert isinstance(spec, stoker.Compare)
    assert (spec.models, spec.device, spec.strict) == (("good@1",), "cpu", False)


def test_champions_and_aliased_versions_come_before_the_newest(client: testing.Client, table: str) -> None:
    for _ in range(4):
        add(client, "shop")
    add(client, "rival")
    client.alias_model("shop@2", "canary")
    found = client.candidates(table, "max accuracy", most=4)
    assert [version.ref for version in found.versions] == ["rival@1", "shop@1", "shop@2", "shop@4"]
    assert found.left_out == {"shop@3": "not looked at: only the first 4 of 5 that fit"}
    for models, expected in (
        (["shop"], {"shop@1", "shop@2", "shop@3", "shop@4"}),
        (["shop@canary", "rival@1"], {"shop@2", "rival@1"}),
        (["shop@latest"], {"shop@4"}),
        (["shop@latest", "shop@4"], {"shop@4"}),
    ):
        assert {version.ref for version in client.candidates(table, "max f1", models=models).versions} == expected
    for unknown in ("shopp", "shop@9"):
        with pytest.raises(stoker.ModelNotFound, match=unknown.partition("@")[0]):
            client.candidates(table, "max f1", models=[unknown])


def test_models_that_nothing_measures_alike_are_told_apart_first(client: testing.Client, table: str) -> None:
    add(client, "left", inputs=("age",))
    add(client, "price", inputs=("age",), target="price")
    add(client, "city", inputs=("age",), target="city")
    with pytest.raises(stoker.InvalidArgument, match=r"1 of regression of 'city', such as city@1; 1 of regression of"):
        client.candidates(table, "min mae")
    assert [each.ref for each in client.candidates(table, "min mae", target="price").versions] == ["price@1"]
    found = client.candidates(table, "min mae", target="price", models=["city"])
    assert found == Candidates((), {"city@1": "predicts 'city'"})


def test_versions_of_jobs_with_a_tag(client: testing.Client) -> None:
    for team in ("blue", "red"):
        client.submit(stoker.Train(model=team, data="sample://iris", epochs=1, tags={"team": team})).result()
    assert client.best("sample://iris", "max accuracy", tags={"team": "red"}).chosen == "red@1"
    assert client.best("sample://iris", "max accuracy", tags={"team": "green"}).chosen is None


def test_where_nothing_fits_the_answer_says_so(client: testing.Client, table: str) -> None:
    result = client.best(table, "max accuracy")
    assert (result.chosen, result.models) == (None, ())
    assert result.why == "No version is registered that could be meant."
    add(client, "wide", inputs=("height",))
    result = asyncio.run(_best_of(client, table))
    assert result.why == f"None of the 1 registered versions fits {table} and the rule."
    assert result.shown().notes[1] == "not measured: wide@1: needs 'height', which the data has not"


async def _best_of(client: testing.Client, table: str) -> stoker.CompareResult:
    async with testing.AsyncClient(client.ledger) as other:
        await other.candidates(table, "max accuracy")
        return await other.best(table, "max accuracy", timeout=5)


@pytest.mark.parametrize(
    ("data", "rule", "among", "says"),
    [
        ("later.csv", "best of all", {}, "is no rule"),
        ("later.csv", 5, {}, "a rule is text"),
        ("nowhere.csv", "max f1", {}, "nowhere.csv"),
        ("later.csv", "max f1", {"most": 0}, "most is a whole number from 1 to 1,000"),
        ("later.csv", "max f1", {"models": "shop"}, "in a list"),
        ("later.csv", "min p50_ms on gpu", {"device": "cpu"}, "is to be measured on gpu, and device is 'cpu'"),
        ("later.csv", "max f1", {"device": "abacus"}, "device"),
        ("later.csv", "max f1", {"tags": "blue"}, "tags must be a dict"),
    ],
)
def test_what_is_no_question_is_refused(
    client: testing.Client, table: str, data: str, rule: Any, among: Any, says: str
) -> None:
    with pytest.raises(stoker.StokerError, match=says):
        client.best(table.replace("later.csv", data), rule, **among)


def compared(ref: str, accuracy: float, size: int = 1000, verdict: str = "") -> ComparedModel:
    latency = Latency(p50_ms=1, p99_ms=2)
    return ComparedModel(
        model=ref, metrics={"accuracy": accuracy}, intervals={"accuracy": Interval(low=0, high=1)}, parameters=1,
        file_bytes=size, latency={1: latency, 32: latency}, rows_per_s=1, memory_bytes=None, on_front=False,
        verdict=verdict,
    )  # fmt: skip


def result_of(spec: stoker.Compare, accuracies: dict[str, float], size: int = 1000) -> stoker.CompareResult:
    """What a worker would give."""
    models = tuple(
        compared(ref, accuracies[ref], size, verdict="too bad" if accuracies[ref] < 0.2 else "") for ref in spec.models
    )
    best = max(models, key=lambda model: model.metrics["accuracy"])
    chosen = best.model if best.metrics["accuracy"] >= 0.2 else None
    return stoker.CompareResult(
        data="later.csv", rows=10, models=models, axes=("accuracy", "p50_ms", "bytes"), chosen=chosen,
        why=f"of {len(models)}", files={}, left_out={},
    )  # fmt: skip


def test_of_more_than_one_comparison_the_best_meet_in_another(client: testing.Client, table: str) -> None:
    refs = [add(client, "shop").ref for _ in range(70)]
    accuracies = {ref: 0.1 + at / 100 for at, ref in enumerate(refs)}
    rule = "max accuracy where accuracy >= 20 %"
    among: choosing.Among = {"most": 70}
    found = client.candidates(table, rule, **among)
    sizes: list[int] = []

    def run(specs: list[stoker.Compare]) -> list[rounds.Ended]:
        sizes.extend(len(spec.models) for spec in specs)
        return [result_of(spec, accuracies) for spec in specs]

    asked = choosing.question(table, rule, among)
    result = drive(rounds.rounds(asked, found), run)
    assert sizes == [32, 32, 6, 8]
    assert result.chosen == "shop@70"
    assert result.why == "of 8 They are the best of 70 models, which were measured in 3 comparisons before."
    assert [model.model for model in result.models] == refs[::-1]
    assert result.models[20].verdict == "accuracy is behind by 0.2"
    assert result.models[-1].verdict == "too bad"
    assert [model.on_front for model in result.models] == [True, *[False] * 69]

    accuracies = dict.fromkeys(refs, 0.1)
    result = drive(rounds.rounds(asked, found), run)
    assert (result.chosen, result.why) == (None, "of 32 of 32 of 6")
    assert len(result.models) == 70


def test_what_one_process_loads_is_bounded_in_bytes(client: testing.Client, table: str) -> None:
    for _ in range(3):
        add(client, "large", size=600 << 20)
    add(client, "small")
    asked = choosing.question(table, "max accuracy", {})
    playing = rounds.rounds(asked, client.candidates(table, "max accuracy"))
    assert sorted(len(spec.models) for spec in next(playing)) == [1, 1, 2]


def test_as_many_of_the_best_meet_as_one_process_loads(client: testing.Client, table: str) -> None:
    refs = [add(client, "large", size=700 << 20).ref for _ in range(9)]
    accuracies = {ref: 0.5 + at / 100 for at, ref in enumerate(refs)}
    asked = choosing.question(table, "max accuracy", {})
    sizes: list[int] = []

    def run(specs: list[stoker.Compare]) -> list[rounds.Ended]:
        sizes.extend(len(spec.models) for spec in specs)
        results = [result_of(spec, accuracies, size=700 << 20) for spec in specs]
        # What was met a moment ago is missed by a hair.
        return [each.model_copy(update={"chosen": None}) if len(specs) == 1 else each for each in results]

    result = drive(rounds.rounds(asked, client.candidates(table, "max accuracy")), run)
    assert sizes == [1] * 9 + [2]
    assert {model.verdict for model in result.models[2:]} == {
        "met the conditions, but was not among the best that met again"
    }


def test_a_comparison_that_fails_keeps_no_others_from_being_measured(client: testing.Client, table: str) -> None:
    refs = [add(client, "large", size=700 << 20).ref for _ in range(3)]
    asked = choosing.question(table, "max accuracy", {})
    found = client.candidates(table, "max accuracy")
    failures: dict[str, stoker.JobFailed | stoker.JobDead] = {refs[1]: stoker.JobDead("its worker was lost")}

    def run(specs: list[stoker.Compare]) -> list[rounds.Ended]:
        accuracies = {ref: 0.5 + at / 100 for at, ref in enumerate(refs)}
        return [failures.get(spec.models[0]) or result_of(spec, accuracies) for spec in specs]

    result = drive(rounds.rounds(asked, found), run)
    assert (result.chosen, result.left_out) == (refs[2], {refs[1]: "its worker was lost"})
    assert [model.model for model in result.models] == [refs[2], refs[0]]
    failures |= {ref: stoker.JobFailed("there is no such file") for ref in refs}
    with pytest.raises(stoker.JobFailed, match="there is no such file"):
        drive(rounds.rounds(asked, found), run)
