"""Packets of Opus as phones send them, 20 ms each: libsndfile's encoder, out of its Ogg file."""

import io

import numpy as np
import numpy.typing as npt
import soundfile

PACKET_CLOCK = 960
_HEADER_PACKETS = 2


def encode_opus(pcm: npt.NDArray[np.int16], rate_hz: int) -> list[bytes]:
    """Of one channel."""
    file = io.BytesIO()
    soundfile.write(file, pcm, rate_hz, format="OGG", subtype="OPUS")
    return read_packets(file.getvalue())[_HEADER_PACKETS:]


def read_packets(data: bytes) -> list[bytes]:
    """All of an Ogg stream's packets (RFC 3533 6)."""
    packets, begun, at = [], b"", 0
    while at < len(data):
        count = data[at + 26]
        table = data[at + 27 : at + 27 + count]
        at += 27 + count
        for size in table:
            begun += data[at : at + size]
            at += size
            if size < 255:
                packets.append(begun)
                begun = b""
    return packets
