"""What travels: the Celery message that announces a job, and tensors as bytes."""

import base64
import hashlib
import io
import json
import uuid
import zipfile
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .errors import InvalidJob
from .jobs import Priority, Spec
from .topology import PRIORITIES, redis_list

# Any number or text dtype; the model's signature says which.
Array = NDArray[Any]
Tensors = Array | Mapping[str, Array]


def task_name(kind: str) -> str:
    """The Celery task of a job kind, e.g. "stoker.train"."""
    return f"stoker.{kind}"


def summary(spec: Spec) -> str:
    """A job in a few words, as Flower and `celery inspect` show its arguments."""
    parts = [spec.model, spec.data]
    if spec.kind == "train":
        parts.append(f"epochs={spec.epochs}")
    return ", ".join(parts)


def digest(spec: Spec) -> str:
    """A fingerprint of a spec: equal for equal specs."""
    return hashlib.sha256(spec.model_dump_json().encode()).hexdigest()


def doorbell(task: str, task_id: str, queue: str, priority: int, argsrepr: str) -> bytes:
    """A Celery message that carries nothing but the task's id, ready for the Redis list of its queue.

    It is Celery's message protocol 2 (https://docs.celeryq.dev/en/stable/internals/protocol.html) in the envelope
    of kombu's Redis transport. Written here, because so the ledger can store a job and ring for it in one step.

    Args:
        task: the Celery task's name.
        task_id: the only argument, and the task's id.
        queue: the queue's name, also the routing key of Celery's default exchange.
        priority: kombu's step for it.
        argsrepr: what monitors show as the arguments.
    """
    body = json.dumps([[task_id], {}, {"callbacks": None, "errbacks": None, "chain": None, "chord": None}])
    message = {
        "body": base64.b64encode(body.encode()).decode(),
        "content-encoding": "utf-8",
        "content-type": "application/json",
        "headers": {
            "lang": "py",
            "task": task,
            "id": task_id,
            "root_id": task_id,
            "parent_id": None,
            "group": None,
            "eta": None,
            "expires": None,
            "retries": 0,
            "timelimit": [None, None],
            "argsrepr": f"({argsrepr})",
            "kwargsrepr": "{}",
            "origin": "stoker",
            "ignore_result": True,
        },
        "properties": {
            "correlation_id": task_id,
            "reply_to": "",
            "delivery_mode": 2,
            "delivery_info": {"exchange": "", "routing_key": queue},
            "priority": priority,
            "body_encoding": "base64",
            "delivery_tag": str(uuid.uuid4()),
        },
    }
    return json.dumps(message).encode()


def bell(job_id: str, kind: str, queue: str, priority: Priority, told: str) -> tuple[str, bytes]:
    """The Redis list to push a job's doorbell on, and the doorbell; each one made is a message of its own."""
    step = PRIORITIES[priority]
    return redis_list(queue, step), doorbell(task_name(kind), job_id, queue, step, told)


def encode_tensors(tensors: Tensors) -> bytes:
    """One array as .npy, several by name as .npz; never pickled.

    Raises:
        InvalidJob: an array of Python objects.
    """
    buffer = io.BytesIO()
    try:
        if isinstance(tensors, Mapping):
            np.savez(buffer, allow_pickle=False, **{name: np.asarray(array) for name, array in tensors.items()})
        else:
            np.save(buffer, np.asarray(tensors), allow_pickle=False)
    except ValueError as error:
        raise InvalidJob(f"inputs must be arrays of numbers or text, of one length per axis: {error}") from error
    return buffer.getvalue()


def decode_tensors(data: bytes) -> Tensors:
    """The inverse of `encode_tensors`.

    Raises:
        InvalidJob: the bytes are neither .npy nor .npz, or hold pickled objects.
    """
    try:
        loaded = np.load(io.BytesIO(data), allow_pickle=False)
        if isinstance(loaded, np.ndarray):
            return loaded
        return {name: loaded[name] for name in loaded.files}
    except (ValueError, EOFError, OSError, zipfile.BadZipFile) as error:
        raise InvalidJob(f"these bytes are no .npy or .npz of plain arrays: {error}") from error
