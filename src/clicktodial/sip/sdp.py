"""SDP (RFC 8866) of one audio stream <-> MediaDescription."""

from clicktodial.domain.media import MediaDescription


class SdpError(ValueError):
    """The body describes no audio stream that we can use."""


def parse_sdp(body: bytes) -> MediaDescription:
    """The first active audio stream over RTP/AVP on IPv4. Raises SdpError."""
    raise NotImplementedError


def serialize_sdp(media: MediaDescription, *, version: int = 1) -> bytes:
    """The description as SDP; holds nothing but `media`'s own address."""
    raise NotImplementedError
