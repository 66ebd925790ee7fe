"""Reports of jobs: opened in the browser as pages that can do nothing there, and their plots as pictures."""

import re
from collections.abc import Iterator, Sequence
from html import unescape
from itertools import islice
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from ...client.async_job import AsyncJob
from ...client.job_files import AsyncJobFile
from ...errors import JobCancelled, JobDead, JobFailed, JobPruned, StokerError, Timeout
from ...terminal.html import Html, tag, void
from ..auth.admission import KEY
from ..auth.scopes import visible
from ..files.sending import readable
from ..problems import Problem
from ..routes import Caller, Client, needs, state_of
from .page import ROOT, console_router, link

ROUTES = console_router()
MOST_BYTES = 32 << 20
_NAME = "html"
# As if from a site of its own, without scripts, forms and requests.
_POLICY = "sandbox; default-src 'none'; img-src data:; style-src 'unsafe-inline'; frame-ancestors 'none'"
# A page shows so many; the report itself has all.
_MOST_PLOTS = 100
_ABOUT = re.compile(r'^<svg[^>]*\baria-label="([^"]*)"')


@ROUTES.get("/jobs/{job_id}/files/{name}", openapi_extra=needs("read"))
async def report(request: Request, client: Client, key: Caller, job_id: str, name: str) -> Response:
    """A report that a job has written."""
    content = await _written(request, client, key, job_id, name)
    return Response(content, 200, {"Content-Security-Policy": _POLICY}, "text/html; charset=utf-8")


@ROUTES.get("/jobs/{job_id}/plots/{number}", openapi_extra=needs("read"))
async def plot(request: Request, client: Client, key: Caller, job_id: str, number: int) -> Response:
    """A plot of a job's report, as a picture of its own, in the report's colours."""
    content = (await _written(request, client, key, job_id, _NAME)).decode(errors="replace")
    drawn = list(islice(elements(content, "svg"), _MOST_PLOTS))
    if not 0 <= number < len(drawn):
        raise Problem(404, "NotFound", f"the report of job {job_id} has {len(drawn)} plots")
    headers = {"Content-Security-Policy": _POLICY, "Cache-Control": "private, max-age=3600"}
    return Response(_picture(drawn[number], content), 200, headers, "image/svg+xml")


async def _written(request: Request, client: Client, key: Caller, job_id: str, name: str) -> bytes:
    job, _ = await visible(key, client, job_id)
    file = _page((await job.files()).get(name))
    if file is None:
        raise Problem(404, "NotFound", f"job {job_id} has no report of this name")
    with state_of(request).gate.stream(key), readable():
        return await file.read()


async def plots(request: Request, job: AsyncJob[Any]) -> Html:
    """The plots of what a job has reported so far, and a link to the whole; a sentence where there is no report."""
    try:
        file = _page((await job.files()).get(_NAME))
        if file is None:
            return tag("p", "It has written no report yet.", class_="none")
        with state_of(request).gate.stream(request.scope[KEY]), readable():
            content = (await file.read()).decode(errors="replace")
    except (Timeout, JobFailed, JobCancelled, JobDead, JobPruned):
        return tag("p", "It has written no report yet.", class_="none")
    except StokerError as error:
        return tag("p", f"Its report cannot be read: {error.message}", class_="alert")
    except Problem as problem:
        return tag("p", f"Its report cannot be read: {problem.detail}", class_="alert")
    abouts = [_about(drawn) for drawn in islice(elements(content, "svg"), _MOST_PLOTS)]
    whole = tag("p", link(f"{ROOT}/jobs/{job.id}/files/{_NAME}", "The whole report"))
    return tag("div", _figures(job.id, file.artifact.digest, abouts), whole)


def _page(file: AsyncJobFile | None) -> AsyncJobFile | None:
    """A file, if it is a report that is not too long."""
    is_page = file and file.artifact.name.endswith(".html") and file.artifact.size <= MOST_BYTES
    return file if is_page else None


def elements(page: str, name: str) -> Iterator[str]:
    """The elements of a name, from each begin to the next end.

    It takes time by the page's length alone, whatever is in it: others wait meanwhile.
    """
    begin, end = re.compile(rf"<{name}\b"), f"</{name}>"
    at = 0
    while (found := begin.search(page, at)) and (last := page.find(end, found.end())) >= 0:
        at = last + len(end)
        yield page[found.start() : at]


def _about(drawn: str) -> str:
    found = _ABOUT.match(drawn)
    return unescape(found[1]) if found else "a plot"


def _figures(job_id: str, digest: str, abouts: Sequence[str]) -> Html:
    """The pictures; a new report has others by new addresses."""
    figures = [
        tag(
            "figure",
            tag("figcaption", tag("b", about[:1].upper() + about[1:]), aria_hidden="true"),
            void("img", src=f"{ROOT}/jobs/{job_id}/plots/{number}?of={digest[:16]}", alt=about),
        )
        for number, about in enumerate(abouts)
    ]
    return tag("div", *figures, class_="charts")


def _picture(drawn: str, page: str) -> str:
    """A plot with the colours of its page, which are variables in it."""
    head, end, rest = drawn.partition(">")
    space = "" if "xmlns=" in head else ' xmlns="http://www.w3.org/2000/svg"'
    styles = "".join(elements(page, "style"))
    return f"{head}{space}{end}{styles}{rest}"
