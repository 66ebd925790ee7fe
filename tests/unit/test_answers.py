"""What a caller of predictions is told: errors arrive as the classes that apps know."""

import json
import uuid

import stoker
from stoker.lanes import frames, later
from stoker.outages import Dependency, DependencyUnavailable, Outage

AWAY = DependencyUnavailable(Outage(of=Dependency.STORE, reason="the store is away"))


def test_an_error_that_only_workers_know_reaches_its_caller_as_what_apps_catch() -> None:
    [(_, answer)] = frames.decode_answers(frames.encode_answers([(7, AWAY, None)]))
    assert isinstance(answer, stoker.Unavailable)
    assert answer.message == "the store is away"


def test_celery_is_told_of_an_error_that_it_can_build() -> None:
    raised = json.loads(later.result(uuid.uuid4().hex, AWAY).payload)
    assert raised == {"exc_type": "Unavailable", "exc_message": ["the store is away"], "exc_module": "stoker.errors"}
