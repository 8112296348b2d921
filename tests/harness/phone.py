"""A SIP phone of a hundred lines that does exactly what a test says, and keeps what it receives.

SIPp is the peer that proves interworking; this one is for what SIPp cannot do: speak and hear
RTP, and tell from where every datagram came.
"""

import asyncio
import re
import secrets
import struct
from collections.abc import Callable, Container
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Self

from tests.harness.address import Address, allocate_host, format_address
from tests.harness.report import create_report
from tests.harness.tone import PACKET_SAMPLES, create_tone

# What is waited for comes at once, unless the machine is very busy.
_WAIT_TIMEOUT_S = 30.0
_PCMA_TYPE = 8
_KEYS_TYPE = 101
_KEYS = "0123456789*#ABCD"
# RFC 4733 2.3: event, end bit and volume, duration in samples.
_KEY_EVENT = struct.Struct("!BBH")
_KEY_VOLUME = 10
_KEY_PACKETS = 5
# RFC 4733 2.5.1.4: the end of a key is told three times.
_KEY_END_PACKETS = 3
_RTP_HEADER = struct.Struct("!BBHII")
_PACKET_S = 0.02
# Oftener than RFC 3550 6.2 has it, for conversations of tests are short.
_PACKETS_PER_REPORT = 10
# Where so many ports in a row are others', the kernel's choice of ports is not the reason.
_BIND_ATTEMPTS_MAX = 100
_SDP_HOST = re.compile(rb"^c=IN IP4 (\S+)", re.MULTILINE)
_SDP_PORT = re.compile(rb"^m=audio (\d+)", re.MULTILINE)


class PhoneState(StrEnum):
    """Where the phone's one call stands."""

    IDLE = "idle"
    RINGING = "ringing"
    ANSWERED = "answered"
    TALKING = "talking"
    OVER = "over"


@dataclass(frozen=True)
class Received:
    """A datagram and where it came from."""

    data: bytes
    source: Address


class _Socket(asyncio.DatagramProtocol):
    def __init__(self, on_datagram: Callable[[bytes, Address], None]) -> None:
        self._on_datagram = on_datagram

    def datagram_received(self, data: bytes, addr: Address) -> None:
        self._on_datagram(data, addr)

    def error_received(self, exc: Exception) -> None:
        """The relay closes its ports first when a call ends."""


@dataclass
class Request:
    """A SIP request as far as a phone must understand it."""

    method: str
    headers: list[tuple[str, str]]
    body: bytes

    @classmethod
    def parse(cls, data: bytes) -> "Request":
        head, _, body = data.partition(b"\r\n\r\n")
        first, *lines = head.decode().split("\r\n")
        headers = [tuple(map(str.strip, line.split(":", 1))) for line in lines]
        return cls(first.split(" ")[0], [(name, value) for name, value in headers], body)

    def all(self, name: str) -> list[str]:
        """Every value of the header."""
        return [value for header, value in self.headers if header.lower() == name.lower()]

    def one(self, name: str) -> str:
        """The first value of the header."""
        return self.all(name)[0]


@dataclass
class Phone:
    """One phone, for one call. `contact` is the address it names as its own (a switch's).

    It says its number wherever a careless phone would: in Contact, identity headers, SDP, RTCP and
    the phrase of `refuses_with`, a status at which it refuses instead of answering.
    """

    contact: Address
    number: str
    refuses_with: int | None = None
    rings: bool = True
    answers: bool = True
    has_keys: bool = False
    # Ports that others have on their hosts, and that this phone therefore does not bind on its
    # own: whoever looks for its ports in what another phone was told finds no one else's.
    foreign_ports: Container[int] = ()
    sip_received: list[Received] = field(default_factory=list)
    rtp_received: list[Received] = field(default_factory=list)
    rtcp_received: list[Received] = field(default_factory=list)
    state: PhoneState = PhoneState.IDLE

    def __post_init__(self) -> None:
        self.host = allocate_host()
        self._changed = asyncio.Event()
        self._sip: asyncio.DatagramTransport | None = None
        self._rtp: asyncio.DatagramTransport | None = None
        self._rtcp: asyncio.DatagramTransport | None = None
        self._invite: Request | None = None
        self._peer: Address = ("", 0)
        self._speaking: asyncio.Task[None] | None = None
        # By the loop's clock; 0 while nothing was said.
        self.spoke_from = 0.0

    async def start(self) -> Self:
        """Bind the sockets of SIP, of RTP, and of RTCP after that."""
        self._sip = await self._bind(self._on_sip)
        for _ in range(_BIND_ATTEMPTS_MAX):
            self._rtp = await self._bind(self._on_rtp)
            try:
                self._rtcp = await self._bind_at(self.rtp_address[1] + 1, self._on_rtcp)
            except (OSError, OverflowError):  # it is SIP's, or there is none
                self._rtp.close()
                continue
            return self
        raise OSError(f"{self.host}: there are no two ports in a row")

    async def _bind_at(
        self, port: int, on_datagram: Callable[[bytes, Address], None]
    ) -> asyncio.DatagramTransport:
        transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
            lambda: _Socket(on_datagram), local_addr=(self.host, port)
        )
        return transport

    async def _bind(
        self, on_datagram: Callable[[bytes, Address], None]
    ) -> asyncio.DatagramTransport:
        for _ in range(_BIND_ATTEMPTS_MAX):
            transport = await self._bind_at(0, on_datagram)
            if transport.get_extra_info("sockname")[1] not in self.foreign_ports:
                return transport
            transport.close()
        raise OSError(f"{self.host}: every port offered is another's")

    async def close(self) -> None:
        """Stop speaking and close the sockets."""
        if self._speaking is not None:
            self._speaking.cancel()
            await asyncio.gather(self._speaking, return_exceptions=True)
        for transport in (self._sip, self._rtp, self._rtcp):
            if transport is not None:
                transport.close()

    @property
    def sip_address(self) -> Address:
        assert self._sip is not None
        address: Address = self._sip.get_extra_info("sockname")
        return address

    @property
    def rtp_address(self) -> Address:
        assert self._rtp is not None
        address: Address = self._rtp.get_extra_info("sockname")
        return address

    @property
    def remote_rtp(self) -> Address:
        """Where the platform told this phone to send its audio."""
        assert self._invite is not None
        host = _SDP_HOST.search(self._invite.body)
        port = _SDP_PORT.search(self._invite.body)
        assert host is not None and port is not None, self._invite.body
        return host[1].decode(), int(port[1])

    # What the person does

    def pick_up(self) -> None:
        """Answer the ringing call."""
        self._respond(200, "OK", body=self._sdp())
        self._enter(PhoneState.ANSWERED)

    def hang_up(self) -> None:
        """Send BYE; the call must be established."""
        assert self._invite is not None
        invite = self._invite
        branch = secrets.token_hex(8)
        target = invite.one("Contact").partition("<")[2].partition(">")[0]
        self._send(
            [
                f"BYE {target} SIP/2.0",
                f"Via: SIP/2.0/UDP {format_address(self.contact)};branch=z9hG4bK{branch}",
                "Max-Forwards: 70",
                f"From: {invite.one('To')};tag=phone",
                f"To: {invite.one('From')}",
                f"Call-ID: {invite.one('Call-ID')}",
                "CSeq: 1 BYE",
                f'Reason: Q.850;cause=16;text="{self.number}"',
                "Content-Length: 0",
            ]
        )
        self._enter(PhoneState.OVER)

    def speak(self, frequency_hz: int, duration_s: float) -> asyncio.Task[None]:
        """Send a tone to the platform in real time."""
        return self.say(create_tone(frequency_hz, duration_s))

    def say(self, audio: bytes) -> asyncio.Task[None]:
        """Send A-law of whole packets to the platform in real time."""
        self._speaking = asyncio.get_running_loop().create_task(self._send_audio(audio))
        return self._speaking

    async def press(self, key: str) -> None:
        """Press a key for a tenth of a second, told as telephone-event (RFC 4733)."""
        assert self._rtp is not None and self.has_keys
        for number in range(_KEY_PACKETS + _KEY_END_PACKETS):
            is_over = number >= _KEY_PACKETS
            kind = _KEYS_TYPE | (0x80 if number == 0 else 0)  # the marker begins a key
            header = _RTP_HEADER.pack(0x80, kind, number, 0, id(self) & 0xFFFFFFFF)
            lasted = min(number + 1, _KEY_PACKETS) * PACKET_SAMPLES
            event = _KEY_EVENT.pack(_KEYS.index(key), is_over << 7 | _KEY_VOLUME, lasted)
            self._rtp.sendto(header + event, self.remote_rtp)
            await asyncio.sleep(_PACKET_S)

    async def wait_for(self, state: PhoneState, timeout_s: float = _WAIT_TIMEOUT_S) -> None:
        """Wait until the phone is in that state."""
        try:
            async with asyncio.timeout(timeout_s):
                while self.state is not state:
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            message = f"the phone of {self.number} is {self.state}, not {state}"
            raise TimeoutError(message) from None

    async def wait_for_audio(self, packets: int, timeout_s: float = _WAIT_TIMEOUT_S) -> None:
        """Wait until so many RTP packets came."""
        try:
            async with asyncio.timeout(timeout_s):
                while len(self.rtp_received) < packets:
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            came = len(self.rtp_received)
            raise TimeoutError(f"{came} packets of {packets} came to {self.number}") from None

    # Signalling

    def _on_sip(self, data: bytes, source: Address) -> None:
        self.sip_received.append(Received(data, source))
        self._peer = source
        if data.startswith(b"SIP/2.0"):
            return
        request = Request.parse(data)
        match request.method:
            case "INVITE" if self._invite is None:
                self._invite = request
                if self.rings:
                    self._respond(180, "Ringing")
                self._enter(PhoneState.RINGING)
                if self.refuses_with is not None:
                    self._respond(self.refuses_with, f"No {self.number}")
                elif self.answers:
                    self.pick_up()
            case "ACK" if self.refuses_with is not None:
                self._enter(PhoneState.OVER)
            case "ACK" if self.state is PhoneState.ANSWERED:
                self._enter(PhoneState.TALKING)
            case "CANCEL":
                self._respond(200, "OK", request)
                self._respond(487, "Request Terminated")
                self._enter(PhoneState.OVER)
            case "BYE":
                self._respond(200, "OK", request)
                self._enter(PhoneState.OVER)

    def _enter(self, state: PhoneState) -> None:
        self.state = state
        self._changed.set()

    def _respond(
        self, status: int, phrase: str, request: Request | None = None, body: bytes = b""
    ) -> None:
        request = request or self._invite
        assert request is not None
        to = request.one("To")
        lines = [f"SIP/2.0 {status} {phrase}"]
        lines += [f"Via: {value}" for value in request.all("Via")]
        lines += [
            f"From: {request.one('From')}",
            f"To: {to if ';tag=' in to else to + ';tag=phone'}",
            f"Call-ID: {request.one('Call-ID')}",
            f"CSeq: {request.one('CSeq')}",
            f"Contact: <sip:{self.number}@{format_address(self.contact)}>",
            f"P-Asserted-Identity: <sip:+{self.number}@{self.host}>",
            f"Server: phone of {self.number}",
            f'Reason: Q.850;cause=16;text="{self.number}"',
        ]
        if body:
            lines.append("Content-Type: application/sdp")
        lines.append(f"Content-Length: {len(body)}")
        self._send(lines, body)

    def _send(self, lines: list[str], body: bytes = b"") -> None:
        assert self._sip is not None
        self._sip.sendto("\r\n".join([*lines, "", ""]).encode() + body, self._peer)

    def _sdp(self) -> bytes:
        host, port = self.rtp_address
        lines = [
            "v=0",
            f"o={self.number} 1 1 IN IP4 {host}",
            f"s={self.number}",
            f"c=IN IP4 {host}",
            "t=0 0",
            f"m=audio {port} RTP/AVP {_PCMA_TYPE}{f' {_KEYS_TYPE}' if self.has_keys else ''}",
            f"a=rtpmap:{_PCMA_TYPE} PCMA/8000",
        ]
        if self.has_keys:
            lines += [f"a=rtpmap:{_KEYS_TYPE} telephone-event/8000", f"a=fmtp:{_KEYS_TYPE} 0-15"]
        lines.append("")
        return "\r\n".join(lines).encode()

    # Audio

    def _on_rtp(self, data: bytes, source: Address) -> None:
        self.rtp_received.append(Received(data, source))
        self._changed.set()

    def _on_rtcp(self, data: bytes, source: Address) -> None:
        self.rtcp_received.append(Received(data, source))

    def report(self) -> None:
        """Tell who it is by RTCP, at the port for it and, as some phones do, among the audio."""
        assert self._rtp is not None and self._rtcp is not None
        identity = f"+{self.number}@{self.host}".encode()
        report = create_report(id(self) & 0xFFFFFFFF, identity)
        host, port = self.remote_rtp
        self._rtcp.sendto(report, (host, port + 1))
        self._rtp.sendto(report, (host, port))

    def heard(self) -> bytes:
        """The payloads of all A-law packets received, in order of arrival."""
        return b"".join(
            one.data[_RTP_HEADER.size :]
            for one in self.rtp_received
            if len(one.data) > _RTP_HEADER.size and one.data[1] & 0x7F == _PCMA_TYPE
        )

    async def _send_audio(self, audio: bytes) -> None:
        assert self._rtp is not None
        loop = asyncio.get_running_loop()
        start = self.spoke_from = loop.time()
        for number in range(len(audio) // PACKET_SAMPLES):
            if number % _PACKETS_PER_REPORT == 0:
                self.report()
            at = number * PACKET_SAMPLES
            header = _RTP_HEADER.pack(0x80, _PCMA_TYPE, number & 0xFFFF, at, id(self) & 0xFFFFFFFF)
            self._rtp.sendto(header + audio[at : at + PACKET_SAMPLES], self.remote_rtp)
            # Audio is paced by the clock: a late packet does not delay those after it.
            await asyncio.sleep(max(0.0, start + (number + 1) * _PACKET_S - loop.time()))
