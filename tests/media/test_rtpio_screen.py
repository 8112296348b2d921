"""What crosses the sockets of somebody else in this process, once they are screened."""

import os
import socket
import struct
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from tests.harness.address import allocate_host
from tests.harness.report import create_report

from clicktodial.control.port import RelayError
from clicktodial.media import rtpio_screen
from clicktodial.media.rtpio_screen import Screen

# Ports of this host are nobody else's: one is looked for by its number.
HOST = allocate_host()
_RTP = struct.Struct(">BBHII")
_WAIT_S = 20.0


def create_packet(second: int, *, first: int = 0x80, payload: bytes = b"audio") -> bytes:
    return _RTP.pack(first, second, 7, 160, 1) + payload


class Pair:
    """Two ports in a row, as RTPProxy opens them."""

    def __init__(self, files: ExitStack) -> None:
        while True:
            self.rtp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            self.rtcp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            self.rtp.bind((HOST, 0))
            self.port = self.rtp.getsockname()[1]
            try:
                self.rtcp.bind((HOST, self.port + 1))
            except (OSError, OverflowError):  # that one is taken: on to the next
                self.rtp.close()
                self.rtcp.close()
                continue
            break
        for each in (self.rtp, self.rtcp):
            files.callback(each.close)
            each.settimeout(_WAIT_S)

    @property
    def descriptors(self) -> tuple[int, int]:
        return self.rtp.fileno(), self.rtcp.fileno()

    def passes(self, packet: bytes) -> bool:
        """Whether RTP lets it in: what is sent after it comes after it."""
        last = create_packet(8, payload=b"last")
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
            for each in (packet, last):
                peer.sendto(each, (HOST, self.port))
        if self.rtp.recv(2_048) != packet:
            return False
        assert self.rtp.recv(2_048) == last
        return True


@pytest.fixture
def files() -> Iterator[ExitStack]:
    with ExitStack() as files:
        yield files


@pytest.fixture
def screen(files: ExitStack) -> Screen:
    screen = Screen(HOST)
    files.callback(screen.close)
    return screen


def open_screened(screen: Screen, files: ExitStack) -> Pair:
    with screen.asking():
        pair = Pair(files)
        assert screen.screen(pair.port) == pair.descriptors
    return pair


@pytest.mark.parametrize(
    "packet",
    [
        *(create_packet(kind) for kind in (0, 8, 72, 95, 101, 0x80 | 8, 191, 224, 255)),
        create_packet(8, payload=b""),
        create_packet(8, first=0xB1, payload=bytes(1_400)),
    ],
    ids=lambda packet: packet[:2].hex(),
)
def test_rtp_comes_in_whole(screen: Screen, files: ExitStack, packet: bytes) -> None:
    assert open_screened(screen, files).passes(packet)


@pytest.mark.parametrize(
    "packet",
    [
        *(create_packet(kind) for kind in (192, 200, 201, 204, 213, 223)),
        create_report(1, b"8613810268653@10.99.1.2"),
        *(create_packet(8, first=version << 6) for version in (0, 1, 3)),
        create_packet(8, payload=b"")[:-1],
        b"\x80\x08",
        b"\x80",
        b"",
    ],
    ids=lambda packet: packet[:2].hex(),
)
def test_what_is_not_rtp_does_not_come_in(screen: Screen, files: ExitStack, packet: bytes) -> None:
    assert not open_screened(screen, files).passes(packet)


def test_port_of_rtcp_sends_nothing_and_hears(screen: Screen, files: ExitStack) -> None:
    pair = open_screened(screen, files)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
        peer.sendto(b"report", (HOST, pair.port + 1))
        data, source = pair.rtcp.recvfrom(100)
        assert data == b"report"
        with pytest.raises(BrokenPipeError):
            pair.rtcp.sendto(b"report", source)


def test_pair_is_found_without_a_search(screen: Screen, files: ExitStack) -> None:
    """Whoever asks next, and after sessions have ended; several at a time too."""
    for _ in range(3):
        with ExitStack() as session_files:
            pairs = [open_screened(screen, session_files) for _ in range(5)]
            with ExitStack() as asking:
                for _ in range(5):
                    asking.enter_context(screen.asking())
                asked = [Pair(session_files) for _ in range(5)]
                # Answers are read in any order.
                for pair in reversed(asked):
                    assert screen.screen(pair.port) == pair.descriptors
            for pair in (*pairs, *asked):
                screen.forget(pair.descriptors)
    assert screen.search_count == 0


def test_socket_of_a_session_that_is_not_closed_yet_is_no_other(
    screen: Screen, files: ExitStack
) -> None:
    lingering = open_screened(screen, files)
    screen.forget(lingering.descriptors)
    open_screened(screen, files)
    assert screen.search_count == 0
    reused = lingering.descriptors
    lingering.rtp.close()
    lingering.rtcp.close()
    assert open_screened(screen, files).descriptors == reused
    assert screen.search_count == 0


def test_descriptor_freed_by_somebody_in_between_is_searched_for(
    screen: Screen, files: ExitStack
) -> None:
    somebodys = [os.open(os.devnull, os.O_RDONLY) for _ in range(2)]
    with screen.asking():
        for each in somebodys:
            os.close(each)
        pair = Pair(files)
        assert pair.descriptors == tuple(somebodys)
        assert screen.screen(pair.port) == pair.descriptors
    assert screen.search_count > 0


def test_descriptor_of_a_session_that_ended_by_itself_is_found(
    screen: Screen, files: ExitStack
) -> None:
    dead = open_screened(screen, files)
    with screen.asking():
        reused = dead.descriptors
        dead.rtp.close()
        dead.rtcp.close()
        pair = Pair(files)
        assert pair.descriptors == reused
        assert screen.screen(pair.port) == reused


def test_server_at_the_same_number_of_tcp_is_not_taken_for_it(
    screen: Screen, files: ExitStack
) -> None:
    pair = Pair(files)
    server = files.enter_context(socket.socket())
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    server.bind((HOST, pair.port))
    pair.rtp.close()
    with screen.asking(), pytest.raises(RelayError):
        screen.screen(pair.port)


def test_port_of_nobody_is_refused(screen: Screen) -> None:
    with screen.asking(), pytest.raises(RelayError):
        screen.screen(1)


def test_kernel_that_cannot_filter_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rtpio_screen, "_SO_ATTACH_FILTER", 9_999)
    with pytest.raises(RelayError, match="kernel"):
        Screen(HOST)


def test_kernel_that_sends_all_the_same_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rtpio_screen, "_shut_out", lambda sock: None)
    with pytest.raises(RelayError, match="kernel"):
        Screen(HOST)
