"""docs/api-v1.md names every route, property, error and limit of the API."""

from pathlib import Path

import pytest
from tests.api.support import Conformance

from clicktodial.api.authentication import HEADER_BYTES_MAX
from clicktodial.api.protocol import ARRIVAL_TIMEOUT_S, CONNECTIONS_MAX, HEAD_BYTES_MAX
from clicktodial.api.v1.download import DOWNLOADS_MAX
from clicktodial.api.v1.error import REFUSALS
from clicktodial.config import HttpSettings
from clicktodial.domain.cause import EndReason
from clicktodial.domain.event import CallStatus, RecordingResult
from clicktodial.domain.number import WRITTEN_CHARACTERS_MAX

PAGE = Path(__file__).parents[3] / "docs" / "api-v1.md"


@pytest.fixture(scope="module")
def page() -> str:
    return " ".join(PAGE.read_text(encoding="utf-8").split())


def test_every_error_is_documented(page: str) -> None:
    for row in REFUSALS:
        assert f"| {row.status} | {row.code} | {row.description} |" in page


def test_every_route_and_property_is_documented(page: str, conformance: Conformance) -> None:
    for path in conformance.document["paths"]:
        assert path in page
    for name in conformance.document["webhooks"]:
        assert name in page
    for schema in conformance.document["components"]["schemas"].values():
        for name in schema["properties"]:
            assert f"`{name}`" in page or f'"{name}"' in page


def test_every_value_of_a_notification_is_documented(page: str) -> None:
    for value in (*CallStatus, *EndReason, *RecordingResult):
        assert f"`{value}`" in page


def test_every_limit_is_documented(page: str) -> None:
    assert f"({HttpSettings().body_bytes_max} unless set)" in page
    assert f"may be {HEADER_BYTES_MAX} bytes long" in page
    assert f"in {WRITTEN_CHARACTERS_MAX} characters at most" in page
    assert f"Up to {DOWNLOADS_MAX} downloads" in page
    assert f"headers of a request: {HEAD_BYTES_MAX // 1024} KiB" in page
    assert f"within {ARRIVAL_TIMEOUT_S:.0f} s" in page
    assert f"At most {CONNECTIONS_MAX} connections" in page
