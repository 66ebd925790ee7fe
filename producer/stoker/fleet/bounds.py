"""Settings of fleets, and the autoscaler's decisions about them."""

import re
from datetime import datetime
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

_SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")


def _kubernetes_name(text: str) -> str:
    if not re.fullmatch(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?", text):
        raise ValueError("expected a name as Kubernetes has them: small letters, digits, - and .")
    return text


KubernetesName = Annotated[str, AfterValidator(_kubernetes_name)]


class Bounds(BaseModel):
    """The bounds of a fleet that `stoker fleet scale` changes at run time; None keeps the settings' value.

    Attributes:
        min: the least number of slots.
        max: the largest number of slots; None in settings: as many as the fleet's workers offer.
        target_wait_s: seconds within which a queued job shall start.
        cooldown_s: seconds for which slots are kept after they were needed.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    min: int | None = Field(default=None, ge=0, le=1_000_000)
    max: int | None = Field(default=None, ge=0, le=1_000_000)
    target_wait_s: float | None = Field(default=None, gt=0, le=86_400)
    cooldown_s: float | None = Field(default=None, ge=0, le=86_400)


class FleetSettings(BaseModel):
    """A fleet that is scaled: a table `[fleet.DEVICE]` of stoker.toml. `Bounds` explains the first four.

    Attributes:
        provider: who starts and ends nodes. "none": nobody, only the slots of running workers are scaled.
            "process": the controller, as processes of its machine. "kubernetes": the controller, by the scale of a
            deployment. "external": a reader of the metric `stoker_fleet_slots_wanted`, such as KEDA.
        slots_per_node: the slots of a new node; None: as many as a worker of the fleet offers now, or 1.
        deployment: the Deployment whose pods are the nodes.
        namespace: the deployment's; None: that of the controller's pod.
        api_url, token_file, ca_file: access to the Kubernetes API, by default a pod's own; the token is sent as a
            bearer token, and read again for each request.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    min: int = Field(default=1, ge=0, le=1_000_000)
    max: int | None = Field(default=None, ge=0, le=1_000_000)
    target_wait_s: float = Field(default=10.0, gt=0, le=86_400)
    cooldown_s: float = Field(default=120.0, ge=0, le=86_400)
    slots_per_node: int | None = Field(default=None, ge=1, le=1024)
    provider: Literal["none", "process", "kubernetes", "external"] = "none"
    deployment: KubernetesName | None = None
    namespace: KubernetesName | None = None
    api_url: str = Field(default="https://kubernetes.default.svc", pattern=r"^https?://[^/]+/?$")
    token_file: Path = _SERVICE_ACCOUNT / "token"
    ca_file: Path = _SERVICE_ACCOUNT / "ca.crt"

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.max is not None and self.max < self.min:
            raise ValueError(f"max is {self.max}, less than min, which is {self.min}")
        if self.provider == "kubernetes" and self.deployment is None:
            raise ValueError('provider = "kubernetes" needs the name of a deployment')
        if self.provider in ("process", "kubernetes") and self.max is None:
            raise ValueError(f"provider = {self.provider!r} needs a max: it would start nodes without an end")
        return self

    def within(self, bounds: Bounds) -> Self:
        """These settings, overridden by bounds; a max beats a larger min."""
        changed = self.model_copy(update=bounds.model_dump(exclude_none=True))
        if changed.max is not None and changed.max < changed.min:
            changed = changed.model_copy(update={"min": changed.max})
        return changed


class Decision(BaseModel):
    """A decision of the autoscaler.

    Attributes:
        slots: the number of slots at that time.
        wanted: the number of slots wanted.
        reasons: sentences for people, the deciding one first.
        nodes: the number of nodes requested of the provider; None without one.
        most: how many slots the fleet may grow to, with nodes that do not run yet.
    """

    model_config = ConfigDict(frozen=True)

    at: datetime
    slots: int
    wanted: int
    reasons: tuple[str, ...]
    nodes: int | None = None
    most: int = 0
