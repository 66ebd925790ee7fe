"""A Stoker for the tests of apps: both clients in memory, without Redis, workers or TensorFlow.

    from stoker import testing

    def test_a_churn_model_is_trained() -> None:
        with testing.Client() as client:
            client.on(stoker.Train, testing.returns(metrics={"val_accuracy": 0.93}))
            job = my_app.train(client, "churn.csv")
            assert job.result().metrics["val_accuracy"] == 0.93

They are the real clients, down to what they send: the same methods, checks, errors and shapes. What they send is
answered by a `Ledger` in this process, in which a job ends as soon as it may start, with a made-up result unless the
test says otherwise. See docs/apps.md.
"""

from .clients import AsyncClient, Client
from .ledger import Ledger
from .outcomes import Planned, fails, returns, runs

__all__ = ["AsyncClient", "Client", "Ledger", "Planned", "fails", "returns", "runs"]
