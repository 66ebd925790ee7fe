"""What a fleet in memory has to do: the jobs of a test that run, and those that are queued."""

import json
from collections.abc import Mapping

from ..fleet.topology import device_of
from .records import Record, now_ms


def look(jobs: Mapping[str, Record], device: str) -> bytes:
    """See foresee.lua."""
    found: dict[str, list[dict[str, object]]] = {"RUNNING": [], "QUEUED": []}
    for job_id, record in jobs.items():
        if record.text("state") in found and device_of(record.text("queue")) == device:
            found[record.text("state")].append(
                {
                    "id": job_id,
                    "kind": record.text("kind"),
                    "queue": record.text("queue"),
                    "priority": record.text("priority"),
                    "likeness": record.text("likeness"),
                    "submitted_at": float(record.text("submitted_at") or 0),
                    "queued_at": float(record.text("queued_at") or 0),
                    "started_at": float(record.text("started_at") or 0),
                }
            )
    lines = [
        {"queue": job["queue"], "priority": job["priority"], "window": len(found["QUEUED"]), "rung": [job]}
        for job in found["QUEUED"]
    ]
    return json.dumps({"at": now_ms(), "ageing_ms": 1e9, "lines": lines, "running": found["RUNNING"]}).encode()
