"""The app's own tests: no server, no worker, no TensorFlow."""

import json
from collections.abc import Iterator

import pytest
import webapp
from fastapi.testclient import TestClient

import stoker
from stoker import testing

TABLE = "age,plan,churned\n" + "".join(f"{20 + n},{'basic' if n % 2 else 'full'},{n % 2}\n" for n in range(40))


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> testing.AsyncClient:
    client = testing.AsyncClient()
    monkeypatch.setattr(webapp, "connect", lambda: client)
    return client


@pytest.fixture
def web(client: testing.AsyncClient) -> Iterator[TestClient]:  # noqa: ARG001  # the app's
    with TestClient(webapp.app, headers={"X-User": "ada"}) as web:
        yield web


def upload(web: TestClient, target: str = "churned") -> list[str]:
    response = web.post("/models/churn", params={"target": target}, files={"file": ("churn.csv", TABLE)})
    assert response.status_code == 200, response.text
    jobs: list[str] = response.json()
    return jobs


def test_a_table_becomes_a_model_that_predicts_labels(web: TestClient, client: testing.AsyncClient) -> None:
    upload(web)
    client.on_predict("ada-churn", ["0", "1"])
    answers = web.post("/models/churn/predictions", json=[{"age": 30, "plan": "full"}, {"age": 31, "plan": "basic"}])
    assert [answer["label"] for answer in answers.json()] == ["0", "1"]


def test_progress_is_streamed_and_goes_on_where_it_broke_off(web: TestClient) -> None:
    training, _ = upload(web)
    stream = web.get(f"/jobs/{training}/events")
    assert stream.headers["content-type"].startswith("text/event-stream")
    blocks = stream.text.strip().split("\n\n")
    sent = [json.loads(block.partition("data: ")[2]) for block in blocks]
    assert [event["type"] for event in sent] == ["queued", "started", *["epoch"] * 10, "finished"]
    rest = web.get(f"/jobs/{training}/events", headers={"Last-Event-ID": sent[-3]["id"]})
    assert rest.text.strip().split("\n\n") == blocks[-2:]


def test_the_report_is_a_page(web: TestClient) -> None:
    training, report = upload(web)
    assert web.get(f"/jobs/{training}/report").status_code == 404
    page = web.get(f"/jobs/{report}/report")
    assert page.headers["content-type"].startswith("text/html")
    assert "ada-churn@1" in page.text


def test_a_failed_training_says_why(web: TestClient, client: testing.AsyncClient) -> None:
    client.on(stoker.Train, testing.fails("the table has no rows"))
    _, report = upload(web)
    answer = web.get(f"/jobs/{report}/report")
    assert answer.status_code == 422
    assert "which it comes after, is FAILED" in answer.json()["detail"]


def test_all_jobs_of_one_user_are_cancelled(web: TestClient, client: testing.AsyncClient) -> None:
    client.on(stoker.Train, testing.runs())
    mine = upload(web)
    others = {"X-User": "bob"}
    assert web.delete("/jobs", headers=others).json() == 0
    assert web.delete("/jobs").json() >= 1
    assert '"state":"CANCELLED"' in web.get(f"/jobs/{mine[0]}/events").text
    assert web.get(f"/jobs/{mine[0]}/events", headers=others).status_code == 404


def test_a_column_that_the_table_lacks_is_named(web: TestClient) -> None:
    training, _ = upload(web, target="gone")
    *_, last = web.get(f"/jobs/{training}/events").text.strip().split("\n\n")
    assert "has no column 'gone'; it has 'age', 'plan', 'churned'" in json.loads(last.partition("data: ")[2])["reason"]


def test_what_is_refused_says_why(web: TestClient) -> None:
    refused = web.post("/models/A B", params={"target": "churned"}, files={"file": ("churn.csv", TABLE)})
    assert refused.status_code == 422
    assert "model" in refused.json()["detail"]
    assert web.post("/models/churn/predictions", json=[{"age": 30}]).status_code == 404
    assert web.get("/jobs/none/events").status_code == 404
    upload(web)
    refused = web.post("/models/churn/predictions", json=[{"age": 30}])
    assert refused.status_code == 422
    assert "plan" in refused.json()["detail"]
