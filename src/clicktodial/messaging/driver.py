"""Gateways as the settings name them."""

from collections.abc import Callable
from datetime import datetime, timedelta

from clicktodial.config import (
    ConfigError,
    MessagesSettings,
    read_password,
    read_report_sources,
    read_time_zone,
)
from clicktodial.control.port import Clock
from clicktodial.domain.message import Channel, MessageLimits
from clicktodial.messaging.dispatcher import DispatchLimits, MessageDispatcher
from clicktodial.messaging.gateway import MessageGateway
from clicktodial.messaging.mailbox import MailboxGateway
from clicktodial.messaging.mm7 import MM7, Mm7Gateway, Mm7Settings, ReportAddress
from clicktodial.messaging.outbox import MessageOutbox
from clicktodial.storage.transaction import Transactions

# SMPP 3.4 5.2.2; a longer one would never bind.
SMPP_PASSWORD_CHARACTERS_MAX = 8


def message_limits(settings: MessagesSettings) -> MessageLimits:
    """How long messages may be."""
    return MessageLimits(parts_max=settings.sms_parts_max, mms_bytes_max=settings.mms_bytes_max)


def create_gateways(
    settings: MessagesSettings, transactions: Transactions, utc: Callable[[], datetime]
) -> dict[Channel, MessageGateway]:
    """What carries each kind of message, not started yet. Raises ConfigError."""
    mailbox = MailboxGateway(transactions, utc)
    gateways: dict[Channel, MessageGateway] = dict.fromkeys(Channel, mailbox)
    if settings.mms == MM7:
        gateways[Channel.MMS] = _create_mm7(settings)
    if settings.sms == "smpp":
        gateways[Channel.SMS] = _create_smpp(settings)
    return gateways


def report_address(settings: MessagesSettings) -> ReportAddress | None:
    """Where reports of MM7 come to; None where none are asked for. Raises ConfigError."""
    if settings.mm7_report_secret is None:
        return None
    return ReportAddress(settings.mm7_report_secret, read_report_sources(settings))


def _create_smpp(settings: MessagesSettings) -> MessageGateway:
    # Late: the library brings a runtime of its own, which only those need who use it.
    from clicktodial.messaging.smpp import SmppGateway, SmppSettings

    # That they are given was checked with the settings.
    assert settings.smpp_host is not None
    assert settings.smpp_system_id is not None
    password = read_password(settings.smpp_password, settings.smpp_password_file)
    if len(password) > SMPP_PASSWORD_CHARACTERS_MAX:
        raise ConfigError(f"an SMPP password has {SMPP_PASSWORD_CHARACTERS_MAX} characters at most")
    smpp = SmppSettings(
        host=settings.smpp_host,
        port=settings.smpp_port,
        system_id=settings.smpp_system_id,
        password=password,
        system_type=settings.smpp_system_type,
        tls=settings.smpp_tls,
        window=settings.smpp_window,
        timeout_s=settings.timeout_s,
        expires_after=timedelta(seconds=settings.expires_after_s),
    )
    return SmppGateway(smpp)


def _create_mm7(settings: MessagesSettings) -> Mm7Gateway:
    # That they are given was checked with the settings.
    assert settings.mm7_url is not None
    assert settings.mm7_vasp_id is not None
    assert settings.mm7_vas_id is not None
    mm7 = Mm7Settings(
        url=settings.mm7_url,
        vasp_id=settings.mm7_vasp_id,
        vas_id=settings.mm7_vas_id,
        service_code=settings.mm7_service_code,
        username=settings.mm7_username,
        password=read_password(settings.mm7_password, settings.mm7_password_file),
        asks_for_reports=settings.mm7_report_secret is not None,
        timeout_s=settings.timeout_s,
        expires_after=timedelta(seconds=settings.expires_after_s),
    )
    return Mm7Gateway(mm7)


def create_dispatcher(
    settings: MessagesSettings, transactions: Transactions, clock: Clock, *, node_id: str
) -> MessageDispatcher:
    """What sends the messages of a node, not started yet. Raises ConfigError."""
    outbox = MessageOutbox(
        transactions,
        node_id=node_id,
        place=read_time_zone(settings),
        expires_after=timedelta(seconds=settings.expires_after_s),
    )
    limits = DispatchLimits(
        retry_after_s=settings.retry_after_s,
        per_second_max=settings.per_second_max,
        concurrency=settings.concurrency,
    )
    gateways = create_gateways(settings, transactions, clock.utc)
    return MessageDispatcher(outbox, gateways, limits, clock)
