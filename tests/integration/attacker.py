"""Hostile messages of every sort, each with the reason for which it must be put aside."""

import base64
import json
import os
import pickle
import random
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import redis

from stoker.ledger.quarantine import QuarantineReason
from stoker.local import redis_url_of
from stoker.settings import Settings

SEED = 20260


class Canary:
    """Unpickling one leaves a file behind."""

    def __init__(self, path: Path) -> None:
        self._path = str(path)

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return os.mkdir, (self._path,)


class Hostile(NamedTuple):
    message: bytes
    reason: QuarantineReason


def envelope(body: object, task: object = "stoker.train", **changes: object) -> dict[str, Any]:
    """A message as kombu writes it, around a body that need not be right."""
    return {
        "body": body if isinstance(body, str) else json.dumps(body),
        "content-type": "application/json",
        "content-encoding": "utf-8",
        "headers": {"lang": "py", "task": task, "id": str(uuid.uuid4()), "eta": None, "expires": None},
        "properties": {"delivery_tag": "1", "delivery_info": {"exchange": "", "routing_key": "cpu.train"}},
    } | changes


def ringing(*arguments: object, **by_name: object) -> list[object]:
    return [list(arguments), by_name, {"callbacks": None, "errbacks": None, "chain": None, "chord": None}]


def nested(depth: int) -> str:
    return "[" * depth + "]" * depth


class Attacker:
    """Makes hostile messages of every sort, the same ones for the same seed."""

    def __init__(self, canary: Path) -> None:
        self._random = random.Random(SEED)
        self._pickle = pickle.dumps(Canary(canary))
        self._sorts = (
            self.junk,
            self.cut_off,
            self.deep,
            self.of_another_shape,
            self.without_a_part,
            self.with_a_part_of_another_type,
            self.pickled,
            self.of_foreign_content,
            self.for_another_task,
            self.with_wrong_arguments,
            self.with_a_wrong_id,
            self.too_large,
            self.for_no_job,
        )

    def messages(self, count: int) -> Iterator[Hostile]:
        for n in range(count):
            yield self._sorts[n % len(self._sorts)]()

    def junk(self) -> Hostile:
        return Hostile(b"\xff" + self._random.randbytes(self._random.randrange(2000)), QuarantineReason.NOT_JSON)

    def cut_off(self) -> Hostile:
        whole = json.dumps(envelope(ringing(self._id()))).encode()
        return Hostile(whole[: self._random.randrange(len(whole))], QuarantineReason.NOT_JSON)

    def deep(self) -> Hostile:
        depth = self._random.randrange(2_000, 30_000)
        return self._random.choice(
            [
                Hostile(nested(depth).encode(), QuarantineReason.NOT_JSON),
                Hostile(b'{"a":' * (depth // 3), QuarantineReason.NOT_JSON),
                self._sent(envelope(nested(depth)), QuarantineReason.WRONG_ARGUMENTS),
            ]
        )

    def of_another_shape(self) -> Hostile:
        shapes = [None, True, 17, -1.5, "text", "", [], {}, [1, 2], {"task": "stoker.train"}]
        return self._sent(self._random.choice(shapes), QuarantineReason.NOT_A_MESSAGE)

    def without_a_part(self) -> Hostile:
        message = envelope(ringing(self._id()))
        part = self._random.choice(["body", "headers", "properties", "delivery_tag", "delivery_info"])
        del (message if part in message else message["properties"])[part]
        return self._sent(message, QuarantineReason.NOT_A_MESSAGE)

    def with_a_part_of_another_type(self) -> Hostile:
        part = self._random.choice(["body", "headers", "properties", "content-type", "content-encoding"])
        message = envelope(ringing(self._id())) | {part: self._random.choice([17, True, [], [{}], [[1]]])}
        return self._sent(message, QuarantineReason.NOT_A_MESSAGE)

    def pickled(self) -> Hostile:
        if self._random.random() < 0.5:
            return Hostile(self._pickle, QuarantineReason.NOT_JSON)
        message = envelope(base64.b64encode(self._pickle).decode())
        message["content-type"], message["content-encoding"] = "application/x-python-serialize", "binary"
        message["properties"]["body_encoding"] = "base64"
        return self._sent(message, QuarantineReason.FOREIGN_CONTENT)

    def of_foreign_content(self) -> Hostile:
        message = envelope(ringing(self._id()))
        match self._random.randrange(4):
            case 0:
                message["content-type"] = self._random.choice(["application/x-yaml", "application/data", "", None])
            case 1:
                message["content-encoding"] = self._random.choice(["binary", "utf-16", "zip", "rot13", None])
            case 2:
                message["headers"]["compression"] = self._random.choice(["application/x-gzip", "application/x-bz2"])
            case 3:
                message["properties"]["body_encoding"] = self._random.choice(["hex", "../../codec", "BASE64"])
        return self._sent(message, QuarantineReason.FOREIGN_CONTENT)

    def for_another_task(self) -> Hostile:
        names = ["os.system", "celery.backend_cleanup", "celery.chord_unlock", "stoker.", "", "\0", "../x"]
        task = self._random.choice(names)
        return self._sent(envelope(ringing("touch /tmp/x"), task), QuarantineReason.UNKNOWN_TASK)

    def with_wrong_arguments(self) -> Hostile:
        job_id = self._id()
        bodies: list[object] = [
            ringing(),
            ringing(job_id, job_id),
            ringing(job_id, shell=True),
            ringing([job_id]),
            ringing({"id": job_id}),
            ringing(self._random.randrange(10**9)),
            ringing(None),
            [[job_id]],
            [[job_id], [], {}],
            [job_id, {}, {}],
            {"args": [job_id]},
            None,
            "not JSON",
            "",
        ]
        return self._sent(envelope(self._random.choice(bodies)), QuarantineReason.WRONG_ARGUMENTS)

    def with_a_wrong_id(self) -> Hostile:
        ids = ["../../../etc/passwd", "/etc/passwd", "a/../b", "a:b", "*", "a\0b", "a\nb", "", " ", "ü", "x" * 65]
        return self._sent(envelope(ringing(self._random.choice(ids))), QuarantineReason.WRONG_ARGUMENTS)

    def too_large(self) -> Hostile:
        filler = "x" * self._random.randrange(70_000, 200_000)
        return self._sent(envelope(ringing(self._id()), filler=filler), QuarantineReason.TOO_LARGE)

    def for_no_job(self) -> Hostile:
        """Right in every part, with whatever Celery would do beside the task; but there is no such job."""
        body = ringing(self._id())
        body[2] = {"callbacks": [{"task": "os.system"}], "chain": [{"task": "x"}], "chord": {"task": "y"}}
        message = envelope(body, self._random.choice(["stoker.train", "stoker.evaluate", "stoker.infer"]))
        message["headers"] |= {
            "eta": self._random.choice([None, "2999-01-01T00:00:00", "not a time"]),
            "expires": self._random.choice([None, "1999-01-01T00:00:00", "not a time"]),
            "timelimit": self._random.choice([[None, None], "soon", [-1, -1]]),
            "retries": self._random.choice([0, 10**9, "many"]),
            "group": self._random.choice([None, {}, "../group"]),
        }
        message["properties"] |= {"reply_to": "../../reply", "correlation_id": "\0", "priority": -5}
        return self._sent(message, QuarantineReason.UNKNOWN_JOB)

    def _id(self) -> str:
        return str(uuid.UUID(int=self._random.getrandbits(128)))

    def _sent(self, message: object, reason: QuarantineReason) -> Hostile:
        return Hostile(json.dumps(message).encode(), reason)


def surroundings(settings: Settings) -> str:
    """What says why a job of a stack does not start: what waits in Redis, and the last lines of each log."""
    with redis.Redis.from_url(redis_url_of(settings), decode_responses=True) as server:
        lists = {key: server.llen(key) for key in server.scan_iter() if server.type(key) == "list"}
        sets = {key: server.zcard(key) for key in server.scan_iter() if server.type(key) == "zset"}
    logs = [f"{log.name}: {log.read_text()[-2_000:]}" for log in sorted((Path(settings.home) / "logs").glob("*.log"))]
    return "\n".join([str(lists), str(sets), *logs])
