"""Who calls, as INVITEs tell it to trunks of each kind."""

import dataclasses
from uuid import UUID

import jwt
import pytest
from structlog.testing import capture_logs
from tests.sip.certificate import URL, create_certificate, verify_identity
from tests.sip.support import CALLED, OFFER, SHOWN

from clicktodial.control.port import LegPlan
from clicktodial.domain.trunk import NumberFormat, Trunk
from clicktodial.sip.identity import Identity, IdentityWriter
from clicktodial.sip.passport import Attestation, PassportSigner

PLAN = LegPlan(destination=CALLED, shown=SHOWN, offer=OFFER)
HIDDEN = dataclasses.replace(PLAN, hides_number=True)
PLAIN = Trunk("a", "192.0.2.9", 5060)
IMS = dataclasses.replace(PLAIN, domain="ims.example", charging_vector=True)
NOW_S = 1_443_208_345.9
CERTIFICATE = create_certificate()


def create_writer(attestation: Attestation = Attestation.FULL) -> IdentityWriter:
    signer = PassportSigner(CERTIFICATE.key_pem, URL, attestation)
    return IdentityWriter(signer, unix_s=lambda: NOW_S)


def names(identity: Identity) -> list[str]:
    return [name for name, _ in identity.headers]


# Signatures


def test_call_is_signed_for_the_numbers_in_e164_whatever_the_trunk_writes() -> None:
    trunk = dataclasses.replace(PLAIN, number_format=NumberFormat.NATIONAL)
    identity = create_writer().create(PLAN, trunk)
    assert identity.from_uri == "sip:01052680000@192.0.2.9;user=phone"
    claims = verify_identity(dict(identity.headers)["Identity"], {URL: CERTIFICATE.pem})
    assert UUID(claims.pop("origid")).version == 4
    assert claims == {
        "attest": "A",
        "orig": {"tn": SHOWN.removeprefix("+")},
        "dest": {"tn": [CALLED.removeprefix("+")]},
        "iat": 1_443_208_345,
    }


def test_signature_of_another_key_than_the_certificates_is_found_out() -> None:
    value = dict(create_writer().create(PLAN, PLAIN).headers)["Identity"]
    with pytest.raises(jwt.InvalidSignatureError):
        verify_identity(value, {URL: create_certificate().pem})


def test_signed_call_says_when_it_was_signed() -> None:
    identity = create_writer().create(PLAN, PLAIN)
    assert names(identity) == ["P-Asserted-Identity", "Date", "Identity"]
    assert dict(identity.headers)["Date"] == "Fri, 25 Sep 2015 19:12:25 GMT"


def test_attestation_is_the_settings() -> None:
    value = dict(create_writer(Attestation.GATEWAY).create(PLAN, PLAIN).headers)["Identity"]
    assert verify_identity(value, {URL: CERTIFICATE.pem})["attest"] == "C"


def test_each_call_has_an_origination_of_its_own() -> None:
    writer = create_writer()
    values = [dict(writer.create(PLAN, PLAIN).headers)["Identity"] for _ in range(2)]
    claims = [verify_identity(value, {URL: CERTIFICATE.pem}) for value in values]
    assert claims[0]["origid"] != claims[1]["origid"]


def test_hidden_number_is_in_no_signature() -> None:
    assert names(create_writer().create(HIDDEN, PLAIN)) == ["P-Asserted-Identity", "Privacy"]


def test_trunk_that_wants_no_signature_gets_none() -> None:
    trunk = dataclasses.replace(PLAIN, signs_calls=False)
    assert names(create_writer().create(PLAN, trunk)) == ["P-Asserted-Identity"]


def test_number_that_cannot_be_signed_is_called_unsigned() -> None:
    odd = dataclasses.replace(PLAN, shown="+12345678901234567")
    with capture_logs() as logs:
        identity = create_writer().create(odd, PLAIN)
    assert names(identity) == ["P-Asserted-Identity"]
    [entry] = logs
    assert entry["event"] == "sip.call_unsigned"
    assert "12345678901234567" not in str(entry)


def test_signer_without_clock_is_refused() -> None:
    with pytest.raises(ValueError, match="clock"):
        IdentityWriter(PassportSigner(CERTIFICATE.key_pem, URL))


# Privacy


def test_hidden_number_is_anonymous_to_the_party_and_told_to_the_trunk() -> None:
    assert IdentityWriter().create(HIDDEN, PLAIN) == Identity(
        "sip:anonymous@anonymous.invalid",
        "Anonymous",
        (("P-Asserted-Identity", f"<sip:{SHOWN}@192.0.2.9;user=phone>"), ("Privacy", "id")),
    )


@pytest.mark.parametrize(
    ("privacy", "expected"),
    [
        (("user", "id"), [("Privacy", "user;id")]),
        (("header", "id"), [("Privacy", "header;id")]),
        (("id", "critical"), [("Privacy", "id;critical"), ("Proxy-Require", "privacy")]),
    ],
)
def test_privacy_is_asked_for_as_the_trunk_understands_it(
    privacy: tuple[str, ...], expected: list[tuple[str, str]]
) -> None:
    trunk = dataclasses.replace(PLAIN, privacy=privacy)
    assert list(IdentityWriter().create(HIDDEN, trunk).headers[1:]) == expected
    assert names(IdentityWriter().create(PLAN, trunk)) == ["P-Asserted-Identity"]


# IMS


def test_ims_is_told_both_public_identities_and_whose_call_it_is_to_charge() -> None:
    number = UUID("123e4567-e89b-12d3-a456-426655440000")
    identity = IdentityWriter(create_uuid=lambda: number).create(PLAN, IMS)
    assert identity.headers == (
        ("P-Asserted-Identity", f"<sip:{SHOWN}@ims.example;user=phone>, <tel:{SHOWN}>"),
        ("P-Charging-Vector", f"icid-value={number.hex};orig-ioi=ims.example"),
    )


def test_each_leg_is_charged_by_an_identifier_of_its_own() -> None:
    vectors = {dict(IdentityWriter().create(PLAN, IMS).headers)["P-Charging-Vector"] for _ in "ab"}
    assert len(vectors) == 2


def test_hidden_number_is_charged_too() -> None:
    identity = IdentityWriter().create(HIDDEN, IMS)
    assert names(identity) == ["P-Asserted-Identity", "Privacy", "P-Charging-Vector"]
    assert identity.from_uri == "sip:anonymous@anonymous.invalid"
