"""The network between the platform and the phones: one SIP address in front, phones behind.

The platform's trunk points at `Switch.address`. A new INVITE goes to the phone that the called
number is routed to; everything else follows its Call-ID. Phones name the switch in their
Contact, so that every datagram of both legs passes here, where it can be recorded, lost or
doubled. Nothing in a message is ever changed.

A call belongs to the test in which its INVITE came first. The platform repeats an INVITE that
nobody answered for 64*T1, also when the call is over: it must not ring the phones of the next test.

             +-- phone socket --- phone of the caller
    platform + front
             +-- phone socket --- phone of the callee
"""

import asyncio
import contextlib
import random
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Self

from tests.harness.address import Address, allocate_host

# What is waited for comes at once, unless the machine is very busy.
_WAIT_TIMEOUT_S = 30.0
# The mark is lost only where the socket is full, and by then it is being read.
_MARK_AGAIN_S = 0.2
_MARK = b"read up to here"
# A number is routed by its end, which is the same in every spelling of it.
_TAIL_DIGITS = 8
# A sender repeats a request some ten times before it gives up. That all of them are lost is rare,
# and no fault of who sends: of thousands of messages in a run of the suite it would happen to one.
LOST_IN_ROW_MAX = 6
_CALL_ID = re.compile(rb"^(?:Call-ID|i)[ \t]*:[ \t]*(\S+)", re.IGNORECASE | re.MULTILINE)
_INVITED_NUMBER = re.compile(rb"^INVITE sips?:\+?(\d+)@")
_CSEQ = re.compile(rb"^CSeq[ \t]*:[ \t]*\d+[ \t]+(\w+)", re.IGNORECASE | re.MULTILINE)
_START_LINE = re.compile(rb"^(?:SIP/2\.0 (?P<status>\d{3})|(?P<method>[A-Z]+) )")


class Direction(StrEnum):
    """Which way a datagram went, as the phone sees it."""

    TO_PHONE = "to phone"
    FROM_PHONE = "from phone"


@dataclass(frozen=True)
class Datagram:
    """One datagram that reached the switch; `dropped` says that it went no further."""

    at: float
    phone: str
    direction: Direction
    data: bytes
    dropped: bool = False

    @property
    def label(self) -> str:
        """`INVITE` for a request, `200 INVITE` for a response."""
        start = _START_LINE.match(self.data)
        if start is None:
            return "?"
        if start["method"]:
            return start["method"].decode()
        cseq = _CSEQ.search(self.data)
        return f"{start['status'].decode()} {cseq[1].decode() if cseq else '?'}"

    @property
    def sip_call_id(self) -> str:
        found = _CALL_ID.search(self.data)
        return found[1].decode() if found else ""


@dataclass
class Impairment:
    """What the network does to datagrams; the same seed does the same.

    `lost` holds each way unless `lost_from_phone` says otherwise for that one. Of a message that is
    sent again and again, one in `LOST_IN_ROW_MAX` + 1 arrives. Each copy is under way for up to
    `delay_max_s`, so that a later one may arrive first.
    """

    lost: float = 0.0
    doubled: float = 0.0
    seed: int = 1
    lost_from_phone: float | None = None
    delay_max_s: float = 0.0

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)
        self._lost_in_row: dict[tuple[Direction, bytes], int] = {}

    def draw_delays(self, direction: Direction, data: bytes) -> list[float]:
        """When that datagram arrives, in seconds from now: not at all, once or twice."""
        lost = self.lost
        if direction is Direction.FROM_PHONE and self.lost_from_phone is not None:
            lost = self.lost_from_phone
        message = (direction, data)
        lost_in_row = self._lost_in_row.get(message, 0)
        if self._random.random() < lost and lost_in_row < LOST_IN_ROW_MAX:
            self._lost_in_row[message] = lost_in_row + 1
            return []
        self._lost_in_row.pop(message, None)
        copies = 2 if self._random.random() < self.doubled else 1
        return [self._random.uniform(0, self.delay_max_s) for _ in range(copies)]


class _Socket(asyncio.DatagramProtocol):
    def __init__(self, on_datagram: Callable[[bytes, Address], None]) -> None:
        self._on_datagram = on_datagram
        self.transport: asyncio.DatagramTransport | None = None

    def datagram_received(self, data: bytes, addr: Address) -> None:
        self._on_datagram(data, addr)

    def error_received(self, exc: Exception) -> None:
        """A phone that is gone answers with ICMP; UDP peers must live with that."""

    def send(self, data: bytes, destination: Address) -> None:
        if self.transport is not None and not self.transport.is_closing():
            self.transport.sendto(data, destination)


async def _bind(host: str, on_datagram: Callable[[bytes, Address], None]) -> _Socket:
    loop = asyncio.get_running_loop()
    transport, protocol = await loop.create_datagram_endpoint(
        lambda: _Socket(on_datagram), local_addr=(host, 0)
    )
    protocol.transport = transport
    return protocol


def _to_line(data: bytes) -> bytes:
    return next((line for line in data.split(b"\r\n") if line.startswith(b"To:")), b"")


def _send_after(delay_s: float, bound: _Socket, data: bytes, destination: Address) -> None:
    if delay_s:
        loop = asyncio.get_running_loop()
        loop.call_later(delay_s, bound.send, data, destination)
    else:
        bound.send(data, destination)


@dataclass
class _Phone:
    name: str
    address: Address
    socket: _Socket


class Switch:
    """Routes, records and impairs. Use as `await Switch().start()`, end with `close()`."""

    def __init__(self) -> None:
        self.impairment = Impairment()
        self.datagrams: list[Datagram] = []
        self._front: _Socket | None = None
        self._host = allocate_host()
        self._phones: dict[str, _Phone] = {}
        self._routes: dict[str, _Phone] = {}
        self._calls: dict[str, tuple[_Phone, Address]] = {}
        self._invited: set[str] = set()
        self._over: set[str] = set()
        self._mark_read = asyncio.Event()
        self._to_drop: dict[tuple[str, Direction, str], int] = {}
        self._changed = asyncio.Event()

    async def start(self) -> Self:
        """Bind the front."""
        self._front = await _bind(self._host, self._from_platform)
        return self

    def close(self) -> None:
        """Close every socket."""
        for bound in [self._front, *(phone.socket for phone in self._phones.values())]:
            if bound is not None and bound.transport is not None:
                bound.transport.close()
        self._phones.clear()
        self._routes.clear()

    @property
    def address(self) -> Address:
        """Where the trunk points, and what phones say in Contact."""
        assert self._front is not None
        assert self._front.transport is not None
        address: Address = self._front.transport.get_extra_info("sockname")
        return address

    async def connect(self, number: str, phone: Address, *, name: str | None = None) -> None:
        """Route a number to a phone; a later one replaces it for new calls."""
        name = name or number
        bound = await _bind(self._host, lambda data, _: self._from_phone(name, data))
        previous = self._phones.pop(name, None)
        if previous is not None and previous.socket.transport is not None:
            previous.socket.transport.close()
        self._phones[name] = _Phone(name, phone, bound)
        self._routes[number[-_TAIL_DIGITS:]] = self._phones[name]

    def drop_next(self, phone: str, direction: Direction, label: str, count: int = 1) -> None:
        """Lose the next so many datagrams of that label."""
        self._to_drop[phone, direction, label] = count

    async def settle(self) -> None:
        """Return when all that had reached the front is taken, of which `reset` must know."""
        assert self._front is not None
        self._mark_read.clear()
        async with asyncio.timeout(_WAIT_TIMEOUT_S):
            while not self._mark_read.is_set():
                self._front.send(_MARK, self.address)
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._mark_read.wait(), _MARK_AGAIN_S)

    def reset(self) -> None:
        """Forget phones, calls, records and impairment; the front stays.

        What calls up to here still send goes nowhere from now on.
        """
        self._over |= self._invited
        self._invited.clear()
        for phone in self._phones.values():
            if phone.socket.transport is not None:
                phone.socket.transport.close()
        self._phones.clear()
        self._routes.clear()
        self._calls.clear()
        self._to_drop.clear()
        self.datagrams = []
        self.impairment = Impairment()

    # Records

    def labels(self, phone: str, direction: Direction) -> list[str]:
        """What passed that phone in that direction, in order, lost ones included."""
        return [
            one.label for one in self.datagrams if one.phone == phone and one.direction is direction
        ]

    def ladder(self) -> str:
        """What passed, a line each: seconds since the first, phone, direction, label."""
        return "\n".join(
            f"{one.at - self.datagrams[0].at:7.3f} {one.phone[-4:]} {one.direction:10} {one.label}"
            f" {one.sip_call_id[:6]}{' (lost)' if one.dropped else ''}"
            for one in self.datagrams
        )

    def received_by(self, phone: str) -> list[Datagram]:
        """What that phone received."""
        return [
            one
            for one in self.datagrams
            if one.phone == phone and one.direction is Direction.TO_PHONE and not one.dropped
        ]

    async def wait_for(
        self,
        phone: str,
        direction: Direction,
        label: str,
        *,
        count: int = 1,
        timeout_s: float = _WAIT_TIMEOUT_S,
    ) -> Datagram:
        """The `count`th datagram of that label; raises TimeoutError telling what passed."""

        def found() -> list[Datagram]:
            return [
                one
                for one in self.datagrams
                if one.phone == phone and one.direction is direction and one.label == label
            ]

        try:
            async with asyncio.timeout(timeout_s):
                while len(found()) < count:
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            message = f"no {label} {direction} of {phone}; passed:\n{self.ladder()}"
            raise TimeoutError(message) from None
        return found()[count - 1]

    # Traffic

    def _from_platform(self, data: bytes, source: Address) -> None:
        if source == self.address:
            self._mark_read.set()
            return
        if data.startswith(b"OPTIONS ") and b";tag=" not in _to_line(data):
            self._answer(data, source)
            return
        found = _CALL_ID.search(data)
        if found is None:
            return
        sip_call_id = found[1].decode()
        if sip_call_id in self._over:
            return
        invited = _INVITED_NUMBER.match(data)
        if invited is not None and sip_call_id not in self._calls:
            self._invited.add(sip_call_id)
            phone = self._routes.get(invited[1].decode()[-_TAIL_DIGITS:])
            if phone is not None:
                self._calls[sip_call_id] = (phone, source)
        if sip_call_id not in self._calls:
            return
        phone, _ = self._calls[sip_call_id]
        for delay_s in self._record(phone.name, Direction.TO_PHONE, data):
            _send_after(delay_s, phone.socket, data, phone.address)

    def _answer(self, options: bytes, source: Address) -> None:
        """Say that the trunk itself lives; what is asked within a call goes to its phone."""
        assert self._front is not None
        lines = options.partition(b"\r\n\r\n")[0].split(b"\r\n")[1:]
        wanted = (b"Via:", b"From:", b"To:", b"Call-ID:", b"CSeq:")
        kept = [
            line + b";tag=switch" if line.startswith(b"To:") else line
            for line in lines
            if line.startswith(wanted)
        ]
        answer = [b"SIP/2.0 200 OK", *kept, b"Content-Length: 0", b"", b""]
        self._front.send(b"\r\n".join(answer), source)

    def _from_phone(self, name: str, data: bytes) -> None:
        found = _CALL_ID.search(data)
        known = self._calls.get(found[1].decode()) if found else None
        delays_s = self._record(name, Direction.FROM_PHONE, data)
        if known is None or self._front is None:
            return
        for delay_s in delays_s:
            _send_after(delay_s, self._front, data, known[1])

    def _record(self, phone: str, direction: Direction, data: bytes) -> list[float]:
        delays_s = self.impairment.draw_delays(direction, data)
        datagram = Datagram(time.monotonic(), phone, direction, data)
        wanted = (phone, direction, datagram.label)
        if self._to_drop.get(wanted, 0) > 0:
            self._to_drop[wanted] -= 1
            delays_s = []
        self.datagrams.append(replace(datagram, dropped=not delays_s))
        self._changed.set()
        return delays_s
