"""Keeps notifications out of private networks.

An application's URL is somebody else's input, and the platform stands inside the operator's
network. A name is resolved once, all its addresses are checked, and the connection is made to
one that was checked; a name that changes its mind between check and connect gains nothing.
An address that is written in the URL itself goes the same way. The check stands at the socket too.
"""

import socket
from collections.abc import Sequence
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)

from aiohappyeyeballs import AddrInfoType

from clicktodial.notify.connection_pool import Resolve, resolve

# What the standard library of Python 3.11 takes for global and is not, or not for everybody.
_REFUSED = (
    ip_network("192.88.99.0/24"),  # 6to4 relays, RFC 7526
    ip_network("::/96"),  # IPv4-compatible addresses, RFC 4291 2.5.5.1
    ip_network("64:ff9b:1::/48"),  # local NAT64, RFC 8215
    ip_network("2001::/23"),  # protocol assignments with Teredo, RFC 2928
    ip_network("3fff::/20"),  # documentation, RFC 9637
    ip_network("5f00::/16"),  # segment routing, RFC 9602
    ip_network("fec0::/10"),  # site-local, RFC 3879
)
_NAT64 = IPv6Network("64:ff9b::/96")  # RFC 6052: the IPv4 address is in the last 32 bits
_IPV4_MASK = 0xFFFF_FFFF


class AddressForbidden(OSError):
    """The server's address is not one of the public Internet."""

    def __init__(self) -> None:
        super().__init__(type(self).__doc__)


def is_public(address: str) -> bool:
    """Whether a numeric address is one of the public Internet; a zone may follow it."""
    try:
        parsed = ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if isinstance(parsed, IPv6Address):
        inner = _embedded_ipv4(parsed)
        if inner is not None:
            return _is_public(inner)
    return _is_public(parsed)


def _embedded_ipv4(address: IPv6Address) -> IPv4Address | None:
    # Each of these ends at an IPv4 address, which is the one that counts.
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address in _NAT64:
        return IPv4Address(int(address) & _IPV4_MASK)
    return address.sixtofour


def _is_public(address: IPv4Address | IPv6Address) -> bool:
    if not address.is_global or address.is_multicast or address.is_reserved:
        return False
    return not any(_contains(network, address) for network in _REFUSED)


def _contains(network: IPv4Network | IPv6Network, address: IPv4Address | IPv6Address) -> bool:
    return network.version == address.version and address in network


async def resolve_guarded(
    host: str, port: int, resolve: Resolve = resolve
) -> Sequence[AddrInfoType]:
    """As `resolve`. Refuses a name of which any address is not public: such a name is set up to
    deceive. Raises AddressForbidden, and OSError as that one does."""
    addresses = await resolve(host, port)
    if not all(is_public(str(address[0])) for *_, address in addresses):
        raise AddressForbidden
    return addresses


def create_guarded_socket(address_info: AddrInfoType) -> socket.socket:
    """A socket for that address. Raises AddressForbidden."""
    family, kind, protocol, _, address = address_info
    if not is_public(str(address[0])):
        raise AddressForbidden
    return socket.socket(family, kind, protocol)
