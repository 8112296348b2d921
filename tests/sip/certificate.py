"""A certificate as an operator has one for STIR, and a verifier that is not ours."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

URL = "https://certificates.example/operator.pem"
# RFC 8224 6.2.1 suggests that a verifier takes a PASSporT for a minute.
FRESH_S = 60


@dataclass(frozen=True)
class Certificate:
    """The certificate as its URL serves it, and the key."""

    pem: bytes
    key_pem: bytes


def create_certificate() -> Certificate:
    """A key on P-256 and a certificate that it signed itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "SHAKEN 709J")])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder(
        issuer_name=name,
        subject_name=name,
        public_key=key.public_key(),
        serial_number=x509.random_serial_number(),
        not_valid_before=now - timedelta(days=1),
        not_valid_after=now + timedelta(days=1),
    )
    key_pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return Certificate(builder.sign(key, SHA256()).public_bytes(Encoding.PEM), key_pem)


def verify_identity(value: str, served: dict[str, bytes]) -> dict[str, Any]:
    """The claims of an Identity header, verified as RFC 8224 6.2 asks of whoever receives it.

    `served` are the certificates by the address at which they can be fetched. The signature is
    PyJWT's to check, the certificate that of the address that both the header and the token name.
    """
    match = re.fullmatch(r"([\w-]+\.[\w-]+\.[\w-]+);info=<([^>]+)>;alg=ES256;ppt=shaken", value)
    assert match is not None, value
    token, info = match.groups()
    header = jwt.get_unverified_header(token)
    assert header == {"alg": "ES256", "ppt": "shaken", "typ": "passport", "x5u": info}
    certificate = x509.load_pem_x509_certificate(served[info])
    now = datetime.now(UTC)
    assert certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc
    key = certificate.public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey)
    claims: dict[str, Any] = jwt.decode(token, key, algorithms=["ES256"])
    return claims
