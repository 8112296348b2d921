"""Listens to one side of a call in the embedded relay.

RTPProxy copies the packets of a session to a second one (a U with the subcommand C), which has the
address of a UDP socket of ours as both its parties', and whose own streams take nothing in. What
the other side says is copied too, to the second party: the socket is connected, so that the kernel
lets in only what comes from where the one side's copy is sent. Both parties are told to be there
and nowhere else (the modifier A): RTPProxy would send the copies to whoever sends to their ports.
Deleted, the second session ends the copying once the packet threads wake up, which the doorbell
sees to.
"""

import asyncio
import contextlib
import socket
from collections.abc import Callable

import structlog

from clicktodial.control.port import Heard, RelayError
from clicktodial.domain.media import MediaDescription
from clicktodial.media.channel import CommandChannel
from clicktodial.media.tap import Tap

log = structlog.get_logger()

# A second of G.711. Beyond it the loop lags so much that the oldest had better be lost.
_BUFFER_BYTES = 65_536
# Of one turn of the loop; the rest waits for the next, so that other calls get theirs.
_PACKETS_PER_TURN = 64
_PACKET_BYTES_MAX = 2_048
_TAGS = "a b"


class RtpioTap:
    """One listening. Created on the loop that it runs on; `on_closed` is called once."""

    def __init__(
        self, channel: CommandChannel, name: str, host: str, on_closed: Callable[[], None]
    ) -> None:
        """`host` is an IPv4 address of this machine that RTPProxy sends from."""
        self._channel = channel
        self._name = name
        self._host = host
        self._on_closed = on_closed
        self._loop = asyncio.get_running_loop()
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER_BYTES)
        self._tap: Tap | None = None
        self._on_heard: Callable[[Heard], None] | None = None
        self._is_deaf: Callable[[], bool] = bool
        self._timer: asyncio.TimerHandle | None = None
        self._deletion: asyncio.Future[str] | None = None
        self._is_open = True

    def bind(self) -> None:
        """Take a port. Raises RelayError."""
        try:
            self._socket.bind((self._host, 0))
        except OSError as error:
            raise RelayError(f"there is no port to listen at: {error.strerror}") from error

    async def open(self, source: str) -> None:
        """Ask for the copy of `source`, a call and its tags. Raises RelayError, and may be asked
        again."""
        _, port = self._socket.getsockname()
        here = f"{self._host} {port}"
        command = f"UA {self._name} {here} {_TAGS} && LA {here} && C {source}"
        reply = await self._channel.request(command)
        try:
            self._socket.connect((self._host, _read_second_port(reply)))
        except OSError as error:
            raise RelayError(f"the relay cannot be listened to: {error.strerror}") from error
        self._leave_out_early()

    def start(
        self,
        media: MediaDescription,
        on_heard: Callable[[Heard], None],
        is_deaf: Callable[[], bool],
        *,
        judges_answer: bool,
    ) -> None:
        """Tell what is heard from now on, but not of packets that come while it `is_deaf`."""
        self._tap = Tap(media, judges_answer=judges_answer, now=self._loop.time())
        self._on_heard = on_heard
        self._is_deaf = is_deaf
        self._loop.add_reader(self._socket.fileno(), self._on_readable)
        self._arm()

    def change_media(self, media: MediaDescription) -> None:
        """The side's audio is as described from now on."""
        if self._tap is not None:
            self._tap.change_media(media)

    def close(self) -> None:
        """Tell nothing more; the second time nothing happens."""
        if not self._is_open:
            return
        self._is_open = False
        if self._timer is not None:
            self._timer.cancel()
        self._loop.remove_reader(self._socket.fileno())
        self._socket.close()
        try:
            deletion = self._channel.request(f"D {self._name} {_TAGS}")
        except RelayError:
            self._on_closed()  # without a channel there is no session either
            return
        deletion.add_done_callback(self._on_deleted)
        self._deletion = deletion

    async def wait_closed(self) -> None:
        """Return when the copying was ended, after `close`."""
        if self._deletion is not None:
            await asyncio.wait([self._deletion])

    def _on_deleted(self, deletion: "asyncio.Future[str]") -> None:
        if not deletion.cancelled() and deletion.exception() is not None:
            log.info("relay.tap_not_deleted", name=self._name, error=str(deletion.exception()))
        self._on_closed()

    def _leave_out_early(self) -> None:
        """Before it was connected anybody's packets were let in."""
        with contextlib.suppress(OSError):
            while True:
                self._socket.recv(_PACKET_BYTES_MAX)

    def _on_readable(self) -> None:
        for _ in range(_PACKETS_PER_TURN):
            try:
                data = self._socket.recv(_PACKET_BYTES_MAX)
            except (BlockingIOError, InterruptedError):
                return
            except OSError as error:
                # An ICMP error of a port that RTPProxy has closed.
                log.info("relay.tap_unreachable", name=self._name, error=error.strerror)
                return
            if self._tap is not None and not self._is_deaf():
                self._tell(self._tap.receive(data, self._loop.time()))
            if not self._is_open:
                return

    def _arm(self) -> None:
        """One timer, which is not moved with every packet: it looks again when it is due."""
        deadline = None if self._tap is None else self._tap.next_deadline()
        if deadline is not None:
            self._timer = self._loop.call_at(deadline, self._on_timer)

    def _on_timer(self) -> None:
        if self._tap is None:
            return
        self._tell(self._tap.handle_timeout(self._loop.time()))
        if self._is_open:
            self._arm()

    def _tell(self, heard: list[Heard]) -> None:
        for each in heard:
            if self._is_open and self._on_heard is not None:
                self._on_heard(each)


def _read_second_port(reply: str) -> int:
    """That of the L in `PORT ADDRESS && PORT ADDRESS`: where the copy is sent from."""
    _, _, second = reply.partition("&& ")
    word = second.split(" ", 1)[0]
    if not word.isdecimal() or not 1 <= int(word) <= 65_535:
        raise RelayError("the relay cannot copy what it relays")
    return int(word)
