"""How tenants share the workers: the quotas of each, and the jobs that each has."""

from collections.abc import Mapping
from dataclasses import dataclass

from ..redis.calls import Call, Word
from ..tenants import DEFAULT_TENANT, Quota
from .scripts import script


@dataclass(frozen=True)
class Tenant:
    """The jobs that one tenant has now.

    Attributes:
        name: "" for the jobs without a `tenant` tag.
        queued: jobs that have not started, WAITING and QUEUED.
    """

    name: str
    queued: int
    running: int


def set_quotas(quotas: Mapping[str, Quota], ageing_s: float) -> Call[bool]:
    """Replace the tenants' quotas and weights; returns whether anything has changed.

    What a tenant of its own entry leaves open is as the entry "default" has it. Jobs that run beyond a new quota go on.

    Args:
        ageing_s: how long a queued job waits until it counts as one of the next higher priority.
    """
    default = quotas.get(DEFAULT_TENANT, Quota())
    words: list[Word] = ["ageing_ms", round(ageing_s * 1000), "default", default.model_dump_json(exclude_none=True)]
    for name, own in quotas.items():
        if name != DEFAULT_TENANT:
            rule = default.model_copy(update={field: getattr(own, field) for field in own.model_fields_set})
            words += [f"tenant {name}", rule.model_dump_json(exclude_none=True)]
    return Call(tuple(words), bool, script("quotas"))


def tenants() -> Call[list[Tenant]]:
    """The tenants that have jobs which wait or run, by name."""

    def decode(answer: list[list[bytes]]) -> list[Tenant]:
        queued, running = (
            {name.decode(errors="replace"): int(count) for name, count in _pairs(fields)} for fields in answer
        )
        return [Tenant(name, queued.get(name, 0), running.get(name, 0)) for name in sorted(queued.keys() | running)]

    return Call((), decode, script("tenants"))


def _pairs(fields: list[bytes]) -> list[tuple[bytes, bytes]]:
    # What something else has written there is no count; a controller mends it.
    return [(name, count) for name, count in zip(fields[::2], fields[1::2], strict=True) if count.isdigit()]
