"""From a table of cells to the model that is served: which one, how good, how sure, at what cost, and why."""

import stoker

KNOWN, LATER = "cells.csv", "later.csv"
RULE = "max accuracy where p99_ms < 200 on cpu and bytes < 100kB"

with stoker.Client() as client:
    # What is in the table?
    described = client.submit(stoker.Describe(data=KNOWN, target="diagnosis")).result()
    print(f"{described.rows} rows, {len(described.columns)} columns: {described.task}, {described.task_why}")

    # Which settings? Each trial is a training; the best is done again on all rows.
    network = stoker.MLP(hidden=[256, 128])
    spec = stoker.Train(model="cells", data=KNOWN, target="diagnosis", architecture=network, epochs=12, seed=1)
    space = {
        "architecture.hidden": stoker.Choice([[256, 128], [512]]),
        "optimizer.learning_rate": stoker.Float(1e-3, 3e-2, log=True),
    }
    tuned = client.submit(stoker.Tune(job=spec, space=space, goal="max val_accuracy", trials=4, seed=1)).result()
    print(f"best of {len(tuned.trials)} trials: {tuned.settings}")
    assert tuned.model, "a tuning that ends with a training registers its model"

    # Would a much simpler one do?
    simple = client.submit(spec.model_copy(update={"architecture": stoker.MLP(hidden=[])})).result()

    # The tuned one, smaller: weights and activations of 8 bits. Refused if it is more than two points worse.
    small = client.submit(stoker.Optimize(model=tuned.model, data=LATER, to="int8", max_drop=0.02)).result()
    print(small.why)

    # What does it look at?
    explained = client.submit(stoker.Explain(model=tuned.model, data=LATER)).result()
    print("it needs", ", ".join(each.column for each in explained.importance[:3]), "most")

    # All of them on rows that none has seen, side by side.
    models = [tuned.model, simple.model, small.model]
    compared = client.submit(stoker.Compare(models=models, data=LATER)).result()
    for model in compared.models:
        print(f"{model.model}: right in {model.metrics['accuracy']:.1%}, {model.file_bytes:,} bytes")

    # Which one of all that are registered is the best that may be served?
    best = client.best(LATER, RULE, models=["cells"])
    print(best.why)
    if best.chosen:
        client.alias_model(best.chosen, "champion")
    print(client.download(best.files["html"], "choice.html"))
