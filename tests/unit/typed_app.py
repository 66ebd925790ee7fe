"""An app as a user writes it, which type checkers take: see `test_types`."""

from pathlib import Path
from typing import assert_type

import stoker
from stoker.kinds import Result


def results(client: stoker.Client) -> None:
    job = client.submit(stoker.Train(model="churn", data="churn.csv"))
    assert_type(job, stoker.Job[stoker.TrainResult])
    assert_type(job.result().metrics, dict[str, float])
    assert_type(client.submit(stoker.Evaluate(model="churn", data="churn.csv")).result(), stoker.EvaluateResult)
    assert_type(client.submit(stoker.Infer(model="churn", data="churn.csv")).result(), stoker.InferResult)
    assert_type(client.submit_many([stoker.Describe(data="churn.csv")])[0].result(), stoker.DescribeResult)
    assert_type(client.explain("churn", {"age": 31})[0].columns, dict[str, float])
    spec = stoker.Explain(model="churn", data="churn.csv", methods=["importance"], rows=[1, 2])
    assert_type(client.submit(spec).result(), stoker.ExplainResult)
    export = stoker.Export(model="churn", format="onnx", to=Path("models"), compress="zstd")
    assert_type(client.submit(export).result(), stoker.ExportResult)
    client.submit_many([stoker.Train(model="a", data="a.csv"), stoker.Evaluate(model="#0", data="a.csv")])
    assert_type(client.job("some-id"), stoker.Job[Result])
    any_job: stoker.Job = job
    print(any_job.result().words())


async def results_of_asyncio(client: stoker.AsyncClient) -> None:
    job = await client.submit(stoker.Train(model="churn", data="churn.csv"))
    assert_type(job, stoker.AsyncJob[stoker.TrainResult])
    assert_type((await job.result()).metrics, dict[str, float])


def specs() -> None:
    spec = stoker.Train(
        model="churn",
        data="churn.csv",
        optimizer="adam",
        metrics="accuracy",
        target=["stays", "pays"],
        features=["age", "city"],
        image_size=28,
        class_weights={True: 3.0, False: 1.0},
        architecture=stoker.MLP(hidden=[64, 32]),
    )
    assert_type(spec.optimizer, stoker.Optimizer)
    assert_type(spec.features, tuple[str, ...] | None)
    stoker.Train(model="churn", data="churn.csv", optimizer=stoker.Optimizer(name="sgd", momentum=0.9))
    stoker.Compare(models=["churn@1", "churn@2"], data="churn.csv")


def epochs(job: stoker.Job) -> None:
    for event in job.events():
        if isinstance(event, stoker.events.Epoch):
            assert_type(event.metrics["loss"], float)
