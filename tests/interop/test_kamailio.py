"""Kamailio as the trunk, baresip as both phones."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import numpy as np
import pytest
from tests.harness.address import allocate_host, format_address
from tests.harness.baresip import Baresip
from tests.harness.certificate import Authority, Certificate
from tests.harness.client import CALLEE, CALLER
from tests.harness.kamailio import Kamailio
from tests.harness.name_server import open_name_server
from tests.harness.stage import ANSWERED, CALLER_NOT_ANSWERED, Stage, open_stage
from tests.harness.tone import dominant_frequency_hz

pytestmark = pytest.mark.asyncio(loop_scope="session")

CALLER_HZ = 700
CALLEE_HZ = 1100
TOLERANCE_HZ = 10.0
TALK_S = 1.5
PASSWORD = "trunk-password"
# The promise is a second; what a busy machine needs comes on top.
TAKEN_UP_WITHIN_S = 20.0
POLL_S = 0.05


@asynccontextmanager
async def open_network(
    directory: Path,
    *,
    password: str = "",
    algorithm: str = "MD5",
    tcp: bool = False,
    tls: tuple[Certificate, str] | None = None,
    sip: dict[str, object] | None = None,
) -> AsyncIterator[tuple[Stage, Kamailio, Baresip, Baresip]]:
    """A platform whose trunk is a Kamailio with two phones behind it."""
    caller = Baresip(directory, CALLER, tone_hz=CALLER_HZ)
    callee = Baresip(directory, CALLEE, tone_hz=CALLEE_HZ)
    phones = {phone.number: phone.address for phone in (caller, callee)}
    kamailio = Kamailio(directory, phones, password=password, algorithm=algorithm, tcp=tcp, tls=tls)
    try:
        await asyncio.gather(caller.start(), callee.start(), kamailio.start())
        # Programs of others take their time to answer on a busy machine.
        tables: dict[str, dict[str, object]] = {
            "calls": {"caller_ring_timeout_s": 20, "callee_ring_timeout_s": 20},
            "sip": sip or {},
        }
        async with open_stage(directory, tables, trunk=kamailio.address) as stage:
            yield stage, kamailio, caller, callee
    finally:
        kamailio.close()
        await asyncio.gather(caller.close(), callee.close())


async def set_credentials(stage: Stage, directory: Path, password: str) -> None:
    """Give the trunk a password while the platform runs; returns when it is taken up."""
    path = directory / "password"
    path.write_text(password)
    await set_trunk(stage, "--username", "enterprise", "--password-file", str(path))


async def set_trunk(stage: Stage, *arguments: str) -> None:
    """Change the trunk while the platform runs; returns when it is taken up."""
    await asyncio.to_thread(stage.platform.run_command, "trunk", "set", "main", *arguments)
    async with asyncio.timeout(TAKEN_UP_WITHIN_S):
        # Another process tells it, in its log.
        while "administration.changed" not in stage.platform.log:  # noqa: ASYNC110
            await asyncio.sleep(POLL_S)


async def check_conversation(stage: Stage, caller: Baresip, callee: Baresip) -> None:
    call = await stage.begin()
    await call.wait_for("Connected")
    await callee.wait_for("CALL_ESTABLISHED")
    await asyncio.sleep(TALK_S)  # the conversation
    await call.release()
    end = await call.wait_for_end()
    assert (call.statuses, end["reason"]) == (ANSWERED, "HangUp")
    # The BYE of each leg was taken by its phone, through the proxy.
    await asyncio.gather(caller.wait_for("CALL_CLOSED"), callee.wait_for("CALL_CLOSED"))
    for phone, other_hz in ((caller, CALLEE_HZ), (callee, CALLER_HZ)):
        samples, rate = phone.heard()
        heard = samples[-rate:]
        assert np.max(np.abs(heard)) > 0.2
        assert abs(dominant_frequency_hz(heard, rate) - other_hz) < TOLERANCE_HZ


async def test_call_through_a_record_routing_proxy_is_heard_both_ways(tmp_path: Path) -> None:
    async with open_network(tmp_path) as (stage, kamailio, caller, callee):
        await check_conversation(stage, caller, callee)
        # Both ACKs and both BYEs followed the Record-Route.
        legs = kamailio.passed("INVITE")
        assert len(legs) == 2
        assert kamailio.passed("ACK") == kamailio.passed("BYE") == legs


@pytest.mark.parametrize("algorithm", ["MD5", "SHA-256"])
async def test_proxy_that_asks_for_credentials_is_given_them(
    tmp_path: Path, algorithm: str
) -> None:
    network = open_network(tmp_path, password=PASSWORD, algorithm=algorithm)
    async with network as (stage, kamailio, caller, callee):
        await set_credentials(stage, tmp_path, PASSWORD)
        await check_conversation(stage, caller, callee)
        # Nothing is passed on without credentials: INVITEs, and BYEs within their dialogs.
        legs = kamailio.passed("INVITE")
        assert len(legs) == 2
        assert kamailio.passed("BYE") == legs


async def hang_up_as_callee(stage: Stage, callee: Baresip) -> None:
    call = await stage.begin()
    await call.wait_for("Connected")
    await callee.wait_for("CALL_ESTABLISHED")
    await callee.command("hangup")
    end = await call.wait_for_end()
    assert (call.statuses, end["reason"]) == (ANSWERED, "HangUp")


async def test_call_over_tcp_is_heard_both_ways_and_hung_up_by_either_side(
    tmp_path: Path,
) -> None:
    async with open_network(tmp_path, tcp=True) as (stage, _, caller, callee):
        await set_trunk(stage, "--transport", "tcp")
        await check_conversation(stage, caller, callee)
        assert "sip.connected" in stage.platform.log
        await hang_up_as_callee(stage, callee)


async def test_call_over_tls_with_certificates_of_both_sides_is_heard_both_ways(
    tmp_path: Path,
) -> None:
    authority = Authority(tmp_path)
    theirs = authority.issue("carrier.example")
    ours = authority.issue("platform.example")
    sip: dict[str, object] = {
        "tls_port": 0,
        "tls_certificate_file": ours.certificate_file,
        "tls_key_file": ours.key_file,
        "tls_ca_file": authority.ca_file,
    }
    network = open_network(tmp_path, tls=(theirs, authority.ca_file), sip=sip)
    async with network as (stage, kamailio, caller, callee):
        await set_trunk(
            stage, "--transport", "tls", "--target", format_address(kamailio.tls_address),
            "--tls-name", "carrier.example", "--tls-ca", authority.ca_file,
            "--tls-certificate", ours.certificate_file, "--tls-key", ours.key_file,
        )  # fmt: skip
        await check_conversation(stage, caller, callee)
        assert '"transport":"tls"' in stage.platform.log
        await hang_up_as_callee(stage, callee)


async def test_carrier_of_two_proxies_is_called_through_the_one_that_lives(
    tmp_path: Path,
) -> None:
    """Its name has SRV records of both, and the one to prefer is down."""
    zone: dict[tuple[str, str], list[str]] = {}
    async with open_name_server(zone) as names:
        sip: dict[str, object] = {"name_servers": [format_address(names.address)]}
        async with open_network(tmp_path, tcp=True, sip=sip) as (stage, kamailio, caller, callee):
            down = allocate_host()
            zone[("_sip._tcp.carrier.example.", "SRV")] = [
                f"10 1 {kamailio.address[1]} down.example.",
                f"20 1 {kamailio.address[1]} up.example.",
            ]
            zone[("down.example.", "A")] = [down]
            zone[("up.example.", "A")] = [kamailio.address[0]]
            await set_trunk(stage, "--transport", "tcp", "--target", "carrier.example")
            await check_conversation(stage, caller, callee)
            assert down in stage.platform.log
            assert "sip.trunk_failed" not in stage.platform.log


async def test_carrier_of_two_proxies_goes_on_through_the_other_when_one_dies(
    tmp_path: Path,
) -> None:
    """Both live, and its name has SRV records of both; the one to prefer dies after a call."""
    zone: dict[tuple[str, str], list[str]] = {}
    async with open_name_server(zone) as names:
        sip: dict[str, object] = {"name_servers": [format_address(names.address)]}
        async with open_network(tmp_path, tcp=True, sip=sip) as (stage, first, caller, callee):
            phones = {phone.number: phone.address for phone in (caller, callee)}
            second = Kamailio(tmp_path, phones, tcp=True)
            try:
                await second.start()
                zone[("_sip._tcp.carrier.example.", "SRV")] = [
                    f"10 1 {first.address[1]} first.example.",
                    f"20 1 {second.address[1]} second.example.",
                ]
                zone[("first.example.", "A")] = [first.address[0]]
                zone[("second.example.", "A")] = [second.address[0]]
                await set_trunk(stage, "--transport", "tcp", "--target", "carrier.example")
                await check_conversation(stage, caller, callee)
                assert (len(first.passed("INVITE")), second.passed("INVITE")) == (2, set())
                first.close()
                await hang_up_as_callee(stage, callee)
                assert len(second.passed("INVITE")) == 2
            finally:
                second.close()


async def test_wrong_password_ends_the_call_without_ringing_anyone(tmp_path: Path) -> None:
    network = open_network(tmp_path, password=PASSWORD)
    async with network as (stage, _, caller, _):
        await set_credentials(stage, tmp_path, "another")
        call = await stage.begin()
        end = await call.wait_for_end()
        assert (call.statuses, end["reason"]) == (CALLER_NOT_ANSWERED, "CallerFailure")
        assert "CALL_INCOMING" not in [event.get("type") for event in caller.events]
