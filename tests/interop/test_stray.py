"""What nobody asked for: requests out of any dialog, and datagrams that are no SIP at all."""

import socket

import pytest
from tests.harness.address import allocate_host
from tests.harness.client import CALLEE, CALLER
from tests.harness.stage import ANSWERED, Stage

pytestmark = pytest.mark.asyncio(loop_scope="session")

_INVITE = b"INVITE sip:1@127.0.0.1 SIP/2.0\r\n"
MALFORMED = [
    b"",
    b"\r\n\r\n",
    b"\x00" * 1000,
    b"\xff\xfe" * 700,
    b"hello",
    b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    b"SIP/2.0 200 OK\r\n\r\n",
    b"SIP/2.0 99999999999999999999 OK\r\n\r\n",
    b"SIP/2.0 -1 OK\r\nCSeq: 1 INVITE\r\n\r\n",
    _INVITE,
    _INVITE + b"\r\n",
    _INVITE + b"Via: SIP/2.0/UDP\r\nCSeq: x\r\n\r\n",
    _INVITE + b"Via: SIP/2.0/UDP 127.0.0.1:1;branch=z9hG4bKa\r\nCSeq: -1 INVITE\r\n\r\n",
    _INVITE + b"Via: SIP/2.0/UDP [::1;branch=\r\nContent-Length: -5\r\n\r\n",
    _INVITE + b"Content-Length: 99999999999999999999999\r\n\r\n",
    _INVITE + b"From: \xff\xff\xff\r\nTo: <sip:\r\nCall-ID:\r\n\r\n",
    _INVITE + b"X: y\r\n" * 3000 + b"\r\n",
    b"INVITE " + b"a" * 60_000 + b" SIP/2.0\r\n\r\n",
    b"BYE sip:x SIP/2.0\r\nVia: SIP/2.0/UDP 0.0.0.0:0;branch=z9hG4bK\r\n\r\n",
]


@pytest.mark.parametrize(
    "scenario",
    [
        "options.xml",
        "bye_unknown.xml",
        "cancel_unknown.xml",
        "unsupported_method.xml",
        "ask_and_require.xml",
    ],
)
async def test_request_out_of_dialog_is_answered(stage: Stage, scenario: str) -> None:
    await stage.probe(scenario)


async def test_malformed_datagrams_in_live_call_do_no_harm(stage: Stage) -> None:
    await stage.sipp("answer.xml", CALLER)
    await stage.sipp("answer.xml", CALLEE)
    call = await stage.begin()
    await call.wait_for("Connected")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
        stranger.bind((allocate_host(), 0))
        for datagram in MALFORMED * 5:
            stranger.sendto(datagram, stage.platform.sip)
    await stage.probe("options.xml")
    assert call.statuses == ANSWERED[:-1]
    await call.release()
    await call.wait_for_end()
    await stage.phones_agree()


async def test_message_of_stranger_for_live_call_ends_nothing(stage: Stage) -> None:
    # The Call-ID of a call can be seen by others; without both tags it proves nothing.
    await stage.sipp("answer.xml", CALLER)
    await stage.sipp("answer.xml", CALLEE)
    call = await stage.begin()
    await call.wait_for("Connected")
    for datagram in stage.switch.received_by(CALLER)[:1]:
        forged = [
            f"{method} sip:x SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:9;branch=z9hG4bK-x\r\n"
            f"From: <sip:x@x>;tag=a\r\nTo: <sip:y@y>;tag=b\r\nCall-ID: {datagram.sip_call_id}\r\n"
            f"CSeq: 9 {method}\r\nContent-Length: 0\r\n\r\n".encode()
            for method in ("BYE", "CANCEL", "ACK", "INVITE")
        ]
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
            stranger.bind((allocate_host(), 0))
            for message in forged:
                stranger.sendto(message, stage.platform.sip)
    await stage.probe("options.xml")
    assert call.statuses == ANSWERED[:-1]
    await call.release()
    await call.wait_for_end()
    await stage.phones_agree()
