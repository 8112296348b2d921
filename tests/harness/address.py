"""Loopback addresses of one's own: no two processes of a test run share a host, hence no port.

Programs that cannot bind port 0 (SIPp, the relay's fixed range) get a host nobody else uses
instead, so that tests may run side by side.
"""

import os
import socket
import threading
from collections.abc import Iterator

Address = tuple[str, int]

# 127.64.0.0/10: away from 127.0.0.1, where whatever runs on the machine listens.
_SECOND_OCTETS = range(64, 128)
_HOSTS_PER_SLICE = range(1, 255)
_SLICES = len(_SECOND_OCTETS) * 256
# Odd, so that all slices are gone through; far from the ids of the processes that run besides.
_NEXT_SLICE = 4_321
_lock = threading.Lock()


def allocate_hosts(process_id: int) -> Iterator[str]:
    """The loopback addresses of that process, one after the other."""
    # Workers that run at the same time have process ids close together, so that their residues
    # differ; each has slices of 254 hosts. A host is not given twice: a program that runs for the
    # whole session, such as the platform that many tests share, keeps its own to itself.
    for turn in range(_SLICES):
        second, third = divmod((process_id + turn * _NEXT_SLICE) % _SLICES, 256)
        for fourth in _HOSTS_PER_SLICE:
            yield f"127.{_SECOND_OCTETS[second]}.{third}.{fourth}"


_allocator = allocate_hosts(os.getpid())


def allocate_host() -> str:
    """A loopback address that nothing else of this run listens on."""
    with _lock:
        return next(_allocator)


def free_port(host: str, kind: socket.SocketKind = socket.SOCK_DGRAM) -> int:
    """A port that is free on `host`, for programs that must be told one."""
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind((host, 0))
        port: int = probe.getsockname()[1]
        return port


def format_address(address: Address) -> str:
    """`host:port`."""
    return f"{address[0]}:{address[1]}"


def parse_address(text: str) -> Address:
    """The inverse of `format_address`."""
    host, _, port = text.rpartition(":")
    return host, int(port)
