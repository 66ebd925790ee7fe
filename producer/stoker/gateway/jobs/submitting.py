"""POST /v1/jobs: one job, or several."""

import re
from contextlib import suppress
from typing import Annotated, Any

from fastapi import Header
from starlette.requests import Request
from starlette.responses import Response

from ...client.async_job import AsyncJob
from ...errors import Timeout
from ...status import JobStatus
from ..auth.keys import ApiKey
from ..auth.scopes import own_singleton, require_submits
from ..preferences import Prefer, applied, wait_s
from ..problems import Problem
from ..routes import Caller, Client, document, needs, router, state_of
from .acts import require_seen
from .documents import JobBody, NewJobs, SubmittedJobs

ROUTES = router("jobs")
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"')
_LONGEST_KEY = 128

IdempotencyKey = Annotated[
    str | None,
    Header(
        description="Repeats with the same key and the same spec give the same job. A key belongs to its API key's "
        "name.",
        examples=["8e03978e-40d5-43dd-bc93-6894a57f9324"],
    ),
]


@ROUTES.post(
    "/jobs", operation_id="submitJob", status_code=202, response_model=JobStatus, openapi_extra=needs("submit")
)
async def submit(
    request: Request,
    client: Client,
    key: Caller,
    new: JobBody,
    idempotency_key: IdempotencyKey = None,
    prefer: Prefer = None,
) -> Response:
    """Submit a job: once this has answered, it will reach a final state."""
    await require_submits(key, client, new.root)
    with state_of(request).gate.wait(key, wait_s(prefer)) as seconds:
        job = await client.submit(own_singleton(key, new.root), idempotency_key=_key(idempotency_key, key))
        return await status_of(key, job, seconds, prefer)


@ROUTES.post(
    "/jobs/batch",
    operation_id="submitJobs",
    status_code=202,
    response_model=SubmittedJobs,
    openapi_extra=needs("submit"),
)
async def submit_many(client: Client, key: Caller, new: NewJobs, idempotency_key: IdempotencyKey = None) -> Response:
    """Submit several jobs: all of them or, on an error, none. A spec may name an earlier one as "#0", "#1", …"""
    if idempotency_key is not None:
        why = "several jobs take no Idempotency-Key: submit them one by one, or give the first a singleton"
        raise Problem(400, "InvalidArgument", why)
    specs = [job.root for job in new.jobs]
    for spec in specs:
        await require_submits(key, client, spec)
    jobs = await client.submit_many([own_singleton(key, spec) for spec in specs])
    return document(SubmittedJobs(ids=[job.id for job in jobs]), 202)


async def status_of(key: ApiKey, job: AsyncJob[Any], wait: float = 0.0, prefer: str | None = None) -> Response:
    """The status of a job that was submitted, as an answer: 202, or 200 if it has ended within the wait.

    Raises:
        Problem: 409: an older job was given back, which the key does not see.
    """
    if wait:
        with suppress(Timeout):
            await job.wait(wait)
    now = await job.status()
    require_seen(key, now)
    headers = {"Location": f"/v1/jobs/{job.id}", **applied(prefer)}
    if not now.state.final:
        headers["Retry-After"] = "1"
    return document(now, 200 if now.state.final and wait else 202, headers)


def _key(header: str | None, key: ApiKey) -> str | None:
    """The idempotency key of a submit: a string as RFC 8941 has it, or as it stands."""
    if header is None:
        return None
    quoted = _QUOTED.fullmatch(header.strip())
    text = re.sub(r"\\(.)", r"\1", quoted[1]) if quoted else header.strip()
    if not 0 < len(text) <= _LONGEST_KEY or not (text.isascii() and text.isprintable()):
        raise Problem(
            400, "InvalidArgument", f"an Idempotency-Key is 1 to {_LONGEST_KEY} printable characters of ASCII"
        )
    # What two callers have chosen by chance is two keys.
    return f"{key.name}: {text}"
