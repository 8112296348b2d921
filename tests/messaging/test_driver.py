"""What the settings make of gateways."""

from typing import Any

import msgspec
import pytest
from tests.messaging.support import NOW

from clicktodial.composition.setting import HIDDEN, hide_secrets
from clicktodial.config import ConfigError, MessagesSettings, Settings
from clicktodial.domain.message import Channel
from clicktodial.messaging.driver import create_gateways, message_limits, report_address
from clicktodial.storage.transaction import Transactions

GATEWAYS: dict[str, Any] = {
    "mms": "mm7",
    "mm7_url": "http://mmsc.example/",
    "mm7_vasp_id": "a",
    "mm7_vas_id": "b",
    "mm7_password": "word",
    "mm7_report_secret": "s" * 16,
    "mm7_report_sources": ["192.0.2.0/24"],
    "sms": "smpp",
    "smpp_host": "smsc.example",
    "smpp_system_id": "us",
    "smpp_password": "password",
}


def settings(**changes: Any) -> MessagesSettings:
    return msgspec.convert(GATEWAYS | changes, MessagesSettings)


def names(settings: MessagesSettings, transactions: Transactions) -> dict[Channel, str]:
    gateways = create_gateways(settings, transactions, lambda: NOW)
    return {channel: gateway.name for channel, gateway in gateways.items()}


async def test_each_channel_has_the_gateway_that_is_set(transactions: Transactions) -> None:
    assert names(settings(), transactions) == {Channel.SMS: "smpp", Channel.MMS: "mm7"}
    assert names(MessagesSettings(), transactions) == dict.fromkeys(Channel, "mailbox")


def test_password_that_smpp_cannot_carry_is_refused(transactions: Transactions) -> None:
    with pytest.raises(ConfigError, match="8 characters"):
        names(settings(smpp_password="password9"), transactions)


def test_reports_come_where_a_secret_is_set() -> None:
    address = report_address(settings())
    assert address is not None
    assert (address.secret, [str(each) for each in address.sources]) == (
        "s" * 16,
        ["192.0.2.0/24"],
    )
    assert report_address(MessagesSettings()) is None


def test_limits_are_those_of_the_settings() -> None:
    limits = message_limits(settings(sms_parts_max=3, mms_bytes_max=2_000))
    assert (limits.parts_max, limits.mms_bytes_max) == (3, 2_000)


def test_secrets_of_gateways_are_not_shown() -> None:
    shown = hide_secrets(Settings(messages=settings()))["messages"]
    assert [shown[key] for key in ("mm7_password", "mm7_report_secret", "smpp_password")] == [
        HIDDEN
    ] * 3
