"""The `ng` protocol's channel, against a node that answers late, twice, wrongly or not at all."""

import asyncio
import socket
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from tests.harness.address import allocate_host, free_port
from tests.media.rtpengine.fake_node import Answer, FakeNode

from clicktodial.control.port import RelayError
from clicktodial.media.rtpengine.channel import (
    IN_FLIGHT_MAX,
    REPLY_TIMEOUT_S,
    REQUEST_BYTES_MAX,
    REQUESTS_WAITING_MAX,
    RESEND_AFTER_S,
    NgChannel,
    NodeRefusedError,
    NodeSilentError,
    PlainReply,
)

PONG = {"result": "pong"}


@pytest_asyncio.fixture
async def node() -> AsyncIterator[FakeNode]:
    node = await FakeNode(lambda _: PONG).start()
    yield node
    node.close()


@pytest_asyncio.fixture
async def channel(node: FakeNode) -> AsyncIterator[NgChannel]:
    channel = NgChannel(*node.address)
    await channel.open()
    yield channel
    channel.close()


async def ping(channel: NgChannel, **arguments: Any) -> PlainReply:
    return await channel.request("ping", arguments, PlainReply)


async def test_request_is_answered_and_bears_its_arguments(
    node: FakeNode, channel: NgChannel
) -> None:
    assert (await ping(channel, text='ü "\r\n')).result == "pong"
    assert node.received[0][1] == {"command": "ping", "text": 'ü "\r\n'}


async def test_request_without_reply_is_sent_again_with_the_same_cookie(
    node: FakeNode, channel: NgChannel
) -> None:
    def answer_third(_: dict[str, Any]) -> Answer:
        return PONG if len(node.received) >= 3 else None

    node.answer = answer_third
    await ping(channel)
    assert len({cookie for cookie, _ in node.received}) == 1
    await ping(channel)
    assert len({cookie for cookie, _ in node.received}) == 2


async def test_request_never_answered_is_given_up(node: FakeNode, channel: NgChannel) -> None:
    node.answer = lambda _: None
    with pytest.raises(NodeSilentError):
        await channel.request("ping", {}, PlainReply, timeout_s=RESEND_AFTER_S[1])
    assert 2 <= len(node.received) <= 3
    node.answer = lambda _: PONG
    await ping(channel)


def test_resending_ends_before_a_request_is_given_up() -> None:
    assert list(RESEND_AFTER_S) == sorted(RESEND_AFTER_S)
    assert RESEND_AFTER_S[-1] < REPLY_TIMEOUT_S


async def test_request_to_where_nobody_listens_fails_at_once() -> None:
    host = allocate_host()
    channel = NgChannel(host, free_port(host))
    await channel.open()
    async with asyncio.timeout(REPLY_TIMEOUT_S / 2):
        with pytest.raises(NodeSilentError):
            await ping(channel)
    channel.close()


async def test_refusal_tells_the_reason(node: FakeNode, channel: NgChannel) -> None:
    node.answer = lambda _: {"result": "error", "error-reason": "Unknown call-id" + "!" * 1000}
    with pytest.raises(NodeRefusedError, match="Unknown call-id") as caught:
        await ping(channel)
    assert len(str(caught.value)) < 300
    node.answer = lambda _: {"result": "load limit", "message": "Parallel session limit reached"}
    with pytest.raises(NodeRefusedError, match="session limit"):
        await ping(channel)


@pytest.mark.parametrize(
    "reply",
    [
        b"",
        b"d6:result4:ponge",
        b"{",
        b"[]",
        b"null",
        b"{}",
        b'{"result": 1}',
        b'{"result": "pong"',
        b'{"result": "pong\xff"}',
        b"[" * 10_000,
        b'{"result": "pong", "further": ' + b"[" * 10_000,
    ],
    ids=lambda reply: reply[:12],
)
async def test_reply_that_cannot_be_read_fails_that_request_alone(
    node: FakeNode, channel: NgChannel, reply: bytes
) -> None:
    node.answer = lambda request: reply if request["number"] == 0 else PONG
    results = await asyncio.gather(
        *(ping(channel, number=number) for number in range(3)), return_exceptions=True
    )
    assert isinstance(results[0], RelayError)
    assert all(isinstance(result, PlainReply) for result in results[1:])


async def test_reply_to_nobody_and_reply_twice_change_nothing(
    node: FakeNode, channel: NgChannel
) -> None:
    await ping(channel)
    cookie, _ = node.received[0]
    assert channel.local_address is not None
    for data in (b"stranger " + b'{"result": "pong"}', cookie + b' {"result": "ok"}', b"", b" "):
        node.send(data, channel.local_address)
    assert (await ping(channel)).result == "pong"


async def test_reply_of_another_sender_is_not_believed(node: FakeNode, channel: NgChannel) -> None:
    assert channel.local_address is not None
    address = channel.local_address
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
        stranger.bind((allocate_host(), 0))

        def answer(_: dict[str, Any]) -> Answer:
            cookie = node.received[-1][0]
            stranger.sendto(cookie + b' {"result": "error", "error-reason": "forged"}', address)
            return PONG

        node.answer = answer
        assert (await ping(channel)).result == "pong"


async def test_no_more_than_so_many_are_asked_at_once(node: FakeNode, channel: NgChannel) -> None:
    node.answer = lambda _: None
    asked = [
        asyncio.create_task(ping(channel, number=number)) for number in range(2 * IN_FLIGHT_MAX)
    ]
    async with asyncio.timeout(20):
        while len(node.received) < 2 * IN_FLIGHT_MAX:  # noqa: ASYNC110 - each is sent twice
            await asyncio.sleep(0.01)
    assert len({cookie for cookie, _ in node.received}) == IN_FLIGHT_MAX
    node.answer = lambda _: PONG
    await asyncio.gather(*asked)


async def test_too_many_requests_are_refused(node: FakeNode, channel: NgChannel) -> None:
    node.answer = lambda _: None
    count = IN_FLIGHT_MAX + REQUESTS_WAITING_MAX
    asked = [asyncio.create_task(ping(channel)) for _ in range(count)]
    await asyncio.sleep(0)
    with pytest.raises(RelayError, match="overloaded"):
        await ping(channel)
    channel.close()
    results = await asyncio.gather(*asked, return_exceptions=True)
    assert {type(result) for result in results} == {RelayError}


async def test_request_that_is_too_long_is_refused(channel: NgChannel) -> None:
    with pytest.raises(RelayError, match="too long"):
        await ping(channel, text="x" * REQUEST_BYTES_MAX)


async def test_request_whose_asker_has_gone_makes_way(node: FakeNode, channel: NgChannel) -> None:
    node.answer = lambda _: None
    gone = [asyncio.create_task(ping(channel)) for _ in range(IN_FLIGHT_MAX)]
    await asyncio.sleep(0)
    for task in gone:
        task.cancel()
    await asyncio.gather(*gone, return_exceptions=True)
    node.answer = lambda _: PONG
    await ping(channel)


async def test_request_when_closed_is_refused(channel: NgChannel) -> None:
    channel.close()
    with pytest.raises(RelayError):
        await ping(channel)
