"""How models have changed: who moved an alias, removed a version, shared requests between two."""

from datetime import datetime
from functools import partial

from pydantic import BaseModel, Field

from ..redis.calls import Call
from .keys import key
from .readable import all_readable

_MOST_LISTED = 1000


class ModelChange(BaseModel):
    """A change of a model, as it was noted. Jobs change models, too: then `by` is the job's id.

    Attributes:
        at: when, UTC.
        by: who: a user and machine, a job's id, a controller, or the id of the API key of who asked a gateway for it.
        alias: the alias that was moved or, where `to` is None, taken away; `before` is what it pointed at.
        back: whether it was a step back.
        removed: the number of a version that was removed.
        why: "asked", or "retention" for a version that a rule of the settings keeps no longer; of a route that
            was closed, the reason in words.
        noted: the number of a version whose note was written.
        renamed: the model's name before.
        routed: the alias whose requests were shared between `before` and `to`, or are so no longer.
        asked: the number of a version whose deployment somebody was to approve: `how` is then "approved" or "refused",
            `by` the Redis user, and `why` a note.
        how: what became of that route: "opened", "moved" (to another share), "promoted" or "closed".
        share, shadow: of the route: see `ledger.routes.Route`.
    """

    at: datetime
    by: str
    alias: str | None = None
    before: int | None = Field(default=None, validation_alias="from")
    to: int | None = None
    back: bool = False
    removed: int | None = None
    why: str | None = None
    noted: int | None = None
    renamed: str | None = None
    routed: str | None = None
    asked: int | None = None
    how: str | None = None
    share: float | None = None
    shadow: bool = False

    def words(self) -> str:
        """What has changed, in a few words."""
        if self.alias is not None:
            to = "taken away" if self.to is None else f"{'back ' if self.back else ''}to {self.to}"
            return f"{self.alias}: {to}" + (f", from {self.before}" if self.before is not None else "")
        if self.removed is not None:
            return f"version {self.removed} removed" + (" by retention" if self.why == "retention" else "")
        if self.routed is not None:
            return self._words_of_route()
        if self.asked is not None:
            return f"deployment of {self.asked} {self.how}" + (f": {self.why}" if self.why else "")
        if self.noted is not None:
            return f"version {self.noted} noted"
        return f"renamed from {self.renamed}" if self.renamed else "all of it removed"

    def _words_of_route(self) -> str:
        share = "a shadow" if self.shadow else f"{self.share or 0:.0%} of the requests"
        match self.how:
            case "opened" | "moved":
                return f"{self.routed}: {share} to {self.to}, the others to {self.before}"
            case "promoted":
                return f"{self.routed}: {self.to} is promoted: {self.why}"
            case _:
                return f"{self.routed}: all requests back to {self.before}: {self.why}"


def changes(name: str, limit: int = _MOST_LISTED) -> Call[list[ModelChange]]:
    """How a model has changed, the newest change first; those of one that is gone are kept for a while."""
    return Call(("LRANGE", key("moves", name), 0, limit - 1), partial(all_readable, ModelChange))
