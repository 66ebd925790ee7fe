"""The whole life of a model: made, chosen, brought into service step by step, watched, and made anew."""

import csv
import itertools
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import stoker

# What is known; what came later; what comes once an instrument measures otherwise; and that with its diagnoses.
KNOWN, LATER, CHANGED, DIAGNOSED = "cells.csv", "later.csv", "changed.csv", "diagnosed.csv"
RULE = "max accuracy where bytes < 100kB"

with stoker.Client() as client:

    def ask(table: str, until: Callable[[], bool]) -> None:
        """What the app does all day: it asks about one row after the other."""
        lines = csv.DictReader(Path(table).read_text().splitlines())
        rows = [{name: float(cell) for name, cell in line.items() if name != "diagnosis"} for line in lines]
        for row in itertools.cycle(rows):
            client.predict("cells", row)
            time.sleep(0.01)
            if until():
                return

    def happens(what: str) -> Callable[[], bool]:
        begun = datetime.now(UTC)
        return lambda: any(alarm.what == what for alarm in client.alarms(since=begun))

    # What is in the table? And a first version, which serves from now on.
    described = client.submit(stoker.Describe(data=KNOWN, target="diagnosis")).result()
    print(f"{described.rows} rows, {len(described.columns)} columns: {described.task}")
    network = stoker.MLP(hidden=[32])
    spec = stoker.Train(model="cells", data=KNOWN, target="diagnosis", architecture=network, epochs=1, seed=1)
    first = client.submit(spec).result()
    watched = client.submit(stoker.Monitor(model="cells", data=LATER, window=100))

    # A better one: the best settings, then 8 bits instead of 32; and which of the three?
    longer = spec.model_copy(update={"epochs": 12})
    space = {"optimizer.learning_rate": stoker.Float(1e-3, 3e-2, log=True)}
    tuned = client.submit(stoker.Tune(job=longer, space=space, goal="max val_accuracy", trials=3, seed=1)).result()
    assert tuned.model, "a tuning that ends with a training registers its model"
    small = client.submit(stoker.Optimize(model=tuned.model, data=LATER, to="int8", max_drop=0.02)).result()
    models = [first.model, tuned.model, small.model]
    compared = client.submit(stoker.Compare(models=models, data=LATER, choose=RULE)).result()
    assert compared.chosen, "all of them are small enough"
    print(compared.why)

    # Into service: first in the shadow, then for a fifth of the requests, then for half of them, then for all.
    plan = stoker.Deploy(model=compared.chosen, shadow=100, steps=(0.2, 0.5), min_requests=50, bake=0)
    deployed = client.submit(plan)
    ask(LATER, until=lambda: deployed.state.final)
    print(deployed.result().why)

    # If what is asked drifts, train on rows of now, with diagnoses that people made; and bring that into service.
    again = longer.model_copy(update={"data": DIAGNOSED})
    wide = stoker.Tolerance(predictions=0.9)
    into_service = stoker.Deploy(model="#0", steps=(0.5,), min_requests=50, bake=0, tolerate=wide)
    client.schedule("drift of cells", [again, into_service], name="retrain")
    ask(CHANGED, until=happens("drift"))
    print(client.alarms()[-1].text)
    ask(CHANGED, until=happens("promoted"))

    print(f"{client.model('cells').ref} serves")
    [last] = client.jobs(tags={"schedule": "retrain"}, kind="deploy")
    deployed_again = client.job(last.id)
    deployed_again.wait()
    print(deployed_again.files["html"].download("deployed.html"))
    print(watched.files["html"].download("watched.html"))
    client.remove_schedule("retrain")
    watched.cancel()
