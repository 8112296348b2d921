"""What we say of our side of one session, and what the peer may answer to that (RFC 3264 8).

A session keeps its profile: one of SRTP (RFC 4568) stays that, and one without never gets keys.
The o= line stays what the first description said, but for its version, which only grows.
"""

from dataclasses import dataclass, replace

from clicktodial.domain.media import Codec, MediaAddress, MediaDescription, SrtpKey
from clicktodial.sip.crypto import choose_key
from clicktodial.sip.error import SdpError
from clicktodial.sip.message import SipMessage
from clicktodial.sip.sdp import (
    NO_OTHER_STREAMS,
    OtherStreams,
    answer_offer,
    is_known,
    parse_offer,
    parse_sdp,
    read_origin,
    restrict_answer,
    serialize_sdp,
)


@dataclass(frozen=True, slots=True)
class PeerOffer:
    """What of an offer we could take: codecs that some relay can carry, and at most one key.
    `others` are the streams that we refuse."""

    media: MediaDescription
    others: OtherStreams


@dataclass(frozen=True, slots=True)
class _Terms:
    """What we may say of ourselves: all the keys that we have, and what we spoke for keys once."""

    origin: MediaAddress
    dtmf: Codec | None
    keys: tuple[SrtpKey, ...]


class LocalSide:
    """Our side of one session. `sdp` is what holds, `codec` what is spoken."""

    __slots__ = ("_known_terms", "_others", "_version", "codec", "sdp")

    def __init__(self, sdp: bytes, codec: Codec) -> None:
        self._known_terms: _Terms | None = None
        self._others = NO_OTHER_STREAMS
        self._version = 1
        self.sdp = sdp
        self.codec = codec

    @property
    def _terms(self) -> _Terms:
        """Read when they are first needed, since most sessions change nothing."""
        if self._known_terms is None:
            first = parse_sdp(self.sdp)
            self._known_terms = _Terms(read_origin(self.sdp), first.dtmf, first.crypto)
        return self._known_terms

    # Offers of the peer

    def read_offer(self, request: SipMessage) -> PeerOffer | None:
        """What of it we could take; None where that is nothing."""
        keys = self._terms.keys
        try:
            media, others = parse_offer(request.body, is_secure=bool(keys))
        except SdpError:
            return None
        codecs = tuple(codec for codec in media.codecs if is_known(codec))
        key = choose_key(media.crypto, keys) if keys else None
        if not codecs or (keys and key is None):
            return None
        usable = replace(media, codecs=codecs, crypto=() if key is None else (key,))
        return PeerOffer(usable, others)

    def answer(self, offer: PeerOffer, codec: Codec) -> bytes:
        """Our answer, which holds from now on."""
        terms = self._terms
        ours = replace(parse_sdp(self.sdp), dtmf=terms.dtmf, crypto=terms.keys)
        self.codec = codec
        # RFC 3264 8: streams are never taken away, so that they stay in what we say later.
        self._others = offer.others
        self.sdp = self._write(answer_offer(offer.media, ours, codec))
        return self.sdp

    # Offers of ours

    def write_offer(self, media: MediaDescription) -> bytes:
        """An offer of other audio, which holds once it is answered. Keys are ours where it names
        none, and left out where the session has none."""
        keys = self._terms.keys
        return self._write(replace(media, crypto=keys and (media.crypto or keys)))

    def write_renewed(self) -> bytes:
        """Our side as it is, to be offered: the codec in use, and both directions."""
        address, terms = parse_sdp(self.sdp).address, self._terms
        self.sdp = self._write(
            MediaDescription(address, (self.codec,), terms.dtmf, crypto=terms.keys)
        )
        return self.sdp

    def take_offered(self, sdp: bytes, codec: Codec) -> None:
        """What `write_offer` wrote was answered: it holds from now on."""
        media = parse_sdp(sdp)
        self._known_terms = _Terms(self._terms.origin, media.dtmf, media.crypto)
        self.sdp = sdp
        self.codec = codec

    def drop_offered(self) -> None:
        """What `write_offer` wrote was refused. What holds is newer than that from now on: peers
        are known that pass over a lower version than they saw last."""
        self.sdp = self._write(parse_sdp(self.sdp))

    def read_answer(self, message: SipMessage, offer: bytes) -> MediaDescription | None:
        """The peer's answer within that offer of ours; None where it is none that we can use."""
        try:
            media = parse_sdp(message.body, may_be_held=True, is_answer=True)
        except SdpError:
            return None
        return restrict_answer(media, offer)

    def _write(self, media: MediaDescription) -> bytes:
        origin = self._terms.origin
        self._version += 1
        return serialize_sdp(media, version=self._version, origin=origin, others=self._others)
