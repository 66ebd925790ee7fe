"""What a message must be to be let in. Anyone who reaches Redis can write to the queues, so nothing is trusted."""

import base64
import itertools
import json
import re
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from stoker.kinds import KINDS
from stoker.kinds.tasks import UNKNOWN_KIND_TASK, kind_of_task, task_name
from stoker.lanes import DRAIN_TASK
from stoker.ledger import JOIN_TASK, QuarantineReason

# A doorbell has less than a kilobyte, and a command of `celery control` little more.
LARGEST_BYTES = 65_536
_LONGEST_SUMMARY = 1_000
_tags = itertools.count(1)


class Unwelcome(Exception):
    """A message that is not to be delivered."""

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


# By position and by name, and what Celery would do afterwards, which is not looked at.
_ARGUMENTS: TypeAdapter[tuple[tuple[str], dict[str, Any], dict[str, Any]]] = TypeAdapter(
    tuple[tuple[str], dict[str, Any], dict[str, Any]]
)
_JOB = re.compile(r"[A-Za-z0-9-]{1,64}")
_LANE = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}(@[a-z0-9][a-z0-9._-]{0,31})?")
_SEAT = re.compile(_JOB.pattern + r"\.\d{1,4}")
# What each task may be given: its only argument.
_TASKS = {
    **{task_name(kind): _JOB for kind in KINDS},
    UNKNOWN_KIND_TASK: _JOB,
    DRAIN_TASK: _LANE,
    JOIN_TASK: _SEAT,
}


def doorbell(raw: bytes, queue: str, priority: int) -> bytes:
    """The message to deliver in place of one that lay on a queue.

    It is written anew: only the task's name, the job's id and the summary for Flower are taken over. Whatever else the
    message says (callbacks, a time to run at, where to reply, another id, …) has no effect.

    Raises:
        Unwelcome: it does not ring for a job or an inference request.
    """
    envelope, content = _opened(raw)
    task = envelope.headers.task
    if task not in _TASKS and kind_of_task(task):
        # A newer client's job. The ledger knows whether it is one, and lets it wait for a worker that can run it.
        task = UNKNOWN_KIND_TASK
    if task not in _TASKS:
        raise Unwelcome(QuarantineReason.UNKNOWN_TASK)
    try:
        [job_id], by_name, _ = _ARGUMENTS.validate_json(content)
    except ValidationError:
        raise Unwelcome(QuarantineReason.WRONG_ARGUMENTS) from None
    if by_name or not _TASKS[task].fullmatch(job_id):
        raise Unwelcome(QuarantineReason.WRONG_ARGUMENTS)
    return _message(task, job_id, envelope.headers.argsrepr or "", queue, priority)


def _message(task: str, job_id: str, summary: str, queue: str, priority: int) -> bytes:
    """A message of Celery's for a task with one argument."""
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
    }
    message = {
        "body": json.dumps([[job_id], {}, {}]),
        "content-type": "application/json",
        "content-encoding": "utf-8",
        "headers": headers,
        "properties": properties,
    }
    return json.dumps(message).encode()


def check_command(raw: bytes) -> None:
    """Check a command of `celery control` or `inspect`, which reaches every worker; what it may do is Celery's affair.

    Raises:
        Unwelcome: it is none.
    """
    _, content = _opened(raw)
    try:
        _Command.model_validate_json(content)
    except ValidationError:
        raise Unwelcome(QuarantineReason.NOT_A_MESSAGE) from None


def _opened(raw: bytes) -> tuple[_Envelope, bytes]:
    """The envelope, and the body as what should be JSON."""
    if len(raw) > LARGEST_BYTES:
        raise Unwelcome(QuarantineReason.TOO_LARGE)
    try:
        envelope = _Envelope.model_validate_json(raw)
    except ValidationError as error:
        is_json = error.errors(include_url=False, include_input=False)[0]["type"] != "json_invalid"
        raise Unwelcome(QuarantineReason.NOT_A_MESSAGE if is_json else QuarantineReason.NOT_JSON) from None
    if (envelope.content_type, envelope.content_encoding) != ("application/json", "utf-8"):
        raise Unwelcome(QuarantineReason.FOREIGN_CONTENT)
    match envelope.headers.compression, envelope.properties.body_encoding:
        case None, None | "utf-8":
            return envelope, envelope.body.encode()
        case None, "base64":
            try:
                return envelope, base64.b64decode(envelope.body, validate=True)
            except ValueError:
                raise Unwelcome(QuarantineReason.NOT_A_MESSAGE) from None
        case _:
            raise Unwelcome(QuarantineReason.FOREIGN_CONTENT)
