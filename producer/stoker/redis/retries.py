"""Retries of a round trip to Redis: which errors are retried, when, and which error the caller gets. Does no I/O.

Every error is one of three: temporary (retried, then `Unavailable`), forbidden (`Unauthorized` at once), or permanent
(`StokerError` at once).
"""

import ssl
import time

import redis.asyncio.sentinel
import redis.sentinel
from redis.exceptions import (
    AuthenticationError,
    AuthenticationWrongNumberOfArgsError,
    AuthorizationError,
    BusyLoadingError,
    ClusterDownError,
    InvalidResponse,
    NoPermissionError,
    NoScriptError,
    OutOfMemoryError,
    ReadOnlyError,
    ResponseError,
    TryAgainError,
)

from ..errors import InvalidSettings, StokerError, Unauthorized, Unavailable
from ..outages import RedisUnavailable

_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.02, 0.5
# Errors of a server that takes no writes for now: its disk is full, it has too few replicas, …
_NO_WRITES = ("MISCONF", "NOREPLICAS", "OOM", "READONLY")
# … and of one that runs no command for now: a long script runs, it was just made a replica, it lost its master, …
_NO_ANSWERS = ("BUSY", "CLUSTERDOWN", "LOADING", "MASTERDOWN", "TRYAGAIN", "UNBLOCKED")
# The last is what Redis before 7.2 answers of a command in a script.
_FORBIDDEN = ("ACL failure", "DENIED", "NOPERM", "The user executing the script can't")
_LOGIN = ("NOAUTH", "WRONGPASS")
# A controller loads scripts within a second of when it reaches a server that lacks them: one that was started again, or
# has just become the master.
_LOADED_WITHIN_S = 3.0
_TOO_MANY_CLIENTS = "max number of clients reached"


class Tries:
    """The tries of one call; redis-py's own retries are off.

    A call ends after `patience_s` and one timeout, whether Redis refuses connections or does not answer.

    Args:
        where: the server's URL, without its password.
    """

    def __init__(self, where: str, patience_s: float) -> None:
        self._where = where
        self._started = time.monotonic()
        self._until = self._started + patience_s
        self._pause_s = _FIRST_PAUSE_S

    def pause_s(self, error: Exception) -> float:
        """Seconds to wait before the next try.

        Raises:
            Unavailable: `patience_s` is over, or the server's certificate is not trusted, which is never retried.
            Unauthorized: the server refuses the credentials or the command.
            InvalidSettings: the server has no database of this number.
            StokerError: the command failed.
        """
        reason = reason_of(error, self._where)
        if isinstance(error, NoScriptError):
            self._until = max(self._until, self._started + _LOADED_WITHIN_S)
        left_s = self._until - time.monotonic()
        if left_s <= 0 or not isinstance(reason, Unavailable) or _is_untrusted(error):
            raise reason from (error.__cause__ if reason is error else error)
        pause_s, self._pause_s = min(self._pause_s, left_s), min(2 * self._pause_s, _LONGEST_PAUSE_S)
        return pause_s


def reason_of(error: Exception, where: str) -> StokerError:
    """The error that a caller gets for one of redis-py's; `Unavailable` where a retry may help. One of ours stays."""
    match error:
        case StokerError():
            return error
        case AuthenticationError() | AuthenticationWrongNumberOfArgsError() | AuthorizationError():
            return _login(error, where)
        case redis.sentinel.MasterNotFoundError() | redis.asyncio.sentinel.MasterNotFoundError():
            return _no_master(error, where)
        case ResponseError() | BusyLoadingError():
            return _answered(error, where)
        case InvalidResponse():
            return RedisUnavailable(
                f"what answers at {where} does not speak Redis' protocol: {error}; check the host and the port in "
                "STOKER_REDIS_URL, and that it says rediss:// if the server wants TLS"
            )
        case redis.ConnectionError() | redis.TimeoutError() | OSError():
            return _unreachable(error, where)
    return StokerError(f"the command for Redis at {where} could not be sent: {type(error).__name__}: {error}")


def _login(error: Exception, where: str) -> Unauthorized:
    return Unauthorized(f"{where} refused the login: {error}; check the user and password in the URL")


def _unreachable(error: Exception, where: str) -> RedisUnavailable:
    if _is_untrusted(error):
        return RedisUnavailable(
            f"the certificate of Redis at {where} cannot be trusted: {error}; name the file of its CA with "
            "?ssl_ca_certs=…, and use a host name that the certificate holds"
        )
    if isinstance(error.__cause__ or error.__context__, FileNotFoundError):
        return RedisUnavailable(
            f"the certificate of Redis at {where} cannot be checked: a file that the URL names is not there; correct "
            "ssl_ca_certs, ssl_certfile or ssl_keyfile in it"
        )
    if _TOO_MANY_CLIENTS in str(error):
        return RedisUnavailable(
            f"Redis at {where} takes no more connections: {error}; close clients that are not used, lower "
            "STOKER_MAX_CONNECTIONS, or raise the server's maxclients"
        )
    return RedisUnavailable(
        f"Redis at {where} cannot be reached: {error}; start it with `stoker up`, or check STOKER_REDIS_URL"
    )


def _no_master(error: Exception, where: str) -> StokerError:
    # redis-py's message quotes the sentinels' errors, but also every connection option.
    if AuthenticationError.__name__ in str(error):
        return Unauthorized(f"the sentinels of {where} refused the login; check sentinel_password in the URL")
    return RedisUnavailable(f"no sentinel of {where} knows a master of this name that runs; check master_name")


def _answered(error: Exception, where: str) -> StokerError:
    answer = str(error)
    if answer.startswith(_LOGIN):
        return _login(error, where)
    if isinstance(error, NoPermissionError) or answer.startswith(_FORBIDDEN):
        return Unauthorized(
            f"{where} forbids this user a command: {answer}; docs/security.md lists what each kind of user needs"
        )
    if isinstance(error, NoScriptError):
        return RedisUnavailable(
            f"Redis at {where} lacks scripts of this version of Stoker, and this user may not load them: see that a "
            "controller of this version runs, which does"
        )
    if isinstance(error, OutOfMemoryError | ReadOnlyError) or answer.startswith(_NO_WRITES):
        return RedisUnavailable(f"Redis at {where} takes no writes now: {answer}; docs/operations.md says what to do")
    if isinstance(error, BusyLoadingError | ClusterDownError | TryAgainError) or answer.startswith(_NO_ANSWERS):
        return RedisUnavailable(
            f"Redis at {where} answers nothing now: {answer}; it starts, fails over or runs a long script: "
            "try again, and see docs/operations.md if it stays so"
        )
    if answer.startswith("DB index is out of range"):
        return InvalidSettings(
            f"Redis at {where} has no such database: write a smaller number behind the last / of the URL, 0 if in doubt"
        )
    return StokerError(
        f"Redis at {where} answered with an error: {answer}; if it names a wrong type, something else than Stoker has "
        "written to its keys; else check that the server is Redis 6.2 or newer, or Valkey, and no cluster"
    )


def _is_untrusted(error: Exception) -> bool:
    return isinstance(error.__cause__ or error.__context__, ssl.SSLCertVerificationError)
