"""RTCP as a talkative phone sends it."""

import struct

_SENDER_REPORT, _SOURCE_DESCRIPTION, _APPLICATION_DEFINED = 200, 202, 204
_SDES_ITEMS = {"CNAME": 1, "NAME": 2, "EMAIL": 3, "PHONE": 4, "LOC": 5, "TOOL": 6, "NOTE": 7}


def create_report(ssrc: int, identity: bytes) -> bytes:
    """RTCP that says who sends it wherever that can be said: a sender report, a description of
    the source and a packet of an application's own (RFC 3550 6.4.1, 6.5, 6.7)."""
    items = b"".join(bytes([kind, len(identity)]) + identity for kind in _SDES_ITEMS.values())
    # A chunk ends with a zero, and on a word.
    chunk = items + bytes(4 - len(items) % 4)
    application = b"NAME" + identity + bytes(-len(identity) % 4)
    return b"".join(
        struct.pack(">BBHI", 0x80 | count, kind, 1 + len(body) // 4, ssrc) + body
        for count, kind, body in (
            (0, _SENDER_REPORT, bytes(20)),
            (1, _SOURCE_DESCRIPTION, chunk),
            (0, _APPLICATION_DEFINED, application),
        )
    )
