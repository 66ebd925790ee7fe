"""Two real workers with different labels, and jobs that need one or the other."""

import json
import os
import re
from pathlib import Path

import pytest
import redis

import stoker
from stoker import JobState
from stoker.local import redis_url_of
from stoker.local.subprocesses import Subprocess
from stoker.settings import Settings

from .. import commands, preloaded
from ..conftest import PATIENCE_S, Eventually
from .conftest import SMALL, serving

GUIDE = Path(__file__).parents[2] / "docs" / "environments.md"
SPEC = stoker.Train(model="labelled", data="sample://iris", epochs=1, **SMALL)


def example() -> str:
    """The example of the guide, which needs a label of the first worker's."""
    [code] = re.findall(r"```python\n(.*?)```", GUIDE.read_text(), re.DOTALL)
    return str(code)


def needing(image: str) -> stoker.Train:
    return SPEC.model_copy(update={"needs": {"image": image}})


@pytest.mark.slow
def test_jobs_go_to_the_worker_that_has_their_label_whoever_takes_their_messages(
    tmp_path: Path, eventually: Eventually, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = {"functions": ("json:*",), "custom_objects": ("pydantic.fields",), "labels": {"image": "shop-1.4"}}
    settings = Settings(home=tmp_path, slots=2, lease_s=5, **own)
    with serving(settings), stoker.Client(settings=settings) as client:
        url = {"STOKER_REDIS_URL": redis_url_of(settings)}
        monkeypatch.setenv("STOKER_REDIS_URL", url["STOKER_REDIS_URL"])
        waits = client.submit(needing("shop-1.5"))
        reason = "no live worker has label image=shop-1.5"
        eventually(lambda: waits.status().reason == reason)
        exec(compile(example(), GUIDE.name, "exec"), {})
        [documented] = client.jobs(model="ranker")
        assert client.job(documented.id).wait(timeout=PATIENCE_S) is JobState.SUCCEEDED
        assert (waits.state, waits.status().attempt) == (JobState.WAITING, 0)
        assert "no live worker has" in commands.run("jobs", env=url).stdout
        doctor = json.loads(commands.run("doctor", "--json", env=url | {"STOKER_STORE_URL": settings.store}).stdout)
        [needs] = [check for check in doctor["checks"] if check["name"] == "needs"]
        assert (needs["verdict"], needs["numbers"]) == ("warn", {"cpu.train": 1})
        assert f"1 on cpu.train: {reason}" in needs["told"]

        newer = os.environ | settings.environment() | url | {"STOKER_LABELS": "image=shop-1.5", "STOKER_FUNCTIONS": ""}
        program = [preloaded.python(), "-m", "stoker_workers"]
        second = Subprocess(program, log=tmp_path / "second.log", environment=newer)
        try:
            assert waits.wait(timeout=PATIENCE_S) is JobState.SUCCEEDED, (tmp_path / "second.log").read_text()
            assert waits.status().attempt == 1
            of = {worker.name: worker.labels["image"] for worker in client.workers()}
            assert sorted(of.values()) == ["shop-1.4", "shop-1.5"]
            # More than either has slots for, so that both take messages of all of them.
            images = ["shop-1.4", "shop-1.5"] * 4
            jobs = client.submit_many([needing(image) for image in images])
            assert [job.wait(timeout=PATIENCE_S) for job in jobs] == [JobState.SUCCEEDED] * len(jobs)
            ran = [job.status() for job in jobs]
            assert [(of[str(status.worker)], status.attempt) for status in ran] == [(image, 1) for image in images]
            _is_shown(url)
        finally:
            second.stop(PATIENCE_S)
        eventually(lambda: len(client.workers()) == 1)
        with redis.Redis.from_url(redis_url_of(settings)) as server:
            assert not list(server.scan_iter("*.of.*"))
            bound = [key for key in server.scan_iter("_kombu*") if server.type(key) == b"set"]
            assert bound
            assert not [key for key in bound if b".of." in b"".join(server.smembers(key))]
        waits = client.submit(needing("shop-1.5"))
        eventually(lambda: waits.status().reason == reason)


def _is_shown(url: dict[str, str]) -> None:
    [fleet] = json.loads(commands.run("fleet", "status", "--json", env=url).stdout)
    first, second = sorted(fleet["environments"], key=lambda each: str(each["labels"]))
    assert (first["labels"], second["labels"]) == ({"image": "shop-1.4"}, {"image": "shop-1.5"})
    assert (first["functions"], first["custom_objects"]) == (["json:*"], ["pydantic.fields"])
    assert second["functions"] == []
    assert {"tensorflow", "keras", "pydantic"} <= set(first["packages"])
    text = " ".join(commands.run("fleet", "status", env=url | {"COLUMNS": "300"}).stdout.split())
    assert "labels image=shop-1.4; functions json:*; custom objects pydantic.fields; packages" in text
