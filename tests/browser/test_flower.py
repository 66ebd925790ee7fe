"""What an operator sees and does in Flower, in a real browser."""

import json
from contextlib import closing

import numpy as np
import pytest
from playwright.sync_api import Browser, Error, Locator, Page, expect

import stoker
from stoker import JobState
from stoker.ledger import quarantine
from stoker.ledger.presence import Worker
from stoker.local import redis_url_of
from stoker.redis.connection import Connection
from stoker.settings import Settings

from ..conftest import PATIENCE_S, Eventually
from ..flower import Flower
from ..integration.conftest import SLOW

ENDLESS = stoker.Train(
    model="endless", data="sample://digits", architecture=SLOW, epochs=1_000_000, batch_size=256, device="cpu", seed=1
)


def row(page: Page, *words: str) -> Locator:
    """The row of a table that has all these words."""
    found = page.locator("tbody tr")
    for word in words:
        found = found.filter(has_text=word)
    return found.first


def running(client: stoker.Client) -> stoker.Job:
    """A training that has done its first epoch and has plenty before it."""
    job = client.submit(ENDLESS)
    next(event for event in job.events() if event.type == "epoch")
    return job


def only_worker(client: stoker.Client) -> Worker:
    [worker] = client.workers()
    return worker


def test_the_browser_asks_for_a_login_and_shows_nothing_without_one(browser: Browser, flower: Flower) -> None:
    with closing(browser.new_context(base_url=flower.url)) as context:
        page = context.new_page()
        # Chromium shows the dialog that asks for user and password; without an answer, that is the end.
        with pytest.raises(Error, match="ERR_INVALID_AUTH_CREDENTIALS"):
            page.goto("/tasks")
        expect(page.get_by_text("Task History")).to_have_count(0)


def test_jobs_and_lanes_are_shown_with_arguments_progress_and_results(
    page: Page, client: stoker.Client, eventually: Eventually
) -> None:
    endless = running(client)

    def sees(*words: str) -> bool:
        with page.expect_response("**/tasks/datatable*"):
            page.goto("/tasks")
        return row(page, *words).is_visible()

    eventually(lambda: sees("stoker.train", "endless, sample://digits", "PROGRESS"))
    page.goto(f"/task/{endless.id}")
    expect(page.locator("body")).to_contain_text("/1000000 loss")

    spec = stoker.Train(model="shown", data="sample://digits", epochs=3, seed=1)
    trained = client.submit(spec).result(timeout=PATIENCE_S)
    assert isinstance(trained, stoker.TrainResult)
    client.submit(stoker.Evaluate(model=trained.model, data="sample://digits")).result(timeout=PATIENCE_S)
    client.infer_many("shown", np.zeros((300, 64)), timeout=PATIENCE_S)
    eventually(lambda: sees("stoker.train", "shown, sample://digits, epochs=3", "SUCCESS", trained.model))
    eventually(lambda: sees("stoker.evaluate", f"{trained.model}, sample://digits", "SUCCESS"))

    # The first takes the slot that watches the lane, whose drain so ends; for the second there is none, and its message
    # waits. Queues that nobody serves are shown, too.
    for _ in range(2):
        client.submit(ENDLESS)

    def counts(queue: str) -> str:
        page.goto("/broker")
        return row(page, queue).locator("td").nth(1).inner_text()

    eventually(lambda: sees("stoker.drain", "(shown)", "requests in", "batches of"))
    eventually(lambda: counts("cpu.train") == "1")
    assert counts("gpu.train") == "0"


@pytest.mark.slow
def test_a_task_that_is_terminated_is_a_job_that_is_cancelled(
    page: Page, client: stoker.Client, eventually: Eventually
) -> None:
    job = running(client)
    worker = only_worker(client)

    def offers_to_end_it() -> bool:
        page.goto(f"/task/{job.id}")
        return "/1000000 loss" in page.inner_text("body") and page.is_visible("#task-terminate")

    eventually(offers_to_end_it)
    page.click("#task-terminate")
    assert job.wait(timeout=PATIENCE_S) is JobState.CANCELLED

    def is_shown_as_revoked() -> bool:
        page.goto(f"/task/{job.id}")
        return "REVOKED" in page.inner_text("body")

    eventually(is_shown_as_revoked)
    # Its slot was not killed for it, and the worker is no other.
    assert job.status().attempt == 1
    assert only_worker(client).pid == worker.pid


def test_a_paused_job_is_a_task_to_be_retried_until_it_goes_on(
    flower: Flower, client: stoker.Client, eventually: Eventually
) -> None:
    job = running(client)

    def shown() -> tuple[str, str]:
        task = json.loads(flower.get(f"/api/task/info/{job.id}"))
        return task["state"], task["exception"] or ""

    job.pause()
    eventually(lambda: shown() == ("RETRY", "HandedBack('paused')"))
    job.resume()
    eventually(lambda: shown()[0] == "PROGRESS")


@pytest.mark.slow
def test_a_pool_grows_and_shrinks_by_its_buttons_and_the_job_in_it_runs_on(
    page: Page, client: stoker.Client, eventually: Eventually
) -> None:
    job = running(client)
    slots = only_worker(client).slots
    page.goto(f"/worker/{only_worker(client).name}")
    page.fill("#pool-size", "2")
    page.click("#worker-pool-grow")
    eventually(lambda: only_worker(client).slots == slots + 2)
    page.fill("#pool-size", str(slots + 1))
    page.click("#worker-pool-shrink")
    eventually(lambda: only_worker(client).slots == 1)
    assert (job.state, job.status().attempt) == (JobState.RUNNING, 1)
    page.fill("#pool-size", str(slots - 1))
    page.click("#worker-pool-grow")
    eventually(lambda: only_worker(client).slots == slots)


@pytest.mark.slow
def test_a_worker_that_is_shut_down_hands_its_job_over_at_no_cost(
    page: Page, client: stoker.Client, eventually: Eventually
) -> None:
    job = running(client)
    before = only_worker(client).name
    page.goto(f"/worker/{before}")
    page.click("#worker-group")
    page.click("#worker-shutdown")
    # The stack starts another worker in its place, and that one has the job next.
    eventually(lambda: job.state is JobState.RUNNING and job.status().worker != before)
    job.cancel()
    assert job.wait(timeout=PATIENCE_S) is JobState.CANCELLED
    queued = [event for event in job.events() if event.type == "queued"]
    assert [event.reason for event in queued] == [None, f"worker {before} was drained"]


def test_a_task_that_is_none_of_stokers_is_put_aside_and_harms_nobody(
    flower: Flower, client: stoker.Client, stack: Settings, eventually: Eventually
) -> None:
    with closing(Connection.open(stack, redis_url_of(stack))) as connection:

        def put_aside() -> int:
            return sum(connection.run(quarantine.quarantined()).values())

        before = put_aside()
        for name, body in (
            ("os.system", b'{"args": ["touch /tmp/never"]}'),
            ("celery.backend_cleanup", b"{}"),
            ("stoker.train", b'{"args": [{"model": "sneaked-in"}]}'),
            ("stoker.train", b'{"args": ["no-such-job"]}'),
        ):
            assert flower.status(f"/api/task/send-task/{name}", flower.login, body) == 200
        eventually(lambda: put_aside() == before + 4)
    spec = stoker.Train(model="after", data="sample://iris", epochs=1, seed=1)
    result = client.submit(spec).result(timeout=PATIENCE_S)
    assert result.words().startswith("after@")
