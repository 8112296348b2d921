"""Requests that schemathesis makes of the published documents, good and bad, on a running node.

Always the same ones: what is found here is found each time.
"""

import asyncio
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
import requests
import schemathesis
import yaml
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import Case, CheckFunction, GenerationMode
from schemathesis.specs.openapi.checks import positive_data_acceptance
from tests.api.camara.support import (
    APP,
    BODY_BYTES_MAX,
    CALLEE,
    CALLER,
    SECRET,
    CamaraNode,
)
from tests.harness.address import format_address
from tests.harness.sink import basic_credential

from clicktodial.api.camara.document import V0_1, V0_2_RC1, VERSIONS, Version
from clicktodial.api.openapi import create_document

pytestmark = pytest.mark.asyncio(loop_scope="module")

# To make them costs ten times what answering them does.
EXAMPLES = {V0_2_RC1: 12, V0_1: 4}
OPERATIONS = [
    ("/calls", "POST"),
    ("/calls/{callId}", "GET"),
    ("/calls/{callId}", "DELETE"),
    ("/calls/{callId}/recording", "GET"),
]
V1_EXAMPLES = 10
V1_PATHS = [
    "/clicktodial/v1/clicktodialbegin",
    "/clicktodial/v1/clicktodialrelease/{callidentifier}",
    "/clicktodial/v1/recordingdownload/{callidentifier}",
]
# A second of one client's address takes twenty of the authorization server.
FURTHER_EXAMPLES = 2
DOCUMENTS = {
    "/events/v1/openapi.json": [
        ("/events/v1/calls/{call_id}", "GET"),
        ("/events/v1/events", "GET"),
        ("/events/v1/replays", "POST"),
    ],
    "/oauth/openapi.json": [("/oauth/token", "POST")],
}
# The document: "the API specification MAY not document some non-mandatory error statuses as
# indicated in `CAMARA API Design Guide`": these are such, and have its common errors' codes.
COMMON = {
    406: "NOT_ACCEPTABLE",
    413: "PAYLOAD_TOO_LARGE",
    415: "UNSUPPORTED_MEDIA_TYPE",
}
# What the schema allows may be refused all the same, as the document has it for 422: it "is
# syntactically correct but semantically invalid", such as a number that no country has.
NOT_HELD: list[CheckFunction] = [positive_data_acceptance]
RUN = settings(
    derandomize=True,
    database=None,
    deadline=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)


@pytest.fixture
def session() -> Iterator[requests.Session]:
    with requests.Session() as session:
        session.trust_env = False
        yield session


@pytest.mark.parametrize("version", VERSIONS, ids=lambda version: version.name)
async def test_no_request_meets_a_server_error_or_an_undocumented_answer(
    node: CamaraNode, session: requests.Session, version: Version
) -> None:
    node.version = version
    outcomes: Counter[str] = Counter()
    await node.phone(CALLER, answers=False)
    call_id = (await node.create(callee="+8613810268654")).json["callId"]
    for path, method in OPERATIONS:
        for mode in GenerationMode:
            await asyncio.to_thread(ask, node, session, path, method, mode, outcomes, known=None)
        positive = GenerationMode.POSITIVE
        await asyncio.to_thread(ask, node, session, path, method, positive, outcomes, known=call_id)
    # Both kinds were made, and came to what they should.
    assert outcomes["POST negative 400"] > EXAMPLES[version] / 2
    assert outcomes["POST positive 422"]
    assert outcomes["POST positive 201"] == 1
    assert outcomes["GET positive 200"]


def ask(
    node: CamaraNode,
    session: requests.Session,
    path: str,
    method: str,
    mode: GenerationMode,
    outcomes: Counter[str],
    *,
    known: str | None,
) -> None:
    """Make EXAMPLES requests of that operation, and hold each answer against the document."""
    schema = schemathesis.openapi.from_dict(yaml.safe_load(node.version.read()))
    given_parts: dict[str, Any] = {}
    if known is not None and "{callId}" in path:
        given_parts["path_parameters"] = {"callId": known}
    elif known is not None:
        # Of numbers that somebody has, which chance does not find.
        given_parts["body"] = {"caller": {"number": CALLER}, "callee": {"number": CALLEE}}
    strategy = schema[path][method].as_strategy(generation_mode=mode, **given_parts)
    headers = {"Authorization": f"Bearer {node.token}"}

    @settings(RUN, max_examples=EXAMPLES[node.version])
    @given(case=strategy)
    def run(case: Case[Any]) -> None:
        response = case.call(base_url=node.base_url, session=session, headers=headers)
        outcomes[f"{method} {mode.value} {response.status_code}"] += 1
        if response.status_code in COMMON:
            assert response.json()["code"] == COMMON[response.status_code]
            return
        case.validate_response(response, excluded_checks=NOT_HELD)

    run()


async def test_no_request_of_events_and_tokens_meets_an_undocumented_answer(
    node: CamaraNode, session: requests.Session
) -> None:
    base_url = f"http://{format_address(node.node.http_address)}"
    await node.phone(CALLER, answers=False)
    call_id = (await node.create(callee="+8613810268655")).json["callId"]
    outcomes: Counter[str] = Counter()
    for url, operations in DOCUMENTS.items():
        document = (await asyncio.to_thread(session.get, f"{base_url}{url}")).json()
        schema = schemathesis.openapi.from_dict(document)
        for path, method in operations:
            for mode in GenerationMode:
                await asyncio.to_thread(
                    ask_by, base_url, session, schema, path, method, mode, outcomes, call_id
                )
    assert outcomes["/events/v1/calls/{call_id} positive 200"]
    assert outcomes["/events/v1/events positive 200"]
    assert outcomes["/events/v1/events negative 400"]
    assert outcomes["/oauth/token negative 400"]
    assert not [outcome for outcome in outcomes if " 5" in outcome]


async def test_what_no_operation_answers_is_told_in_the_form_of_its_neighbours(
    node: CamaraNode, session: requests.Session
) -> None:
    base_url = f"http://{format_address(node.node.http_address)}"
    for method, path, status, name, code in (
        ("GET", "/events/v1/nothing", 404, "code", "not-found"),
        ("PUT", "/events/v1/events", 405, "code", "method-not-allowed"),
        ("GET", "/oauth/nothing", 404, "error", "invalid_request"),
        ("GET", "/oauth/token", 405, "error", "invalid_request"),
    ):
        answer = await asyncio.to_thread(session.request, method, base_url + path)
        assert (answer.status_code, answer.json()[name]) == (status, code), path
        assert ("Allow" in answer.headers) == (status == 405)


def ask_by(
    base_url: str,
    session: requests.Session,
    schema: schemathesis.BaseSchema,
    path: str,
    method: str,
    mode: GenerationMode,
    outcomes: Counter[str],
    call_id: str,
) -> None:
    """The same of an operation that a server's own document tells of."""
    headers = {} if path.startswith("/oauth/") else {"Authorization": basic_credential(APP, SECRET)}
    given_parts: dict[str, Any] = {}
    if mode is GenerationMode.POSITIVE and "{call_id}" in path:
        given_parts["path_parameters"] = {"call_id": call_id}

    @settings(RUN, max_examples=FURTHER_EXAMPLES)
    @given(case=schema[path][method].as_strategy(generation_mode=mode, **given_parts))
    def run(case: Case[Any]) -> None:
        response = case.call(base_url=base_url, session=session, headers=headers)
        outcomes[f"{path} {mode.value} {response.status_code}"] += 1
        case.validate_response(response, excluded_checks=NOT_HELD)

    run()


async def test_no_request_of_v1_meets_a_server_error_or_an_undocumented_answer(
    node: CamaraNode, session: requests.Session
) -> None:
    document = create_document(body_bytes_max=BODY_BYTES_MAX, version="0")
    outcomes: Counter[str] = Counter()
    for path in V1_PATHS:
        for mode in GenerationMode:
            await asyncio.to_thread(ask_v1, node, session, document, path, mode, outcomes)
    assert outcomes[f"{V1_PATHS[0]} negative 400"]
    assert not [outcome for outcome in outcomes if "negative 2" in outcome or " 5" in outcome]
    assert sum(outcomes.values()) >= len(V1_PATHS) * V1_EXAMPLES


def ask_v1(
    node: CamaraNode,
    session: requests.Session,
    document: dict[str, Any],
    path: str,
    mode: GenerationMode,
    outcomes: Counter[str],
) -> None:
    """The same of an operation of v1, with the application's own credential."""
    schema = schemathesis.openapi.from_dict(document)
    headers = {"Authorization": basic_credential(APP, SECRET)}
    base_url = f"http://{format_address(node.node.http_address)}"

    @settings(RUN, max_examples=V1_EXAMPLES)
    @given(case=schema[path]["POST"].as_strategy(generation_mode=mode))
    def run(case: Case[Any]) -> None:
        response = case.call(base_url=base_url, session=session, headers=headers)
        outcomes[f"{path} {mode.value} {response.status_code}"] += 1
        case.validate_response(response, excluded_checks=NOT_HELD)

    run()
