"""Which Authorization headers prove an application."""

import base64

import pytest
from tests.api.support import APP_ID, SECRET, FakeApplications, basic, create_application

from clicktodial.api.authentication import (
    APP_ID_CHARACTERS_MAX,
    HEADER_BYTES_MAX,
    authenticate,
    parse_basic,
)
from clicktodial.domain.application import ApplicationStatus, EnterpriseStatus
from clicktodial.domain.identifier import AppId


def encode(text: str) -> bytes:
    return base64.b64encode(text.encode())


RIGHT = encode(f"{APP_ID}:{SECRET}")
REFUSED: dict[str, list[bytes]] = {
    "none": [],
    "empty": [b""],
    "scheme only": [b"Basic"],
    "scheme and space": [b"Basic "],
    "no scheme": [RIGHT],
    "another scheme": [b"Bearer " + RIGHT],
    "a tab for the space": [b"Basic\t" + RIGHT],
    "not base64": [b"Basic !!!!"],
    "base64 and more": [b"Basic " + RIGHT + b"\xff"],
    "no padding": [b"Basic " + RIGHT.rstrip(b"=")[:-1]],
    "URL-safe base64": [b"Basic " + encode(f"{APP_ID}:\u00ff\u00fe?>").replace(b"/", b"_")],
    "no colon": [b"Basic " + encode(APP_ID)],
    "no appId": [b"Basic " + encode(f":{SECRET}")],
    "no secret": [b"Basic " + encode(f"{APP_ID}:")],
    "wrong secret": [b"Basic " + encode(f"{APP_ID}:{SECRET}x")],
    "part of the secret": [b"Basic " + encode(f"{APP_ID}:{SECRET[:-1]}")],
    "full-width colon": [b"Basic " + encode(f"{APP_ID}\uff1a{SECRET}")],
    "unknown": [b"Basic " + encode(f"nobody:{SECRET}")],
    "unknown with the decoy secret": [b"Basic " + encode("nobody:" + "\x00" * 32)],
    "NUL in appId": [b"Basic " + encode(f"{APP_ID}\x00:{SECRET}")],
    "newline in appId": [b"Basic " + encode(f"{APP_ID}\n:{SECRET}")],
    "not UTF-8": [b"Basic " + base64.b64encode(b"\xff\xfe:" + SECRET.encode())],
    "twice": [b"Basic " + RIGHT, b"Basic " + RIGHT],
    "two in one": [b"Basic " + RIGHT + b", Basic " + RIGHT],
    "too long": [b"Basic " + RIGHT + b" " * HEADER_BYTES_MAX],
    "long appId": [b"Basic " + encode("a" * (APP_ID_CHARACTERS_MAX + 1) + ":x")],
}


@pytest.mark.parametrize("values", REFUSED.values(), ids=REFUSED.keys())
async def test_header_that_proves_nothing_is_refused(values: list[bytes]) -> None:
    applications = FakeApplications(create_application())
    headers = [(b"host", b"x"), *((b"authorization", value) for value in values)]
    assert await authenticate(headers, applications) is None


@pytest.mark.parametrize("scheme", [b"Basic", b"basic", b"BASIC", b"bAsIc"])
@pytest.mark.parametrize("space", [b" ", b"   "])
async def test_right_header_proves_the_application(scheme: bytes, space: bytes) -> None:
    application = create_application()
    headers = [(b"authorization", scheme + space + RIGHT)]
    assert await authenticate(headers, FakeApplications(application)) is application


async def test_secret_beyond_ascii_proves_the_application() -> None:
    application = create_application(secret="密码:🔑")
    headers = [(b"authorization", basic(APP_ID, "密码:🔑"))]
    assert await authenticate(headers, FakeApplications(application)) is application


async def test_inactive_application_is_proved_all_the_same() -> None:
    application = create_application(
        enterprise_status=EnterpriseStatus.CANCELLED, status=ApplicationStatus.DISABLED
    )
    headers = [(b"authorization", basic(APP_ID, SECRET))]
    assert await authenticate(headers, FakeApplications(application)) is application


async def test_changed_secret_counts_at_once() -> None:
    applications = FakeApplications(create_application())
    headers = [(b"authorization", basic(APP_ID, SECRET))]
    assert await authenticate(headers, applications) is not None
    applications.by_id[APP_ID] = create_application(secret="new")
    assert await authenticate(headers, applications) is None


async def test_malformed_header_asks_no_store() -> None:
    applications = FakeApplications()
    for values in REFUSED.values():
        if all(parse_basic(value) is None for value in values):
            await authenticate([(b"authorization", value) for value in values], applications)
    assert applications.asked == []


def test_secret_may_contain_colons_and_the_app_id_may_not() -> None:
    assert parse_basic(b"Basic " + encode("a:b:c")) == (AppId("a"), b"b:c")
