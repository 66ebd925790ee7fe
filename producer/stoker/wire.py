"""What travels of a job besides its record: its Celery name, its summary, its fingerprint."""

import hashlib

from .jobs import Spec


def task_name(kind: str) -> str:
    """The Celery task of a job kind, e.g. "stoker.train"."""
    return f"stoker.{kind}"


def summary(spec: Spec) -> str:
    """A job in a few words, as Flower and `celery inspect` show its arguments."""
    parts = [spec.model, spec.alias if spec.kind == "deploy" else spec.data]
    if spec.kind == "train":
        parts.append(f"epochs={spec.epochs}")
    return ", ".join(parts)


def digest(spec: str) -> str:
    """A fingerprint of a spec, given as JSON: equal for equal specs."""
    return hashlib.sha256(spec.encode()).hexdigest()
