"""What rtpengine is told of a side, and what it answers: just as much SDP as that takes.

The other SDP of the platform is the SIP user agent's; this one never reaches a phone.
"""

import base64
import ipaddress
import re
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from clicktodial.control.port import RelayError
from clicktodial.domain.media import Codec, MediaAddress, MediaDescription, SrtpKey

# RFC 4568 6.2.1: what every implementation of SDES must know; 16 bytes of key and 14 of salt.
SUITE = "AES_CM_128_HMAC_SHA1_80"
_KEY_BYTES = 30
# Whatever else rtpengine knows, which would only be more to write.
FURTHER_SUITES = (
    "AEAD_AES_256_GCM",
    "AEAD_AES_128_GCM",
    "AES_256_CM_HMAC_SHA1_80",
    "AES_256_CM_HMAC_SHA1_32",
    "AES_192_CM_HMAC_SHA1_80",
    "AES_192_CM_HMAC_SHA1_32",
    "AES_CM_128_HMAC_SHA1_32",
    "F8_128_HMAC_SHA1_80",
    "F8_128_HMAC_SHA1_32",
    "NULL_HMAC_SHA1_80",
    "NULL_HMAC_SHA1_32",
)
# The key, then perhaps lifetime and MKI (RFC 4568 6.1). Nothing that could end a line.
_KEY_PARAMS = re.compile(
    r"inline:[A-Za-z0-9+/]{40}={0,2}(\|[0-9^]{1,12})?(\|[0-9]{1,10}:[0-9]{1,3})?"
)
_CODEC_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]{0,31}")
# Printable ASCII: one line of an fmtp.
_PARAMETERS = re.compile(r"[ -~]{0,256}")
# An answer that lists more is no answer to an offer of ours.
CODECS_MAX = 16
_PAYLOAD_TYPE_MAX = 127
_CLOCK_RATE_MAX = 192_000
_CHANNELS_MAX = 2
_PORT_MAX = 65_535
_ADDRESS = re.compile(r"^c=IN IP4 ([0-9.]{7,15})\s*$", re.MULTILINE)
_AUDIO = re.compile(r"^m=audio ([0-9]{1,5}) ", re.MULTILINE)
_CRYPTO = re.compile(r"^a=crypto:([0-9]{1,9}) (\S{1,64}) (\S{1,256})\s*$", re.MULTILINE)
# RFC 3264 8.4: nothing is sent to whoever says that this is its address; the port is any.
_NOWHERE = MediaAddress("0.0.0.0", 9)


@dataclass(frozen=True, slots=True)
class Facing:
    """What rtpengine shows of itself to one side."""

    address: MediaAddress
    keys: tuple[SrtpKey, ...]

    def tag_of(self, key: SrtpKey) -> int | None:
        """The tag by which it names a key that it was told, or None where it dropped it."""
        return next((each.tag for each in self.keys if is_same_key(each, key)), None)


def create_key() -> SrtpKey:
    """A fresh key of SUITE."""
    key = base64.b64encode(secrets.token_bytes(_KEY_BYTES)).decode()
    return SrtpKey(1, SUITE, f"inline:{key}")


def is_same_key(one: SrtpKey, other: SrtpKey) -> bool:
    """Whether both are one key, whatever their tags, padding and parameters."""
    return one.suite == other.suite and _bare(one) == _bare(other)


def create_placeholder(codecs: Sequence[Codec], dtmf: Codec, key: SrtpKey) -> MediaDescription:
    """A side that has not said anything yet: all that it may say, and no address."""
    return MediaDescription(_NOWHERE, tuple(codecs), dtmf, crypto=(key,))


def write_sdp(media: MediaDescription, keys: Iterable[SrtpKey] = ()) -> str:
    """The description as SDP, with `keys` as they stand in place of its own."""
    keys = tuple(keys)
    formats = media.codecs if media.dtmf is None else (*media.codecs, media.dtmf)
    host, port = media.address.host, media.address.port
    lines = [
        "v=0",
        f"o=- 1 1 IN IP4 {host}",
        "s=-",
        f"c=IN IP4 {host}",
        "t=0 0",
        f"m=audio {port} {'RTP/SAVP' if keys else 'RTP/AVP'} "
        + " ".join(str(codec.payload_type) for codec in formats),
        *(line for codec in formats for line in _describe(codec)),
        *(f"a=crypto:{key.tag} {key.suite} {key.key_params}" for key in keys),
        "a=sendrecv",
    ]
    return "\r\n".join(lines) + "\r\n"


def read_sdp(text: str) -> Facing:
    """Raises RelayError for what is no address and port of an audio stream."""
    address, audio = _ADDRESS.search(text), _AUDIO.search(text)
    if address is None or audio is None or not 1 <= int(audio[1]) <= _PORT_MAX:
        raise RelayError("the relay gave no port")
    try:
        host = str(ipaddress.IPv4Address(address[1]))
    except ValueError as error:
        raise RelayError("the relay gave no address") from error
    keys = tuple(SrtpKey(int(each[1]), each[2], each[3]) for each in _CRYPTO.finditer(text))
    return Facing(MediaAddress(host, int(audio[1])), keys)


def name_codec(codec: Codec) -> str:
    """As the `codec` lists of a command name it."""
    name = _spell(codec)
    return name if codec.channels == 1 else f"{name}/{codec.clock_rate}/{codec.channels}"


def check_formats(media: MediaDescription) -> None:
    """Raises RelayError for codecs and keys that could not be told to a relay."""
    formats = media.codecs if media.dtmf is None else (*media.codecs, media.dtmf)
    if not 1 <= len(formats) <= CODECS_MAX or not all(map(_is_sane, formats)):
        raise RelayError("the codecs cannot be told to the relay")
    for key in media.crypto:
        if key.suite != SUITE or not _KEY_PARAMS.fullmatch(key.key_params):
            raise RelayError("the relay cannot use the key")


def _describe(codec: Codec) -> list[str]:
    """The lines of one format. RFC 8866 6.6."""
    channels = f"/{codec.channels}" if codec.channels != 1 else ""
    number = codec.payload_type
    lines = [f"a=rtpmap:{number} {_spell(codec)}/{codec.clock_rate}{channels}"]
    if codec.parameters:
        lines.append(f"a=fmtp:{number} {codec.parameters}")
    return lines


def _spell(codec: Codec) -> str:
    # rtpengine knows Opus by this name alone.
    return "opus" if codec.name == "OPUS" else codec.name


def _is_sane(codec: Codec) -> bool:
    return (
        0 <= codec.payload_type <= _PAYLOAD_TYPE_MAX
        and 1 <= codec.clock_rate <= _CLOCK_RATE_MAX
        and 1 <= codec.channels <= _CHANNELS_MAX
        and _CODEC_NAME.fullmatch(codec.name) is not None
        and _PARAMETERS.fullmatch(codec.parameters) is not None
    )


def _bare(key: SrtpKey) -> str:
    return key.key_params.split("|", 1)[0].rstrip("=")
