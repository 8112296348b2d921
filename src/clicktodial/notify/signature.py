"""Signs deliveries in the Standard Webhooks form (standardwebhooks.com, specification 1.0)."""

import base64
import hmac

from clicktodial.control.delivery import Notice
from clicktodial.domain.pool_alert import PoolAlert

_VERSION = "v1"


def message_id(event: Notice) -> str:
    """The same for every delivery of the event, so that a receiver can drop repetitions."""
    if isinstance(event, PoolAlert):
        return f"pool-{event.app_id}-{event.seq}"
    return f"{event.call_id}-{event.seq}"


def signature_headers(
    message: str, timestamp_s: int, body: bytes, secret: bytes
) -> tuple[tuple[str, str], ...]:
    """The three headers; `timestamp_s` is that of this delivery, in seconds since 1970."""
    signed = b"%b.%d.%b" % (message.encode(), timestamp_s, body)
    digest = base64.b64encode(hmac.digest(secret, signed, "sha256")).decode()
    return (
        ("webhook-id", message),
        ("webhook-timestamp", str(timestamp_s)),
        ("webhook-signature", f"{_VERSION},{digest}"),
    )
