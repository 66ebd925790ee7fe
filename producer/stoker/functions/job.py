"""`@stoker.job`: a function of the user's package that is also a job."""

import sys
from collections.abc import Callable
from functools import cached_property, lru_cache, update_wrapper
from typing import TYPE_CHECKING, Generic, ParamSpec, TypedDict, TypeVar, Unpack, overload

from ..errors import InvalidJob
from ..kinds import Device, Priority, Run, RunResult
from .arguments import Arguments

if TYPE_CHECKING:
    from ..client.blocking import Client
    from ..client.job import Job

P = ParamSpec("P")
R = TypeVar("R")


class JobOptions(TypedDict, total=False):
    """What a function's jobs have in common: fields of `stoker.Run`."""

    device: Device
    priority: Priority
    timeout: float | None
    max_attempts: int
    tags: dict[str, str]
    needs: dict[str, str]
    memory: int | None
    cpus: int | None
    gpu_memory: int | None
    seed: int | None


class JobFunction(Generic[P, R]):
    """A function that can be submitted. Called, it is the function itself, without any job.

    Attributes:
        function: what was decorated.
    """

    def __init__(self, function: Callable[P, R], options: JobOptions) -> None:
        self.function = function
        self._options = options
        update_wrapper(self, function)
        # So that a wrong option is refused where it is written, not when somebody submits.
        Run("checked.once:here", **options)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        return self.function(*args, **kwargs)

    def __repr__(self) -> str:
        return f"<job {self.function.__module__}:{self.function.__qualname__}>"

    @property
    def path(self) -> str:
        """Where workers find the function: "package.module:function".

        Raises:
            InvalidJob: no other process can find it.
        """
        module, name = self.function.__module__, self.function.__qualname__
        if module == "__main__":
            run_as = sys.modules["__main__"].__spec__
            if run_as is None:
                raise InvalidJob(
                    f"{name} is in the script that runs, where no worker finds it: import it from its module to submit "
                    "it, or run that as python -m package.module"
                )
            module = run_as.name
        if not name.isidentifier():
            raise InvalidJob(f"{name} is within another function or class, where no worker finds it: move it outside")
        return f"{module}:{name}"

    def spec(self, *args: object, **kwargs: object) -> Run:
        """The job of a call with these arguments, its context `run` left out.

        Raises:
            InvalidJob: they do not fit the function, or are no plain data.
        """
        return Run(self.path, self._arguments.checked(*args, **kwargs), **self._options)

    def submit(self, *args: object, client: "Client | None" = None, **kwargs: object) -> "Job[RunResult]":
        """Queue a call with these arguments.

        Args:
            client: None for one that the settings say, which all such calls of a process share.

        Raises:
            InvalidJob, Unavailable, Unauthorized: as `spec` and `Client.submit`.
        """
        spec = self.spec(*args, **kwargs)
        return (client or _client()).submit(spec)

    @cached_property
    def _arguments(self) -> Arguments:
        return Arguments(self.function, self.path)


@overload
def job(function: Callable[P, R], /) -> JobFunction[P, R]: ...


@overload
def job(**options: Unpack[JobOptions]) -> Callable[[Callable[P, R]], JobFunction[P, R]]: ...


def job(
    function: Callable[P, R] | None = None, /, **options: Unpack[JobOptions]
) -> JobFunction[P, R] | Callable[[Callable[P, R]], JobFunction[P, R]]:
    """Make a function a job, too.

        @stoker.job(device="gpu", timeout=3600)
        def train_ranker(run: Run, weeks: int) -> dict[str, float]: ...

        train_ranker.submit(weeks=8).result()

    It stays callable as it was. Workers run it if their settings list it under `functions`, where
    "package.module:*" lists all of a module.

    Args:
        options: fields of `stoker.Run` that all its jobs have.

    Raises:
        InvalidJob: an option is wrong.
    """
    if function is not None:
        return JobFunction(function, options)
    return lambda decorated: JobFunction(decorated, options)


def _client() -> "Client":
    from ..local import redis_url_of
    from ..settings import Settings

    return _shared(redis_url_of(Settings()))


@lru_cache(maxsize=4)
def _shared(redis_url: str) -> "Client":
    """One client for all calls to a server, which may fork."""
    from ..client.blocking import Client

    return Client(redis_url)
