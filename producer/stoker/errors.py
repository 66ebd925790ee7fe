"""All errors of the public API.

    StokerError
    ├── InvalidJob      a spec, its data or its model is wrong; nothing was queued, or the job FAILED for it
    ├── JobNotFound     no job with this id
    ├── JobFailed       the job ended by its own error
    ├── JobCancelled    the job was cancelled
    ├── JobDead         the job lost its worker max_attempts times
    ├── JobPruned       the job was a trial that others did better than, and was ended early
    ├── ModelNotFound   no model, version or alias of this name
    ├── ModelInUse      a model or version cannot go, because something uses it
    ├── Timeout         the answer did not come within the time given
    ├── Unavailable     Redis, the store or every worker is out of reach; trying again may help
    │   └── TooManyRequests  a model's guard allows no more of them for now; says when
    ├── Unauthorized    the server refused the credentials
    ├── Untrusted       it is signed by no key that is trusted for it, or is not what was signed
    ├── InvalidArgument an argument of a method is of another type or size than it may be
    ├── ClientClosed    the client was closed before
    └── InvalidSettings a setting is wrong, or the settings file is

A message says what came, what was expected and what to do, in one line. Each error is built from that line alone, so
that `celery.result.AsyncResult.get()` can raise the same class from a stored result.
"""


class StokerError(Exception):
    """The base class of all errors of Stoker.

    Attributes:
        message: one line for a person.
        traceback: the worker's traceback of an error in a job's own code; else None.
    """

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message
        self.traceback: str | None = None


class InvalidJob(StokerError):
    """A spec, its data or its model is wrong."""


class JobNotFound(StokerError, LookupError):
    """No job has this id, or its record has expired."""


class JobFailed(StokerError):
    """The job ended by its own error; `traceback` holds the worker's traceback."""


class JobCancelled(StokerError):
    """The job was cancelled before it could finish."""


class JobDead(StokerError):
    """The job was given up after its worker was lost `max_attempts` times."""


class JobPruned(StokerError):
    """The job was a trial of a search, and was ended early because others did better; its reason says where."""


WITHOUT_RESULT = (JobFailed, JobCancelled, JobDead, JobPruned)
"""What waiting for the result of a job raises if it has ended without one."""


class ModelNotFound(StokerError, LookupError):
    """No model, version or alias has this name."""


class ModelInUse(StokerError):
    """A model or version cannot be removed or renamed, because something uses it; says what. Nothing was changed."""


class Timeout(StokerError, TimeoutError):
    """The answer did not come within the time given; the job goes on."""


class Unavailable(StokerError, ConnectionError):
    """Redis, the artifact store or every worker is out of reach."""


class TooManyRequests(Unavailable):
    """A model's guard allows no more requests for now; says how many it does, and when to try again."""


class Unauthorized(StokerError, PermissionError):
    """The server refused the credentials."""


class Untrusted(StokerError, PermissionError):
    """Something is signed by no key that is trusted for it, or is not what was signed; nothing of it was used."""


class InvalidArgument(StokerError, ValueError):
    """An argument of a method is of another type or size than it may be; nothing was sent."""


class ClientClosed(StokerError, RuntimeError):
    """The client was closed, before the call or during it; jobs go on."""


class InvalidSettings(StokerError, ValueError):
    """A setting is wrong, or the settings file is; one line per problem."""


def public_class(error: StokerError) -> type[StokerError]:
    """The class of this module that an error belongs to: its own, or the nearest base."""
    return next(known for known in type(error).__mro__ if known.__module__ == __name__)
