"""Addresses of mail."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clicktodial.domain.email import EMAIL_CHARACTERS_MAX, EmailError, parse_email


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("ann@example.com", "ann@example.com"),
        ("Ann.Li+x@Example.COM", "ann.li+x@example.com"),
        ("a@b", "a@b"),
        ("o'neil@x-y.example", "o'neil@x-y.example"),
        ("a" * 64 + "@example.com", "a" * 64 + "@example.com"),
    ],
)
def test_address_is_parsed(text: str, address: str) -> None:
    assert parse_email(text) == address
    assert parse_email(address) == address


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ann",
        "@example.com",
        "ann@",
        "ann@@example.com",
        "ann@example..com",
        ".ann@example.com",
        "ann.@example.com",
        "a..b@example.com",
        "ann@-example.com",
        "ann@example.com\r\nBcc: x@example.com",
        "ann@example.com\n",
        " ann@example.com",
        "Ann <ann@example.com>",
        '"a b"@example.com',
        "a,b@example.com",
        "=?utf-8?q?victim=40bank.example=2c?=@example.com",
        "=?utf-8?q?=0d=0abcc=3a_x?=@example.com",
        "ann@[192.0.2.1]",
        "änn@example.com",
        "ann@exämple.com",
        "a" * 65 + "@example.com",
        "a@" + "b" * 64 + ".com",
        "a@" + ".".join(["b" * 60] * 5),
    ],
)
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(EmailError):
        parse_email(text)


@given(st.text(max_size=300))
def test_any_text_is_an_address_without_controls_or_refused(text: str) -> None:
    try:
        address = parse_email(text)
    except EmailError:
        return
    assert len(address) <= EMAIL_CHARACTERS_MAX
    assert address.isascii() and address.isprintable()
    assert not set(address) & set(' <>",;:()[]\\')
