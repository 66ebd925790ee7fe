"""Tenants: on whose behalf jobs run, and what each may have."""

from pydantic import BaseModel, ConfigDict, Field

TENANT = "tenant"
"""The tag of a job that names its tenant."""
DEFAULT_TENANT = "default"
"""The name under which the settings have the quota of tenants without one of their own."""


class Quota(BaseModel):
    """A tenant's quota: a table `[tenants.NAME]` of stoker.toml; "default" holds for all tenants without a table.

    Attributes:
        running: how many of its jobs may run at once; None for any number.
        queued: how many may be waiting or queued; further submits are refused. None for any number.
        weight: its share of the slots, relative to the other tenants'.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    running: int | None = Field(default=None, ge=0)
    queued: int | None = Field(default=None, ge=0)
    weight: float = Field(default=1.0, ge=0.01, le=100)
