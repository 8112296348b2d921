"""Status events as the outbox keeps them: JSON, complete, so that they can be told again."""

import msgspec

from clicktodial.domain.event import StatusEvent
from clicktodial.storage.instant import to_millis
from clicktodial.storage.statement import Parameters

_decoder = msgspec.json.Decoder(StatusEvent)
_encoder = msgspec.json.Encoder()


def encode_event(event: StatusEvent) -> str:
    """The event as JSON text."""
    return _encoder.encode(event).decode()


def decode_event(payload: str) -> StatusEvent:
    """The inverse of `encode_event`. Raises msgspec.DecodeError for anything else."""
    return _decoder.decode(payload)


EVENT_COLUMNS = (
    "call_id",
    "seq",
    "app_id",
    "status",
    "occurred_at",
    "payload",
    "delivery_state",
    "attempts",
    "sink_origin",
)


def event_parameters(event: StatusEvent) -> Parameters:
    """A new row of `call_event`, in the order of EVENT_COLUMNS, waiting to be delivered where
    anybody wants it."""
    return (
        event.call_id,
        event.seq,
        event.app_id,
        str(event.status),
        to_millis(event.occurred_at),
        encode_event(event),
        "pending" if event.is_wanted else "none",
        0,
        event.sink_origin,
    )
