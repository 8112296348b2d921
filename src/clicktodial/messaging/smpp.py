"""SMPP 3.4 between us and an SMSC: short messages, and the receipts of their delivery.

The protocol - frames, window, enquire_link, answers that stay out - is the library's. Here stand
what a message becomes on it, what an SMSC's answers mean, and the session that is opened again
whenever it is lost.

An SMSC is not bound to tell a message that it took from one that comes again after a session broke
off unanswered: then a phone may show a part twice. The library acknowledges a receipt before we
have kept it: one that comes in the moment of a crash is lost, and its message stays sent.
"""

import asyncio
import re
import zlib
from dataclasses import dataclass
from datetime import timedelta

import structlog
from smpp34 import (
    Client,
    DeliverSmEvent,
    Disconnected,
    SmppError,
    Smsc,
    Tlv,
)

from clicktodial.domain.message import MessageState
from clicktodial.domain.short_message import ShortMessagePart, split_text
from clicktodial.messaging.error import GatewayUnavailable, MessageRefused
from clicktodial.messaging.gateway import (
    GatewayReceipt,
    GatewayReport,
    OnReport,
    OutgoingMessage,
)

log = structlog.get_logger()

SMPP = "smpp"
# Waits between attempts to open the session.
REOPEN_FIRST_S = 1.0
REOPEN_MAX_S = 60.0
# SMPP 3.4 5.2.5, 5.2.6: an international number of ISDN numbering.
_INTERNATIONAL = 1
_ISDN = 1
# SMPP 3.4 5.2.12, 5.2.17.
_ESM_CLASS_UDHI = 0x40
_ESM_CLASS_KIND = 0x3C
_ESM_CLASS_RECEIPT = 0x04
_WANTS_RECEIPT = 1
# SMPP 3.4 5.3.2, tags of optional parameters.
TLV_RECEIPTED_MESSAGE_ID = 0x001E
TLV_USER_MESSAGE_REFERENCE = 0x0204
TLV_MESSAGE_STATE = 0x0427
# SMPP 3.4 5.1.3: system error, queue full, throttled, temporary error of the receiver.
_TEMPORARY_STATUSES = frozenset({0x08, 0x14, 0x58, 0x64})
# SMPP 3.4 5.2.28, and appendix B as most SMSCs write it.
_STATE_BY_NUMBER = {
    2: MessageState.DELIVERED,
    3: MessageState.EXPIRED,
    4: MessageState.FAILED,
    5: MessageState.FAILED,
    8: MessageState.FAILED,
}
_STATE_BY_WORD = {
    "DELIVRD": MessageState.DELIVERED,
    "EXPIRED": MessageState.EXPIRED,
    "DELETED": MessageState.FAILED,
    "UNDELIV": MessageState.FAILED,
    "REJECTD": MessageState.FAILED,
}
_RECEIPT_ID = re.compile(r"\bid:([^\s]{1,64})", re.IGNORECASE)
_RECEIPT_STATE = re.compile(r"\bstat:([A-Z]{5,7})", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class SmppSettings:
    """The SMSC, and who we are to it."""

    host: str
    port: int
    system_id: str
    password: str
    system_type: str
    tls: bool
    window: int
    timeout_s: float
    expires_after: timedelta

    def __repr__(self) -> str:
        return f"SmppSettings({self.host!r}, {self.port})"


class SmppGateway:
    """Implements messaging.gateway.MessageGateway over one transceiver session."""

    name = SMPP

    def __init__(self, settings: SmppSettings, *, reopen_first_s: float = REOPEN_FIRST_S) -> None:
        self._settings = settings
        self._reopen_first_s = reopen_first_s
        self._session: Smsc | None = None
        self._is_open = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._on_report: OnReport | None = None

    async def start(self, on_report: OnReport) -> None:
        """Begin to open the session; messages wait for it."""
        self._on_report = on_report
        self._task = asyncio.create_task(self._keep_open())

    async def close(self) -> None:
        """Unbind."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def count_parts(self, message: OutgoingMessage) -> int:
        """One a short message."""
        return len(_split(message))

    async def send(self, message: OutgoingMessage, number: int) -> GatewayReceipt:
        """submit_sm of that part."""
        part = _split(message)[number - 1]
        try:
            async with asyncio.timeout(self._settings.timeout_s):
                await self._is_open.wait()
                session = self._session
                if session is None:
                    raise GatewayUnavailable("the session was lost")
                return await self._submit(session, message, part)
        except TimeoutError as error:
            raise GatewayUnavailable("timeout") from error
        except SmppError as error:
            raise GatewayUnavailable(str(error)) from error

    async def _submit(
        self, session: Smsc, message: OutgoingMessage, part: ShortMessagePart
    ) -> GatewayReceipt:
        expires_at = message.queued_at + self._settings.expires_after
        answer = await session.submit_sm(
            message.recipient.removeprefix("+"),
            part.header + part.content,
            source_addr=message.sender.removeprefix("+"),
            source_addr_ton=_INTERNATIONAL,
            source_addr_npi=_ISDN,
            dest_addr_ton=_INTERNATIONAL,
            dest_addr_npi=_ISDN,
            esm_class=_ESM_CLASS_UDHI if part.header else 0,
            # SMPP 3.4 7.1.1: absolute, in UTC.
            validity_period=expires_at.strftime("%y%m%d%H%M%S000+"),
            registered_delivery=_WANTS_RECEIPT,
            data_coding=part.alphabet.value,
            # What an SMSC that compares them may know a repeated part by.
            tlvs=[Tlv(TLV_USER_MESSAGE_REFERENCE, _reference(message).to_bytes(2, "big"))],
        )
        status = answer.command_status
        if answer.is_success:
            return GatewayReceipt(answer.message_id or "")
        told = f"command_status 0x{status:08x}"
        if status in _TEMPORARY_STATUSES:
            raise GatewayUnavailable(told)
        raise MessageRefused(told)

    async def _keep_open(self) -> None:
        wait_s = self._reopen_first_s
        while True:
            settings = self._settings
            client = Client(
                settings.host,
                settings.port,
                settings.system_id,
                settings.password,
                bind_type="TRX",
                system_type=settings.system_type,
                tls=settings.tls,
                window_size=settings.window,
                connect_timeout_ms=round(settings.timeout_s * 1000),
            )
            try:
                # The library has its own timeout, after which it has closed the connection.
                async with asyncio.timeout(2 * settings.timeout_s):
                    session = await client.connect()
                log.info("smpp.opened", host=settings.host)
                wait_s = self._reopen_first_s
                await self._serve(session)
                log.warning("smpp.lost", host=settings.host)
            except (SmppError, TimeoutError) as error:
                # A bind that is refused is told as one that timed out.
                told = str(error) or "timeout"
                log.warning("smpp.not_opened", host=settings.host, error=told)
            finally:
                await client.stop()
            await asyncio.sleep(wait_s)
            wait_s = min(wait_s * 2, REOPEN_MAX_S)

    async def _serve(self, session: Smsc) -> None:
        """Take receipts until the session is lost."""
        self._session = session
        self._is_open.set()
        try:
            while not isinstance(event := await session.next(), Disconnected):
                await self._take(event)
        except asyncio.CancelledError:
            await session.unbind()
            raise
        finally:
            self._is_open.clear()
            self._session = None

    async def _take(self, event: DeliverSmEvent) -> None:
        assert self._on_report is not None  # start() came before
        if event.esm_class & _ESM_CLASS_KIND != _ESM_CLASS_RECEIPT:
            log.info("smpp.message_ignored")  # somebody answered a message that nobody reads
            return
        report = read_receipt(event)
        if report is None:
            log.warning("smpp.receipt_unreadable")
            return
        await self._on_report(SMPP, report)


def read_receipt(event: DeliverSmEvent) -> GatewayReport | None:
    """What a receipt says, by its optional parameters or else by its text; None: nothing."""
    tlvs = {tlv.tag: tlv for tlv in event.tlvs}
    text = event.short_message.decode("latin-1")
    id_match, state_match = _RECEIPT_ID.search(text), _RECEIPT_STATE.search(text)
    gateway_id = id_match[1] if id_match else None
    if TLV_RECEIPTED_MESSAGE_ID in tlvs:
        gateway_id = tlvs[TLV_RECEIPTED_MESSAGE_ID].as_string()
    word = state_match[1].upper() if state_match else ""
    state = _STATE_BY_WORD.get(word, MessageState.SENT)
    number = tlvs[TLV_MESSAGE_STATE].as_int() if TLV_MESSAGE_STATE in tlvs else None
    if number is not None:
        state = _STATE_BY_NUMBER.get(number, MessageState.SENT)
    if not gateway_id:
        return None
    return GatewayReport(gateway_id, state, word or f"message_state {number}")


def _split(message: OutgoingMessage) -> tuple[ShortMessagePart, ...]:
    # The same parts at each attempt, or a phone could not join them.
    return split_text(message.text, _reference(message))


def _reference(message: OutgoingMessage) -> int:
    return zlib.crc32(message.key.encode()) & 0xFFFF
