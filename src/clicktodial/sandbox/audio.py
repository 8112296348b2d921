"""A phone's audio on a UDP socket of its own, driven by the shared ticker."""

import socket

from clicktodial.domain.media import MediaAddress
from clicktodial.sandbox.listener import Listener
from clicktodial.sandbox.talker import Recital, Talker

# RFC 3550 11: RTP has an even port. Half of all ports that the system gives are.
_BIND_TRIES = 32
# A tick brings one packet, a burst after a hold-up some more; a flood must not hold the ticker.
_PACKETS_PER_TICK_MAX = 64
_DATAGRAM_BYTES_MAX = 2048


def open_rtp_socket(host: str) -> socket.socket:
    """A non-blocking UDP socket on a free even port. Raises OSError."""
    for _ in range(_BIND_TRIES):
        rtp_socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            rtp_socket.setblocking(False)
            rtp_socket.bind((host, 0))
        except OSError:
            rtp_socket.close()
            raise
        if rtp_socket.getsockname()[1] % 2 == 0:
            return rtp_socket
        rtp_socket.close()
    raise OSError(f"no free even port on {host}")


class AudioStream:
    """Both directions of one phone's audio. Silent until `speak`, deaf after `close`."""

    def __init__(self, rtp_socket: socket.socket, remote: MediaAddress, listener: Listener) -> None:
        self._socket = rtp_socket
        self._remote = (remote.host, remote.port)
        self._talker: Talker | None = None
        self.listener = listener
        self.packets_unsent = 0
        self.is_closed = False

    @property
    def address(self) -> MediaAddress:
        """Where this phone receives."""
        host, port = self._socket.getsockname()
        return MediaAddress(host, port)

    @property
    def packets_sent(self) -> int:
        """How many packets left."""
        return self._talker.packets - self.packets_unsent if self._talker else 0

    def speak(self, talker: Talker) -> None:
        """Send what this talker says from the next tick on."""
        self._talker = talker

    def recite(self, recital: Recital) -> None:
        """Say something else from the next tick on."""
        assert self._talker is not None
        self._talker.recite(recital)

    def press(self, key: str) -> bool:
        """Send a key; False where the other side takes none, or the phone does not speak yet."""
        return self._talker is not None and self._talker.press(key)

    def tick(self) -> None:
        """Send the packet of these 20 ms and take what came."""
        if self._talker is not None:
            try:
                self._socket.sendto(self._talker.next_packet(), self._remote)
            except OSError:
                # A full buffer, or no route: to a phone that is one packet lost.
                self.packets_unsent += 1
        self._receive()

    def skip(self, ticks: int) -> None:
        """The process was held up: so many packets are never sent."""
        if self._talker is not None:
            self._talker.skip(ticks)

    def close(self) -> None:
        """Take what is still waiting, then free the port. Idempotent."""
        if self.is_closed:
            return
        self._receive()
        self.is_closed = True
        self._socket.close()

    def _receive(self) -> None:
        # No suppress(): this runs 50 times a second for each of hundreds of phones.
        try:
            for _ in range(_PACKETS_PER_TICK_MAX):
                self.listener.receive(self._socket.recv(_DATAGRAM_BYTES_MAX))
        except (BlockingIOError, ConnectionError):
            return
