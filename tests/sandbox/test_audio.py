"""A phone's stream on a real socket: pace, numbering, what cannot be sent."""

import asyncio
import random
import socket

import pytest
from tests.harness.virtual_time import in_virtual_time

from clicktodial.domain.media import PCMA, TELEPHONE_EVENT, MediaAddress
from clicktodial.sandbox.audio import AudioStream, open_rtp_socket
from clicktodial.sandbox.behaviour import Speech
from clicktodial.sandbox.listener import Listener
from clicktodial.sandbox.rtp import RtpPacket, parse_packet
from clicktodial.sandbox.talker import Talker
from clicktodial.sandbox.ticker import Ticker
from clicktodial.sandbox.voice import create_recital

NUMBER = "8613912345673"


def create_stream(remote: MediaAddress) -> AudioStream:
    listener = Listener(codec=PCMA, dtmf=TELEPHONE_EVENT)
    return AudioStream(open_rtp_socket("127.0.0.1"), remote, listener)


def create_talker() -> Talker:
    recital = create_recital(Speech.MELODY, NUMBER, PCMA)
    return Talker(codec=PCMA, dtmf=TELEPHONE_EVENT, recital=recital, random=random.Random(1))


def test_rtp_sockets_have_even_ports() -> None:
    sockets = [open_rtp_socket("127.0.0.1") for _ in range(8)]
    try:
        assert all(opened.getsockname()[1] % 2 == 0 for opened in sockets)
    finally:
        for opened in sockets:
            opened.close()


def test_rtp_socket_on_an_address_that_is_not_ours_raises() -> None:
    with pytest.raises(OSError):
        open_rtp_socket("192.0.2.1")


@in_virtual_time
async def test_stream_sends_a_packet_every_20_ms() -> None:
    received: list[tuple[float, RtpPacket]] = []
    done = asyncio.get_running_loop().create_future()

    class Receiver(asyncio.DatagramProtocol):
        def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
            packet = parse_packet(data)
            assert packet is not None
            received.append((loop.time(), packet))
            if len(received) == 50 and not done.done():
                done.set_result(None)

    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(Receiver, local_addr=("127.0.0.1", 0))
    host, port = transport.get_extra_info("sockname")
    stream, ticker = create_stream(MediaAddress(host, port)), Ticker()
    stream.speak(create_talker())
    ticker.add(stream)
    await done
    ticker.remove(stream)
    stream.close()
    transport.close()
    times, packets = zip(*received[:50], strict=True)
    assert times[-1] - times[0] == pytest.approx(49 * 0.02, abs=0.001)
    sequences = [(packet.sequence - packets[0].sequence) % 2**16 for packet in packets]
    assert sequences == list(range(50))
    stamps = {(packet.timestamp - packets[0].timestamp) % 2**32 for packet in packets}
    assert stamps == {index * 160 for index in range(50)}


def test_stream_that_is_not_told_to_speak_is_silent_and_hears() -> None:
    stream = create_stream(MediaAddress("127.0.0.1", 9))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.sendto(create_talker().next_packet(), (stream.address.host, stream.address.port))
        stream.tick()
    assert not stream.press("1")
    stream.close()
    assert stream.listener.packets == 1
    assert stream.packets_sent == 0


def test_packets_that_cannot_be_sent_are_counted() -> None:
    # A broadcast is refused to a socket that did not ask for the right to it.
    stream = create_stream(MediaAddress("255.255.255.255", 4000))
    stream.speak(create_talker())
    for _ in range(3):
        stream.tick()
    stream.close()
    assert (stream.packets_sent, stream.packets_unsent) == (0, 3)


def test_flood_does_not_hold_the_ticker() -> None:
    stream = create_stream(MediaAddress("127.0.0.1", 9))
    talker = create_talker()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        for _ in range(100):
            other.sendto(talker.next_packet(), (stream.address.host, stream.address.port))
        stream.tick()
    assert stream.listener.packets == 64
    stream.close()


def test_closing_takes_what_waits_and_may_be_repeated() -> None:
    stream = create_stream(MediaAddress("127.0.0.1", 9))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.sendto(create_talker().next_packet(), (stream.address.host, stream.address.port))
        stream.close()
    stream.close()
    assert stream.listener.packets == 1
