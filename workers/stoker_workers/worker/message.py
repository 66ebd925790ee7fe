"""Validates messages. Anyone who reaches Redis can write to the queues, so nothing in them is trusted."""

import base64
import itertools
import json
import re
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from stoker.kinds import KINDS
from stoker.kinds.tasks import UNKNOWN_KIND_TASK, kind_of_task, task_name
from stoker.lanes import DRAIN_TASK
from stoker.ledger.gangs import JOIN_TASK
from stoker.ledger.quarantine import QuarantineReason

# A doorbell has less than a kilobyte, a command of `celery control` little more.
LARGEST_BYTES = 65_536
_LONGEST_SUMMARY = 1_000
_tags = itertools.count(1)


class InvalidMessage(Exception):
    """A message that is not delivered."""

    def __init__(self, reason: QuarantineReason) -> None:
        super().__init__(reason)
        self.reason = reason


class _Strict(BaseModel):
    model_config = ConfigDict(strict=True)


class _Headers(_Strict):
    task: str = ""
    argsrepr: str | None = None
    compression: str | None = None


class _Properties(_Strict):
    delivery_tag: str | int
    delivery_info: dict[str, Any]
    body_encoding: str | None = None


class _Envelope(_Strict):
    """A message of Celery's protocol 2 as kombu's Redis transport writes it."""

    body: str
    content_type: str | None = Field(default=None, alias="content-type")
    content_encoding: str | None = Field(default=None, alias="content-encoding")
    headers: _Headers
    properties: _Properties


class _Command(_Strict):
    method: str


# Positional and keyword arguments, and Celery's embedded callbacks, which are ignored.
_ARGUMENTS: TypeAdapter[tuple[tuple[str], dict[str, Any], dict[str, Any]]] = TypeAdapter(
    tuple[tuple[str], dict[str, Any], dict[str, Any]]
)
_JOB = re.compile(r"[A-Za-z0-9-]{1,64}")
_LANE = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}(@[a-z0-9][a-z0-9._-]{0,31})?")
_MEMBER = re.compile(_JOB.pattern + r"\.\d{1,4}")
# The only argument of each task.
_TASKS = {
    **{task_name(kind): _JOB for kind in KINDS},
    UNKNOWN_KIND_TASK: _JOB,
    DRAIN_TASK: _LANE,
    JOIN_TASK: _MEMBER,
}


def doorbell(raw: bytes, queue: str, priority: int) -> bytes:
    """The message to deliver in place of one from a queue.

    It is written anew from the task's name, the job's id and the summary for Flower. All else in the original
    (callbacks, an ETA, a reply queue, another id, …) has no effect.

    Raises:
        InvalidMessage: it is not a doorbell of a job, a gang or a lane.
    """
    envelope, content = _opened(raw)
    task = envelope.headers.task
    if task not in _TASKS and kind_of_task(task):
        # A job of a newer client: the ledger checks that it exists, and lets it wait for a worker that can run it.
        task = UNKNOWN_KIND_TASK
    if task not in _TASKS:
        raise InvalidMessage(QuarantineReason.UNKNOWN_TASK)
    try:
        [job_id], by_name, _ = _ARGUMENTS.validate_json(content)
    except ValidationError:
        raise InvalidMessage(QuarantineReason.WRONG_ARGUMENTS) from None
    if by_name or not _TASKS[task].fullmatch(job_id):
        raise InvalidMessage(QuarantineReason.WRONG_ARGUMENTS)
    return _message(task, job_id, envelope.headers.argsrepr or "", queue, priority)


def _message(task: str, job_id: str, summary: str, queue: str, priority: int) -> bytes:
    """A Celery message for a task with one argument."""
    headers = {
        "lang": "py",
        "task": task,
        "id": job_id,
        "root_id": job_id,
        "argsrepr": summary[:_LONGEST_SUMMARY],
        "kwargsrepr": "{}",
        "ignore_result": True,
    }
    properties = {
        "correlation_id": job_id,
        "delivery_info": {"exchange": "", "routing_key": queue},
        "delivery_tag": next(_tags),
        "priority": priority,
        # Without it, kombu could not give a message back: it decodes text to bytes, which JSON does not hold.
        "body_encoding": "base64",
    }
    message = {
        "body": base64.b64encode(json.dumps([[job_id], {}, {}]).encode()).decode(),
        "content-type": "application/json",
        "content-encoding": "utf-8",
        "headers": headers,
        "properties": properties,
    }
    return json.dumps(message).encode()


def check_command(raw: bytes) -> None:
    """Check a command of `celery control` or `inspect`; its permissions are Celery's affair.

    Raises:
        InvalidMessage: it is not a command.
    """
    _, content = _opened(raw)
    try:
        _Command.model_validate_json(content)
    except ValidationError:
        raise InvalidMessage(QuarantineReason.NOT_A_MESSAGE) from None


def _opened(raw: bytes) -> tuple[_Envelope, bytes]:
    """The envelope, and the decoded body, which should be JSON."""
    if len(raw) > LARGEST_BYTES:
        raise InvalidMessage(QuarantineReason.TOO_LARGE)
    try:
        envelope = _Envelope.model_validate_json(raw)
    except ValidationError as error:
        is_json = error.errors(include_url=False, include_input=False)[0]["type"] != "json_invalid"
        raise InvalidMessage(QuarantineReason.NOT_A_MESSAGE if is_json else QuarantineReason.NOT_JSON) from None
    if (envelope.content_type, envelope.content_encoding) != ("application/json", "utf-8"):
        raise InvalidMessage(QuarantineReason.FOREIGN_CONTENT)
    match envelope.headers.compression, envelope.properties.body_encoding:
        case None, None | "utf-8":
            return envelope, envelope.body.encode()
        case None, "base64":
            try:
                return envelope, base64.b64decode(envelope.body, validate=True)
            except ValueError:
                raise InvalidMessage(QuarantineReason.NOT_A_MESSAGE) from None
        case _:
            raise InvalidMessage(QuarantineReason.FOREIGN_CONTENT)
