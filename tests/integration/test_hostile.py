"""Messages and records that mean harm, written straight into Redis: none ends a worker, none executes anything."""

import json
import random
import uuid
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psutil
import pytest
import redis

import stoker
from stoker import JobState
from stoker.fleet.topology import queues_of
from stoker.ledger import quarantine
from stoker.ledger.quarantine import QuarantineReason
from stoker.local import redis_url_of
from stoker.redis.celery_app import celery_app
from stoker.redis.connection import Connection
from stoker.settings import Settings

from ..conftest import PATIENCE_S, Eventually
from .attacker import SEED, Attacker, Canary, envelope, nested, ringing, surroundings
from .test_stalled_serving import stopped

BATCHES = 10
# No job that was submitted has a number as high as this.
BY_HAND = 1_000_000
LISTS = [f"{queue}{step}" for queue in queues_of("cpu") for step in ("", "\x06\x163", "\x06\x166", "\x06\x169")]
JOB = stoker.Train(
    model="after-the-storm",
    data="sample://iris",
    architecture=stoker.MLP(hidden=(4,)),
    epochs=1,
    validation_split=0,
    seed=1,
)
# One that takes as little as a job can, out of the same queue.
TIDY = stoker.Run("shop.jobs:tidy", {"what": ["after", "the storm"]})


def by_hand(server: redis.Redis, fields: Mapping[str, str | bytes], *, ring: bool = True) -> str:
    """A record that someone wrote, and a right message for it."""
    job_id = str(uuid.uuid4())
    record: dict[Any, Any] = {
        "kind": "train",
        "state": "QUEUED",
        "queue": "cpu.train",
        "spec": JOB.model_dump_json(),
        "model": "by-hand",
        "priority": "normal",
        "tags": "{}",
        "max_attempts": 1,
        "summary": "",
        "attempt": 0,
        "losses": 0,
        "blockers": 0,
        "sequence": BY_HAND,
        "submitted_at": 0,
        **fields,
    }
    server.hset(f"stoker:job:{job_id}", mapping=record)
    server.zadd("stoker:jobs:train:QUEUED:cpu", {job_id: BY_HAND})
    if ring:
        server.lpush("cpu.train\x06\x166", json.dumps(envelope(ringing(job_id))))
    return job_id


@pytest.fixture
def server(stack: Settings) -> Iterator[redis.Redis]:
    """The server of the stack; what was written by hand is gone after the test, for the others' sake."""
    with redis.Redis.from_url(redis_url_of(stack)) as client:
        yield client
        for index in client.scan_iter("stoker:jobs:*"):
            client.zremrangebyscore(index, BY_HAND, "+inf")


class Watch:
    """What was put aside since it was made, and that the worker's processes are still the same."""

    def __init__(self, client: stoker.Client) -> None:
        self._connection = Connection.open(client.settings, redis_url_of(client.settings))
        self._before = Counter(self._connection.run(quarantine.quarantined()))
        self._client = client
        self._processes = self._now()

    def aside(self) -> Counter[str]:
        return Counter(self._connection.run(quarantine.quarantined())) - self._before

    def assert_nothing_died(self) -> None:
        assert self._now() == self._processes
        job = self._client.submit(TIDY)
        try:
            assert job.wait(timeout=PATIENCE_S) is JobState.SUCCEEDED
        except stoker.Timeout as late:
            raise AssertionError(surroundings(self._client.settings)) from late

    def _now(self) -> list[int]:
        [worker] = self._client.workers()
        return sorted([worker.pid, *(slot.pid for slot in psutil.Process(worker.pid).children())])


@pytest.fixture
def watch(client: stoker.Client, eventually: Eventually) -> Watch:
    # The pool is forked a moment after the worker's first sign of life.
    [worker] = client.workers()
    eventually(lambda: len(psutil.Process(worker.pid).children()) == worker.slots)
    return Watch(client)


@pytest.mark.parametrize("messages", [2_000, pytest.param(10_000, marks=pytest.mark.chaos)])
def test_thousands_of_hostile_messages_are_counted_and_nothing_else_comes_of_them(
    watch: Watch, client: stoker.Client, server: redis.Redis, tmp_path: Path, eventually: Eventually, messages: int
) -> None:
    canary, expected, chosen = tmp_path / "canary", Counter[str](), random.Random(SEED)
    attacker = Attacker(canary)
    for _ in range(BATCHES):
        with server.pipeline(transaction=False) as pipe:
            for message, reason in attacker.messages(messages // BATCHES):
                pipe.lpush(chosen.choice(LISTS), message)
                expected[reason] += 1
            pipe.execute()
        eventually(lambda: watch.aside().total() == expected.total())
    assert watch.aside() == expected
    assert expected.total() == messages
    assert server.llen("stoker:quarantine") == 1000
    assert not canary.exists()
    watch.assert_nothing_died()


def test_messages_of_a_hundred_megabytes_are_put_aside(
    watch: Watch, server: redis.Redis, eventually: Eventually
) -> None:
    for list_ in ("cpu.train", "cpu.infer\x06\x166"):
        server.lpush(list_, b"x" * 100_000_000)
    eventually(lambda: watch.aside() == {QuarantineReason.TOO_LARGE: 2})
    watch.assert_nothing_died()


def test_messages_of_another_celery_client_are_counted(
    watch: Watch, stack: Settings, tmp_path: Path, eventually: Eventually
) -> None:
    expected: Counter[str] = Counter()
    with celery_app(stack, redis_url_of(stack)) as app:

        def send(reason: QuarantineReason, task: str, *arguments: object, **options: Any) -> None:
            app.send_task(task, args=arguments, queue="cpu.train", **options)
            expected[reason] += 1

        send(QuarantineReason.UNKNOWN_TASK, "os.system", "touch /tmp/x")
        send(QuarantineReason.UNKNOWN_TASK, "celery.backend_cleanup")
        send(QuarantineReason.WRONG_ARGUMENTS, "stoker.train", "../../etc/passwd")
        send(QuarantineReason.WRONG_ARGUMENTS, "stoker.train", 1, 2, 3)
        send(QuarantineReason.WRONG_ARGUMENTS, "stoker.train", "an-id", kwargs={"shell": True})
        send(QuarantineReason.FOREIGN_CONTENT, "stoker.train", Canary(tmp_path / "canary"), serializer="pickle")
        send(QuarantineReason.FOREIGN_CONTENT, "stoker.train", "an-id", serializer="yaml")
        send(QuarantineReason.FOREIGN_CONTENT, "stoker.train", "an-id", compression="gzip")
        send(QuarantineReason.UNKNOWN_JOB, "stoker.train", "an-id", countdown=3600, link=app.signature("os.system"))
    eventually(lambda: watch.aside() == expected)
    assert not (tmp_path / "canary").exists()
    watch.assert_nothing_died()


def test_a_right_message_of_another_celery_client_rings_for_its_job(
    client: stoker.Client, stack: Settings, server: redis.Redis, eventually: Eventually
) -> None:
    eventually(lambda: server.exists("stoker:leader"))
    _, controller, _ = str(server.get("stoker:leader")).split("/")
    # It would find the job, and ring for it.
    with stopped([psutil.Process(int(controller))]), celery_app(stack, redis_url_of(stack)) as app:
        job_id = by_hand(server, {}, ring=False)
        app.send_task("stoker.train", args=[job_id], queue="cpu.train")
        eventually(lambda: client.job(job_id).state is JobState.SUCCEEDED)


def test_commands_that_are_none_are_put_aside_and_celerys_own_still_work(
    watch: Watch, stack: Settings, server: redis.Redis, eventually: Eventually
) -> None:
    with celery_app(stack, redis_url_of(stack)) as app:
        assert len(app.control.ping(timeout=PATIENCE_S, limit=1)) == 1
        no_command = json.dumps(envelope([])).encode()
        for message in (b"junk", b"[]", b"{}", nested(20_000).encode(), no_command, b"x" * 70_000):
            server.publish("/0.celery.pidbox", message)
        eventually(lambda: watch.aside().total() == 6)
        [told] = app.control.inspect(timeout=PATIENCE_S, limit=1).registered().values()
        assert "stoker.train" in told
    watch.assert_nothing_died()


def test_what_is_no_list_under_a_queues_key_is_put_aside_and_the_queue_works_again(
    watch: Watch, server: redis.Redis, eventually: Eventually
) -> None:
    keys = string, hash_, set_, zset, stream = LISTS[:5]
    server.delete("stoker:repairs")
    with server.pipeline() as pipe:
        pipe.set(string, "x" * 1000)
        pipe.hset(hash_, "field", "value")
        pipe.sadd(set_, "member")
        pipe.zadd(zset, {"member": 1})
        pipe.xadd(stream, {"field": "value"})
        pipe.execute()
    watch.assert_nothing_died()

    def all_are_noted() -> bool:
        """By the worker, which reads the queue, or by a script that looks for lost messages: whichever comes first."""
        mended = [json.loads(repair)["where"] for repair in server.lrange("stoker:repairs", 0, -1)]
        aside = watch.aside()
        assert aside.keys() <= {QuarantineReason.WRONG_TYPE}
        return aside.total() + len(set(mended) & set(keys)) >= len(keys)

    eventually(all_are_noted)


def test_a_doorbell_for_an_empty_lane_is_not_counted(watch: Watch, server: redis.Redis, eventually: Eventually) -> None:
    server.lpush("cpu.infer", json.dumps(envelope(ringing("nobody@1"), "stoker.drain")))
    eventually(lambda: not server.exists("cpu.infer"))
    watch.assert_nothing_died()
    assert watch.aside() == {}


TRAIN: dict[str, Any] = JOB.model_dump(mode="json")
# A function of Keras where a network has a layer.
CALLS = {"module": "keras", "class_name": "visualization.plot_image_gallery", "config": {}}


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"spec": "junk"}, "record holds no job"),
        ({"spec": b"\xff\xfe"}, "record holds no job"),
        ({"spec": "[" * 100_000}, "record holds no job"),
        ({"spec": json.dumps(TRAIN | {"kind": "x" * 100_000})}, "is unknown"),
        ({"spec": json.dumps(TRAIN | {"x" * 100_000: 1})}, "no field"),
        pytest.param({"spec": json.dumps(TRAIN | {"epochs": "os.system('x')"})}, "epochs", marks=pytest.mark.slow),
        pytest.param({"spec": json.dumps(TRAIN | {"model": "../../model"})}, "model", marks=pytest.mark.slow),
        ({"spec": json.dumps(TRAIN | {"architecture": {"type": "keras", "config": CALLS}})}, "not one of Keras' own"),
        ({"spec": json.dumps(TRAIN | {"data": "../../../../etc/passwd"})}, "must end in"),
        ({"spec": json.dumps(TRAIN | {"data": "http://127.0.0.1:1/creds?x=.csv"})}, "may not read http"),
        pytest.param(
            {"spec": json.dumps(TRAIN | {"data": "https://2130706433:1/creds?x=.csv"})},
            "may not read http",
            marks=pytest.mark.slow,
        ),
        pytest.param(
            {"spec": json.dumps(TRAIN | {"data": "/proc/self/../self/environ.csv"})},
            "of the system's own",
            marks=pytest.mark.slow,
        ),
        pytest.param(
            {"spec": json.dumps(TRAIN | {"data": "../../../../nowhere/../x.csv"})},
            "there is no file",
            marks=pytest.mark.slow,
        ),
        pytest.param(
            {"spec": json.dumps(TRAIN | {"data": "rows\x1b[2J\x00.csv"})}, "unprintable", marks=pytest.mark.slow
        ),
        pytest.param(
            {"spec": json.dumps(TRAIN | {"data": "file://x.csv::simplecache://"})}, "::", marks=pytest.mark.slow
        ),
        ({"spec": json.dumps(TRAIN | {"data": "x" * 100_000})}, "data"),
        ({"spec": json.dumps(TRAIN | {"tags": {"x": "y" * 1_000_000}})}, "tags"),
        ({"attempt": "many"}, "attempt is wrong"),
        pytest.param({"sequence": "1e999"}, "sequence is wrong", marks=pytest.mark.slow),
        pytest.param({"priority": "../high"}, "priority is wrong", marks=pytest.mark.slow),
        ({"queue": "stoker:jobs:train:QUEUED"}, "queue is wrong"),
        ({"kind": "os.system"}, "kind is wrong"),
        ({"checkpoints": "[1, 2]"}, "checkpoints is wrong"),
        pytest.param({"checkpoints": '[{"digest": "../../x"}]'}, "checkpoints is wrong", marks=pytest.mark.slow),
        ({"checkpoints": json.dumps([{"digest": "0" * 64, "name": "../../x", "size": 1}])}, "checkpoints is wrong"),
    ],
)
def test_a_job_whose_record_someone_wrote_by_hand_fails_with_one_sentence(
    client: stoker.Client,
    stack: Settings,
    server: redis.Redis,
    eventually: Eventually,
    fields: dict[str, str | bytes],
    told: str,
) -> None:
    job_id = by_hand(server, fields)
    eventually(lambda: server.hget(f"stoker:job:{job_id}", "state") == b"FAILED")
    with pytest.raises(stoker.JobFailed, match=told) as error:
        client.job(job_id).result()
    assert len(error.value.message) < 1000
    assert "\n" not in error.value.message


def test_the_list_of_jobs_leaves_out_what_is_no_record(
    watch: Watch, client: stoker.Client, server: redis.Redis
) -> None:
    good = client.submit(JOB)
    for fields in ({"tags": "junk"}, {"submitted_at": "9" * 300}, {"state": "../state"}, {"progress": "[" * 100_000}):
        by_hand(server, fields)
    server.hdel(f"stoker:job:{by_hand(server, {})}", "tags", "model")
    server.set("stoker:job:a-text", "x")
    server.zadd("stoker:jobs:train:QUEUED:cpu", dict.fromkeys((b"a-text", b"unknown", b"\xff"), BY_HAND))
    assert good.id in [status.id for status in client.jobs(limit=1000)]
    watch.assert_nothing_died()


def test_indexes_that_name_what_is_no_job_hold_up_nobody(
    client: stoker.Client, server: redis.Redis, eventually: Eventually
) -> None:
    server.set("stoker:job:a-text", "x")
    indexes = ("stoker:due", "stoker:leases", "stoker:rung:cpu.train:normal")
    held = ("stoker:held:cpu.train:normal:x", "stoker:tenants:cpu.train:normal")
    for index in (*indexes, *held):
        server.zadd(index, {"a-text": 0, "unknown": 0, "../../x": 0, "x": -1})
    job = client.submit(JOB.model_copy(update={"not_before": datetime.now(UTC) + timedelta(seconds=1)}))
    assert job.wait(timeout=PATIENCE_S) is JobState.SUCCEEDED
    eventually(lambda: not server.exists(*indexes, *held))
