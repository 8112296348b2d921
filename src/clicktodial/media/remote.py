"""Where a relay may send audio to, of what peers name in their SDP."""

import ipaddress

from clicktodial.control.port import RelayError


def read_remote(host: str, local: ipaddress.IPv4Address) -> ipaddress.IPv4Address:
    """The address that a relay at `local` may send to. Raises RelayError for what is none, or is
    not to be sent to."""
    try:
        address = ipaddress.IPv4Address(host)
    except ValueError as error:
        raise RelayError("the media address is not an IPv4 address") from error
    if not is_sendable(address, local):
        raise RelayError("the media address cannot be sent to")
    return address


def is_sendable(remote: ipaddress.IPv4Address, local: ipaddress.IPv4Address) -> bool:
    """A relay on a public address must not be made to talk to services of its own machine."""
    if remote.is_unspecified or remote.is_multicast or remote.is_reserved:
        return False
    return not remote.is_loopback or local.is_loopback or local.is_unspecified
