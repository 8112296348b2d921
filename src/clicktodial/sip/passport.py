"""STIR: the PASSporT that vouches for the number shown (RFC 8225, RFC 8588, RFC 8224).

The operator's certificate lies where `certificate_url` says; whoever receives the INVITE fetches
it, and checks that who signed may speak for the number in `orig`. Nothing is kept from one call
to the next: a token names both numbers and its second, and a verifier takes it for a minute.
"""

import base64
import json
from collections.abc import Mapping, Sequence
from enum import StrEnum
from uuid import UUID

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from clicktodial.sip.error import PassportError

# E.164 has at most 15 digits; national short codes with * and # are no longer.
NUMBER_DIGITS_MAX = 15
# The address stands in each INVITE, which has to fit into few datagrams.
CERTIFICATE_URL_CHARACTERS_MAX = 256
_COORDINATE_BYTES = 32  # of P-256: RFC 7518 3.4 joins r and s, each of that length
_NUMBER_CHARACTERS = frozenset("0123456789*#")
_SEPARATORS = frozenset(" -.()/")
# What would end the angle brackets or the line that the address stands in.
_URL_FORBIDDEN = frozenset('<>"\\ \t\r\n')


class Attestation(StrEnum):
    """What the signer vouches for (RFC 8588 4)."""

    FULL = "A"  # it knows the customer, and that the number is the customer's to show
    PARTIAL = "B"  # it knows the customer
    GATEWAY = "C"  # it knows where the call came in


class PassportSigner:
    """Signs for one certificate."""

    __slots__ = ("_attestation", "_header", "_key", "_parameters")

    def __init__(
        self,
        key_pem: bytes,
        certificate_url: str,
        attestation: Attestation = Attestation.FULL,
    ) -> None:
        """`key_pem` is an unencrypted P-256 private key. Raises PassportError."""
        _check_url(certificate_url)
        self._key = _load_key(key_pem)
        self._attestation = attestation.value
        self._parameters = f";info=<{certificate_url}>;alg=ES256;ppt=shaken"
        # RFC 8225 4, RFC 8588 5: these members and no others.
        header = {"alg": "ES256", "ppt": "shaken", "typ": "passport", "x5u": certificate_url}
        self._header = _encode_json(header)

    def create_identity(
        self, *, shown: str, destinations: Sequence[str], issued_at_s: int, origination_id: UUID
    ) -> str:
        """The value of an INVITE's Identity header in the full form (RFC 8224 4).

        `shown` and `destinations` are numbers, `issued_at_s` is Unix time, and `origination_id`
        tells the operator, and nobody else, whose call it was. Raises PassportError.
        """
        token = self.sign(
            shown=shown,
            destinations=destinations,
            issued_at_s=issued_at_s,
            origination_id=origination_id,
        )
        return token + self._parameters

    def sign(
        self, *, shown: str, destinations: Sequence[str], issued_at_s: int, origination_id: UUID
    ) -> str:
        """The token itself: a JWS in compact form, of what `create_identity` tells."""
        if not destinations:
            raise PassportError("a PASSporT needs a destination")
        claims = {
            "attest": self._attestation,
            "dest": {"tn": [canonicalize_number(number) for number in destinations]},
            "iat": issued_at_s,
            "orig": {"tn": canonicalize_number(shown)},
            "origid": str(origination_id),
        }
        signed = f"{self._header}.{_encode_json(claims)}"
        signature = self._key.sign(signed.encode("ascii"), ec.ECDSA(hashes.SHA256()))
        r, s = decode_dss_signature(signature)
        raw = r.to_bytes(_COORDINATE_BYTES, "big") + s.to_bytes(_COORDINATE_BYTES, "big")
        return f"{signed}.{_encode(raw)}"


def canonicalize_number(number: str) -> str:
    """A telephone number as both sides must write it (RFC 8224 8.3). Raises PassportError."""
    digits = "".join(each for each in number.removeprefix("+") if each not in _SEPARATORS)
    if not 0 < len(digits) <= NUMBER_DIGITS_MAX or not _NUMBER_CHARACTERS.issuperset(digits):
        raise PassportError("no telephone number")
    return digits


def _check_url(url: str) -> None:
    is_clean = url.isascii() and url.isprintable() and _URL_FORBIDDEN.isdisjoint(url)
    if not url.startswith("https://") or not is_clean:
        raise PassportError("the certificate's address must be an https URL")
    if len(url) > CERTIFICATE_URL_CHARACTERS_MAX:
        raise PassportError(
            f"the certificate's address exceeds {CERTIFICATE_URL_CHARACTERS_MAX} characters"
        )


def _load_key(pem: bytes) -> ec.EllipticCurvePrivateKey:
    # What the library says of a key that it cannot read is not repeated: it may quote it.
    try:
        key = load_pem_private_key(pem, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise PassportError("the key is no unencrypted private key in PEM") from None
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
        raise PassportError("the key is not on the curve P-256, which ES256 needs")
    return key


def _encode_json(members: Mapping[str, object]) -> str:
    """RFC 8225 9: members in order of their names, no white space."""
    return _encode(json.dumps(members, sort_keys=True, separators=(",", ":")).encode("ascii"))


def _encode(data: bytes) -> str:
    """Base64url without padding (RFC 7515 2)."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")
