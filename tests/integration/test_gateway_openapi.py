"""The gateway answers as its OpenAPI says, to what schemathesis makes of that, valid and invalid; not much of it."""

from typing import Any

import hypothesis
import pytest
import schemathesis
from schemathesis import GenerationMode
from schemathesis.checks import (
    content_type_conformance,
    not_a_server_error,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from schemathesis.core.result import Ok

from stoker.settings import Settings

from ..conftest import Eventually
from .gateways import running_gateway

_CHECKS = (
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
)
# A stream is not read to its end, and what it would say is in the tests of jobs.
_STREAMS = ("followJob", "followJobs")


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
def test_every_operation_answers_as_described(redis_url: str, eventually: Eventually, mode: GenerationMode) -> None:
    with running_gateway(Settings(redis_url=redis_url), eventually) as gateway:
        schema = schemathesis.openapi.from_dict(gateway.call("GET", "/v1/openapi.json").json)
        headers = {"Authorization": f"Bearer {gateway.keys.texts['operator']}"}
        tried = 0
        for found in schema.get_all_operations():
            assert isinstance(found, Ok)
            operation = found.ok()
            if operation.definition.raw["operationId"] in _STREAMS:
                continue
            tried += 1

            @hypothesis.given(case=operation.as_strategy(generation_mode=mode))
            @hypothesis.settings(
                max_examples=3,
                deadline=None,
                database=None,
                derandomize=True,
                suppress_health_check=list(hypothesis.HealthCheck),
            )
            def answers(case: Any) -> None:
                response = case.call(base_url=f"http://127.0.0.1:{gateway.port}", headers=headers, timeout=60)
                case.validate_response(response, checks=_CHECKS, headers=headers)

            answers()
        assert tried > 10
