"""Models, predictions, workers and usage by the gateway."""

from collections.abc import Iterator

import pytest

import stoker
from stoker.settings import Settings

from ..conftest import PATIENCE_S, Eventually
from .conftest import SMALL
from .gateways import Gateway, keys_of_all_roles, running_gateway

ROWS = [[5.1, 3.5, 1.4, 0.2], [6.7, 3.0, 5.2, 2.3]]


@pytest.fixture
def gateway(client: stoker.Client, stack: Settings, eventually: Eventually) -> Iterator[Gateway]:
    """A gateway of a whole Stoker, with the model "blooms"."""
    keys = keys_of_all_roles()
    keys.add("others", role="operator", models=("other-*",), tenants=("research",))
    train = stoker.Train(model="blooms", data="sample://iris", epochs=1, seed=1, **SMALL)
    client.submit(train).result(timeout=PATIENCE_S)
    with running_gateway(stack, eventually, keys) as gateway:
        yield gateway


def test_models_are_listed_named_and_predict(gateway: Gateway, client: stoker.Client) -> None:
    listed = gateway.call("GET", "/v1/models", key="viewer").json["models"]
    assert "blooms" in {version["name"] for version in listed}
    assert gateway.call("GET", "/v1/models/blooms@1", key="viewer").json["version"] == 1
    assert gateway.call("GET", "/v1/models/nothing", key="viewer").json["code"] == "ModelNotFound"

    told = gateway.call("POST", "/v1/models/blooms/predict", {"rows": ROWS, "timeout": 200}, key="predictor")
    assert told.status == 200, told.body
    direct = client.predict("blooms", ROWS, timeout=PATIENCE_S)
    assert [each["label"] for each in told.json["predictions"]] == [each.label for each in direct]
    assert all(each["model"].startswith("blooms@") for each in told.json["predictions"])

    hostile: list[object] = [
        [[1.0]],
        [[1.0, "x"]],
        [["5.1", "3.5", "1.4", "0.2"]],
        [[1.0], [1.0, 2.0]],
        [],
        [{"no such": 1}],
        [[1e99] * 4],
        7,
        None,
        [{}],
    ]
    for rows in (*hostile, [[]]):
        refused = gateway.call("POST", "/v1/models/blooms/predict", {"rows": rows})
        assert refused.status == 422, (rows, refused.body)
    for fields in ({"timeout": 0}, {"timeout": 1e9}, {"priority": "urgent"}, {"unknown": 1}):
        assert gateway.call("POST", "/v1/models/blooms/predict", {"rows": ROWS, **fields}).status == 422
    missing = gateway.call("POST", "/v1/models/nothing/predict", {"rows": ROWS})
    assert (missing.status, missing.json["code"]) == (404, "ModelNotFound")

    moved = gateway.call("PUT", "/v1/models/blooms@1/aliases/tried")
    assert (moved.status, "tried" in moved.json["aliases"]) == (200, True)
    # It was not the gateway that has moved it.
    asked = next(key for key in gateway.keys.known.values() if key.name == "operator")
    assert client.model_changes("blooms")[0].by == asked.id
    assert gateway.call("PUT", "/v1/models/blooms@1/aliases/latest").status in (400, 422)
    assert gateway.call("PUT", "/v1/models/blooms@1/aliases/tried", key="client").status == 403

    # A key for other models has these in no way.
    assert "blooms" not in gateway.call("GET", "/v1/models", key="others").body.decode()
    for method, path in (
        ("GET", "/v1/models/blooms"),
        ("PUT", "/v1/models/blooms@1/aliases/tried"),
        ("POST", "/v2/models/blooms/infer"),
        *(("GET", f"/v2/models/blooms{rest}") for rest in ("", "/ready", "/config", "/stats", "/versions/1")),
        ("GET", "/v2/models/blooms@1/stats"),
    ):
        assert gateway.call(method, path, key="others").status == 403, path
    for method, path in (("GET", "/v2/models"), ("GET", "/v2/models/stats"), ("POST", "/v2/repository/index")):
        assert "blooms" in gateway.call(method, path).body.decode(), path
        hidden = gateway.call(method, path, key="others")
        assert (hidden.status, "blooms" in hidden.body.decode()) == (200, False), path
    assert gateway.call("POST", "/v1/models/blooms/predict", {"rows": ROWS}, key="others").status == 403


def test_workers_and_usage_are_told(gateway: Gateway) -> None:
    [worker] = gateway.call("GET", "/v1/workers", key="viewer").json["workers"]
    assert (worker["device"], worker["slots"]) == ("cpu", 2)
    used = gateway.call("GET", "/v1/usage?by=model", key="viewer").json["usage"]
    assert "blooms" in {each["name"] for each in used}
    assert gateway.call("GET", "/v1/usage", key="others").json["usage"] == []
    assert gateway.call("GET", "/v1/usage?by=model", key="others").status == 403
    for wrong in ("by=colour", "days=0", "days=401", "days=nan"):
        assert gateway.call("GET", f"/v1/usage?{wrong}", key="viewer").status == 400, wrong
