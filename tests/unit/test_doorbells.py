"""What a worker is given in place of a message."""

import json
import uuid

import pytest
from kombu.connection import Connection
from kombu.transport.virtual import Message
from kombu.utils.json import dumps

from stoker_workers.worker.message import InvalidMessage, doorbell


def ringing(job_id: str) -> bytes:
    """A message as a client writes it."""
    return json.dumps(
        {
            "body": json.dumps([[job_id], {}, {}]),
            "content-type": "application/json",
            "content-encoding": "utf-8",
            "headers": {"task": "stoker.train", "id": job_id},
            "properties": {"delivery_tag": "1", "delivery_info": {"exchange": "", "routing_key": "cpu.train"}},
        }
    ).encode()


def test_a_message_that_celery_gives_back_to_its_queue_is_one_still() -> None:
    job_id = str(uuid.uuid4())
    given = json.loads(doorbell(ringing(job_id), "cpu.train", 6))
    with Connection("memory://") as broker:
        message = Message(given, broker.channel())
        assert message.decode() == [[job_id], {}, {}]
        # As kombu does where a worker ends with a message that it has not begun.
        back = dumps(message.serializable() | {"redelivered": True}).encode()
    again = json.loads(doorbell(back, "cpu.train", 6))
    assert (again["headers"]["id"], again["body"]) == (job_id, given["body"])


def test_a_message_of_another_task_is_refused() -> None:
    with pytest.raises(InvalidMessage):
        doorbell(ringing("x").replace(b"stoker.train", b"tasks.add"), "cpu.train", 6)
