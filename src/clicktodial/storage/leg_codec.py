"""The legs of a call as the JSON of one column: read with their call, and never searched for."""

import msgspec

from clicktodial.domain.cause import Side
from clicktodial.domain.leg import LegRecord

# Made once: a call writes its legs with every step. A microsecond for both of them.
_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(dict[Side, LegRecord])


def encode_legs(legs: dict[Side, LegRecord]) -> str:
    """The column's text."""
    return _encoder.encode(legs).decode()


def decode_legs(text: str | None) -> dict[Side, LegRecord]:
    """The inverse; nothing for a call whose legs were not kept. Raises msgspec.DecodeError for
    anything else."""
    return {} if text is None else _decoder.decode(text)
