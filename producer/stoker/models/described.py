"""The base of everything that describes something in the store or the registry."""

from pydantic import BaseModel, ConfigDict


class Described(BaseModel):
    """A frozen description. Unknown fields are a newer version's, and are ignored."""

    # Deferred: what is read from a server is built when it is first read, not for programs that only submit. What they
    # write is not, so that its signature shows before.
    model_config = ConfigDict(frozen=True, extra="ignore", ser_json_inf_nan="strings", defer_build=True)
