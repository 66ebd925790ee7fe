"""Whether the gateway lives, and whether it can serve: for probes, which show no key."""

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from .problems import Problem
from .routes import state_of


async def alive(_request: Request) -> Response:
    """Whether this process answers: it says nothing of Redis, whose outage no restart of a gateway ends."""
    return JSONResponse({"status": "ok"})


async def ready(request: Request) -> Response:
    """Whether requests can be served: Redis answers, and the gateway does not end."""
    if why := await state_of(request).lacks():
        raise Problem(503, "NotReady", why, headers={"Retry-After": "1"})
    return JSONResponse({"status": "ok"})


ROUTES = [Route("/healthz", alive, methods=["GET"]), Route("/readyz", ready, methods=["GET"])]
