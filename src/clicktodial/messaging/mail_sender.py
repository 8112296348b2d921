"""Sends what waits in the outbox, in the background, and tries again what failed."""

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta

import structlog

from clicktodial.messaging.mail import Mail, MailOutbox
from clicktodial.messaging.mailer import Mailer, MailNotSent
from clicktodial.storage.error import DatabaseUnavailable

log = structlog.get_logger()

# Whoever waits for a link looks at the mailbox after a few seconds; one indexed read each time.
POLL_INTERVAL_S = 1.0
# Some hours of a server that is away. After the last the mail is given up, and kept.
RETRY_AFTER_S = (30, 60, 300, 900, 3_600, 14_400)
BATCH_MAX = 20
AT_A_TIME_MAX = 4
# Longer than the slowest batch takes: five mails one after another, each of four steps that may
# take 30 s. What a sender that died had claimed is tried again then.
CLAIM_S = 900
# Dropping old mails costs a scan of those that are kept.
BATCHES_PER_DROP = 100


class MailSender:
    """A task of the node; several nodes share an outbox."""

    def __init__(self, outbox: MailOutbox, mailer: Mailer, utc: Callable[[], datetime]) -> None:
        self._outbox = outbox
        self._mailer = mailer
        self._utc = utc
        self._batches = 0

    async def run(self) -> None:
        """Until it is cancelled."""
        while True:
            try:
                sent = await self.send_due()
            except DatabaseUnavailable as error:
                log.error("mail.outbox_unavailable", error=str(error))
                sent = 0
            if sent < BATCH_MAX:
                await asyncio.sleep(POLL_INTERVAL_S)

    async def send_due(self) -> int:
        """Try those that are due, at most BATCH_MAX; returns how many. Raises
        DatabaseUnavailable."""
        now = self._utc()
        again_at = now + timedelta(seconds=CLAIM_S)
        mails = await asyncio.to_thread(
            self._outbox.claim_due, now=now, again_at=again_at, limit=BATCH_MAX
        )
        if not mails:
            return 0
        room = asyncio.Semaphore(AT_A_TIME_MAX)

        async def send(mail: Mail) -> None:
            async with room:
                await self._send(mail)

        async with asyncio.TaskGroup() as group:
            for mail in mails:
                group.create_task(send(mail))
        if self._batches % BATCHES_PER_DROP == 0:
            await asyncio.to_thread(self._outbox.drop_oldest)
        self._batches += 1
        return len(mails)

    async def _send(self, mail: Mail) -> None:
        try:
            await self._mailer.send(mail)
        except MailNotSent as error:
            await self._note_failure(mail, error)
            return
        keep_text = self._mailer.keeps_text
        await self._try(
            lambda: self._outbox.note_sent(mail.mail_id, self._utc(), keep_text=keep_text)
        )
        log.info("mail.sent", mail_id=mail.mail_id, attempts=mail.attempts)

    async def _note_failure(self, mail: Mail, error: MailNotSent) -> None:
        is_over = error.is_final or mail.attempts > len(RETRY_AFTER_S)
        retry_at = None
        if not is_over:
            retry_at = self._utc() + timedelta(seconds=RETRY_AFTER_S[mail.attempts - 1])
        await self._try(
            lambda: self._outbox.note_failed(mail.mail_id, str(error), retry_at=retry_at)
        )
        log.warning(
            "mail.given_up" if is_over else "mail.not_sent",
            mail_id=mail.mail_id,
            attempts=mail.attempts,
            error=str(error),
        )

    async def _try(self, note: Callable[[], None]) -> None:
        """What cannot be noted is tried again when the claim ends: twice is better than never."""
        try:
            await asyncio.to_thread(note)
        except DatabaseUnavailable as error:
            log.error("mail.not_noted", error=str(error))
