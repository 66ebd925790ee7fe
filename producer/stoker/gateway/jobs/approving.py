"""Deployments that ask for an approval: which they are, and what is said to them."""

from typing import Any

from pydantic import BaseModel, Field
from starlette.responses import Response

from ...client.aio import AsyncClient
from ...client.async_job import AsyncJob
from ...errors import WITHOUT_RESULT, Timeout
from ...events import OPEN
from ...kinds import Deploy, Spec
from ...status import JobStatus
from ..auth.keys import ApiKey
from ..auth.scopes import actable, approves, require_role
from ..problems import Problem
from ..routes import Caller, Client, document, needs, router
from .documents import Strict
from .listing import Wanted, found_jobs

ROUTES = router("approvals")
_KIND = "deploy"
_MOST = 500
LONGEST_NOTE = 800


class Asking(BaseModel):
    """A deployment that asks for an approval, and has not ended.

    Attributes:
        role: whose approval it asks for.
        may_approve: whether the key may give it.
        evidence: the files that say what is known of the new version so far, by name: `GET /v1/jobs/{id}/files/{name}`.
    """

    job: JobStatus
    role: str
    may_approve: bool
    evidence: list[str]


class AskingList(BaseModel):
    """Deployments that ask for an approval, the newest first."""

    approvals: list[Asking]


class Word(Strict):
    """What is said to a deployment; `note` says why, in a sentence."""

    note: str = Field(default="", max_length=LONGEST_NOTE)


class Said(BaseModel):
    """What was said: `by` is the Redis user of the gateway, `note` begins with the name and the id of the API key."""

    job: str
    approved: bool
    by: str
    note: str


@ROUTES.get("/approvals", operation_id="listApprovals", response_model=AskingList, openapi_extra=needs("read"))
async def list_approvals(client: Client, key: Caller) -> Response:
    """List the deployments that ask for an approval and have not ended."""
    listed = []
    for state in OPEN:
        page = await found_jobs(client, key, Wanted(state=state, kind=_KIND), _MOST, None)
        for status in page.jobs:
            job = await client.job(status.id)
            role = role_of(await job.spec())
            if role is not None:
                may = approves(key, role)
                listed.append(Asking(job=status, role=role, may_approve=may, evidence=await _evidence(job)))
    return document(AskingList(approvals=listed))


@ROUTES.post("/jobs/{job_id}/approve", operation_id="approveJob", response_model=Said, openapi_extra=needs("submit"))
async def approve(client: Client, key: Caller, job_id: str, word: Word) -> Response:
    """Let a deployment go on that waits for an approval; for keys that `approves` names the role of."""
    return document(await say(client, key, job_id, word.note, is_granted=True))


@ROUTES.post("/jobs/{job_id}/refuse", operation_id="refuseJob", response_model=Said, openapi_extra=needs("submit"))
async def refuse(client: Client, key: Caller, job_id: str, word: Word) -> Response:
    """End a deployment that waits for an approval; see `approveJob`."""
    return document(await say(client, key, job_id, word.note, is_granted=False))


async def say(client: AsyncClient, key: ApiKey, job_id: str, note: str, *, is_granted: bool) -> Said:
    """Say to a deployment that it may go on, or that it may not.

    Raises:
        JobNotFound: as `visible`.
        Problem: 403, the key may not; 422, the job asks for no approval.
        InvalidArgument: the note is too long.
        InvalidJob: it was said already, or the job has ended.
    """
    job = await actable(key, client, job_id)
    role = role_of(await job.spec())
    if role is None:
        raise Problem(422, "InvalidJob", f"job {job_id} asks for no approval: that is what Deploy(approval=…) does")
    require_role(key, role)
    # Redis knows the gateway: whom that has believed stands in the note.
    said = f"{key.name} ({key.id})" + (f": {note}" if note else "")
    by = await client.approve(job, refuse=not is_granted, note=said)
    return Said(job=job_id, approved=is_granted, by=by, note=said)


async def _evidence(job: AsyncJob[Any]) -> list[str]:
    """The names of the files that a job has made so far."""
    try:
        return list(await job.files())
    except (Timeout, *WITHOUT_RESULT):
        return []


def role_of(spec: Spec) -> str | None:
    """The role whose approval a job asks for; None if it asks for none."""
    return spec.approval if isinstance(spec, Deploy) else None
