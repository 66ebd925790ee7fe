"""How routes are declared: each says what it needs, and asks nothing of a request before its key is admitted."""

from collections.abc import Callable, Coroutine, Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Depends
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

from ..client.noting import NotingClient
from ..client.reaching import reaching
from ..models.columns import listed
from .auth.admission import KEY
from .auth.keys import ApiKey, Need
from .bodies import Body, BoundedRequest
from .problems import Problem, ProblemDocument
from .state import State

NEED = "x-stoker-need"
JSON = "application/json"
# What every route may answer besides what it is for.
_PROBLEMS = (400, 401, 403, 404, 408, 409, 413, 415, 422, 429, 500, 502, 503, 504)


class GuardedRoute(APIRoute):
    """A route that admits a request before it reads it; one that does not say what it needs cannot be made."""

    is_strict = False

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """See `APIRoute.get_route_handler`."""
        need: Need = (self.openapi_extra or {})[NEED]
        inner = super().get_route_handler()
        takes_json = self.body_field is not None
        known = _query_of(self.dependant) if self.is_strict else None

        async def handle(request: Request) -> Response:
            state = state_of(request)
            state.gate.admit(request.scope, need)
            if known is not None and (unknown := request.query_params.keys() - known):
                takes = f"it takes {listed(sorted(known))}" if known else "there is none here"
                raise Problem(400, "InvalidArgument", f"the query has an unknown {min(unknown)[:100]!r}: {takes}")
            with Body(state.room, state.settings.gateway_body_bytes) as body, reaching(state.access):
                bounded = BoundedRequest(request, body)
                if takes_json:
                    bounded.require_json()
                return await inner(bounded)

        return handle


class StrictRoute(GuardedRoute):
    """A route of the API: a parameter in the query that it does not know is refused, for it would change nothing."""

    is_strict = True


def router(tag: str) -> APIRouter:
    """A table of guarded routes, which all may answer with problems."""
    return APIRouter(
        prefix="/v1",
        tags=[tag],
        route_class=StrictRoute,
        responses={status: {"model": ProblemDocument} for status in _PROBLEMS},
    )


def needs(need: Need, **extra: object) -> dict[str, Any]:
    """What a route needs, for its `openapi_extra`, and what else is to stand there."""
    return {NEED: need, **extra}


def document(model: BaseModel, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """A model as an answer."""
    return Response(model.model_dump_json(), status, headers, JSON)


def state_of(request: Request) -> State:
    """What the gateway holds."""
    state: State = request.app.state.gateway
    return state


def _query_of(dependant: Dependant) -> set[str]:
    """The names of a query that a route and what it depends on take."""
    names = {field.alias for field in dependant.query_params}
    return names.union(*map(_query_of, dependant.dependencies))


def _client(request: Request) -> NotingClient:
    return state_of(request).client


def _caller(request: Request) -> ApiKey:
    key: ApiKey = request.scope[KEY]
    return key


Client = Annotated[NotingClient, Depends(_client)]
Caller = Annotated[ApiKey, Depends(_caller)]
