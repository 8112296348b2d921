"""docs/management-api.md names every request, property, problem and limit; its examples hold."""

import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
from tests.api.management.support import BODY_BYTES_MAX, Management

from clicktodial.api.authentication import HEADER_BYTES_MAX
from clicktodial.api.management.audio import UPLOADS_MAX
from clicktodial.api.management.option import OPTION_NAMES
from clicktodial.api.management.paging import PAGE_DEFAULT, PAGE_MAX
from clicktodial.api.management.problem import BASE_PATH, PROBLEMS
from clicktodial.api.protocol import ARRIVAL_TIMEOUT_S
from clicktodial.domain.call import CallState
from clicktodial.domain.plan import DEFAULT_OPTIONS, PresenceProof, Ringback
from clicktodial.media.audio_library import FILE_BYTES_MAX
from clicktodial.storage.options_codec import PRESENCE_TIMEOUT_S_MAX

PAGE = Path(__file__).parents[3] / "docs" / "management-api.md"
PLACES = {"$CALL": "019a3f6e8b5c7d2e9f00112233445566"}


@pytest.fixture(scope="module")
def page() -> str:
    return " ".join(PAGE.read_text(encoding="utf-8").split())


def test_every_request_is_documented(page: str, management: Management) -> None:
    for path, item in management.conformance.document["paths"].items():
        for method in item:
            if method == "patch" and f"`GET {path}`" in page:
                continue  # named in the same sentence
            assert f"{method.upper()} {path}`" in page, f"{method} {path}"


def test_every_property_is_documented(page: str, management: Management) -> None:
    for name, schema in management.conformance.document["components"]["schemas"].items():
        for each in schema.get("properties", ()):
            assert f"`{each}`" in page or f'"{each}"' in page, f"{name}.{each}"


def test_every_problem_is_documented_and_no_other(page: str) -> None:
    documented = set(re.findall(r"\| (\d{3}) \| `([a-z-]+)` \|", page))
    assert documented == {(str(row.status), row.code) for row in PROBLEMS}


def test_every_option_is_documented_with_its_default(page: str) -> None:
    for name in OPTION_NAMES:
        assert re.search(rf"\| (`\w+`, )?`{name}`(, `\w+`)? \|", page), name
    assert f"| `presence_timeout_s` | {DEFAULT_OPTIONS.presence_timeout_s} |" in page
    assert f"has for that, {PRESENCE_TIMEOUT_S_MAX} at most" in page
    for value in (*PresenceProof, *Ringback):
        assert f"`{value}`" in page


def test_every_limit_is_documented(page: str) -> None:
    assert f"({BODY_BYTES_MAX} unless set)" in page
    assert f"may be {HEADER_BYTES_MAX} bytes long" in page
    assert f"({PAGE_DEFAULT} unless given, at most {PAGE_MAX})" in page
    assert f"{FILE_BYTES_MAX // 1024**2} MiB and a minute at most" in page
    assert f"within {ARRIVAL_TIMEOUT_S:.0f} s" in page
    assert UPLOADS_MAX == 2 and "two at a time" in page


def test_every_state_of_a_call_is_documented(page: str) -> None:
    row = page[page.index("| `state` |") :].split("|")[2]
    assert set(re.findall(r"`(\w+)`", row)) == set(CallState)


def examples() -> list[tuple[str, str, Any]]:
    """Method, path and body of every curl on the page."""
    found = []
    text = PAGE.read_text(encoding="utf-8")
    for block in re.findall(r"```sh\n(.*?)```", text, re.DOTALL):
        for command in re.split(r"^(?=curl )", block, flags=re.MULTILINE):
            if command.startswith("curl "):
                found.append(_read_example(shlex.split(command.replace("\\\n", " "))))
    return found


def test_page_has_examples_of_each_kind() -> None:
    assert len(examples()) >= 18
    assert {method for method, _, _ in examples()} == {"GET", "POST", "PUT", "PATCH", "DELETE"}


def _read_example(words: list[str]) -> tuple[str, str, Any]:
    url = next(word for word in words if word.startswith("$API"))
    body = json.loads(words[words.index("-d") + 1]) if "-d" in words else None
    method = "POST" if body is not None else "PUT" if "-T" in words else "GET"
    if "-X" in words:
        method = words[words.index("-X") + 1]
    path = url.removeprefix("$API").split("?")[0]
    for place, value in PLACES.items():
        path = path.replace(place, value)
    return method, BASE_PATH + path, body


@pytest.mark.parametrize(("method", "path", "body"), examples())
def test_example_of_the_page_is_a_request_of_the_document(
    management: Management, method: str, path: str, body: Any
) -> None:
    pointer = management.conformance.find_operation(method, path)
    assert pointer is not None, f"{method} {path}"
    if body is not None:
        schema = ["requestBody", "content", "application/json", "schema"]
        management.conformance.validate([*pointer, *schema], body)
