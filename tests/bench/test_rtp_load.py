"""Tests of the phones that talk, with an echo for a relay."""

import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from tests.harness.address import allocate_host

from clicktodial.bench.rtp_load import PACKET_S, RtpLoad

PACKETS = 25
DURATION_S = PACKETS * PACKET_S
_END = b"end"


@contextmanager
def echoing(*, drops: int = 0) -> Iterator[tuple[tuple[str, int], list[bytes]]]:
    """A socket that sends back what it gets, but for the first so many packets; its address, and
    all that it got once the block is left."""
    taken: list[bytes] = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as echo:
        echo.bind((allocate_host(), 0))

        def run() -> None:
            while True:
                data, source = echo.recvfrom(2_048)
                if data == _END:
                    return
                taken.append(data)
                if len(taken) > drops:
                    echo.sendto(data, source)

        thread = threading.Thread(target=run)
        thread.start()
        try:
            yield echo.getsockname(), taken
        finally:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as end:
                end.sendto(_END, echo.getsockname())
            thread.join()


def test_phones_send_numbered_packets_in_time_and_hear_what_comes_back() -> None:
    with echoing() as (address, taken), RtpLoad(allocate_host(), 3) as phones:
        assert len(set(phones.addresses)) == 3
        phones.connect([address] * 3)
        count = phones.run(DURATION_S)
    assert (count.sent, count.heard, count.unsent) == (3 * PACKETS, 3 * PACKETS, 0)
    assert count.lost_ratio == 0
    # The last slot of the last turn is not waited for to its end; nothing is early.
    assert count.elapsed_s > DURATION_S - 2 * PACKET_S
    assert 0 < count.cpu_s < count.elapsed_s
    headers = [struct.unpack_from(">BBHI", packet) for packet in taken]
    assert sorted(headers) == [
        (0x80, 8, turn, turn * 160) for turn in range(PACKETS) for _ in range(3)
    ]


def test_numbers_go_on_from_one_run_to_the_next() -> None:
    with echoing() as (address, taken), RtpLoad(allocate_host(), 1) as phones:
        phones.connect([address])
        phones.run(DURATION_S)
        phones.run(DURATION_S)
    numbers = [struct.unpack_from(">H", packet, 2)[0] for packet in taken]
    assert numbers == list(range(2 * PACKETS))


def test_packets_that_do_not_come_back_are_lost() -> None:
    with echoing(drops=5) as (address, _), RtpLoad(allocate_host(), 1) as phones:
        phones.connect([address])
        count = phones.run(DURATION_S)
    assert (count.sent, count.heard) == (PACKETS, PACKETS - 5)
    assert count.lost_ratio == pytest.approx(5 / PACKETS)


def test_relay_that_is_gone_is_outlived() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as gone:
        gone.bind((allocate_host(), 0))
        address = gone.getsockname()
    with RtpLoad(allocate_host(), 1) as phones:
        phones.connect([address])
        count = phones.run(DURATION_S)
    assert count.heard == 0
    # Each packet that met nobody makes the next one fail.
    assert count.sent + count.unsent == PACKETS
