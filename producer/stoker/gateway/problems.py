"""Errors as answers: RFC 9457's problem documents, which also carry `error`, as the Open Inference Protocol has it."""

import json
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
    """The problem that an error of Stoker's is."""
    kind = public_class(error)
    status = _STATUS.get(kind, 500)
    headers = {"Retry-After": _RETRY_S} if status in _AGAIN else {}
    return Problem(status, kind.__name__, error.message, headers=headers)
