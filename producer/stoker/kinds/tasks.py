"""What travels of a job besides its record: its Celery name, its fingerprint."""

import hashlib
import re

_TASK = re.compile(r"stoker\.(?P<kind>[a-z][a-z0-9_-]{0,31})")
# The Celery task of jobs whose kind a worker does not know.
UNKNOWN_KIND_TASK = "stoker.unknown"


def task_name(kind: str) -> str:
    """The Celery task of a job kind, e.g. "stoker.train"."""
    return f"stoker.{kind}"


def kind_of_task(name: str) -> str | None:
    """The job kind of a Celery task, known or not; None if it can be none's."""
    match = _TASK.fullmatch(name)
    return match["kind"] if match else None


def digest(spec: str) -> str:
    """A fingerprint of a spec, given as JSON: equal for equal specs."""
    return hashlib.sha256(spec.encode()).hexdigest()
