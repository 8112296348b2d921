"""What applications may use and from where, as the text of one column each, and its bounds."""

from collections.abc import Iterable
from ipaddress import IPv6Network, ip_network

import msgspec

from clicktodial.domain.access import ALL_SCOPES, AccessScope, join_scopes, known_scopes
from clicktodial.domain.application import (
    ALL_CAPABILITIES,
    NO_APPLICATION_LIMITS,
    ApplicationLimits,
    Capability,
    Network,
)
from clicktodial.domain.wording import worded
from clicktodial.storage.error import OptionsUnreadable, ValueInvalid
from clicktodial.storage.number_table import CITY_CHARACTERS_MAX
from clicktodial.storage.options_codec import CALLS_PER_SECOND_MAX, LIVE_CALLS_MAX
from clicktodial.storage.value import check_range

# Enough for the sites and clouds of an enterprise; each request looks at all of them, some
# 0.4 us each.
NETWORKS_MAX = 64
REQUESTS_PER_SECOND_MAX = 10_000
# How long a key of before a rotation may go on working: a month's change of servers.
GRACE_S_MAX = 30 * 86_400
_limits_decoder = msgspec.json.Decoder(ApplicationLimits)
_texts_decoder = msgspec.json.Decoder(tuple[str, ...])


def parse_networks(written: Iterable[str]) -> tuple[Network, ...]:
    """Networks in CIDR, or single addresses, each once. Raises ValueInvalid."""
    networks: dict[Network, None] = {}
    for text in written:
        networks[_parse_network(text)] = None
    if len(networks) > NETWORKS_MAX:
        raise ValueInvalid(worded("an allow-list has at most %(most)s networks", most=NETWORKS_MAX))
    return tuple(networks)


def _parse_network(text: str) -> Network:
    if "%" in text:  # a zone names a link of one machine
        raise ValueInvalid("an allow-list has no addresses with a zone")
    try:
        network = ip_network(text.strip())
    except ValueError as error:
        raise ValueInvalid(
            "an allow-list has networks like 203.0.113.0/24 or 2001:db8::/32, with no bits set "
            "behind the prefix, and single addresses"
        ) from error
    if isinstance(network, IPv6Network) and network.network_address.ipv4_mapped is not None:
        # Requests are matched by the IPv4 address that is meant.
        raise ValueInvalid("write an IPv4-mapped network as IPv4")
    return network


def encode_allow_list(networks: Iterable[Network]) -> str:
    """The column's text."""
    return msgspec.json.encode([str(network) for network in networks]).decode()


def decode_allow_list(text: str) -> tuple[Network, ...]:
    """The inverse. Raises OptionsUnreadable: none at all would let everybody in."""
    try:
        return tuple(ip_network(network) for network in _texts_decoder.decode(text))
    except (ValueError, msgspec.DecodeError) as error:
        raise OptionsUnreadable("a stored allow-list cannot be read") from error


def check_application_limits(limits: ApplicationLimits) -> None:
    """Raises ValueInvalid."""
    for limit, what, high in (
        (limits.live_calls_max, "the calls at a time", LIVE_CALLS_MAX),
        (limits.calls_per_second_max, "the calls per second", CALLS_PER_SECOND_MAX),
        (limits.requests_per_second_max, "the requests per second", REQUESTS_PER_SECOND_MAX),
    ):
        if limit is not None:
            check_range(limit, what, low=1, high=high)


def encode_application_limits(limits: ApplicationLimits) -> str:
    """The column's text."""
    return msgspec.json.encode(limits).decode()


def decode_application_limits(text: str) -> ApplicationLimits:
    """The inverse. Raises OptionsUnreadable."""
    try:
        limits = _limits_decoder.decode(text)
    except msgspec.DecodeError as error:
        raise OptionsUnreadable("stored limits cannot be read") from error
    return NO_APPLICATION_LIMITS if limits == NO_APPLICATION_LIMITS else limits


def encode_capabilities(capabilities: Iterable[Capability]) -> str:
    """The column's text."""
    return ",".join(sorted(capability.value for capability in capabilities))


def decode_capabilities(text: str) -> frozenset[Capability]:
    """The inverse; one that a newer version added is passed over."""
    known = {capability.value: capability for capability in Capability}
    found = frozenset(known[each] for each in text.split(",") if each in known)
    # The very object, by which calls tell at once that there is nothing to check.
    return ALL_CAPABILITIES if found == ALL_CAPABILITIES else found


def encode_scopes(scopes: frozenset[AccessScope]) -> str | None:
    """The column's text; None for all, those of later versions included."""
    return None if scopes == ALL_SCOPES else join_scopes(scopes)


def decode_scopes(text: str | None) -> frozenset[AccessScope]:
    """The inverse; one that a newer version added is passed over."""
    return ALL_SCOPES if text is None else known_scopes(text.split())


def check_city(text: str, what: str) -> str:
    """The name of a city or region; empty where there is none. Raises ValueInvalid."""
    text = text.strip()
    if len(text) > CITY_CHARACTERS_MAX or (text and not text.isprintable()):
        raise ValueInvalid(
            worded(
                "%(what)s has at most %(most)s printable characters",
                what=what,
                most=CITY_CHARACTERS_MAX,
            )
        )
    return text


def encode_cities(cities: Iterable[str]) -> str:
    """The column's text."""
    return msgspec.json.encode(list(cities)).decode()


def decode_cities(text: str) -> tuple[str, ...]:
    """The inverse. Raises OptionsUnreadable."""
    try:
        return _texts_decoder.decode(text)
    except msgspec.DecodeError as error:
        raise OptionsUnreadable("stored cities cannot be read") from error
