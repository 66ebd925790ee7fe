"""Lanes whose alias has a route, on a real server, with models without TensorFlow: who answers, what is counted."""

import asyncio
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from functools import partial

import numpy as np
import pytest
import redis

import stoker
from stoker.lanes import failures, frames
from stoker.lanes.aio import AsyncLaneClient
from stoker.lanes.blocking import LaneClient
from stoker.ledger import model_log, routes
from stoker.models.manifest import ModelVersion
from stoker.models.tensors import decode_tensors, encode_tensors
from stoker.redis.connection import AsyncConnection
from stoker.settings import Settings
from stoker_workers.serving.model import Response
from stoker_workers.serving.watch import Watch

from ..conftest import PATIENCE_S, Eventually
from .test_routes import Registry

BELLS = "cpu.infer\x06\x163"
Behaviour = Callable[[np.ndarray], np.ndarray]


class Stand:
    """A model that multiplies by its version's number, or does what a test says."""

    most = 64

    def __init__(self, number: int, behaviour: Behaviour | None) -> None:
        self.evicted = False
        self.compute: Behaviour = behaviour or (lambda rows: rows * number)

    def answer(self, requests: Sequence[bytes]) -> Sequence[Response]:
        responses: list[Response] = []
        for request in requests:
            rows = decode_tensors(request)
            assert isinstance(rows, np.ndarray)
            try:
                responses.append(encode_tensors(self.compute(rows)))
            except stoker.InvalidJob as error:
                responses.append(error)
        return responses


class Served:
    """Digits, served by one watch in a thread, and a client: what versions do, which load still, and which have."""

    def __init__(self, models: Registry, redis_url: str) -> None:
        self.models, self.behaves, self.withheld = models, dict[int, Behaviour](), set[int]()
        self.lanes = LaneClient(models.connection)
        self._stop, self._url = threading.Event(), redis_url
        self.stands: dict[int, Stand] = {}
        self._thread: threading.Thread | None = None
        self._ring()

    def _ring(self) -> None:
        first = self.send([1.0])
        with redis.Redis.from_url(self._url) as raw:
            assert raw.rpop(BELLS)
        watch = Watch(self.models.connection, uuid.uuid4().hex, ("cpu.infer",), self.load, self._stop.is_set)
        self._thread = threading.Thread(target=watch.run, args=("digits",))
        self._thread.start()
        assert self.answer(first[0]) == (1, 1.0)

    def load(self, version: ModelVersion) -> Stand | None:
        if version.version in self.withheld:
            return None
        return self.stands.setdefault(version.version, Stand(version.version, self.behaves.get(version.version)))

    def send(self, values: Sequence[float], *, key: str | None = None) -> list[Future[frames.Answered]]:
        place = None if key is None else frames.place_of_key(key)
        return [
            self.lanes.send(
                "digits", "cpu.infer", "normal", PATIENCE_S, [encode_tensors(np.array([[value]]))], place
            ).popitem()[1]
            for value in values
        ]

    def answer(self, future: Future[frames.Answered]) -> tuple[int | None, float]:
        return _read(future.result(PATIENCE_S))

    def ask(self, count: int, *, key: str | None = None) -> list[tuple[int | None, float]]:
        answers: list[tuple[int | None, float]] = []
        for start in range(0, count, 500):
            size = min(500, count - start)
            answers += [self.answer(future) for future in self.send([1.0] * size, key=key)]
        return answers

    async def flood(self, count: int) -> list[tuple[int | None, float]]:
        """Ask so many times at once."""
        connection = AsyncConnection.open(Settings(), self._url)
        client, row = AsyncLaneClient(connection), encode_tensors(np.array([[1.0]]))
        sent = [client.send("digits", "cpu.infer", "normal", PATIENCE_S, [row]).popitem()[1] for _ in range(count)]
        answers = await asyncio.gather(*sent)
        await client.close()
        await connection.close()
        return [_read(answer) for answer in answers]

    def evidence(self, job: str) -> routes.Evidence:
        return self.models.run(routes.evidence(job))

    def until_ready(self, eventually: Eventually) -> None:
        def is_ready() -> bool:
            self.ask(1)
            return all(route.ready for route in self.models.run(routes.routes()))

        eventually(is_ready)

    def close(self) -> None:
        self._stop.set()
        if self._thread:
            self._thread.join()
        self.lanes.close()


def _read(answered: frames.Answered) -> tuple[int | None, float]:
    """The version that answered, and its first number."""
    rows = decode_tensors(answered)
    assert isinstance(rows, np.ndarray)
    return answered.version, float(rows[0, 0])


@pytest.fixture
def served(redis_url: str) -> Iterator[Served]:
    served = Served(Registry(redis_url), redis_url)
    yield served
    served.close()


def test_a_share_goes_to_the_second_version_and_every_answer_names_its_version(
    served: Served, eventually: Eventually
) -> None:
    job = served.models.job()
    served.models.open(job, share=0.1)
    served.until_ready(eventually)
    before = served.evidence(job)
    answers = asyncio.run(served.flood(10_000))
    assert all(value == version for version, value in answers), "nothing is answered by another version than it says"
    counts = Counter(version for version, _ in answers)
    assert set(counts) == {1, 2}
    assert abs(counts[2] / 10_000 - 0.1) <= 0.01

    def all_counted() -> bool:
        evidence = served.evidence(job)
        asked = [
            side.requests - was.requests for side, was in ((evidence.before, before.before), (evidence.to, before.to))
        ]
        return asked == [counts[1], counts[2]]

    eventually(all_counted)
    evidence = served.evidence(job)
    assert sum(evidence.to.latency.values()) > 0
    [edges] = [route.edges for route in served.models.run(routes.routes())]
    assert edges[""] == (1.0,), "the champion's numbers"
    assert set(evidence.before.outputs[""]) == {1}


def test_a_key_stays_with_its_version_and_a_growing_share_keeps_those_that_it_has(
    served: Served, eventually: Eventually
) -> None:
    job, keys = served.models.job(), [f"user-{n}" for n in range(60)]
    served.models.open(job, share=0.3)
    served.until_ready(eventually)
    sides = {key: {version for version, _ in served.ask(2, key=key)} for key in keys}
    assert all(len(side) == 1 for side in sides.values())
    few = {key for key, side in sides.items() if side == {2}}
    assert 0.15 * len(keys) < len(few) < 0.45 * len(keys)
    served.models.run(routes.move(job, share=0.6, step=1))
    served.ask(1)
    more = {key for key in keys if served.ask(1, key=key)[0][0] == 2}
    assert few < more


def test_all_goes_to_the_champion_until_the_second_version_is_loaded(served: Served, eventually: Eventually) -> None:
    served.withheld.add(2)
    served.models.open(served.models.job(), share=1.0)
    assert {version for version, _ in served.ask(200)} == {1}
    served.withheld.clear()
    served.until_ready(eventually)
    eventually(lambda: served.ask(1) == [(2, 2.0)])


def test_a_version_that_fails_from_the_first_request_on_is_given_no_more_at_once(
    served: Served, eventually: Eventually
) -> None:
    def fail(rows: np.ndarray) -> np.ndarray:
        raise stoker.InvalidJob("it fails")

    served.behaves[2] = fail
    job = served.models.job()
    served.models.open(job, share=0.5)
    served.until_ready(eventually)
    answers, closed_after = [], 0.0
    while not closed_after:
        answers += served.ask(4)
        if served.evidence(job).to.errors >= 20:
            started = time.monotonic()
            eventually(lambda: served.evidence(job).how == "closed")
            closed_after = time.monotonic() - started
    assert closed_after < 1
    assert set(answers) == {(1, 1.0)}, "nothing is lost: the champion answers what the other fails on"
    evidence = served.evidence(job)
    assert evidence.to.requests == evidence.to.errors < 28
    assert evidence.closed is not None
    assert evidence.closed.startswith("all of the first 2")
    assert evidence.closed.endswith("failed, the first with: it fails")
    assert evidence.error == "it fails"
    assert served.models.run(model_log.changes("digits", 1))[0].how == "closed"


def test_outputs_that_are_no_numbers_are_the_champions_and_counted(served: Served, eventually: Eventually) -> None:
    served.behaves[2] = lambda rows: rows * (np.nan if rows[0, 0] > 1 else 2)
    job = served.models.job()
    served.models.open(job, share=1.0)
    served.until_ready(eventually)
    eventually(lambda: served.ask(1) == [(2, 2.0)])
    assert [served.answer(future) for future in served.send([1.0, 5.0, 1.0])] == [(2, 2.0), (1, 5.0), (2, 2.0)]
    eventually(lambda: served.evidence(job).to.refused == 1)


def test_inputs_that_no_version_takes_are_nobodys_failure(served: Served, eventually: Eventually) -> None:
    def picky(rows: np.ndarray) -> np.ndarray:
        if rows[0, 0] < 0:
            raise stoker.InvalidJob("they do not fit")
        return rows

    served.behaves[2] = picky
    served.stands[1].compute = picky
    job = served.models.job()
    served.models.open(job, share=1.0)
    served.until_ready(eventually)
    eventually(lambda: served.ask(1) == [(2, 1.0)])
    for future in served.send([-1.0] * 30):
        with pytest.raises(stoker.InvalidJob, match="do not fit"):
            served.answer(future)
    assert served.ask(1) == [(2, 1.0)]
    assert served.evidence(job).to.errors == 0


def test_a_shadow_computes_what_was_answered_and_its_answers_are_dropped(
    served: Served, eventually: Eventually
) -> None:
    served.behaves[2] = lambda rows: rows * 1.5
    job = served.models.job()
    served.models.open(job, share=0.5, shadow=True)
    served.until_ready(eventually)

    def compared() -> bool:
        assert set(served.ask(1)) == {(1, 1.0)}
        return served.evidence(job).compared >= 20

    eventually(compared)
    evidence = served.evidence(job)
    assert evidence.disagreed == evidence.compared == evidence.shadow.requests
    assert abs(evidence.difference_ppm / evidence.compared - 1e6 / 3) < 1
    assert evidence.to.requests == 0


def test_an_end_of_the_route_is_heeded_from_the_next_batch_on(served: Served, eventually: Eventually) -> None:
    for number, promote in ((2, False), (3, True)):
        job = served.models.job()
        served.models.open(job, to=number, share=1.0)
        served.until_ready(eventually)
        eventually(partial(answers_by, served, number))
        served.models.run(routes.close(job, promote=promote, why="so"))
        assert answers_by(served, number if promote else 1)
    assert set(served.ask(100)) == {(3, 3.0)}, "no stale weight"


def answers_by(served: Served, number: int) -> bool:
    return served.ask(1) == [(number, float(number))]


def test_a_version_that_cannot_be_served_loses_its_share(served: Served, eventually: Eventually) -> None:
    for ref, error, how in (
        ("digits@2", stoker.InvalidJob("digits@2 cannot be loaded: a torn file"), {}),
        (
            "digits@3",
            stoker.Unavailable("digits@3 cannot be served: it ends its process"),
            {"excused": True, "computed": True},
        ),
    ):
        job = served.models.job()
        served.models.open(job, to=int(ref[-1]), share=0.5)
        created_at = "2026-01-01T00:00:00+00:00"
        served.models.run(failures.load_failed("digits@1", created_at, error, "w", excused=True))
        assert served.evidence(job).how is None, "another's failure"
        served.models.run(failures.load_failed(ref, created_at, error, "w", **how))
        assert served.evidence(job).closed == error.message
        assert set(served.ask(20)) == {(1, 1.0)}
