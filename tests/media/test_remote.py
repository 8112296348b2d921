"""Addresses that peers name."""

from ipaddress import IPv4Address

import pytest

from clicktodial.control.port import RelayError
from clicktodial.media.remote import is_sendable, read_remote


@pytest.mark.parametrize(
    ("local", "remote", "sendable"),
    [
        ("192.0.2.1", "198.51.100.7", True),
        ("192.0.2.1", "10.0.0.7", True),
        ("192.0.2.1", "127.0.0.1", False),
        ("0.0.0.0", "127.0.0.1", True),
        ("127.0.0.1", "127.9.9.9", True),
        ("127.0.0.1", "239.1.1.1", False),
        ("127.0.0.1", "0.0.0.0", False),
        ("127.0.0.1", "255.255.255.255", False),
    ],
)
def test_remote_address_named_by_a_peer_is_sent_to_only_when_sane(
    local: str, remote: str, sendable: bool
) -> None:
    assert is_sendable(IPv4Address(remote), IPv4Address(local)) is sendable


@pytest.mark.parametrize("host", ["", "localhost", "::1", "224.0.0.1", "198.18.0.1.1"])
def test_what_is_no_address_to_send_to_is_refused(host: str) -> None:
    with pytest.raises(RelayError):
        read_remote(host, IPv4Address("192.0.2.1"))
