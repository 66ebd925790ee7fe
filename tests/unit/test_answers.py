"""What a caller of predictions is told: errors arrive as the classes that apps know."""

import json
import uuid

import pytest

import stoker
from stoker.lanes import frames, later
from stoker.models.requests import RequestId
from stoker.outages import Dependency, DependencyUnavailable, Outage

AWAY = DependencyUnavailable(Outage(of=Dependency.STORE, reason="the store is away"))


def test_an_error_that_only_workers_know_reaches_its_caller_as_what_apps_catch() -> None:
    [(_, answer)] = frames.decode_answers(frames.encode_answers([(7, AWAY, None)]))
    assert isinstance(answer, stoker.Unavailable)
    assert answer.message == "the store is away"


def test_celery_is_told_of_an_error_that_it_can_build() -> None:
    raised = json.loads(later.result(uuid.uuid4().hex, AWAY).payload)
    assert raised == {"exc_type": "Unavailable", "exc_message": ["the store is away"], "exc_module": "stoker.errors"}


def test_the_version_is_told_to_clients_that_ask_for_it_and_to_no_others() -> None:
    asks, old = frames.NAMES_VERSION | 7, 7
    told = dict(frames.decode_answers(frames.encode_answers([(asks, b"outputs", 3), (old, b"outputs", 3)])))
    assert told == {asks: b"outputs", old: b"outputs"}
    assert [answer.version for answer in told.values() if isinstance(answer, frames.Answered)] == [3, None]
    [(_, from_old_worker)] = frames.decode_answers(frames.encode_answers([(asks, b"outputs", None)]))
    assert isinstance(from_old_worker, frames.Answered)
    assert from_old_worker.version is None


@pytest.mark.parametrize("share", [0.01, 0.1, 0.5])
@pytest.mark.parametrize("first", [0, 1, 65_000])
def test_calls_are_spread_evenly_and_stay_with_a_growing_share(share: float, first: int) -> None:
    places = [frames.place(_request(number % frames.PLACES)) for number in range(first, first + 10_000)]
    assert abs(sum(place < share for place in places) / len(places) - share) < 0.002
    assert all(0 <= place < 1 for place in places)


def test_a_key_is_a_place_also_of_a_request_that_nobody_waits_for() -> None:
    place = frames.place_of_key("user-7")
    result_id, pushed = later.request("digits", "cpu.infer", "normal", 1.0, b"x", place)
    request = frames.decode_request(bytes(8) + pushed.requests[0][1])
    assert request is not None
    assert request.client == uuid.UUID(result_id).hex
    assert frames.place(request) == frames.place(_request(place))
    assert len({frames.place_of_key(f"user-{n}") for n in range(1000)}) > 950


def _request(number: int) -> frames.Request:
    return frames.Request(0, uuid.uuid4().hex, frames.NAMES_VERSION | number, b"")


def test_the_id_of_a_request_can_be_read_back() -> None:
    written = RequestId("digits@3", uuid.uuid4().hex, 2**62)
    assert RequestId.parse(str(written)) == written
    assert (written.name, written.version) == ("digits", 3)
    for wrong in ("", "digits@3", "digits:5f:1", "digits@0:" + "0" * 32 + ":1", 7):
        with pytest.raises(stoker.InvalidArgument, match="is no id of a request"):
            RequestId.parse(wrong)
