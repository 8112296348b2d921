"""G.722 (ITU-T), by libg722; the octets of RFC 3551 4.5.2: one a clock tick of 8 kHz, of which
each holds two samples of 16 kHz."""

from array import array
from collections.abc import Sequence
from typing import Final, Literal

import G722
import numpy as np
import numpy.typing as npt

_BIT_RATE = 64_000
NARROWBAND_HZ: Final = 8_000
WIDEBAND_HZ: Final = 16_000

Pcm = npt.NDArray[np.int16]


class G722Decoder:
    """Decodes one stream, in order: each octet changes how the next is understood."""

    def __init__(self, rate_hz: Literal[8_000, 16_000]) -> None:
        """At 8,000 only the lower band is decoded."""
        self._codec = G722.G722(rate_hz, _BIT_RATE)

    def decode(self, packets: Sequence[bytes]) -> Pcm:
        """`rate_hz` / 8,000 samples an octet."""
        return np.array(self._codec.decode(b"".join(packets)), dtype=np.int16)


def encode_g722(pcm: Pcm) -> bytes:
    """A whole stream from samples of 16 kHz; a last odd one is left out."""
    even = pcm[: len(pcm) // 2 * 2]
    encoded: bytes = G722.G722(WIDEBAND_HZ, _BIT_RATE).encode(array("h", even.tobytes()))
    return encoded
