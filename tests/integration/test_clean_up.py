"""A store that many jobs have filled, with faults of all kinds, and that is cleaned up by a process which is killed."""

import json
import os
import random
import subprocess
import uuid
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Literal

import pytest

import stoker
from stoker import JobState
from stoker.events import Checkpoint
from stoker.kinds import Spec
from stoker.ledger import attempts, intake, registry
from stoker.ledger.attempt import Attempt
from stoker.ledger.intake import NewJob
from stoker.ledger.keys import key
from stoker.ledger.replies import CommitReply
from stoker.models.manifest import Artifact
from stoker.models.store import Store
from stoker.redis.connection import Connection
from stoker.settings import Settings

from .. import preloaded
from ..conftest import PATIENCE_S
from .test_ledger import result_of, version

PROGRAM = Path(__file__).with_name("clean_up.py")
FATES = ("succeeds", "fails", "is cancelled", "dies", "is killed", "runs", "waits", "is forgotten")
Fate = Literal["succeeds", "fails", "is cancelled", "dies", "is killed", "runs", "waits", "is forgotten"]


@pytest.fixture
def connection(redis_url: str) -> Iterator[Connection]:
    with closing(Connection.open(Settings(), redis_url)) as connection:
        yield connection


@dataclass
class Filled:
    """A store with what jobs have put there, each by the ledger's own steps.

    Attributes:
        named: what something names, each with whether it is in a part of a job.
        unnamed: what nothing names.
    """

    store: Store
    connection: Connection
    named: list[tuple[Store, Artifact]] = field(default_factory=list)
    unnamed: list[tuple[Store, Artifact]] = field(default_factory=list)

    def put(self, job_id: str = "", *, named: bool) -> Artifact:
        """A file that something is going to name, or nothing."""
        store = self.store.of_job(job_id) if job_id else self.store
        artifact = store.put_bytes(uuid.uuid4().bytes, "model.keras")
        (self.named if named else self.unnamed).append((store, artifact))
        return artifact

    def job(self, spec: Spec, fate: Fate) -> None:
        """A job that comes to such an end, or to none yet."""
        job_id = str(uuid.uuid4())
        self.connection.run(intake.submit([NewJob(job_id, spec, "cpu.train")]))
        if fate == "waits":
            return
        attempt = self.connection.run(attempts.claim(job_id, f"owner of {job_id}", "worker", 60))
        assert isinstance(attempt, Attempt)
        # A checkpoint that is listed, and one whose report never came.
        checkpoint = self.put(job_id, named=fate in ("runs", "dies", "is killed"))
        self.put(job_id, named=fate in ("runs", "dies", "is killed"))
        event = Checkpoint(epoch=1, step=1, artifact=checkpoint)
        self.connection.run(attempts.report(attempt, 60, [event]))
        self.end(attempt, fate)

    def end(self, attempt: Attempt, fate: Fate) -> None:
        run = self.connection.run
        match fate:
            case "succeeds" | "is forgotten":
                keeps = fate == "succeeds"
                number = run(registry.next_number("digits"))
                made = version(number, attempt.job_id).model_copy(
                    update={"name": "digits", "files": {"keras": self.put(named=True)}}
                )
                result = result_of().model_copy(update={"files": {"history": self.put(named=keeps)}})
                assert run(attempts.succeed(attempt, result, [made])) is CommitReply.OK
                if not keeps:
                    self.connection.client.delete(key("job", attempt.job_id))
            case "fails":
                self.put(named=False)
                run(attempts.fail(attempt, JobState.FAILED, "for a test"))
            case "is cancelled":
                self.put(named=False)
                run(attempts.fail(attempt, JobState.CANCELLED, "for a test"))
            case "dies":
                assert run(attempts.release(attempt, "lost", "its process was killed")) is JobState.DEAD
            case "is killed":
                self.put(named=False)
                run(attempts.release(attempt, "drained", "its process was killed"))


def spec_of(kind: str, filled: Filled, fate: Fate) -> Spec:
    common: dict[str, object] = {"device": "cpu", "max_attempts": 1}
    match kind:
        case "import":
            named = fate != "is forgotten"
            source = filled.put(named=named)
            return stoker.Import.model_validate({"model": "brought", "source": source, "format": "keras", **common})
        case "evaluate":
            return stoker.Evaluate.model_validate({"model": "digits@1", "data": "sample://digits", **common})
        case "infer":
            return stoker.Infer.model_validate({"model": "digits@1", "data": "sample://digits", **common})
    return stoker.Train.model_validate({"model": "digits", "data": "sample://digits", **common})


def is_there(store: Store, artifact: Artifact) -> bool:
    return Path(store.location(artifact)).exists()


@pytest.mark.parametrize("jobs", [24, pytest.param(200, marks=pytest.mark.slow)])
def test_a_clean_up_takes_what_nothing_names_and_may_be_killed_at_any_point(
    jobs: int, connection: Connection, redis_url: str, tmp_path: Path
) -> None:
    chance = random.Random(jobs)
    filled = Filled(Store(str(tmp_path / "store")), connection)
    # As many messages at once as there are jobs, so that each can be claimed.
    connection.client.hset(key("windows"), "cpu.train", jobs)
    filled.job(spec_of("train", filled, "succeeds"), "succeeds")
    for number in range(jobs - 1):
        fate: Fate = FATES[number % len(FATES)]  # type: ignore[assignment]  # what it has is of that type
        filled.job(spec_of(chance.choice(("train", "import", "evaluate", "infer")), filled, fate), fate)
    remove_versions(filled, redis_url)
    for kills in range(3):
        kill_after(kills + 2, filled.store.url, redis_url)
        assert all(is_there(*each) for each in filled.named), "a clean-up that was killed has taken what is named"
    with started(filled.store.url, redis_url) as last:
        _, errors = last.communicate(timeout=PATIENCE_S)
    assert (last.returncode, errors) == (0, "")
    assert all(is_there(*each) for each in filled.named)
    assert not [artifact for store, artifact in filled.unnamed if is_there(store, artifact)]
    assert not list(tmp_path.glob("store/**/*.part"))


def remove_versions(filled: Filled, redis_url: str) -> None:
    """All versions go but the newest two, those that are named, and their parents: so do the files of the others."""
    with stoker.Client(redis_url) as client:
        files = {version.ref: version.files["keras"] for version in client.models()}
        removed = client.keep_versions("digits", 2).removed
    assert removed
    gone = {files[ref].digest for ref in removed}
    filled.unnamed += [each for each in filled.named if each[1].digest in gone]
    filled.named = [each for each in filled.named if each[1].digest not in gone]


def started(url: str, redis_url: str) -> "subprocess.Popen[str]":
    """A clean-up that runs, as a process of its own."""
    command = [preloaded.python(), "-m", PROGRAM.stem, url, redis_url]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(PROGRAM.parent), os.environ.get("PYTHONPATH", "")])}
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def kill_after(lines: int, url: str, redis_url: str) -> None:
    """Run a clean-up, and kill it when it has told so often of what it removes."""
    with started(url, redis_url) as process:
        assert process.stdout
        told = list(islice(process.stdout, lines))
        process.kill()
    assert len(told) == lines, json.dumps(told)
