"""Which job comes to which end, as the test says."""

from collections import deque
from collections.abc import Sequence
from typing import Any

from ..errors import InvalidArgument
from ..kinds import Spec, kind_of
from ..kinds.base import JobSpec
from .outcomes import Planned, returns

_USUAL = returns()


class Plans:
    """What a test has said of jobs to come."""

    def __init__(self) -> None:
        self._plans: list[tuple[type[JobSpec[Any]], str | None, deque[Planned]]] = []

    def add(self, spec: type[JobSpec[Any]], planned: Sequence[Planned], model: str | None) -> None:
        """See `Client.on`; what was said later counts first."""
        if not planned or not all(isinstance(each, Planned) for each in planned):
            raise InvalidArgument(
                "on takes a kind of specs and what comes of its jobs: testing.returns(), fails or runs"
            )
        self._plans.insert(0, (spec, model, deque(planned)))

    def next(self, spec: Spec) -> Planned:
        """What comes of a job."""
        kind = kind_of(spec)
        names = {ref.partition("@")[0] for ref in kind.models(spec)}
        names |= {getattr(spec, kind.makes)} if kind.makes else set()
        for of, model, planned in self._plans:
            if isinstance(spec, of) and (model is None or model in names):
                return planned.popleft() if len(planned) > 1 else planned[0]
        return _USUAL
