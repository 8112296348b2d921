"""RFC 3263 against a real name server: which questions are asked, and where they lead."""

import random

import pytest
from tests.harness.name_server import Zone, open_name_server
from tests.sip.aio.support import (
    HOST,
    answer,
    open_dead_peer,
    open_phone,
    refuse,
)
from tests.sip.aio.test_telephony import is_answered, open_telephony, place

from clicktodial.domain.trunk import Transport, Trunk
from clicktodial.sip.aio.endpoint import Listeners
from clicktodial.sip.aio.names import DnsNames
from clicktodial.sip.aio.resolver import TargetResolver
from clicktodial.sip.location import LOCATIONS_MAX, Location, Target, locate, order_locations

TWO_HOSTS: Zone = {
    ("_sip._udp.example.", "SRV"): ["10 60 5071 a.example.", "10 40 5072 b.example."],
    ("_sip._tcp.example.", "SRV"): ["20 0 5073 b.example."],
    ("_sips._tcp.example.", "SRV"): ["0 0 5074 a.example."],
    ("a.example.", "A"): ["192.0.2.1", "192.0.2.2"],
    ("a.example.", "AAAA"): ["2001:db8::1"],
    ("b.example.", "A"): ["192.0.2.3"],
    ("example.", "A"): ["192.0.2.9"],
    ("naptr.example.", "NAPTR"): [
        '20 50 "s" "SIP+D2U" "" _sip._udp.example.',
        '10 50 "s" "SIPS+D2T" "" _sips._tcp.example.',
        '5 50 "u" "E2U+sip" "!^.*$!sip:x@y!" .',
        '5 50 "s" "SIP+D2S" "" _sip._sctp.example.',
    ],
    ("refused.example.", "A"): ["192.0.2.7"],
    ("_sip._udp.refused.example.", "SRV"): ["0 0 0 ."],
    ("broken.example.", "A"): ["192.0.2.8"],
    ("_sip._udp.broken.example.", "SRV"): ["SERVFAIL"],
    ("_sip._udp.dangling.example.", "SRV"): ["0 0 5060 nowhere.example.", "1 0 5061 b.example."],
    ("_sip._udp.crowd.example.", "SRV"): [f"{n} 0 {6000 + n} b.example." for n in range(40)],
}


async def find(host: str, port: int, transport: Transport, *, v6: bool = False) -> list[Location]:
    async with open_name_server(TWO_HOSTS) as server:
        names = DnsNames([server.address], speaks=lambda host: v6 or ":" not in host)
        found = await locate(Target(host, port, transport), names)
        # Servers shuffle the records of an answer.
        return [each._replace(addresses=tuple(sorted(each.addresses))) for each in found]


A = ("192.0.2.1", "192.0.2.2")
B = ("192.0.2.3",)
UDP, TCP, TLS, AUTO = Transport.UDP, Transport.TCP, Transport.TLS, Transport.AUTO


@pytest.mark.parametrize(
    ("host", "port", "transport", "found"),
    [
        ("example", 0, UDP, [Location(10, 40, B, 5072, UDP), Location(10, 60, A, 5071, UDP)]),
        ("example", 0, TCP, [Location(20, 0, B, 5073, TCP)]),
        ("example", 0, TLS, [Location(0, 0, A, 5074, TLS)]),
        # A port says that there is nothing to look up but addresses.
        ("example", 5099, TCP, [Location(0, 1, ("192.0.2.9",), 5099, TCP)]),
        # No SRV records: the transport's own port.
        ("b.example", 0, UDP, [Location(0, 1, B, 5060, UDP)]),
        ("b.example", 0, TLS, [Location(0, 1, B, 5061, TLS)]),
        ("b.example", 0, AUTO, [Location(0, 1, B, 5060, UDP)]),
        # NAPTR prefers TLS, and UDP where that fails.
        (
            "naptr.example", 0, AUTO,
            [
                Location(0, 0, A, 5074, TLS),
                Location(65_546, 40, B, 5072, UDP),
                Location(65_546, 60, A, 5071, UDP),
            ],
        ),
        # The service is refused: the name's own address is asked for after all.
        ("refused.example", 0, UDP, [Location(0, 1, ("192.0.2.7",), 5060, UDP)]),
        ("dangling.example", 0, UDP, [Location(1, 0, B, 5061, UDP)]),
    ],
)  # fmt: skip
async def test_name_leads_to_locations(
    host: str, port: int, transport: Transport, found: list[Location]
) -> None:
    assert await find(host, port, transport) == found


async def test_addresses_of_both_families_are_found_where_we_speak_both() -> None:
    [location] = await find("example", 0, TLS, v6=True)
    assert location.addresses == (*A, "2001:db8::1")


@pytest.mark.parametrize("host", ["nowhere.example", "broken.example"])
async def test_name_without_answer_is_an_error(host: str) -> None:
    with pytest.raises(OSError, match=r"."):
        await find(host, 0, UDP)


async def test_answer_without_end_is_cut() -> None:
    assert len(await find("crowd.example", 0, UDP)) == LOCATIONS_MAX


def test_weights_share_and_priorities_do_not() -> None:
    locations = [
        Location(1, 60, ("a",), 1, UDP),
        Location(1, 20, ("b", "c"), 2, UDP),
        Location(0, 0, ("d",), 3, UDP),
    ]
    dice = random.Random(7)
    orders = [order_locations(locations, dice) for _ in range(4000)]
    assert all(order[0] == ("d", 3, UDP) for order in orders)
    assert all(len(order) == 4 for order in orders)
    share = sum(order[1][0] == "a" for order in orders) / len(orders)
    assert 0.72 < share < 0.78
    assert {order[1][0] for order in orders} == {"a", "b"}


async def test_leg_goes_on_at_the_next_host_of_the_answer() -> None:
    """One host is silent, one is closed, one is full: the fourth is rung, on the same trunk."""
    async with (
        open_phone(answer, listeners=Listeners(has_tcp=True)) as phone,
        open_phone(refuse(503)) as full,
        open_dead_peer() as dead,
    ):
        _, closed = HOST, 9
        zone: Zone = {
            ("_sip._udp.carrier.example.", "SRV"): [
                f"1 1 {dead.address[1]} host.example.",
                f"2 1 {full.endpoint.address[1]} host.example.",
            ],
            ("_sip._tcp.carrier.example.", "SRV"): [
                f"1 1 {closed} host.example.",
                f"2 1 {phone.endpoint.address[1]} host.example.",
            ],
            ("carrier.example.", "NAPTR"): [
                '1 1 "s" "SIP+D2U" "" _sip._udp.carrier.example.',
                '2 1 "s" "SIP+D2T" "" _sip._tcp.carrier.example.',
            ],
            ("host.example.", "A"): [HOST],
        }
        trunk = Trunk("a", "carrier.example", 0, AUTO, answer_timeout_s=1, channels_max=1)
        async with open_name_server(zone) as server:
            resolver = TargetResolver(DnsNames([server.address]))
            async with open_telephony(trunk, resolver=resolver) as telephony:
                leg, events = place(telephony)
                await events.wait_for(is_answered)
                assert (len(full.sessions), len(phone.sessions)) == (1, 1)
                leg.hang_up()
                assert telephony.states.channels(trunk) == 0
                questions = len(server.asked)
                # The next call knows which of them are worth asking.
                leg, events = place(telephony)
                await events.wait_for(is_answered)
                assert (len(full.sessions), len(phone.sessions)) == (1, 2)
                leg.hang_up()
                assert len(server.asked) == questions


async def test_every_host_of_the_answer_fails_then_the_next_trunk_is_tried() -> None:
    async with open_phone(refuse(503)) as full, open_phone(answer) as phone:
        zone: Zone = {
            ("_sip._udp.carrier.example.", "SRV"): [
                f"1 1 {full.endpoint.address[1]} host.example.",
            ],
            ("host.example.", "A"): [HOST],
        }
        trunks = (
            Trunk("a", "carrier.example", 0, priority=1),
            Trunk("b", *phone.endpoint.address, priority=2),
        )
        async with open_name_server(zone) as server:
            resolver = TargetResolver(DnsNames([server.address]))
            async with open_telephony(*trunks, resolver=resolver) as telephony:
                leg, events = place(telephony)
                await events.wait_for(is_answered)
                assert leg.trunk_name == "b"
                leg.hang_up()
