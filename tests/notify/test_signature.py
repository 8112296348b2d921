"""Signatures, verified by the library that receivers use."""

import base64
import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook, WebhookVerificationError
from tests.storage.support import create_call, create_event

from clicktodial.notify.signature import message_id, signature_headers

SECRET = bytes(range(32))


def webhook(secret: bytes = SECRET) -> Webhook:
    return Webhook("whsec_" + base64.b64encode(secret).decode())


def now_s() -> int:
    return int(datetime.now(UTC).timestamp())


@given(st.dictionaries(st.text(), st.integers()))
def test_signature_is_verified_by_the_reference_library(fields: dict[str, int]) -> None:
    body = json.dumps(fields).encode()
    headers = dict(signature_headers("call-1", now_s(), body, SECRET))
    assert webhook().verify(body, headers) == fields


@pytest.mark.parametrize("change", ["body", "id", "time", "secret"])
def test_changed_delivery_is_refused_by_the_reference_library(change: str) -> None:
    headers = dict(signature_headers("call-1", now_s(), b"{}", SECRET))
    body = b'{"a":1}' if change == "body" else b"{}"
    if change == "id":
        headers["webhook-id"] = "call-2"
    if change == "time":
        headers["webhook-timestamp"] = str(now_s() - 1)
    with pytest.raises(WebhookVerificationError):
        webhook(bytes(32) if change == "secret" else SECRET).verify(body, headers)


def test_message_id_is_stable_and_one_per_event() -> None:
    call = create_call()
    first, second = create_event(call, 1), create_event(call, 2)
    assert message_id(first) == f"{call.plan.call_id}-1"
    assert message_id(second) != message_id(first)
