"""Signs deliveries in the Standard Webhooks form (standardwebhooks.com, specification 1.0)."""

import base64
import hmac
from functools import lru_cache

from clicktodial.control.delivery import Notice
from clicktodial.domain.pool_alert import PoolAlert

# Applications whose keys are kept ready; beyond it only time is lost.
SECRETS_MAX = 1_024
_VERSION = "v1"


def message_id(event: Notice) -> str:
    """The same for every delivery of the event, so that a receiver can drop repetitions."""
    if isinstance(event, PoolAlert):
        return f"pool-{event.app_id}-{event.seq}"
    return f"{event.call_id}-{event.seq}"


@lru_cache(SECRETS_MAX)
def _keyed(secret: bytes) -> hmac.HMAC:
    # To look up the algorithm and take in the key costs more than to sign.
    return hmac.new(secret, digestmod="sha256")


def signature_headers(
    message: str, timestamp_s: int, body: bytes, secret: bytes
) -> tuple[tuple[str, str], ...]:
    """The three headers; `timestamp_s` is that of this delivery, in seconds since 1970."""
    signature = _keyed(secret).copy()
    signature.update(b"%b.%d.%b" % (message.encode(), timestamp_s, body))
    digest = base64.b64encode(signature.digest()).decode()
    return (
        ("webhook-id", message),
        ("webhook-timestamp", str(timestamp_s)),
        ("webhook-signature", f"{_VERSION},{digest}"),
    )
