"""What rtpengine is told of the two sides of a session: an offer of the callee, an answer of the
caller. See the package for the theory of operation.
"""

from dataclasses import dataclass, field
from typing import Any

from clicktodial.control.port import RelayError
from clicktodial.domain.cause import Side
from clicktodial.domain.media import TELEPHONE_EVENT, MediaDescription, SrtpKey
from clicktodial.media.rtpengine.sdp import (
    FURTHER_SUITES,
    Facing,
    create_key,
    name_codec,
    write_sdp,
)

# What each offer and each answer says besides its SDP.
_NEGOTIATION: dict[str, Any] = {
    "from-tag": Side.CALLEE.value,
    "flags": [
        "trust address",
        # Ports are in the SDP of others by now: they stay, wherever a side moves.
        "port latching",
        # Once a side is known to send from there, nobody else may speak in its place.
        "strict source",
        "no rtcp attribute",
    ],
    "replace": ["origin", "session connection", "zero address"],
    "endpoint-learning": "heuristic",
    "ICE": "remove",
    "DTLS": "off",
    "SDES": [f"no-{suite}" for suite in FURTHER_SUITES],
    "rtcp-mux": ["demux"],
    # RTCP is answered by the relay: a side's own would tell its name and address to the other.
    "generate RTCP": "on",
}


@dataclass(slots=True)
class NegotiatedSide:
    """`said` is a placeholder until the side `has_spoken`; `key` and `facing` are what it sees of
    the relay."""

    said: MediaDescription
    key: SrtpKey = field(default_factory=create_key)
    facing: Facing | None = None
    has_spoken: bool = False


def create_offer(caller: NegotiatedSide, callee: NegotiatedSide) -> dict[str, Any]:
    """The arguments of the offer, which is made in the callee's name."""
    keys = _keys_of_callee(callee, own=caller.key)
    offer = {"sdp": write_sdp(callee.said, keys), **_NEGOTIATION}
    offer["transport-protocol"] = "RTP/SAVP" if caller.said.crypto else "RTP/AVP"
    if caller.has_spoken and callee.has_spoken:
        offer["codec"] = create_codec_lists(offering=callee.said, answering=caller.said)
    return offer


def create_answer(caller: NegotiatedSide, offered: Facing) -> dict[str, Any]:
    """The arguments of the answer to what the caller was `offered`. Raises RelayError."""
    answer = {"sdp": write_sdp(caller.said, _keys_of_caller(caller, offered)), **_NEGOTIATION}
    answer["to-tag"] = Side.CALLER.value
    return answer


def create_codec_lists(
    *, offering: MediaDescription, answering: MediaDescription
) -> dict[str, list[str]]:
    """What of the two sides' codecs must be transcoded; nothing where both speak the same."""
    offered, answered = (
        {(codec.name, codec.clock_rate): codec for codec in media.codecs}
        for media in (offering, answering)
    )
    missing = [name_codec(codec) for key, codec in answered.items() if key not in offered]
    surplus = [name_codec(codec) for key, codec in offered.items() if key not in answered]
    if not missing and not surplus:
        return {}
    # Without the last, keys would be made sounds.
    return {"transcode": missing, "accept": [*surplus, TELEPHONE_EVENT.name]}


def _keys_of_callee(callee: NegotiatedSide, *, own: SrtpKey) -> tuple[SrtpKey, ...]:
    """rtpengine offers the caller whatever key of that suite the callee offers, so that it might
    pass packets on as they are. What it is to offer is therefore offered as well, last: only the
    first is used for what the callee sends."""
    if not callee.said.crypto:
        return ()
    return (*_numbered(callee.said.crypto[:1], 1), *_numbered((own,), 2))


def _keys_of_caller(caller: NegotiatedSide, offered: Facing) -> tuple[SrtpKey, ...]:
    """The caller's own key, under the tag of the one that it took."""
    if not caller.said.crypto:
        return ()
    tag = offered.tag_of(caller.key)
    if tag is None:
        raise RelayError("the relay changed the caller's key")
    return _numbered(caller.said.crypto[:1], tag)


def _numbered(keys: tuple[SrtpKey, ...], tag: int) -> tuple[SrtpKey, ...]:
    return tuple(SrtpKey(tag, key.suite, key.key_params) for key in keys)
