"""Keeps what a phone says of itself from the other: RTPProxy passes on whatever comes.

Theory of operation. A phone's RTCP bears its name (CNAME, often user@address) and may bear its
number; STUN, DTLS and ZRTP tell of it too. RTPProxy knows no way to hold them back, but its sockets
are open in this process, so the kernel is told to, before anybody knows of their ports:

- The socket of RTP takes in RTP alone, by a filter (SO_ATTACH_FILTER).
- The socket of RTCP sends nothing any more. What comes there still tells that the party lives.

RTPProxy names a port, not a descriptor. A new descriptor is the lowest free one; so those looked at
are the ones that were free just before it was asked, and those of sessions that have ended. Now
and then another thread closes a file in between and RTPProxy gets that; then every descriptor is
looked at that is not one of a session that lives.
"""

import bisect
import contextlib
import ctypes
import errno
import fcntl
import os
import socket
import struct
from collections.abc import Callable, Iterator
from typing import TypeVar

import structlog

from clicktodial.control.port import RelayError

log = structlog.get_logger()

T = TypeVar("T")

_DESCRIPTORS_PER_PAIR = 2

# linux/filter.h and asm-generic/socket.h; in no module of Python's.
_SO_ATTACH_FILTER = 26
_LOAD_LENGTH, _LOAD_BYTE, _AND = 0x80, 0x30, 0x54
_IF_EQUAL, _IF_GREATER, _IF_AT_LEAST = 0x15, 0x25, 0x35
_RETURN = 0x06
_INSTRUCTION = struct.Struct("=HBBI")
# What a filter of UDP sees begins with the header of UDP.
_UDP_BYTES = 8
_RTP_BYTES_MIN = 12
# RFC 5761 4: by its second byte RTCP is told from RTP, in which it would be a payload type from 64
# to 95 under a marker; these are therefore in use for nothing.
_RTCP_FIRST, _RTCP_LAST = 192, 223
# Each jump is over so many instructions where it holds, and where it does not.
_ONLY_RTP = (
    (_LOAD_LENGTH, 0, 0, 0),
    (_IF_AT_LEAST, 0, 7, _UDP_BYTES + _RTP_BYTES_MIN),
    (_LOAD_BYTE, 0, 0, _UDP_BYTES),
    (_AND, 0, 0, 0xC0),
    (_IF_EQUAL, 0, 4, 0x80),  # RFC 3550 5.1: version 2
    (_LOAD_BYTE, 0, 0, _UDP_BYTES + 1),
    (_IF_AT_LEAST, 0, 1, _RTCP_FIRST),
    (_IF_GREATER, 0, 1, _RTCP_LAST),
    (_RETURN, 0, 0, 0xFFFF_FFFF),  # all of it
    (_RETURN, 0, 0, 0),  # nothing
)


class Screen:
    """Screens the pairs of ports that RTPProxy opens at one address."""

    def __init__(self, host: str) -> None:
        """`host` is what RTPProxy binds. Raises RelayError where the kernel cannot do it."""
        self._host = host
        code = b"".join(_INSTRUCTION.pack(*each) for each in _ONLY_RTP)
        self._code = ctypes.create_string_buffer(code, len(code))
        self._program = struct.pack("HP", len(_ONLY_RTP), ctypes.addressof(self._code))
        self._asking = 0
        # What RTPProxy may get next, in order: free, or of a session that has ended.
        self._candidates: list[int] = []
        self._next_free = 0
        # By descriptor, the port of a session that lives, or has ended.
        self._screened: dict[int, int] = {}
        self._ended: dict[int, int] = {}
        # By port, what was come across that somebody else asks for at the same time.
        self._others: dict[int, int] = {}
        # How often the candidates did not do.
        self.search_count = 0
        # Tried out, then duplicated to learn what is free.
        self._own = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            self._try_out()
        except RelayError:
            self._own.close()
            raise

    @contextlib.contextmanager
    def asking(self) -> Iterator[None]:
        """To be held from before RTPProxy is asked for a pair until that is screened."""
        self._asking += 1
        self._look_ahead()
        try:
            yield
        finally:
            self._asking -= 1
            if self._asking == 0:
                self._others.clear()
                self._next_free = 0

    def screen(self, port: int) -> tuple[int, int]:
        """From now on nothing but RTP crosses this port and the next. Returns what `forget` wants.
        Raises RelayError."""
        rtp, rtcp = self._find(port), self._find(port + 1)
        try:
            _lend(rtp, self._shut_to_others)
            _lend(rtcp, _shut_out)
        except OSError as error:
            raise RelayError(f"the relay's ports cannot be screened: {error}") from error
        self._screened[rtp], self._screened[rtcp] = port, port + 1
        return rtp, rtcp

    def forget(self, pair: tuple[int, int]) -> None:
        """Its session has ended; RTPProxy closes its sockets when it comes to it."""
        for descriptor in pair:
            port = self._screened.pop(descriptor, None)
            if port is not None:
                self._ended[descriptor] = port
                self._add_candidate(descriptor)

    def close(self) -> None:
        """Screen no more."""
        self._own.close()

    def _try_out(self) -> None:
        """Try with a socket of our own what screening relies on."""
        try:
            self._own.bind((self._host, 0))
            self._own.setblocking(False)
            self._shut_to_others(self._own)
            _shut_out(self._own)
        except OSError as error:
            raise RelayError(f"the kernel cannot screen the relay: {error}") from error
        try:
            self._own.sendto(b"", self._own.getsockname())
        except BrokenPipeError:
            return
        raise RelayError("the kernel does not screen the relay")

    def _shut_to_others(self, sock: socket.socket) -> None:
        """Let it take in RTP and nothing else."""
        sock.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, self._program)

    def _look_ahead(self) -> None:
        own = self._own.fileno()
        for _ in range(_DESCRIPTORS_PER_PAIR):
            try:
                free = fcntl.fcntl(own, fcntl.F_DUPFD_CLOEXEC, self._next_free)
            except OSError:  # there is none: RTPProxy will say so itself
                return
            os.close(free)
            self._next_free = free + 1
            self._add_candidate(free)

    def _add_candidate(self, descriptor: int) -> None:
        place = bisect.bisect_left(self._candidates, descriptor)
        if self._candidates[place : place + 1] != [descriptor]:
            self._candidates.insert(place, descriptor)

    def _find(self, port: int) -> int:
        """The descriptor of the socket at that port. Raises RelayError."""
        descriptor = self._others.pop(port, None)
        if descriptor is not None and self._port_of(descriptor) == port:
            return descriptor
        found = self._look_at_candidates(port)
        if found is None:
            self.search_count += 1
            # What was freed since comes into question again.
            self._next_free = 0
            names = map(int, os.listdir("/proc/self/fd"))
            found = self._look_at([each for each in names if each not in self._screened], port)
        if found is None:
            # A session that RTPProxy has ended by itself, and whose descriptor it has used again.
            found = self._look_at(list(self._screened), port)
        if found is None:
            log.error("relay.socket_not_found", port=port)
            raise RelayError("the relay's socket is not to be found")
        return found

    def _look_at_candidates(self, port: int) -> int | None:
        found, kept = None, []
        candidates = iter(self._candidates)
        for descriptor in candidates:
            there = self._port_of(descriptor)
            if there != port and (there is None or there == self._ended.get(descriptor)):
                kept.append(descriptor)  # free, or not closed yet
                continue
            self._ended.pop(descriptor, None)
            if there == port:
                found = descriptor
                break
            if there:
                self._others[there] = descriptor
        self._candidates = [*kept, *candidates]
        return found

    def _look_at(self, descriptors: list[int], port: int) -> int | None:
        found = None
        for descriptor in descriptors:
            there = self._port_of(descriptor)
            if there == port:
                found = descriptor
            elif there and self._screened.get(descriptor) != there:
                self._others[there] = descriptor
        return found

    def _port_of(self, descriptor: int) -> int | None:
        """The port at our address that it is bound to, 0 for what is not, None where it is free."""
        try:
            return _lend(descriptor, self._read_port)
        except OSError as error:
            return None if error.errno == errno.EBADF else 0

    def _read_port(self, sock: socket.socket) -> int | None:
        try:
            name = sock.getsockname()
            if not isinstance(name, tuple) or name[0] != self._host:
                return 0
            # A server may listen at the same number of TCP.
            kind = sock.getsockopt(socket.SOL_SOCKET, socket.SO_TYPE)
            return int(name[1]) if kind == socket.SOCK_DGRAM else 0
        except OSError:
            return None  # it was closed in this moment


def _lend(descriptor: int, use: Callable[[socket.socket], T]) -> T:
    """Have it used as a socket, which it stays RTPProxy's to close. Raises OSError for what is
    none, and what `use` does."""
    borrowed = socket.socket(socket.AF_INET, socket.SOCK_DGRAM, 0, fileno=descriptor)
    try:
        return use(borrowed)
    finally:
        borrowed.detach()


def _shut_out(sock: socket.socket) -> None:
    """Let it send nothing more."""
    try:
        sock.shutdown(socket.SHUT_WR)
    except OSError as error:
        # Linux does it all the same, and says so of whatever is not connected.
        if error.errno != errno.ENOTCONN:
            raise
