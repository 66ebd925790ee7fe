"""Tenants: on whose behalf jobs run, and what each may have."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

TENANT = "tenant"
"""The tag of a job that names its tenant."""
DEFAULT_TENANT = "default"
"""The name under which the settings have the quota of tenants without one of their own."""


class Budget(BaseModel):
    """How much of the slots a tenant may have: a table `[tenants.NAME.budget]` of stoker.toml.

    Attributes:
        slot_hours: hours times slots that its attempts may have.
        days: within so many days of UTC, today included.
        after: what happens once it is spent: "warn" raises an alarm, "stop" also refuses further submits. What is
            queued and runs goes on in any case.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    slot_hours: float = Field(gt=0, allow_inf_nan=False)
    days: int = Field(default=30, ge=1, le=400)
    after: Literal["warn", "stop"] = "warn"


class Quota(BaseModel):
    """A tenant's quota: a table `[tenants.NAME]` of stoker.toml; "default" holds for all tenants without a table.

    Attributes:
        running: how many of its jobs may run at once; None for any number.
        queued: how many may be waiting or queued; further submits are refused. None for any number.
        weight: its share of the slots, relative to the other tenants'.
        budget: how much of the slots it may have over some days; None for no limit.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    running: int | None = Field(default=None, ge=0)
    queued: int | None = Field(default=None, ge=0)
    weight: float = Field(default=1.0, ge=0.01, le=100)
    budget: Budget | None = None
