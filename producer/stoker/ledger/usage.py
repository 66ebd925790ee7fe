"""What jobs and predictions have used, in counters by day that are kept for 400 days.

The scripts count it in the step that ends an attempt, or answers a batch: so a repeat counts nothing twice. The key of
a day is a hash of "<what> <JSON of [tenant, kind, model]>" to a number, and "total <tenant>" to milliseconds of slots.
A day has at most 20,000 of them; what is beyond counts under the empty tenant, kind and model.
"""

import json
from collections import defaultdict
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Literal

from pydantic import BaseModel, ConfigDict, TypeAdapter

from ..redis.calls import Call, Steps
from . import clock
from .keys import key
from .readable import counts
from .scripts import script

Dimension = Literal["tenant", "kind", "model"]
DAYS_KEPT = 400
_PLACES: Mapping[Dimension, int] = {"tenant": 0, "kind": 1, "model": 2}


class Usage(BaseModel):
    """What one tenant, kind of jobs, or model has used.

    Attributes:
        name: the tenant's, the kind's or the model's; "" for jobs without one. Requests to lanes are of kind "lane".
        slot_s: seconds times slots that attempts have had, however they ended.
        jobs: how many have ended.
        stored_bytes: of files of versions and results that jobs have put into the store.
        predictions: requests that lanes have answered.
    """

    model_config = ConfigDict(frozen=True)

    name: str
    slot_s: float = 0.0
    jobs: int = 0
    stored_bytes: int = 0
    predictions: int = 0


class BudgetUse(BaseModel):
    """A tenant's budget, and what it has had of it within its days, in ms of slots."""

    model_config = ConfigDict(frozen=True)

    tenant: str
    spent_ms: float
    limit_ms: float
    days: int
    after: str


_BUDGETS: TypeAdapter[list[BudgetUse]] = TypeAdapter(list[BudgetUse])


def usage(by: Dimension, since: datetime) -> Steps[list[Usage]]:
    """What was used since the day of a moment, by UTC; who has had most of the slots first."""
    today: datetime = yield clock.now()
    first = max(since.astimezone(UTC), today - timedelta(days=DAYS_KEPT)).date()
    sums: defaultdict[str, defaultdict[str, int]] = defaultdict(lambda: defaultdict(int))
    for ago in range((today.date() - first).days + 1):
        day = (today - timedelta(days=ago)).timestamp() // 86_400
        fields: Mapping[str, int] = yield Call(("HGETALL", key("usage", f"{day:.0f}")), counts)
        for field, number in fields.items():
            what, _, names = field.partition(" ")
            if what != "total" and (name := _name(names, by)) is not None:
                sums[name][what] += number
    found = [
        Usage(
            name=name,
            slot_s=used["slot_ms"] / 1000,
            jobs=used["jobs"],
            stored_bytes=used["bytes"],
            predictions=used["predictions"],
        )
        for name, used in sums.items()
    ]
    return sorted(found, key=lambda each: (-each.slot_s, -each.predictions, each.name))


def _name(names: str, by: Dimension) -> str | None:
    """One of the three names of a counter; None for what something else has written there."""
    try:
        name = json.loads(names)[_PLACES[by]]
    except (ValueError, LookupError, TypeError):
        return None
    return name if isinstance(name, str) else None


def budgets() -> Call[list[BudgetUse]]:
    """The budgets of tenants that have jobs, or a table of their own, and what they have had of them."""
    return Call((), lambda answer: _BUDGETS.validate_json(answer.decode(errors="replace")), script("budgets"))
