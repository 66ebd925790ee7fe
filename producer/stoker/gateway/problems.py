"""Errors as answers: RFC 9457's problem documents, which also carry `error`, as the Open Inference Protocol has it."""

import json
import logging
from collections.abc import Mapping
from http import HTTPStatus

from pydantic import BaseModel, ConfigDict
from starlette.exceptions import HTTPException
from starlette.responses import Response

from ..errors import (
    ClientClosed,
    InvalidArgument,
    InvalidJob,
    JobCancelled,
    JobDead,
    JobFailed,
    JobNotFound,
    JobPruned,
    ModelInUse,
    ModelNotFound,
    StokerError,
    Timeout,
    TooManyRequests,
    Unauthorized,
    Unavailable,
    Untrusted,
    public_class,
)
from ..outages import DependencyUnavailable, RedisUnavailable

_log = logging.getLogger(__name__)
MEDIA_TYPE = "application/problem+json"
# What an error of Stoker's is in HTTP; a class that is not here is the gateway's own failure.
_STATUS: Mapping[type[StokerError], int] = {
    InvalidArgument: 400,
    InvalidJob: 422,
    JobNotFound: 404,
    ModelNotFound: 404,
    ModelInUse: 409,
    JobFailed: 409,
    JobCancelled: 409,
    JobDead: 409,
    JobPruned: 409,
    Timeout: 504,
    TooManyRequests: 429,
    Unavailable: 503,
    ClientClosed: 503,
    # The gateway's own rights, and what others have signed, are nothing that a caller could mend.
    Unauthorized: 502,
    Untrusted: 502,
}
# Where Redis and the store are, and as whom the gateway comes there, is nothing for its callers.
_INSIDE: Mapping[type[StokerError], str] = {
    RedisUnavailable: "Redis cannot be asked now",
    DependencyUnavailable: "what this needs is away now",
    Unauthorized: "the gateway's own rights are not enough for this",
}
# After these the same request may be tried again.
_AGAIN = (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE)
_RETRY_S = "1"


class ProblemDocument(BaseModel):
    """An error: what came, what was expected, and what to do.

    Attributes:
        type: "about:blank": what sort of error it is says `code`.
        title: the status in words.
        status: the HTTP status.
        detail: one sentence for a person.
        code: the error's class in Python, such as "JobNotFound", or a name of the gateway's own.
        error: the same sentence as `detail`, where clients of the Open Inference Protocol look for it.
    """

    model_config = ConfigDict(extra="allow")

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    code: str
    error: str


class Problem(HTTPException):
    """An error that is answered as it stands.

    Args:
        status: the HTTP status.
        code: what sort of error it is, in a word.
        detail: one sentence for a person.
        headers: of the answer.
        fields: further ones of the document.
    """

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        *,
        headers: Mapping[str, str] | None = None,
        fields: Mapping[str, object] | None = None,
    ) -> None:
        super().__init__(status, detail, dict(headers or {}))
        self.code = code
        self.fields = dict(fields or {})

    def response(self) -> Response:
        """The answer."""
        document = {
            "type": "about:blank",
            "title": HTTPStatus(self.status_code).phrase,
            "status": self.status_code,
            "detail": self.detail,
            "code": self.code,
            "error": self.detail,
            **self.fields,
        }
        return Response(json.dumps(document), self.status_code, self.headers, MEDIA_TYPE)


def of_error(error: StokerError) -> Problem:
    """The problem that an error of Stoker's is; what tells of this side of the gateway goes into its log alone."""
    kind = public_class(error)
    status = _STATUS.get(kind, 500)
    headers = {"Retry-After": _RETRY_S} if status in _AGAIN else {}
    told = error.message
    if away := next((words for sort, words in _INSIDE.items() if isinstance(error, sort)), None):
        told = f"{away}: the gateway's log says why"
    elif status == HTTPStatus.INTERNAL_SERVER_ERROR:
        told = "the gateway failed at this: its log says why"
    if told != error.message:
        _log.warning("%s: %s", kind.__name__, error.message)
    return Problem(status, kind.__name__, told, headers=headers)


def too_large(most_bytes: int) -> Problem:
    """The answer to a body of more bytes than it may have; the rest of it is not kept."""
    return Problem(
        413,
        "ContentTooLarge",
        f"the body may be {most_bytes:,} bytes, also before it was compressed: send fewer rows at once, or put the "
        "data where workers read it, and name that",
    )
