"""From where a request comes, whatever it says of itself."""

from ipaddress import ip_address
from typing import Any

import pytest

from clicktodial.web.client_address import ClientAddresses


def scope(peer: str | None, *forwarded: str) -> Any:
    return {
        "client": None if peer is None else (peer, 1),
        "headers": [(b"x-forwarded-for", text.encode("latin-1")) for text in forwarded],
    }


@pytest.mark.parametrize(
    ("peer", "forwarded", "found"),
    [
        # A client that is no proxy of ours is who it is, whatever it writes.
        ("203.0.113.9", [], "203.0.113.9"),
        ("203.0.113.9", ["198.51.100.1"], "203.0.113.9"),
        ("203.0.113.9", ["10.0.0.1"], "203.0.113.9"),
        ("::ffff:203.0.113.9", [], "203.0.113.9"),
        ("2001:db8::9", [], "2001:db8::9"),
        # A proxy of ours added on the right what it saw; the rest is the client's own words.
        ("10.0.0.1", ["198.51.100.1"], "198.51.100.1"),
        ("10.0.0.1", ["192.0.2.1, 198.51.100.1"], "198.51.100.1"),
        ("10.0.0.1", ["192.0.2.1, 198.51.100.1, 10.0.0.2"], "198.51.100.1"),
        ("10.0.0.1", ["192.0.2.1,198.51.100.1 , fd00::2"], "198.51.100.1"),
        ("fd00::1", ["[2001:db8::9]"], "2001:db8::9"),
        ("10.0.0.1", ["::ffff:198.51.100.1"], "198.51.100.1"),
        # The proxy asks for itself.
        ("10.0.0.1", [], "10.0.0.1"),
        ("10.0.0.1", ["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
        # What cannot be read is nobody, not whoever stands before it.
        ("10.0.0.1", ["198.51.100.1, unknown"], None),
        ("10.0.0.1", ["198.51.100.1,"], None),
        ("10.0.0.1", ["198.51.100.1:4711"], None),
        ("10.0.0.1", ["198.51.100.1", "192.0.2.1"], None),
        ("10.0.0.1", [", ".join(["10.0.0.2"] * 33)], None),
        ("10.0.0.1", ["\xff\xfe"], None),
        (None, [], None),
    ],
)
def test_address_behind_trusted_proxies(
    peer: str | None, forwarded: list[str], found: str | None
) -> None:
    addresses = ClientAddresses(["10.0.0.0/8", "fd00::/8"])
    expected = None if found is None else ip_address(found)
    assert addresses.find(scope(peer, *forwarded)) == expected


def test_no_proxy_is_trusted_by_default() -> None:
    assert ClientAddresses().find(scope("10.0.0.1", "198.51.100.1")) == ip_address("10.0.0.1")


def test_address_that_cannot_be_told_is_described_as_the_peers() -> None:
    addresses = ClientAddresses(["10.0.0.0/8"])
    assert addresses.describe(scope("10.0.0.1", "198.51.100.1")) == "198.51.100.1"
    assert addresses.describe(scope("10.0.0.1", "nonsense")) == "10.0.0.1"
    assert addresses.describe(scope(None)) == ""
