"""RTPProxy's control protocol over a stream socket: lines out, lines back, in the same order.

The protocol has no correlation of its own on a stream: a reply belongs to the oldest command
that has none yet. Were one reply lost, every later one would be taken for another call's, and
strangers would hear each other. Two rules keep that from happening:

- No more than IN_FLIGHT_MAX commands are unanswered at a time. RTPProxy drops replies that do
  not fit the socket's buffer, and each small reply takes most of a KiB of it.
- When a command is not answered in time, all that are in flight fail, and nothing is believed
  until the answer to a version query, which looks like no other, has come past.
"""

import asyncio
import socket
from collections import deque
from dataclasses import dataclass

import structlog

from clicktodial.control.port import RelayError

log = structlog.get_logger()

# RTPProxy answers in some 0.1 ms; a machine that stalls for seconds cannot carry audio anyway.
COMMAND_TIMEOUT_S = 5.0
# A quarter of the replies that the default buffer of a Unix socket (208 KiB) holds.
IN_FLIGHT_MAX = 64
# Some five commands a call: a thousand calls may arrive at once before one is refused.
COMMANDS_WAITING_MAX = 5_000
# RTPProxy's own buffer for one command is 8 KiB; ours are a tenth of that at most.
COMMAND_BYTES_MAX = 1_024
_REPLY_BYTES_MAX = 65_536
# The protocol's base version, what `V` answers ever since 2004.
_VERSION = "20040107"


@dataclass(slots=True)
class _Command:
    line: bytes
    future: asyncio.Future[str]
    deadline: float


class CommandChannel:
    """Pipelines commands to RTPProxy. Everything happens on the loop that it was created on."""

    def __init__(self, sock: socket.socket, timeout_s: float = COMMAND_TIMEOUT_S) -> None:
        self._sock = sock
        self._timeout_s = timeout_s
        self._loop = asyncio.get_running_loop()
        self._waiting: deque[_Command] = deque()
        self._in_flight: deque[_Command] = deque()
        self._unsent = bytearray()
        self._unread = b""
        self._send_scheduled = False
        self._writer_waits = False
        self._watchdog: asyncio.TimerHandle | None = None
        self._out_of_step = False
        self._failure: str | None = None
        sock.setblocking(False)
        self._loop.add_reader(sock.fileno(), self._on_readable)

    @property
    def is_usable(self) -> bool:
        """Whether a command has a chance."""
        return self._failure is None and not self._out_of_step

    def request(self, command: str) -> asyncio.Future[str]:
        """Send one command; the future gives its reply, or RelayError for a refusal (`E<code>`),
        no reply in time, or a lost channel. Raises RelayError at once when too many wait.
        """
        if self._failure is not None:
            raise RelayError(self._failure)
        if self._out_of_step or len(self._waiting) >= COMMANDS_WAITING_MAX:
            raise RelayError("the relay is overloaded")
        line = command.encode("ascii")
        if len(line) > COMMAND_BYTES_MAX:
            raise RelayError("the relay command is too long")
        future: asyncio.Future[str] = self._loop.create_future()
        self._waiting.append(_Command(line, future, self._loop.time() + self._timeout_s))
        if not self._send_scheduled:
            # What else is asked for in this round of the loop shares one system call.
            self._send_scheduled = True
            self._loop.call_soon(self._send_waiting)
        if self._watchdog is None:
            self._watchdog = self._loop.call_later(self._timeout_s, self._on_watchdog)
        return future

    def close(self) -> None:
        """Fail whatever is pending and let go of the socket, which stays its owner's."""
        self._fail("the relay is closed")

    def _send_waiting(self) -> None:
        self._send_scheduled = False
        if not self.is_usable:
            return
        while self._waiting and len(self._in_flight) < IN_FLIGHT_MAX:
            command = self._waiting.popleft()
            self._in_flight.append(command)
            self._unsent += command.line
            self._unsent += b"\n"
        if self._unsent and not self._writer_waits:
            self._send()

    def _send(self) -> None:
        try:
            sent = self._sock.send(self._unsent)
        except (BlockingIOError, InterruptedError):
            sent = 0
        except OSError as error:
            self._fail(f"the relay cannot be reached: {error}")
            return
        del self._unsent[:sent]
        if self._unsent and not self._writer_waits:
            self._writer_waits = True
            self._loop.add_writer(self._sock.fileno(), self._send)
        elif not self._unsent and self._writer_waits:
            self._writer_waits = False
            self._loop.remove_writer(self._sock.fileno())

    def _on_readable(self) -> None:
        try:
            data = self._sock.recv(_REPLY_BYTES_MAX)
        except (BlockingIOError, InterruptedError):
            return
        except OSError as error:
            self._fail(f"the relay cannot be reached: {error}")
            return
        if not data:
            self._fail("the relay went away")
            return
        *replies, self._unread = (self._unread + data).split(b"\n")
        if len(self._unread) > _REPLY_BYTES_MAX:
            self._fail("the relay answers without end")
            return
        for reply in replies:
            self._on_reply(reply.strip(b" \r\0").decode("ascii", "replace"))
        if self._waiting:
            self._send_waiting()

    def _on_reply(self, reply: str) -> None:
        if self._out_of_step:
            if reply == _VERSION:
                self._out_of_step = False
                log.info("relay.back_in_step")
            return
        if not self._in_flight:
            self._lose_step()
            return
        future = self._in_flight.popleft().future
        if future.done():  # who asked has gone
            return
        if reply.startswith("E"):
            future.set_exception(RelayError(f"the relay refused with {reply}"))
        else:
            future.set_result(reply)

    def _on_watchdog(self) -> None:
        """One timer for all: commands are answered in order, so the oldest is due first."""
        self._watchdog = None
        oldest = next(iter(self._in_flight or self._waiting), None)
        if oldest is None:
            return
        wait_s = oldest.deadline - self._loop.time()
        if wait_s > 0:
            self._watchdog = self._loop.call_later(wait_s, self._on_watchdog)
        else:
            self._lose_step()

    def _lose_step(self) -> None:
        log.error("relay.out_of_step", in_flight=len(self._in_flight))
        self._out_of_step = True
        self._refuse_all("the relay did not answer in time")
        self._unsent += b"V\n"
        if not self._writer_waits:
            self._send()

    def _refuse_all(self, reason: str) -> None:
        for commands in (self._in_flight, self._waiting):
            while commands:
                future = commands.popleft().future
                if not future.done():
                    future.set_exception(RelayError(reason))

    def _fail(self, reason: str) -> None:
        if self._failure is not None:
            return
        self._failure = reason
        self._loop.remove_reader(self._sock.fileno())
        if self._writer_waits:
            self._loop.remove_writer(self._sock.fileno())
        if self._watchdog is not None:
            self._watchdog.cancel()
            self._watchdog = None
        self._refuse_all(reason)
