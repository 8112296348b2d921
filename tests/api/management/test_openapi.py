"""The management API's document and its page."""

import html
import re
from typing import Any

from jsonschema import Draft202012Validator
from tests.api.management.support import Management
from tests.api.support import Answer, call_app
from tests.api.test_page import Outline

from clicktodial.api.management.problem import BASE_PATH, PROBLEMS


async def get(management: Management, path: str) -> Answer:
    """Without a credential: the document is no secret."""
    return await call_app(management.app, "GET", BASE_PATH + path, [], [b""])


def walk(value: Any) -> Any:
    yield value
    children = value.values() if isinstance(value, dict) else value
    if isinstance(value, dict | list):
        for child in children:
            yield from walk(child)


async def test_document_is_served(management: Management) -> None:
    answer = await get(management, "/openapi.json")
    assert answer.status == 200
    assert answer.json["openapi"].startswith("3.1.")
    assert answer.json["paths"].keys() == management.conformance.document["paths"].keys()


def test_every_schema_is_a_schema_and_every_reference_leads_somewhere(
    management: Management,
) -> None:
    conformance = management.conformance
    references = 0
    for part in walk(conformance.document):
        if isinstance(part, dict) and isinstance(part.get("schema"), dict):
            Draft202012Validator.check_schema(part["schema"])
        if isinstance(part, dict) and isinstance(part.get("$ref"), str):
            assert conformance.resolve(part["$ref"].removeprefix("#/").split("/"))
            references += 1
    for schema in conformance.document["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)
        if schema.get("type") == "object":
            assert schema["additionalProperties"] is False
    assert references > 50


def test_every_example_follows_its_schema(management: Management) -> None:
    checked = 0

    def check(part: Any, pointer: list[str]) -> None:
        nonlocal checked
        if not isinstance(part, dict):
            return
        if "schema" in part and "examples" in part:
            for example in part["examples"].values():
                management.conformance.validate([*pointer, "schema"], example["value"])
                checked += 1
        for name, child in part.items():
            check(child, [*pointer, name])

    check(management.conformance.document, [])
    assert checked > len(PROBLEMS)


def test_every_problem_is_an_example(management: Management) -> None:
    shown = {
        part["value"]["code"]
        for part in walk(management.conformance.document)
        if isinstance(part, dict) and isinstance(part.get("value"), dict)
        if "code" in part["value"] and "title" in part["value"]
    }
    assert shown == {row.code for row in PROBLEMS}


def test_every_operation_says_who_may_and_has_a_name_of_its_own(management: Management) -> None:
    operations = [
        operation
        for item in management.conformance.document["paths"].values()
        for operation in item.values()
    ]
    names = [operation["operationId"] for operation in operations]
    assert len(names) == len(set(names)) >= 27
    for operation in operations:
        assert operation["security"]
        assert bool(operation["x-roles"]) == (operation["security"] != [{}])
        assert operation["description"].endswith(".")
        assert operation["responses"].keys() >= {"400", "500", "503"}
        assert operation["security"] == [{}] or operation["responses"].keys() >= {"401", "403"}


def test_password_of_a_trunk_is_in_no_answer(management: Management) -> None:
    schemas = management.conformance.document["components"]["schemas"]
    assert "password" in schemas["NewTrunk"]["properties"]
    assert "password" not in schemas["TrunkView"]["properties"]


async def test_page_shows_every_operation_and_every_problem(management: Management) -> None:
    answer = await get(management, "/docs")
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers["content-security-policy"].startswith("default-src 'none'; ")
    page = answer.body.decode()
    outline = Outline()
    outline.feed(page)
    assert outline.open == []
    ids = [attributes["id"] for _, attributes in outline.seen if "id" in attributes]
    assert len(ids) == len(set(ids))
    for tag, attributes in outline.seen:
        assert tag not in {"script", "link", "img", "iframe", "form", "object"}
        href = attributes.get("href") or ""
        if href.startswith("#"):
            assert href[1:] in ids
    text = html.unescape(re.sub("<[^>]+>", " ", page))
    for path, item in management.conformance.document["paths"].items():
        assert path in text
        for operation in item.values():
            assert operation["summary"] in text
    for row in PROBLEMS:
        assert row.code in ids
        assert row.about in text
