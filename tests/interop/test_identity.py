"""Who calls, as SIPp sees it at the other end of a real call."""

import re
import time
from pathlib import Path

import pytest
from tests.harness.address import format_address
from tests.harness.client import CALLEE, CALLER
from tests.harness.stage import ANSWERED, Stage, open_stage
from tests.sip.certificate import FRESH_S, URL, create_certificate, verify_identity

pytestmark = pytest.mark.asyncio(loop_scope="session")


def invite_headers(stage: Stage, number: str) -> dict[str, str]:
    """The headers of the INVITE that reached that phone, by name."""
    [invite] = [one for one in stage.switch.received_by(number) if one.label == "INVITE"]
    lines = invite.data.partition(b"\r\n\r\n")[0].decode().split("\r\n")[1:]
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


async def talk(stage: Stage) -> None:
    """A call between two SIPps, each of which agrees with every message of it."""
    for number in (CALLER, CALLEE):
        await stage.sipp("answer.xml", number)
    call = await stage.begin()
    await call.wait_for("Connected")
    await call.release()
    await call.wait_for_end()
    assert call.statuses == ANSWERED
    await stage.phones_agree()


async def test_invite_to_each_party_bears_a_passport_that_verifies(tmp_path: Path) -> None:
    certificate = create_certificate()
    key_file = tmp_path / "stir.pem"
    key_file.write_bytes(certificate.key_pem)
    tables = {"stir": {"key_file": str(key_file), "certificate_url": URL}}
    async with open_stage(tmp_path, tables) as stage:
        await talk(stage)
        for number in (CALLER, CALLEE):
            headers = invite_headers(stage, number)
            claims = verify_identity(headers["Identity"], {URL: certificate.pem})
            called = re.search(r"sip:\+(\d+)@", headers["To"])
            shown = re.search(r"sip:\+(\d+)@", headers["From"])
            assert called is not None
            assert shown is not None
            assert claims["attest"] == "A"
            assert claims["orig"] == {"tn": shown[1]}
            assert claims["dest"] == {"tn": [called[1]]}
            assert 0 <= time.time() - claims["iat"] < FRESH_S
        assert "BEGIN" not in stage.platform.log


async def test_trunk_into_an_ims_is_told_how_to_charge_each_leg(tmp_path: Path) -> None:
    async with open_stage(tmp_path, is_set_up=False) as stage:
        await stage.platform.command(
            "trunk", "add", "ims", "--target", format_address(stage.switch.address),
            "--domain", "ims.example", "--charging-vector",
        )  # fmt: skip
        stage.application.register()
        await talk(stage)
        vectors = [
            invite_headers(stage, number)["P-Charging-Vector"] for number in (CALLER, CALLEE)
        ]
        assert all(
            re.fullmatch(r"icid-value=[0-9a-f]{32};orig-ioi=ims\.example", vector)
            for vector in vectors
        )
        assert vectors[0] != vectors[1]
        asserted = invite_headers(stage, CALLEE)["P-Asserted-Identity"]
        assert re.fullmatch(r"<sip:(\+\d+)@ims\.example;user=phone>, <tel:\1>", asserted)
