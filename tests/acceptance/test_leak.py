"""Nothing that one phone receives tells it anything of the other: read off the wire.

Both phones say their number and address wherever a careless one might (see `Phone`), so that
whatever the platform passes on would be found.
"""

import re

import pytest
from tests.harness.address import Address
from tests.harness.client import CALLEE, CALLER
from tests.harness.phone import Phone, PhoneState, Received
from tests.harness.report import create_report
from tests.harness.stage import Stage

pytestmark = pytest.mark.asyncio(loop_scope="session")

RING_TIMEOUT_S = 3
# The shortest piece of a number that is still the number: its subscriber part.
_TAIL_DIGITS = 8
_SEPARATORS = re.compile(rb"(?<=\d)[ .()-]+(?=\d)")


def spellings(number: str) -> list[bytes]:
    """E.164 with and without plus, national, and the last digits, which all of them contain."""
    national = number.removeprefix("86")
    return [text.encode() for text in (number, national, "0" + national, number[-_TAIL_DIGITS:])]


def find_leaks(datagrams: list[bytes], number: str, addresses: list[Address]) -> list[bytes]:
    """The lines that tell of a party with that number, at those addresses."""
    numbers = spellings(number)
    # Whole hosts and ports only: 127.64.0.2 is not told by 127.64.0.21, nor 34271 by the branch
    # of a Via in which these digits stand among letters.
    hosts = [re.compile(rb"(?<![\d.])%s(?!\d)" % re.escape(host.encode())) for host, _ in addresses]
    ports = [re.compile(rb"(?<![0-9A-Za-z])%d(?![0-9A-Za-z])" % port) for _, port in addresses]
    return [
        line
        for datagram in datagrams
        for line in datagram.split(b"\r\n")
        if _tells(line, numbers)
        or any(host.search(line) for host in hosts)
        or _tells_port(line, ports)
    ]


def _tells(line: bytes, numbers: list[bytes]) -> bool:
    plain = _SEPARATORS.sub(b"", line)
    return any(text in line or text in plain for text in numbers)


def _tells_port(line: bytes, ports: list[re.Pattern[bytes]]) -> bool:
    # A port alone is a leak only where a port stands: other digits may equal it.
    stands_there = line.startswith((b"m=", b"Contact", b"Via"))
    return stands_there and any(port.search(line) for port in ports)


def _received(phone: Phone) -> list[bytes]:
    return [one.data for one in phone.sip_received]


def _check_no_leak(stage: Stage, caller: Phone, callee: Phone) -> None:
    for phone, other in ((caller, callee), (callee, caller)):
        addresses = [other.sip_address, other.rtp_address]
        media = [*phone.rtp_received, *phone.rtcp_received]
        received = [*_received(phone), *(one.data for one in media)]
        assert not find_leaks(received, other.number, addresses)
        _check_sources(stage, media)


def _check_sources(stage: Stage, received: list[Received]) -> None:
    assert {one.source[0] for one in received} <= {stage.platform.host}


async def _both_phones(stage: Stage) -> tuple[Phone, Phone]:
    return await stage.phone(CALLER), await stage.phone(CALLEE)


@pytest.mark.parametrize("who", ["caller", "callee", "application"])
async def test_connected_call_with_audio_ended_by_each_leaks_nothing(
    stage: Stage, who: str
) -> None:
    caller, callee = await _both_phones(stage)
    call = await stage.begin(record=1)
    await callee.wait_for(PhoneState.TALKING)
    speech = caller.speak(440, 0.6), callee.speak(1000, 0.6)
    await speech[0]
    await speech[1]
    match who:
        case "caller":
            caller.hang_up()
        case "callee":
            callee.hang_up()
        case _:
            await call.release()
    await call.wait_for_end()
    await caller.wait_for(PhoneState.OVER)
    await callee.wait_for(PhoneState.OVER)
    _check_no_leak(stage, caller, callee)
    assert caller.rtp_received and callee.rtp_received
    methods = {one.split(b" ")[0] for one in _received(caller) + _received(callee)}
    assert {b"INVITE", b"ACK", b"BYE"} <= methods


@pytest.mark.parametrize("status", [302, 404, 486, 500, 603])
async def test_refusal_by_callee_leaks_nothing_to_caller(stage: Stage, status: int) -> None:
    caller = await stage.phone(CALLER)
    callee = await stage.phone(CALLEE, refuses_with=status)
    call = await stage.begin()
    await call.wait_for_end()
    await caller.wait_for(PhoneState.OVER)
    _check_no_leak(stage, caller, callee)


async def test_cancel_after_abandon_leaks_nothing_to_callee(stage: Stage) -> None:
    caller = await stage.phone(CALLER)
    callee = await stage.phone(CALLEE, answers=False)
    call = await stage.begin()
    await callee.wait_for(PhoneState.RINGING)
    await caller.wait_for(PhoneState.TALKING)
    caller.hang_up()
    await call.wait_for_end()
    await callee.wait_for(PhoneState.OVER)
    assert any(one.startswith(b"CANCEL") for one in _received(callee))
    _check_no_leak(stage, caller, callee)


async def test_ring_timeout_leaks_nothing(stage: Stage) -> None:
    caller = await stage.phone(CALLER)
    callee = await stage.phone(CALLEE, answers=False)
    call = await stage.application.begin_with_options({"callee_ring_timeout_s": RING_TIMEOUT_S})
    await call.wait_for_end()
    await caller.wait_for(PhoneState.OVER)
    await callee.wait_for(PhoneState.OVER)
    _check_no_leak(stage, caller, callee)


async def test_each_phone_is_shown_the_sponsor(stage: Stage) -> None:
    caller, callee = await _both_phones(stage)
    call = await stage.begin()
    await callee.wait_for(PhoneState.TALKING)
    await call.release()
    await call.wait_for_end()
    for phone in (caller, callee):
        invite = _received(phone)[0].decode()
        shown = re.search(r"^From:.*?<?sips?:\+?(\d+)@", invite, re.MULTILINE)
        assert shown is not None, invite
        assert shown[1] in {"861052680000", "01052680000"}


@pytest.mark.parametrize(
    "planted",
    [
        b"From: <sip:+8613810268653@x>",
        b"P-Asserted-Identity: <tel:13810268653>",
        b'Reason: Q.850;cause=17;text="013810268653 busy"',
        b"Subject: 138-1026-8653",
        b"s=10268653",
        b"c=IN IP4 127.99.1.2",
        b"m=audio 40404 RTP/AVP 8",
        b"Via: SIP/2.0/UDP 127.99.1.2:5060",
        create_report(1, b"8613810268653@phone"),
        create_report(1, b"user@127.99.1.2"),
    ],
)
async def test_planted_trace_is_found(planted: bytes) -> None:
    message = b"INVITE sip:x@y SIP/2.0\r\nCSeq: 1 INVITE\r\n" + planted + b"\r\n\r\n"
    addresses = [("127.99.1.2", 5070), ("127.99.1.2", 40404)]
    assert find_leaks([message], CALLEE, addresses) == [planted]
    assert not find_leaks([message], CALLER, [("127.99.1.3", 5071)])


async def test_parts_of_hosts_and_of_branches_are_no_traces() -> None:
    message = (
        b"INVITE sip:x@y SIP/2.0\r\n"
        b"Via: SIP/2.0/UDP 127.99.1.21:5061;branch=z9hG4bKa5070b40404c\r\n"
        b"Contact: <sip:x@227.99.1.2:50700>\r\n\r\n"
    )
    assert not find_leaks([message], CALLEE, [("127.99.1.2", 5070), ("127.99.1.2", 40404)])
