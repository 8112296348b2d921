"""DNS: `sip.location.Names` over dnspython, and addresses by the system's own rules."""

import asyncio
import socket
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from clicktodial.sip.location import LOCATIONS_MAX, Naptr, Srv
from clicktodial.sip.uri import is_ip_literal

if TYPE_CHECKING:
    from dns.asyncresolver import Resolver

# Within LOOKUP_TIMEOUT_S of the resolver, which bounds the whole of a name's look-up.
_QUERY_TIMEOUT_S = 4.0


class DnsNames:
    """Asks the name servers given, or those of the system.

    With the system's, addresses are looked up as every program does, /etc/hosts included.
    `speaks` tells of a literal address whether we can send to its family.
    """

    def __init__(
        self,
        name_servers: Sequence[tuple[str, int]] = (),
        *,
        speaks: Callable[[str], bool] = lambda host: ":" not in host,
    ) -> None:
        self._name_servers = name_servers
        self._speaks = speaks
        self._resolver: Resolver | None = None

    async def find_naptr(self, name: str) -> Sequence[Naptr]:
        """NAPTR records that lead to an SRV record."""
        return [
            Naptr(
                record.order,
                record.preference,
                record.service.decode("ascii", "replace"),
                record.replacement.to_text(omit_final_dot=True),
            )
            for record in await self._query(name, "NAPTR")
            if record.flags.lower() == b"s"
        ]

    async def find_srv(self, name: str) -> Sequence[Srv]:
        """SRV records."""
        return [
            Srv(
                record.priority,
                record.weight,
                record.port,
                record.target.to_text(omit_final_dot=True).removesuffix("."),
            )
            for record in await self._query(name, "SRV")
        ]

    async def find_addresses(self, host: str) -> Sequence[str]:
        """Addresses of the families that we speak, IPv4 before IPv6."""
        if is_ip_literal(host):
            found = [host]
        elif self._name_servers:
            found = [
                record.address
                for kind, example in (("A", "0.0.0.0"), ("AAAA", "::"))
                if self._speaks(example)
                for record in await self._query(host, kind)
            ]
        else:
            found = await _look_up(host)
        return [address for address in found if self._speaks(address)][:LOCATIONS_MAX]

    async def _query(self, name: str, kind: str) -> list[Any]:
        """The records; the rest of the module knows their types. Raises OSError."""
        import dns.exception
        import dns.resolver

        if self._resolver is None:
            self._resolver = _create_resolver(self._name_servers)
        try:
            answer = await self._resolver.resolve(
                name, kind, raise_on_no_answer=False, lifetime=_QUERY_TIMEOUT_S, search=False
            )
        except dns.resolver.NXDOMAIN:
            return []
        except dns.exception.DNSException as error:
            raise OSError(str(error)) from error
        return [] if answer.rrset is None else list(answer.rrset)[:LOCATIONS_MAX]


async def _look_up(host: str) -> list[str]:
    """Ask the system, in a thread of the loop. Raises OSError."""
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(host, 0, type=socket.SOCK_DGRAM)
    except UnicodeError as error:
        raise OSError("no host name") from error
    addresses = dict.fromkeys(str(each[4][0]) for each in found)
    return sorted(addresses, key=lambda address: ":" in address)


def _create_resolver(name_servers: Sequence[tuple[str, int]]) -> "Resolver":
    """Loaded when first needed: a platform whose trunks are addresses never does."""
    from dns.asyncresolver import Resolver
    from dns.nameserver import Do53Nameserver

    resolver = Resolver(configure=not name_servers)
    if name_servers:
        resolver.nameservers = [Do53Nameserver(host, port) for host, port in name_servers]
    return resolver
