"""The command channel against a peer that the test plays."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from tests.harness.virtual_time import jump

from clicktodial.control.port import RelayError
from clicktodial.media.channel import (
    COMMAND_BYTES_MAX,
    COMMANDS_WAITING_MAX,
    IN_FLIGHT_MAX,
    CommandChannel,
)

EVENT_TIMEOUT_S = 20.0


class Peer:
    """RTPProxy's end of the socket."""

    def __init__(self, timeout_s: float = EVENT_TIMEOUT_S) -> None:
        ours, self.socket = socket.socketpair()
        self._ours = ours
        self.channel = CommandChannel(ours, timeout_s)
        self.socket.setblocking(False)
        self._unread = b""

    async def read(self, count: int) -> list[str]:
        """The next commands."""
        async with asyncio.timeout(EVENT_TIMEOUT_S):
            while self._unread.count(b"\n") < count:
                loop = asyncio.get_running_loop()
                self._unread += await loop.sock_recv(self.socket, 65_536)
        *lines, self._unread = self._unread.split(b"\n", count)
        return [line.decode() for line in lines]

    def answer(self, data: str) -> None:
        self.socket.sendall(data.encode())

    def has_more(self) -> bool:
        with contextlib.suppress(BlockingIOError):
            self._unread += self.socket.recv(65_536)
        return bool(self._unread)

    def close(self) -> None:
        self.channel.close()
        self.socket.close()
        self._ours.close()


@pytest_asyncio.fixture
async def peer() -> AsyncIterator[Peer]:
    peer = Peer()
    yield peer
    peer.close()


async def test_commands_of_one_round_are_answered_in_order(peer: Peer) -> None:
    futures = [peer.channel.request(f"C{index}") for index in range(3)]
    assert await peer.read(3) == ["C0", "C1", "C2"]
    peer.answer("0\n1")
    assert await futures[0] == "0"
    assert not futures[1].done()
    # Some replies of RTPProxy end in a NUL as well.
    peer.answer("0 127.0.0.1\n\x002\n")
    assert await futures[1] == "10 127.0.0.1"
    assert await futures[2] == "2"


async def test_error_reply_is_a_relay_error_for_its_own_command(peer: Peer) -> None:
    futures = [peer.channel.request(f"C{index}") for index in range(2)]
    await peer.read(2)
    peer.answer("E50\n7\n")
    with pytest.raises(RelayError, match="E50"):
        await futures[0]
    assert await futures[1] == "7"


async def test_reply_to_a_cancelled_command_is_not_taken_for_the_next(peer: Peer) -> None:
    first, second = peer.channel.request("C0"), peer.channel.request("C1")
    await peer.read(2)
    first.cancel()
    peer.answer("first\nsecond\n")
    assert await second == "second"


async def test_commands_beyond_the_window_wait_for_replies(peer: Peer) -> None:
    futures = [peer.channel.request(f"C{index}") for index in range(IN_FLIGHT_MAX + 2)]
    assert len(await peer.read(IN_FLIGHT_MAX)) == IN_FLIGHT_MAX
    assert not peer.has_more()
    peer.answer("0\n")
    assert await peer.read(1) == [f"C{IN_FLIGHT_MAX}"]
    peer.answer("0\n" * IN_FLIGHT_MAX)
    assert await peer.read(1) == [f"C{IN_FLIGHT_MAX + 1}"]
    peer.answer("0\n")
    assert await asyncio.gather(*futures) == ["0"] * len(futures)


async def test_commands_beyond_the_queue_are_refused(peer: Peer) -> None:
    futures = [peer.channel.request("C") for _ in range(COMMANDS_WAITING_MAX)]
    with pytest.raises(RelayError, match="overloaded"):
        peer.channel.request("C")
    peer.channel.close()
    results = await asyncio.gather(*futures, return_exceptions=True)
    assert all(isinstance(result, RelayError) for result in results)


async def test_command_that_is_too_long_is_refused(peer: Peer) -> None:
    with pytest.raises(RelayError, match="too long"):
        peer.channel.request("x" * (COMMAND_BYTES_MAX + 1))


async def test_command_never_answered_fails_in_time(peer: Peer) -> None:
    future = peer.channel.request("C0")
    jump(EVENT_TIMEOUT_S)
    async with asyncio.timeout(EVENT_TIMEOUT_S):
        with pytest.raises(RelayError, match="in time"):
            await future
    assert not peer.channel.is_usable
    with pytest.raises(RelayError):
        peer.channel.request("C1")


async def test_lost_reply_gives_nobody_the_reply_of_another(peer: Peer) -> None:
    """Of two replies one is lost; what comes late is dropped until the channel is in step."""
    first, second = peer.channel.request("C0"), peer.channel.request("C1")
    assert await peer.read(2) == ["C0", "C1"]
    peer.answer("answer to C1\n")
    assert await first == "answer to C1"  # nobody can tell yet
    jump(EVENT_TIMEOUT_S)
    with pytest.raises(RelayError):
        await second
    assert await peer.read(1) == ["V"]
    peer.answer("late\nE77\n20040107\n")
    async with asyncio.timeout(EVENT_TIMEOUT_S):
        while True:
            if peer.channel.is_usable:
                break
            await asyncio.sleep(0)
    third = peer.channel.request("C2")
    assert await peer.read(1) == ["C2"]
    peer.answer("answer to C2\n")
    assert await third == "answer to C2"


async def test_reply_that_nobody_asked_for_puts_the_channel_out_of_step(peer: Peer) -> None:
    peer.answer("0\n")
    assert await peer.read(1) == ["V"]
    assert not peer.channel.is_usable


async def test_peer_that_goes_away_fails_what_is_pending_and_what_follows(peer: Peer) -> None:
    future = peer.channel.request("C0")
    await peer.read(1)
    peer.socket.close()
    with pytest.raises(RelayError):
        await future
    with pytest.raises(RelayError):
        peer.channel.request("C1")


async def test_peer_that_answers_without_end_is_given_up(peer: Peer) -> None:
    future = peer.channel.request("C0")
    await peer.read(1)
    for _ in range(3):
        await asyncio.get_running_loop().sock_sendall(peer.socket, b"x" * 60_000)
    with pytest.raises(RelayError, match="without end"):
        await future
