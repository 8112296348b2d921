"""From where a request comes, behind proxies that the operator trusts and no others.

`X-Forwarded-For` is what whoever sends the request writes there, and each proxy adds on the right
the address that it saw. So it is read from the right, and only as far as trusted proxies wrote it.
"""

from collections.abc import Iterable, Mapping
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Any

from litestar.types import HTTPScope

from clicktodial.domain.application import Address, Network
from clicktodial.web.request import find_header, peer_address

# So many proxies one behind the other are none that anybody runs.
_FORWARDED_MAX = 32


class ClientAddresses:
    """Finds the address of whoever asks."""

    def __init__(self, trusted_proxies: Iterable[str] = ()) -> None:
        """`trusted_proxies` are addresses or networks in CIDR. Raises ValueError."""
        self._trusted: tuple[Network, ...] = tuple(ip_network(proxy) for proxy in trusted_proxies)

    def find(self, scope: Mapping[str, Any]) -> Address | None:
        """The address; None where it cannot be told, as for a proxy that forwards nothing
        readable."""
        client = scope.get("client")
        peer = _parse(client[0]) if client else None
        if peer is None or not self._is_trusted(peer):
            return peer
        forwarded = _forwarded(scope["headers"])
        if forwarded is None:
            return None
        for text in reversed(forwarded):
            address = _parse(text)
            if address is None or not self._is_trusted(address):
                return address
        # All of them are proxies: one of them asks for itself.
        return peer if not forwarded else _parse(forwarded[0])

    def describe(self, scope: HTTPScope) -> str:
        """The address as text, for logs and for counting; that of the peer where it cannot be
        told, so that whoever hides among others is counted with them."""
        found = self.find(scope)
        return peer_address(scope) if found is None else str(found)

    def _is_trusted(self, address: Address) -> bool:
        return any(address in network for network in self._trusted)


def _forwarded(headers: Iterable[tuple[bytes, bytes]]) -> list[str] | None:
    """The addresses, left to right; None for a header given twice or longer than any real one."""
    headers = list(headers)
    if all(name != b"x-forwarded-for" for name, _ in headers):
        return []
    value = find_header(headers, b"x-forwarded-for")
    if value is None:
        return None
    texts = [text.strip() for text in value.decode("latin-1").split(",")]
    return texts if len(texts) <= _FORWARDED_MAX else None


def _parse(text: str) -> Address | None:
    try:
        address = ip_address(text.removeprefix("[").removesuffix("]"))
    except ValueError:
        return None
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address
