import pickle

import numpy as np
from sklearn.linear_model import SGDClassifier

import stoker
from stoker_workers import Run


@stoker.job(timeout=3600)
def fit_digits(run: Run, epochs: int = 10) -> dict[str, float]:
    known, new = run.data("sample://digits").arrays(), run.data("sample://digits", "test").arrays()
    model, first = SGDClassifier(random_state=run.seed), 0
    if run.resumed_from:  # what an attempt that was lost has kept
        model, first = pickle.loads(run.resumed_from.read_bytes())
    state = run.scratch / "model.pickle"
    for epoch in range(first, epochs):
        model.partial_fit(known["x"], known["y"], classes=np.unique(known["y"]))
        run.epoch(epoch + 1, {"accuracy": model.score(new["x"], new["y"])}, epochs=epochs)
        state.write_bytes(pickle.dumps((model, epoch + 1)))
        run.checkpoint(state)
        if run.stop_requested:
            return {}
    state.write_bytes(pickle.dumps(model))
    run.artifact("model", state)
    return {"accuracy": model.score(new["x"], new["y"])}
