"""A phone of SRTP, by libsrtp: what is not encrypted with the right key it does not hear."""

import asyncio
import base64

from pylibsrtp import Error, Policy, Session
from tests.media.rtp_phone import RtpPhone, parse_rtp

from clicktodial.domain.media import PCMA, TELEPHONE_EVENT, Codec, MediaDescription, SrtpKey

SUITE = "AES_CM_128_HMAC_SHA1_80"


def read_key(key: SrtpKey) -> bytes:
    """Key and salt."""
    assert key.suite == SUITE
    text = key.key_params.removeprefix("inline:").split("|", 1)[0]
    return base64.b64decode(text + "=" * (-len(text) % 4))


class SrtpPhone(RtpPhone):
    """Encrypts with a key of its own; `use` tells it the other's. `was_strange` is set once
    it could not decrypt something."""

    def __init__(self, ssrc: int) -> None:
        super().__init__(ssrc)
        text = base64.b64encode(bytes([ssrc]) * 30).decode()
        self.key = SrtpKey(1, SUITE, f"inline:{text}")
        self.was_strange = asyncio.Event()
        self._out = Session(Policy(read_key(self.key), Policy.SSRC_ANY_OUTBOUND))
        self._in: Session | None = None

    def use(self, key: SrtpKey) -> None:
        """Decrypt with this one."""
        self._in = Session(Policy(read_key(key), Policy.SSRC_ANY_INBOUND))

    def describe(self, codec: Codec = PCMA) -> MediaDescription:
        return MediaDescription(self.address, (codec,), TELEPHONE_EVENT, crypto=(self.key,))

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        assert self._in is not None
        try:
            self.heard.put_nowait(parse_rtp(self._in.unprotect(data)))
        except Error:
            self.was_strange.set()

    def transmit(self, packet: bytes, to: tuple[str, int]) -> None:
        super().transmit(self._out.protect(packet), to)
