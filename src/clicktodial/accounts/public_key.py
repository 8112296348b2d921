"""Public keys of others, as they come: JWK sets (RFC 7517), checked before they are used."""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
from cryptography.exceptions import UnsupportedAlgorithm
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, Key, OKPKey, RSAKey, import_key

from clicktodial.domain.wording import worded
from clicktodial.storage.error import ValueInvalid

# What assertions and tokens of others may be signed with. No shared secrets among them, so that a
# public key can never be taken for one.
ALGORITHMS = ("RS256", "PS256", "ES256", "Ed25519")
# One that signs, one that is about to, and the same for each of a few machines.
KEYS_MAX = 10
# Ten RSA keys of 4096 bits take some 10 KB.
JWKS_BYTES_MAX = 32_768
_KID_CHARACTERS_MAX = 256
# NIST SP 800-57: below it is broken by 2030. Above it each check costs more than the request.
_RSA_BITS_MIN, _RSA_BITS_MAX = 2_048, 8_192
_CURVES = {"P-256", "Ed25519"}
# Members that only a private key has (RFC 7518 6.2.2, 6.3.2, RFC 8037 2), or a secret one.
_PRIVATE_MEMBERS = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})


@dataclass(frozen=True, slots=True)
class PublicKeys:
    """Keys, each good for some of ALGORITHMS."""

    keys: tuple[Key, ...] = ()

    def find(self, kid: str | None) -> tuple[Key, ...]:
        """Those that a signature may be of: the one it names, or else all that have no name."""
        if kid is None:
            return self.keys
        named = tuple(key for key in self.keys if key.kid == kid)
        return named or tuple(key for key in self.keys if key.kid is None)

    def encode(self) -> str:
        """A JWK set."""
        return msgspec.json.encode(
            {"keys": [key.as_dict(private=False) for key in self.keys]}
        ).decode()


def parse_jwks(text: str | bytes, *, skips_unusable: bool = False) -> PublicKeys:
    """A JWK set of public keys. Raises ValueInvalid.

    One that `skips_unusable` passes over keys of other kinds, of which others' sets are full
    (RFC 7517 5), and refuses private ones all the same.
    """
    if len(text) > JWKS_BYTES_MAX:
        raise ValueInvalid(worded("a JWK set has at most %(most)s bytes", most=JWKS_BYTES_MAX))
    try:
        document = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise ValueInvalid("the JWK set is no JSON") from error
    members = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(members, list) or not all(isinstance(each, dict) for each in members):
        raise ValueInvalid('a JWK set is {"keys": [...]}')
    keys: list[Key] = []
    for member in members:
        if _PRIVATE_MEMBERS & member.keys():
            raise ValueInvalid("the JWK set holds a private key: that must not leave its owner")
        try:
            keys.append(_parse_key(member))
        except ValueInvalid:
            if not skips_unusable:
                raise
    if not skips_unusable and not 0 < len(keys) <= KEYS_MAX:
        raise ValueInvalid(worded("a JWK set has 1 to %(most)s keys", most=KEYS_MAX))
    kids = [key.kid for key in keys if key.kid is not None]
    if len(set(kids)) < len(kids):
        raise ValueInvalid("two keys of the JWK set have one kid")
    return PublicKeys(tuple(keys[:KEYS_MAX]))


def _parse_key(member: Mapping[str, Any]) -> Key:
    kid = member.get("kid")
    if kid is not None and not (
        isinstance(kid, str) and 0 < len(kid) <= _KID_CHARACTERS_MAX and kid.isprintable()
    ):
        raise ValueInvalid(
            worded("a kid has 1 to %(most)s printable characters", most=_KID_CHARACTERS_MAX)
        )
    if member.get("use", "sig") != "sig":
        raise ValueInvalid("a key of the JWK set is not one for signatures")
    if member.get("alg", ALGORITHMS[0]) not in ALGORITHMS:
        raise ValueInvalid(worded("algorithms are %(names)s", names=ALGORITHMS))
    if member.get("kty") == "RSA" and not _RSA_BITS_MIN <= _bits(member.get("n")) <= _RSA_BITS_MAX:
        raise ValueInvalid(
            worded(
                "RSA keys have %(least)s to %(most)s bits", least=_RSA_BITS_MIN, most=_RSA_BITS_MAX
            )
        )
    try:
        key = import_key(dict(member))
        _ = key.public_key  # whether its numbers are those of a key
    except (JoseError, ValueError, TypeError, KeyError, UnsupportedAlgorithm) as error:
        raise ValueInvalid("a key of the JWK set cannot be read") from error
    if not isinstance(key, RSAKey | ECKey | OKPKey) or (
        not isinstance(key, RSAKey) and key.curve_name not in _CURVES
    ):
        raise ValueInvalid("keys are of RSA, P-256 or Ed25519")
    return key


def _bits(number: object) -> int:
    """How long a number of RFC 7518 2 is; nothing where it is none."""
    if not isinstance(number, str):
        return 0
    try:
        decoded = base64.urlsafe_b64decode(number + "==")
    except (ValueError, binascii.Error):
        return 0
    return int.from_bytes(decoded).bit_length()
