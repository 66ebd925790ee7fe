"""Results in a Redis of their own, where STOKER_RESULT_URL names one."""

from pathlib import Path

from celery import Celery

import stoker
from stoker.local import LocalStack
from stoker.local.server import local_server
from stoker.settings import Settings

from ..conftest import PATIENCE_S
from .conftest import await_worker


def test_celery_finds_states_and_results_in_the_results_own_redis(tmp_path: Path) -> None:
    with local_server(tmp_path / "results") as result_url:
        settings = Settings(home=tmp_path / "home", result_url=result_url, slots=2)
        with LocalStack(settings) as stack:
            await_worker(settings)
            app = Celery(broker=stack.redis_url, backend=result_url)
            with stoker.Client(settings=settings) as client:
                done = client.submit(stoker.Train(model="digits", data="sample://digits", epochs=1))
                assert app.AsyncResult(done.id).get(timeout=PATIENCE_S)["model"] == "digits@1"

                failed = client.submit(
                    stoker.Train(model="digits", data="sample://diabetes", loss="binary_crossentropy")
                )
                assert failed.wait(timeout=PATIENCE_S) is stoker.JobState.FAILED
                assert isinstance(app.AsyncResult(failed.id).get(timeout=PATIENCE_S, propagate=False), stoker.JobFailed)
