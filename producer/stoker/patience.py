"""What a failed round trip to Redis means: whether to try again, and when, or what to tell the caller. Does no I/O."""

import ssl
import time

import redis.asyncio.sentinel
import redis.sentinel
from redis.exceptions import (
    AuthenticationError,
    AuthenticationWrongNumberOfArgsError,
    AuthorizationError,
    NoPermissionError,
    OutOfMemoryError,
    ReadOnlyError,
    ResponseError,
)

from .errors import StokerError, Unauthorized, Unavailable

_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.02, 0.5
# What a server that is there answers when it takes no writes for now: its disk is full, too few replicas follow it, …
_NOT_NOW = ("BUSY", "MASTERDOWN", "MISCONF", "NOREPLICAS")


class Tries:
    """The tries at one round trip; redis-py itself repeats nothing.

    A server that refuses connections is tried until patience runs out, one that does not answer at least once: so
    a call ends after `patience_s` and one timeout, whichever way Redis is away.

    Args:
        where: the server's URL, without its password.
    """

    def __init__(self, where: str, patience_s: float) -> None:
        self._where = where
        self._until = time.monotonic() + patience_s
        self._pause_s = _FIRST_PAUSE_S

    def pause_s(self, error: Exception) -> float:
        """Seconds to wait before the next try.

        Raises:
            Unavailable: patience has run out, or the server's certificate is wrong, which waiting will not mend.
            Unauthorized: the server refuses the credentials, or they may not do this.
            RedisError: the error itself, if it is neither.
        """
        reason = _reason(error, self._where)
        left_s = self._until - time.monotonic()
        if left_s <= 0 or isinstance(reason, Unauthorized) or _is_untrusted(error):
            raise reason from error
        pause_s, self._pause_s = min(self._pause_s, left_s), min(2 * self._pause_s, _LONGEST_PAUSE_S)
        return pause_s


def _reason(error: Exception, where: str) -> StokerError:
    """Why there is no answer, in one sentence; raises the error itself if Redis is not to blame for it."""
    match error:
        case AuthenticationError() | AuthenticationWrongNumberOfArgsError() | AuthorizationError():
            return Unauthorized(f"{where} refused the login: {error}; check the user and password in the URL")
        case redis.sentinel.MasterNotFoundError() | redis.asyncio.sentinel.MasterNotFoundError():
            return _no_master(error, where)
        case redis.ConnectionError() | redis.TimeoutError() | OSError():
            return _unreachable(error, where)
        case ResponseError():
            return _refused(error, where)
    raise error


def _unreachable(error: Exception, where: str) -> Unavailable:
    if _is_untrusted(error):
        return Unavailable(
            f"the certificate of Redis at {where} cannot be trusted: {error}; name the file of its CA with "
            "?ssl_ca_certs=…, and use a host name that the certificate holds"
        )
    return Unavailable(
        f"Redis at {where} cannot be reached: {error}; start it with `stoker up`, or check STOKER_REDIS_URL"
    )


def _no_master(error: Exception, where: str) -> StokerError:
    # redis-py only quotes what the sentinels answered, and beside it all options of its connections.
    if AuthenticationError.__name__ in str(error):
        return Unauthorized(f"the sentinels of {where} refused the login; check sentinel_password in the URL")
    return Unavailable(f"no sentinel of {where} knows a master of this name that runs; check master_name")


def _refused(error: ResponseError, where: str) -> StokerError:
    told = str(error)
    if isinstance(error, NoPermissionError) or told.startswith("ACL failure"):
        return Unauthorized(
            f"{where} forbids this user a command: {told}; docs/security.md lists what each kind of user needs"
        )
    if isinstance(error, OutOfMemoryError | ReadOnlyError) or told.startswith(_NOT_NOW):
        return Unavailable(f"Redis at {where} takes no writes now: {told}; docs/operations.md says what to do")
    raise error


def _is_untrusted(error: Exception) -> bool:
    return isinstance(error.__cause__ or error.__context__, ssl.SSLCertVerificationError)
