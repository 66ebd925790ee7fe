"""Nodes as the pods of a Kubernetes Deployment, by its scale subresource."""

import json
import ssl
import urllib.error
import urllib.request
from collections.abc import Collection
from http.client import HTTPException
from typing import Any

from pydantic import BaseModel, ValidationError

from stoker.errors import StokerError, Unauthorized, Unavailable
from stoker.fleet.bounds import FleetSettings

_TIMEOUT_S = 5.0


class _Metadata(BaseModel):
    resourceVersion: str  # noqa: N815  # Kubernetes' name


class _Spec(BaseModel):
    # Kubernetes leaves zero out.
    replicas: int = 0


class _Scale(BaseModel):
    metadata: _Metadata
    spec: _Spec


class Kubernetes:
    """The replicas of one deployment. A pod that goes gets SIGTERM, and so hands its jobs back."""

    def __init__(self, fleet: FleetSettings) -> None:
        assert fleet.deployment, "checked by FleetSettings"
        self._fleet = fleet
        self._deployment = fleet.deployment
        self._opener: urllib.request.OpenerDirector | None = None

    def nodes(self) -> int:
        """How many pods are asked for."""
        return self._read().spec.replicas

    def owns(self, node: str) -> bool:
        """Pods are named after their deployment."""
        return node.startswith(f"{self._deployment}-")

    def scale(self, nodes: int, idle: Collection[str]) -> None:  # noqa: ARG002  # Kubernetes chooses
        """Ask for so many pods, unless somebody else has changed the scale since it was read.

        Raises:
            Unavailable: the API does not answer, there is no such deployment, or it was changed meanwhile.
            Unauthorized: the API lets us not.
        """
        now = self._read()
        if now.spec.replicas != nodes:
            version = {"resourceVersion": now.metadata.resourceVersion}
            self._ask("PATCH", {"metadata": version, "spec": {"replicas": nodes}})

    def close(self) -> None:
        """Nothing is held: the pods stay, for whoever leads next."""

    def _read(self) -> _Scale:
        try:
            return _Scale.model_validate_json(self._ask("GET", None))
        except ValidationError as error:
            raise Unavailable(
                f"{self._url} answered with no Scale of Kubernetes' API: is api_url right? {error}"
            ) from None

    @property
    def _namespace(self) -> str:
        if self._fleet.namespace:
            return self._fleet.namespace
        path = self._fleet.token_file.with_name("namespace")
        try:
            return path.read_text().strip()
        except OSError as error:
            raise Unavailable(f"no namespace is set for the fleet, and this is no pod: {error}") from error

    @property
    def _url(self) -> str:
        base = self._fleet.api_url.rstrip("/")
        return f"{base}/apis/apps/v1/namespaces/{self._namespace}/deployments/{self._deployment}/scale"

    def _ask(self, method: str, body: dict[str, Any] | None) -> bytes:
        headers = {"Accept": "application/json", "Content-Type": "application/merge-patch+json"}
        try:
            # A pod's token is replaced every hour.
            headers["Authorization"] = f"Bearer {self._fleet.token_file.read_text().strip()}"
        except OSError as error:
            raise Unauthorized(f"the token for Kubernetes' API cannot be read: {error}; set token_file") from error
        data = json.dumps(body).encode() if body else None
        request = urllib.request.Request(self._url, data=data, headers=headers, method=method)
        try:
            with self._open(request) as answer:
                return bytes(answer.read())
        except urllib.error.HTTPError as error:
            with error:
                raise self._refused(error.code, error.read(1000).decode(errors="replace")) from None
        except (OSError, HTTPException) as error:
            raise Unavailable(f"Kubernetes' API at {self._fleet.api_url} does not answer: {error}") from error

    def _open(self, request: urllib.request.Request) -> Any:  # urllib's response has no public type
        if self._opener is None:
            handlers: list[urllib.request.BaseHandler] = [urllib.request.ProxyHandler({})]
            if self._fleet.api_url.startswith("https:"):
                context = ssl.create_default_context(cafile=str(self._fleet.ca_file))
                handlers.append(urllib.request.HTTPSHandler(context=context))
            self._opener = urllib.request.build_opener(*handlers)
        return self._opener.open(request, timeout=_TIMEOUT_S)

    def _refused(self, status: int, message: str) -> StokerError:
        where = f"deployment {self._deployment} in namespace {self._namespace}"
        match status:
            case 401 | 403:
                return Unauthorized(
                    f"Kubernetes' API refuses (HTTP {status}) to scale {where}: the service account needs the verbs "
                    f"get and patch on deployments/scale; it said: {message}"
                )
            case 404:
                return Unavailable(f"Kubernetes knows no {where}; it said: {message}")
            case 409:
                return Unavailable(f"somebody else has just scaled {where}; the next round looks again")
        return Unavailable(f"Kubernetes' API answered HTTP {status} for {where}: {message}")
