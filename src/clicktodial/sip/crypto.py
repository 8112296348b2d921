"""Keys of SRTP in SDP (RFC 4568): the `a=crypto` lines of a stream <-> SrtpKey.

    a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:<key and salt in base64>|2^20|1:4

A line that we do not fully understand is no key: half of what it asks for would be audio that
nobody can hear, or that anybody can.
"""

import re

from clicktodial.domain.media import SrtpKey

# Suites times key sizes that a peer may list; what comes after is passed over.
CRYPTO_LINES_MAX = 32
# The longest key known is 64 characters; lifetime, MKI and parameters are a few dozen.
CRYPTO_CHARACTERS_MAX = 256

# Key and salt together, in octets: RFC 4568 6.2, RFC 6188 4, RFC 7714 14.3.
_KEY_OCTETS = {
    "AES_CM_128_HMAC_SHA1_80": 30,
    "AES_CM_128_HMAC_SHA1_32": 30,
    "F8_128_HMAC_SHA1_80": 30,
    "AES_192_CM_HMAC_SHA1_80": 38,
    "AES_192_CM_HMAC_SHA1_32": 38,
    "AES_256_CM_HMAC_SHA1_80": 46,
    "AES_256_CM_HMAC_SHA1_32": 46,
    "AEAD_AES_128_GCM": 28,
    "AEAD_AES_256_GCM": 44,
}
_LINE = re.compile(r"^a=crypto:(.*)$", re.MULTILINE)
_ATTRIBUTE = re.compile(r"([0-9]{1,9})[ \t]+(\w{1,64})[ \t]+(\S+)((?:[ \t]+\S+)*)[ \t]*", re.ASCII)
# One key, then its lifetime and its master key identifier, each as it may be left out. Several
# keys of one line need identifiers in every packet, which relays do not write.
_KEY_PARAMS = re.compile(
    r"inline:([A-Za-z0-9+/]+)(={0,2})(?:\|(?:2\^[0-9]{1,2}|[0-9]{1,15}))?"
    r"(?:\|[0-9]{1,9}:[0-9]{1,3})?"
)
_BASE64_BITS = 6
# RFC 4568 6.3.7: how much a receiver should look back, which is for the receiver to know.
_WINDOW_HINT = re.compile(r"WSH=[0-9]{2,9}", re.ASCII)
# Tried once a line: else a line that begins anew all the time would be read as often.
_KEY_SHOWN = re.compile(
    rb"(?:^|(?<=\r))((?>[^\r\n]*?a=crypto:)[^\r\n]*?inline:)[^\r\n]*", re.MULTILINE
)


def read_crypto(stream: str) -> tuple[tuple[SrtpKey, ...], bool]:
    """The keys of a stream's lines, and whether every line was one that we can use."""
    lines = [match[1] for match in _LINE.finditer(stream)]
    keys: dict[int, SrtpKey] = {}
    for line in lines[:CRYPTO_LINES_MAX]:
        key = _read_line(line)
        if key is not None:
            keys.setdefault(key.tag, key)  # RFC 4568 9.1: a tag is of one line
    return tuple(keys.values()), len(keys) == len(lines)


def _read_line(line: str) -> SrtpKey | None:
    match = _ATTRIBUTE.fullmatch(line) if len(line) <= CRYPTO_CHARACTERS_MAX else None
    if match is None:
        return None
    # RFC 4568 6.3: parameters change what is sent, and one that is not known spoils the line,
    # unless its name begins with a dash. Those that RFC 4568 names would have to be told to the
    # relay, which speaks plain SRTP or none.
    for parameter in match[4].split():
        if not parameter.startswith("-") and not _WINDOW_HINT.fullmatch(parameter):
            return None
    key = SrtpKey(int(match[1]), match[2], match[3])
    return key if is_usable(key) else None


def is_usable(key: SrtpKey) -> bool:
    """Whether the suite is known, and the key has its length."""
    params = _KEY_PARAMS.fullmatch(key.key_params)
    octets = _KEY_OCTETS.get(key.suite)
    return (
        params is not None
        and octets is not None
        and len(params[1]) == -(-octets * 8 // _BASE64_BITS)
        and 0 < key.tag <= 999_999_999
    )


def crypto_lines(keys: tuple[SrtpKey, ...]) -> str:
    """The lines of a stream."""
    return "".join(f"a=crypto:{key.tag} {key.suite} {key.key_params}\r\n" for key in keys)


def choose_key(offered: tuple[SrtpKey, ...], local: tuple[SrtpKey, ...]) -> SrtpKey | None:
    """The first of the peer's keys whose suite one of ours has; None where there is none."""
    suites = {key.suite for key in local}
    return next((key for key in offered if key.suite in suites), None)


def answer_key(chosen: SrtpKey, local: tuple[SrtpKey, ...]) -> SrtpKey:
    """Ours of that suite, under the tag that the peer gave (RFC 4568 5.1.2)."""
    own = next(key for key in local if key.suite == chosen.suite)
    return SrtpKey(chosen.tag, own.suite, own.key_params)


def hide_keys(message: bytes) -> bytes:
    """A SIP message fit to be written down."""
    return _KEY_SHOWN.sub(rb"\1...", message) if b"a=crypto:" in message else message
