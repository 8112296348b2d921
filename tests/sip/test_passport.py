"""PASSporTs, checked by an implementation of JWS that is not ours."""

import base64
import re
from uuid import UUID

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
)

from clicktodial.sip.error import PassportError
from clicktodial.sip.passport import (
    CERTIFICATE_URL_CHARACTERS_MAX,
    NUMBER_DIGITS_MAX,
    Attestation,
    PassportSigner,
    canonicalize_number,
)

URL = "https://certificates.example/operator.pem"
KEY = ec.generate_private_key(ec.SECP256R1())
ORIGINATION = UUID("123e4567-e89b-12d3-a456-426655440000")


def to_pem(
    key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey,
    encryption: KeySerializationEncryption | None = None,
) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption or NoEncryption())


def create_identity() -> str:
    return PassportSigner(to_pem(KEY), URL).create_identity(
        shown="+861052680000",
        destinations=["+8613912345673"],
        issued_at_s=1_443_208_345,
        origination_id=ORIGINATION,
    )


def test_identity_header_is_verified_by_another_implementation() -> None:
    match = re.fullmatch(r"([^;]+);info=<([^>]+)>;alg=ES256;ppt=shaken", create_identity())
    assert match is not None
    assert match[2] == URL
    claims = jwt.decode(match[1], KEY.public_key(), algorithms=["ES256"])
    assert claims == {
        "attest": "A",
        "dest": {"tn": ["8613912345673"]},
        "iat": 1_443_208_345,
        "orig": {"tn": "861052680000"},
        "origid": str(ORIGINATION),
    }
    assert jwt.get_unverified_header(match[1]) == {
        "alg": "ES256", "ppt": "shaken", "typ": "passport", "x5u": URL,
    }  # fmt: skip


@pytest.mark.parametrize(("attestation", "told"), [(Attestation.PARTIAL, "B"), ("C", "C")])
def test_attestation_is_told(attestation: str, told: str) -> None:
    signer = PassportSigner(to_pem(KEY), URL, Attestation(attestation))
    token = signer.sign(shown="1", destinations=["2"], issued_at_s=1, origination_id=ORIGINATION)
    claims = jwt.decode(token, KEY.public_key(), algorithms=["ES256"])
    assert claims["attest"] == told


def test_members_are_in_order_and_without_white_space() -> None:
    payload = create_identity().split(".")[1]
    text = base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)).decode()
    assert text == (
        '{"attest":"A","dest":{"tn":["8613912345673"]},"iat":1443208345,'
        f'"orig":{{"tn":"861052680000"}},"origid":"{ORIGINATION}"}}'
    )


def test_every_signature_has_the_length_of_two_coordinates() -> None:
    # r or s begins with a zero byte in one of 128 signatures, and must be padded.
    signatures = [create_identity().partition(";")[0].split(".")[2] for _ in range(600)]
    assert {len(base64.urlsafe_b64decode(each + "==")) for each in signatures} == {64}


def test_another_key_does_not_verify() -> None:
    other = ec.generate_private_key(ec.SECP256R1()).public_key()
    with pytest.raises(jwt.InvalidSignatureError):
        jwt.decode(create_identity().partition(";")[0], other, algorithms=["ES256"])


def test_token_without_destination_is_refused() -> None:
    with pytest.raises(PassportError):
        PassportSigner(to_pem(KEY), URL).sign(
            shown="+861052680000", destinations=[], issued_at_s=1, origination_id=ORIGINATION
        )


@pytest.mark.parametrize(
    ("written", "canonical"),
    [
        ("+1 (215) 555-1212", "12155551212"),
        ("8613912345673", "8613912345673"),
        ("*69#", "*69#"),
    ],
)
def test_numbers_are_written_as_both_sides_must(written: str, canonical: str) -> None:
    assert canonicalize_number(written) == canonical


@pytest.mark.parametrize("written", ["", "+", "alice", "٣٤", "1" * (NUMBER_DIGITS_MAX + 1)])
def test_what_is_no_number_is_refused(written: str) -> None:
    with pytest.raises(PassportError):
        canonicalize_number(written)


@pytest.mark.parametrize(
    "pem",
    [
        b"",
        b"no key",
        to_pem(ec.generate_private_key(ec.SECP384R1())),
        to_pem(rsa.generate_private_key(65_537, 2_048)),
        to_pem(KEY, BestAvailableEncryption(b"password")),
    ],
)
def test_key_that_cannot_sign_is_refused_and_not_repeated(pem: bytes) -> None:
    with pytest.raises(PassportError) as caught:
        PassportSigner(pem, URL)
    assert "BEGIN" not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "http://certificates.example/a.pem",
        "https://x/>;a=<b",
        "https://x/\r\nVia: x",
        "https://x/" + "a" * CERTIFICATE_URL_CHARACTERS_MAX,
    ],
)
def test_address_that_would_break_the_header_is_refused(url: str) -> None:
    with pytest.raises(PassportError):
        PassportSigner(to_pem(KEY), url)
