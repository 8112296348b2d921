"""The switch itself: what it routes, loses, doubles and records."""

import asyncio
from collections.abc import AsyncIterator

import pytest_asyncio
from tests.harness.address import Address, allocate_host
from tests.harness.switch import LOST_IN_ROW_MAX, Direction, Impairment, Switch

NUMBER = "8613912345673"
_WAIT_S = 20.0


def _message(start_line: str, call_id: str = "a", method: str = "INVITE") -> bytes:
    return f"{start_line}\r\nCall-ID: {call_id}\r\nCSeq: 1 {method}\r\n\r\n".encode()


INVITE = _message(f"INVITE sip:+{NUMBER}@x SIP/2.0")
RINGING = _message("SIP/2.0 180 Ringing")
BYE = _message("BYE sip:y@x SIP/2.0", method="BYE")


class Peer(asyncio.DatagramProtocol):
    """A socket that keeps what it receives."""

    def __init__(self) -> None:
        self.received: asyncio.Queue[tuple[bytes, Address]] = asyncio.Queue()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, addr: Address) -> None:
        self.received.put_nowait((data, addr))

    @property
    def address(self) -> Address:
        address: Address = self.transport.get_extra_info("sockname")
        return address

    def send(self, data: bytes, destination: Address) -> None:
        self.transport.sendto(data, destination)  # type: ignore[attr-defined] # a datagram one

    async def next(self) -> bytes:
        data, self.last_source = await asyncio.wait_for(self.received.get(), _WAIT_S)
        return data


async def _open_peer() -> Peer:
    _, peer = await asyncio.get_running_loop().create_datagram_endpoint(
        Peer, local_addr=(allocate_host(), 0)
    )
    return peer


@pytest_asyncio.fixture
async def network() -> AsyncIterator[tuple[Switch, Peer, Peer]]:
    """A switch, the platform before it, one phone behind it."""
    switch = await Switch().start()
    platform, phone = await _open_peer(), await _open_peer()
    await switch.connect(NUMBER, phone.address)
    yield switch, platform, phone
    switch.close()
    platform.transport.close()
    phone.transport.close()


async def test_invite_to_number_reaches_phone_and_answer_returns(
    network: tuple[Switch, Peer, Peer],
) -> None:
    switch, platform, phone = network
    platform.send(INVITE, switch.address)
    assert await phone.next() == INVITE
    phone.send(RINGING, phone.last_source)
    assert await platform.next() == RINGING
    assert platform.last_source == switch.address
    assert switch.labels(NUMBER, Direction.TO_PHONE) == ["INVITE"]
    assert switch.labels(NUMBER, Direction.FROM_PHONE) == ["180 INVITE"]


async def test_request_in_call_follows_its_call_id(network: tuple[Switch, Peer, Peer]) -> None:
    switch, platform, phone = network
    for message in (INVITE, BYE):
        platform.send(message, switch.address)
        assert await phone.next() == message


async def test_datagram_of_unknown_call_goes_nowhere(network: tuple[Switch, Peer, Peer]) -> None:
    switch, platform, phone = network
    for stray in (BYE, b"junk", _message("INVITE sip:+1@x SIP/2.0", "other")):
        platform.send(stray, switch.address)
    platform.send(INVITE, switch.address)
    assert await phone.next() == INVITE
    assert phone.received.empty()


async def test_drop_next_loses_that_label_only_so_often(
    network: tuple[Switch, Peer, Peer],
) -> None:
    switch, platform, phone = network
    platform.send(INVITE, switch.address)
    await phone.next()
    switch.drop_next(NUMBER, Direction.TO_PHONE, "BYE", 2)
    for _ in range(3):
        platform.send(BYE, switch.address)
    await switch.wait_for(NUMBER, Direction.TO_PHONE, "BYE", count=3)
    assert await phone.next() == BYE
    assert phone.received.empty()
    assert [one.dropped for one in switch.datagrams] == [False, True, True, False]


async def test_doubled_datagram_arrives_twice(network: tuple[Switch, Peer, Peer]) -> None:
    switch, platform, phone = network
    switch.impairment = Impairment(doubled=1.0)
    platform.send(INVITE, switch.address)
    assert [await phone.next(), await phone.next()] == [INVITE, INVITE]


def test_impairment_of_one_seed_is_the_same_twice_and_near_its_rate() -> None:
    def draw(seed: int) -> list[int]:
        impairment = Impairment(lost=0.1, doubled=0.1, seed=seed)
        return [len(impairment.draw_delays(Direction.TO_PHONE, b"%d" % n)) for n in range(5000)]

    assert draw(1) == draw(1) != draw(2)
    assert 400 < draw(1).count(0) < 600
    assert 350 < draw(1).count(2) < 550


def test_impairment_of_one_way_and_delays_are_what_was_asked_for() -> None:
    impairment = Impairment(lost=0.4, lost_from_phone=0.0, delay_max_s=0.2)
    to_phone = [impairment.draw_delays(Direction.TO_PHONE, b"%d" % n) for n in range(5000)]
    from_phone = [impairment.draw_delays(Direction.FROM_PHONE, b"%d" % n) for n in range(5000)]
    assert 0.37 < [len(delays) for delays in to_phone].count(0) / 5000 < 0.43
    assert [len(delays) for delays in from_phone] == [1] * 5000
    delays = [delay for drawn in from_phone for delay in drawn]
    assert 0 <= min(delays) < 0.01 < 0.19 < max(delays) <= 0.2


def test_message_sent_often_enough_arrives() -> None:
    impairment = Impairment(lost=1.0)
    sent = [bool(impairment.draw_delays(Direction.TO_PHONE, BYE)) for _ in range(15)]
    assert sent == 2 * ([False] * LOST_IN_ROW_MAX + [True]) + [False]
    assert impairment.draw_delays(Direction.FROM_PHONE, BYE) == []


async def test_options_to_the_trunk_itself_is_answered(
    network: tuple[Switch, Peer, Peer],
) -> None:
    switch, platform, _ = network
    lines = "Via: v\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:x>\r\nCall-ID: o\r\nCSeq: 1 OPTIONS"
    platform.send(f"OPTIONS sip:x SIP/2.0\r\n{lines}\r\n\r\n".encode(), switch.address)
    answer = (await platform.next()).decode()
    assert answer.startswith("SIP/2.0 200 OK\r\n")
    assert "\r\nTo: <sip:x>;tag=switch\r\n" in answer
    assert "\r\nVia: v\r\n" in answer


async def test_call_of_before_the_reset_reaches_no_phone_of_after_it(
    network: tuple[Switch, Peer, Peer],
) -> None:
    switch, platform, phone = network
    unrouted = _message("INVITE sip:+8613900000000@x SIP/2.0", "unrouted")
    platform.send(INVITE, switch.address)
    await phone.next()
    # The last of these lies unread in the switch's socket when it is told to settle.
    platform.send(unrouted, switch.address)
    await switch.settle()
    switch.reset()
    await switch.connect(NUMBER, phone.address)
    await switch.connect("8613900000000", phone.address)
    later = _message(f"INVITE sip:+{NUMBER}@x SIP/2.0", "later")
    for message in (INVITE, unrouted, BYE, later):
        platform.send(message, switch.address)
    assert await phone.next() == later
    await switch.settle()
    assert [one.data for one in switch.datagrams] == [later]
