"""What this process has answered by the protocol, by version: Triton's statistics extension."""

import time
from dataclasses import dataclass
from typing import Any

# What is measured where a model computes, which is not here; clients expect the names.
_ELSEWHERE = ("queue", "compute_input", "compute_infer", "compute_output", "cache_hit", "cache_miss")
_NEVER = {"count": 0, "ns": 0}
_MOST_VERSIONS = 10_000


@dataclass(slots=True)
class _Counts:
    """Of one version.

    Attributes:
        last_ms: when its last answer was, as milliseconds since 1970.
    """

    rows: int = 0
    answered: int = 0
    answered_ns: int = 0
    failed: int = 0
    failed_ns: int = 0
    last_ms: int = 0


class Statistics:
    """Counts answers, and what callers waited for them, since the process began."""

    def __init__(self) -> None:
        self._counts: dict[str, _Counts] = {}

    def answered(self, ref: str, rows: int, took_ns: int) -> None:
        """A version has answered so many rows."""
        counts = self._of(ref)
        counts.rows += rows
        counts.answered += 1
        counts.answered_ns += took_ns
        counts.last_ms = int(time.time() * 1000)

    def failed(self, ref: str, took_ns: int) -> None:
        """A request for a version had no answer but an error."""
        counts = self._of(ref)
        counts.failed += 1
        counts.failed_ns += took_ns

    def of(self, ref: str) -> dict[str, Any]:
        """The statistics of a version, as the protocol has them."""
        name, _, version = ref.partition("@")
        counts = self._counts.get(ref) or _Counts()
        stats = {
            "success": {"count": counts.answered, "ns": counts.answered_ns},
            "fail": {"count": counts.failed, "ns": counts.failed_ns},
        }
        return {
            "name": name,
            "version": version,
            "last_inference": counts.last_ms,
            "inference_count": counts.rows,
            "execution_count": counts.answered,
            "inference_stats": stats | dict.fromkeys(_ELSEWHERE, _NEVER),
            "response_stats": {},
            "batch_stats": [],
            "memory_usage": [],
        }

    def _of(self, ref: str) -> _Counts:
        counts = self._counts.get(ref)
        if counts is None:
            if len(self._counts) >= _MOST_VERSIONS:
                self._counts.clear()
            counts = self._counts[ref] = _Counts()
        return counts
