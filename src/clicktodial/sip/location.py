"""Where the name of a trunk leads: NAPTR, SRV and address records (RFC 3263 4).

What is asked of DNS depends on what the operator said. A literal address, or a port, leaves only
addresses to look up; a name alone has SRV records, which name ports and further hosts; and where
the transport is left open too, NAPTR records name those that the other side wants.
"""

import random as random_module
from collections.abc import Sequence
from typing import NamedTuple, Protocol

from clicktodial.domain.trunk import Transport
from clicktodial.sip.uri import DEFAULT_PORT, DEFAULT_TLS_PORT

# Each may cost a caller the trunk's answer timeout; nobody waits for more.
LOCATIONS_MAX = 16
# A priority of SRV has 16 bits; transports that NAPTR prefers go before all of another.
_TRANSPORT_STEP = 1 << 16

_SRV_NAMES = {
    Transport.UDP: "_sip._udp.",
    Transport.TCP: "_sip._tcp.",
    Transport.TLS: "_sips._tcp.",
}
_NAPTR_SERVICES = {
    "SIP+D2U": Transport.UDP,
    "SIP+D2T": Transport.TCP,
    "SIPS+D2T": Transport.TLS,
}


class Target(NamedTuple):
    """What is looked up; `port` 0 leaves it to DNS."""

    host: str
    port: int
    transport: Transport


class Srv(NamedTuple):
    """RFC 2782."""

    priority: int
    weight: int
    port: int
    host: str


class Naptr(NamedTuple):
    """RFC 3403, of those that lead on to an SRV record (flag "s")."""

    order: int
    preference: int
    service: str
    replacement: str


class Location(NamedTuple):
    """A host that answers for the name. A lower priority is tried first; weight as in RFC 2782."""

    priority: int
    weight: int
    addresses: tuple[str, ...]
    port: int
    transport: Transport


class Names(Protocol):
    """A name service. What there is not is an empty list; OSError is for what went wrong."""

    async def find_naptr(self, name: str) -> Sequence[Naptr]: ...

    async def find_srv(self, name: str) -> Sequence[Srv]: ...

    async def find_addresses(self, host: str) -> Sequence[str]: ...


async def locate(target: Target, names: Names) -> tuple[Location, ...]:
    """Everything that answers for the target. Raises OSError where nothing does."""
    services = [] if target.port else await _find_services(target, names)
    locations = []
    for step, (transport, records) in enumerate(services):
        for record in records:
            addresses = await _find_addresses_of(record.host, names)
            if addresses:
                priority = step * _TRANSPORT_STEP + record.priority
                locations.append(
                    Location(priority, record.weight, addresses, record.port, transport)
                )
    if not services:
        # RFC 3263 4.2: without SRV records the name itself is asked.
        transport = Transport.UDP if target.transport is Transport.AUTO else target.transport
        addresses = tuple(await names.find_addresses(target.host))
        if addresses:
            port = target.port or default_port(transport)
            locations.append(Location(0, 1, addresses, port, transport))
    if not locations:
        raise OSError("the name has no address")
    return tuple(sorted(locations)[:LOCATIONS_MAX])


def order_locations(
    locations: Sequence[Location], random: random_module.Random
) -> list[tuple[str, int, Transport]]:
    """Address, port and transport of each, in the order in which a call tries them."""
    if len(locations) > 1:
        # As in trunk_selection: the least exponential draw is each one's by its weight. RFC 2782
        # gives those of weight 0 a very small chance.
        locations = sorted(
            locations, key=lambda each: (each.priority, random.expovariate(each.weight or 0.01))
        )
    return [
        (address, each.port, each.transport) for each in locations for address in each.addresses
    ]


def default_port(transport: Transport) -> int:
    """The port that a URI without one means."""
    return DEFAULT_TLS_PORT if transport is Transport.TLS else DEFAULT_PORT


async def _find_services(target: Target, names: Names) -> list[tuple[Transport, Sequence[Srv]]]:
    """SRV records by transport, the preferred transport first; without those that have none."""
    if target.transport is Transport.AUTO:
        wanted = await _find_transports(target.host, names)
    else:
        wanted = [(target.transport, _SRV_NAMES[target.transport] + target.host)]
    found = [(transport, await names.find_srv(name)) for transport, name in wanted]
    # RFC 2782: a single record for the root says that the service is not offered.
    return [
        (transport, records)
        for transport, records in found
        if records and [record.host for record in records] != [""]
    ]


async def _find_transports(host: str, names: Names) -> list[tuple[Transport, str]]:
    """Transports and the names of their SRV records (RFC 3263 4.1)."""
    records = sorted(await names.find_naptr(host))
    wanted = [
        (_NAPTR_SERVICES[record.service.upper()], record.replacement)
        for record in records
        if record.service.upper() in _NAPTR_SERVICES
    ]
    if wanted:
        return wanted
    return [(transport, prefix + host) for transport, prefix in _SRV_NAMES.items()]


async def _find_addresses_of(host: str, names: Names) -> tuple[str, ...]:
    try:
        return tuple(await names.find_addresses(host))
    except OSError:
        return ()  # the other hosts of the answer are there for that
