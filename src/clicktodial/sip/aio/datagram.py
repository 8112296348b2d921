"""Datagram sockets, bare: nothing is buffered on the way out (what the kernel refuses is lost, and
comes again by RFC 3261's timers), and several datagrams are read a turn of the loop."""

import contextlib
import socket

import structlog

from clicktodial.sip.uri import Address

log = structlog.get_logger()

# A burst of some thousand messages must survive one slow turn of the loop.
SOCKET_BUFFER_BYTES = 4 * 1024 * 1024


def open_datagram_socket(address: Address) -> socket.socket:
    """A bound UDP socket, of IPv6 alone where the address is. Raises OSError."""
    is_v6 = ":" in address[0]
    bound = socket.socket(socket.AF_INET6 if is_v6 else socket.AF_INET, socket.SOCK_DGRAM)
    try:
        bound.setblocking(False)
        if is_v6:
            bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        _enlarge_buffers(bound)
        bound.bind(address)
    except OSError:
        bound.close()
        raise
    return bound


def address_of(bound: socket.socket) -> Address:
    """Where the socket is bound."""
    name = bound.getsockname()
    return str(name[0]), int(name[1])


def send_datagram(bound: socket.socket, data: bytes, destination: Address) -> None:
    """Send it, or lose it."""
    try:
        bound.sendto(data, destination)
    except BlockingIOError:
        # The buffer is full: lost as on any network, and sent again by the transaction's timers.
        log.debug("sip.send_buffer_full")
    except (OSError, OverflowError) as error:
        # A destination that a peer named, and that no route leads to.
        log.warning("sip.send_failed", peer=destination[0], error=str(error))


def _enlarge_buffers(bound: socket.socket) -> None:
    for option in (socket.SO_RCVBUF, socket.SO_SNDBUF):
        # Where the system allows less, it takes what it allows.
        with contextlib.suppress(OSError):
            bound.setsockopt(socket.SOL_SOCKET, option, SOCKET_BUFFER_BYTES)
