"""The document: well formed, whole, and true to its own examples."""

import json
import re
from typing import Any

import pytest
from jsonschema import Draft202012Validator, ValidationError
from tests.api.support import APP_ID, BODY_BYTES_MAX, Conformance, Platform, begin_body

from clicktodial.api.v1.error import REFUSALS
from clicktodial.api.v1.operation import BASE_PATH

OPERATIONS = {
    "clicktodialbegin": f"{BASE_PATH}/clicktodialbegin",
    "clicktodialrelease": f"{BASE_PATH}/clicktodialrelease/{{callidentifier}}",
    "recordingdownload": f"{BASE_PATH}/recordingdownload/{{callidentifier}}",
}


async def test_document_is_served(platform: Platform) -> None:
    answer = await platform.request("GET", "/openapi.json")
    assert answer.status == 200
    assert answer.headers["content-type"] == "application/json"
    assert answer.json["openapi"].startswith("3.1.")
    assert answer.json["paths"].keys() == platform.conformance.document["paths"].keys()
    assert str(BODY_BYTES_MAX) in answer.body.decode()


def walk(value: Any) -> Any:
    yield value
    children = value.values() if isinstance(value, dict) else value
    if isinstance(value, dict | list):
        for child in children:
            yield from walk(child)


def test_every_schema_is_a_schema_and_every_reference_leads_somewhere(
    conformance: Conformance,
) -> None:
    for part in walk(conformance.document):
        if isinstance(part, dict) and isinstance(part.get("schema"), dict):
            Draft202012Validator.check_schema(part["schema"])
        if isinstance(part, dict) and isinstance(part.get("$ref"), str):
            assert conformance.resolve(part["$ref"].removeprefix("#/").split("/"))
    for schema in conformance.document["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)


def test_every_example_follows_its_schema(conformance: Conformance) -> None:
    checked = 0

    def check(part: Any, pointer: list[str]) -> None:
        nonlocal checked
        if not isinstance(part, dict):
            return
        if "schema" in part and "examples" in part:
            for example in part["examples"].values():
                conformance.validate([*pointer, "schema"], example["value"])
                checked += 1
        for name, child in part.items():
            check(child, [*pointer, name])

    check(conformance.document, [])
    assert checked > len(REFUSALS)


@pytest.mark.parametrize("name", OPERATIONS)
def test_operation_is_documented_with_its_security(name: str, conformance: Conformance) -> None:
    operation = conformance.document["paths"][OPERATIONS[name]]["post"]
    assert operation["operationId"] == name
    assert operation["security"] == [{"applicationSecret": []}]
    assert operation["responses"].keys() >= {"200", "400", "401", "403", "500", "503"}


def test_notification_is_documented_as_a_webhook(conformance: Conformance) -> None:
    webhook = conformance.document["webhooks"]["clicktodialstatusnotify"]["post"]
    assert webhook["security"] == [{"applicationSecret": []}]
    assert "/clicktodial/v1/clicktodialstatusnotify/{callidentifier}" in webhook["description"]


def test_every_row_of_the_error_table_is_an_example(conformance: Conformance) -> None:
    shown = {
        (status, example["value"]["code"], example["value"]["description"])
        for responses in walk(conformance.document)
        if isinstance(responses, dict)
        for status, response in responses.items()
        if isinstance(response, dict) and re.fullmatch("[45][0-9]{2}", str(status))
        for example in response["content"]["application/json"]["examples"].values()
    }
    assert shown == {(str(row.status), row.code, row.description) for row in REFUSALS}


def test_operation_ids_are_unique(conformance: Conformance) -> None:
    ids = [
        part["operationId"]
        for part in walk(conformance.document)
        if isinstance(part, dict) and "operationId" in part
    ]
    assert len(ids) == len(set(ids)) == 6


REQUEST = ["components", "schemas", "clicktodialbeginRequest"]
NOTIFICATION = ["components", "schemas", "StatusNotification"]
CONNECTED = {
    "APPID": APP_ID,
    "sponsor": "1",
    "caller": "2",
    "callee": "3",
    "status": "Connected",
    "timeStamp": "2026-01-15T08:30:12.345Z",
}
DISCONNECTED = CONNECTED | {"status": "Disconnected", "reason": "HangUp", "callDuration": 1}
BAD_VALUES: list[tuple[list[str], dict[str, Any]]] = [
    (REQUEST, begin_body(APPID=1)),
    (REQUEST, begin_body(caller=None)),
    (REQUEST, begin_body(caller="1" * 33)),
    (REQUEST, begin_body(record=2)),
    (REQUEST, begin_body(record=True)),
    (REQUEST, begin_body(sendDirection="mo")),
    (NOTIFICATION, CONNECTED | {"reason": "HangUp"}),
    (NOTIFICATION, CONNECTED | {"callDuration": 0}),
    (NOTIFICATION, CONNECTED | {"recordingId": "1", "recordingResult": "Success"}),
    (NOTIFICATION, CONNECTED | {"timeStamp": "2026-01-15T08:30:12Z"}),
    (NOTIFICATION, CONNECTED | {"status": "Ringing"}),
    (NOTIFICATION, {"status": "Connected"}),
    (NOTIFICATION, CONNECTED | {"status": "Disconnected"}),
    (NOTIFICATION, DISCONNECTED | {"recordingId": "1"}),
    (NOTIFICATION, DISCONNECTED | {"recordingResult": "Success"}),
    (NOTIFICATION, DISCONNECTED | {"callDuration": 1.5}),
]


@pytest.mark.parametrize(("pointer", "value"), BAD_VALUES, ids=lambda value: json.dumps(value))
def test_what_the_document_forbids_does_not_follow_it(
    pointer: list[str], value: dict[str, Any], conformance: Conformance
) -> None:
    with pytest.raises(ValidationError):
        conformance.validate(pointer, value)


@pytest.mark.parametrize("value", [CONNECTED, DISCONNECTED])
def test_notification_that_the_document_allows_follows_it(
    value: dict[str, Any], conformance: Conformance
) -> None:
    conformance.validate(NOTIFICATION, value)
