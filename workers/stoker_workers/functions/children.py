"""The jobs that a function asks for, and their results."""

from collections.abc import Sequence

from stoker.errors import InvalidJob
from stoker.kinds import Result, Spec, checked, kind_of

from ..ml.run import Children, Run

_MOST = 10_000
# The ledger takes all in one step, in which it does nothing else.
_MOST_BYTES = 16 << 20
# A job's own id, and each time that it is a child, two numbers more.
_DASHES_OF_ID, _DASHES_OF_CHILD = 4, 2
_DEEPEST = 3


class Gathering:
    """The results of an attempt's jobs, which are handed out in the order in which the jobs were asked for."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._taken = 0

    def results(self, specs: Sequence[Spec]) -> tuple[Result, ...]:
        """The results of the next jobs.

        Raises:
            Children: they are to be done first.
            InvalidJob: one of them is wrong, or they are others than those that were asked for before.
        """
        wanted = tuple(checked(spec) for spec in specs)
        for number, spec in enumerate(wanted):
            self._check(number, spec)
        results = self._run.children[self._taken : self._taken + len(wanted)]
        if not wanted or self._taken == len(self._run.children):
            return self._ask(wanted) if wanted else ()
        kinds = [spec.kind for spec in wanted]
        if [result.kind for result in results] != kinds:
            before = ", ".join(result.kind for result in self._run.children[self._taken :])
            raise InvalidJob(
                f"the function asks for other jobs than an earlier attempt did: {', '.join(kinds)} now, and {before} "
                "then; each attempt must ask for the same ones in the same order, also after a checkpoint"
            )
        self._taken += len(wanted)
        return results

    def _ask(self, wanted: tuple[Spec, ...]) -> tuple[Result, ...]:
        depth = (self._run.job.count("-") - _DASHES_OF_ID) // _DASHES_OF_CHILD
        if depth >= _DEEPEST:
            raise InvalidJob(f"a job that is itself {depth} children deep cannot ask for more: have its parent ask")
        if len(self._run.children) + len(wanted) > _MOST:
            raise InvalidJob(f"a job may ask for {_MOST:,} jobs in all; give each of them more to do")
        if (size := sum(len(spec.model_dump_json()) for spec in wanted)) > _MOST_BYTES:
            raise InvalidJob(
                f"the {len(wanted):,} jobs that a function asks for at once are {size:,} bytes of JSON and may be "
                f"{_MOST_BYTES:,}: put what is large into files, and give each job a reference"
            )
        raise Children(wanted)

    def _check(self, number: int, spec: Spec) -> None:
        if spec.after or any(ref.startswith("#") for ref in kind_of(spec).models(spec)):
            raise InvalidJob(
                f"children[{number}] comes after another job, which a child cannot: ask for that first, and with its "
                "result for this one"
            )
