"""URIs as routing reads them."""

import pytest

from clicktodial.sip.uri import (
    LIST_VALUES_MAX,
    UriParts,
    hop_of_uri,
    parse_uri,
    split_values,
    uri_of,
)

FALLBACK = ("192.0.2.77", 5099)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("sip:192.0.2.9", UriParts(None, "192.0.2.9", None, "")),
        ("SIP:a@192.0.2.9:5080;transport=UDP", UriParts("a", "192.0.2.9", 5080, ";transport=UDP")),
        ("sips:a:b@host_1:7?subject=x", UriParts("a:b", "host_1", 7, "")),
        ("sip:[2001:db8::9]:5060;lr", UriParts(None, "2001:db8::9", 5060, ";lr")),
        ("sip:+86139;npdi@node1", UriParts("+86139;npdi", "node1", None, "")),
        ("sip:a@", None),
        ("sip:a@b:99999", None),
        ("sip:a@b:0", None),
        ("tel:+8613912345673", None),
        ("http://example.com", None),
        ("", None),
    ],
)
def test_uri_is_taken_apart_or_refused(text: str, expected: UriParts | None) -> None:
    assert parse_uri(text) == expected


@pytest.mark.parametrize(
    ("uri", "loose"),
    [("sip:p;lr", True), ("sip:p;LR=on;x", True), ("sip:p;lrx", False), ("sip:p", False)],
)
def test_route_with_lr_is_loose(uri: str, loose: bool) -> None:
    parts = parse_uri(uri)
    assert parts is not None
    assert parts.is_loose_router is loose


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        ("sip:192.0.2.9:5080;transport=UDP", ("192.0.2.9", 5080)),
        ("sip:192.0.2.9", ("192.0.2.9", 5060)),
        ("sip:phone.example.com:5080", FALLBACK),
        ("sip:[2001:db8::9]:5080", FALLBACK),  # another family than the peer's
        ("sip:999.0.0.1", FALLBACK),
        ("garbage", FALLBACK),
    ],
)
def test_hop_of_uri_is_its_literal_or_the_peer(uri: str, expected: tuple[str, int]) -> None:
    assert hop_of_uri(uri, FALLBACK) == expected


@pytest.mark.parametrize(
    ("value", "uri"),
    [
        ('"A, <b>" <sip:a@b;lr>;tag=1', "sip:a@b;lr"),
        ("sip:a@b;tag=1", "sip:a@b"),
        ("<sip:a@b", "sip:a@b"),
        ("", ""),
    ],
)
def test_uri_of_header_value(value: str, uri: str) -> None:
    assert uri_of(value) == uri


def test_split_keeps_commas_in_quotes_and_brackets() -> None:
    values = ['"a, \\"b,c" <sip:x,y@h>;p=1 , <sip:z@h>', "<sip:w@h>"]
    assert split_values(values) == ['"a, \\"b,c" <sip:x,y@h>;p=1', "<sip:z@h>", "<sip:w@h>"]


def test_split_of_endless_list_is_cut() -> None:
    assert len(split_values(["<sip:a@b>," * 1000])) == LIST_VALUES_MAX
