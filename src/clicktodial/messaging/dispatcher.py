"""Sends what the outbox holds: one task that looks for what is due, and one for each message.

Nothing is lost by a crash: what is not settled in the table is due again. What a gateway took just
then may be sent twice by one that cannot tell messages apart.
"""

import asyncio
import random
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import TypeVar

import structlog

from clicktodial.control.port import Clock
from clicktodial.domain.message import Channel
from clicktodial.messaging.error import GatewayUnavailable, MessageRefused
from clicktodial.messaging.gateway import GatewayReport, MessageGateway
from clicktodial.messaging.outbox import LEASE_S, ClaimedMessage, MessageOutbox
from clicktodial.messaging.pace import Pace
from clicktodial.messaging.tally import MessageTally
from clicktodial.notify.schedule import RetrySchedule
from clicktodial.storage.error import StorageError

log = structlog.get_logger()

T = TypeVar("T")

# How long a message waits at most for somebody to look; a look is one read by an index.
POLL_INTERVAL_S = 1.0
# How old the number of those that wait may be on the metrics page.
COUNT_INTERVAL_S = 30.0
# Well within the lease, so that no other node takes a message that is still being sent.
SEND_TIMEOUT_S = LEASE_S / 2


@dataclass(frozen=True, slots=True, kw_only=True)
class DispatchLimits:
    """How messages are sent: waits between attempts in seconds, after the last of which a message
    is given up; parts a second, and messages at a time, each by gateway."""

    retry_after_s: Sequence[float]
    per_second_max: int
    concurrency: int


class MessageDispatcher:
    """Runs the outbox of one node."""

    def __init__(
        self,
        outbox: MessageOutbox,
        gateways: Mapping[Channel, MessageGateway],
        limits: DispatchLimits,
        clock: Clock,
    ) -> None:
        self._outbox = outbox
        self._gateways = gateways
        self._limits = limits
        self._clock = clock
        self._schedule = RetrySchedule(limits.retry_after_s, random.random)
        self._paces = {
            gateway.name: Pace(limits.per_second_max, clock.monotonic_s)
            for gateway in gateways.values()
        }
        self._due = asyncio.Event()
        self._sends: set[asyncio.Task[None]] = set()
        self._loop_task: asyncio.Task[None] | None = None
        self._count_at = 0.0
        # One thread: what it writes is in order, and never holds up the loop.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="messages")

    @property
    def tally(self) -> MessageTally:
        """How messages fare."""
        return self._outbox.tally

    async def start(self) -> None:
        """Take up what waits. Raises StorageError."""
        released = await self._run(self._outbox.release_own)
        if released:
            log.info("messages.resumed", count=released)
        for gateway in self._distinct_gateways():
            await gateway.start(self._on_report)
        self._loop_task = asyncio.create_task(self._dispatch())

    def wake(self) -> None:
        """Look at once: somebody may have put messages back."""
        self._due.set()

    async def close(self) -> None:
        """Stop; what is under way is due again at the next start."""
        tasks = [*self._sends, *([self._loop_task] if self._loop_task else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for gateway in self._distinct_gateways():
            await gateway.close()
        await asyncio.to_thread(self._thread.shutdown)

    async def report(self, gateway: str, report: GatewayReport) -> bool:
        """Take a delivery report; whether the message is known. Raises StorageError."""
        now = self._clock.utc()
        message_id = await self._run(lambda: self._outbox.report(gateway, report, now=now))
        log.info(
            "message.reported", message_id=message_id, gateway=gateway, state=report.state.value
        )
        return message_id is not None

    async def _on_report(self, gateway: str, report: GatewayReport) -> None:
        try:
            await self.report(gateway, report)
        except StorageError as error:
            # The message stays sent, as far as we know; the gateway does not report again.
            log.error("message.report_lost", gateway=gateway, error=str(error))

    async def _dispatch(self) -> None:
        while True:
            self._due.clear()
            await self._count_queued()
            room = self._limits.concurrency - len(self._sends)
            if room > 0 and await self._start_sends(room) == room:
                continue  # there may be more
            # Not wait_for, which in Python 3.11 forgets a cancellation that meets the event.
            with suppress(TimeoutError):
                async with asyncio.timeout(POLL_INTERVAL_S):
                    await self._due.wait()

    async def _count_queued(self) -> None:
        now_s = self._clock.monotonic_s()
        if now_s < self._count_at:
            return
        self._count_at = now_s + COUNT_INTERVAL_S
        try:
            await self._run(self._outbox.count_queued)
        except StorageError as error:
            log.error("messages.count_failed", error=str(error))

    async def _start_sends(self, room: int) -> int:
        now = self._clock.utc()
        try:
            claimed = await self._run(lambda: self._outbox.claim(now, limit=room))
        except StorageError as error:
            log.error("messages.claim_failed", error=str(error))
            return 0
        for each in claimed:
            task = asyncio.create_task(self._send(each))
            self._sends.add(task)
            task.add_done_callback(self._on_sent)
        return len(claimed)

    def _on_sent(self, task: asyncio.Task[None]) -> None:
        self._sends.discard(task)
        self._due.set()
        if not task.cancelled() and (error := task.exception()) is not None:
            # Its claim runs out, and it is sent by whoever looks then.
            log.error("message.send_broke", error=str(error), exc_info=error)

    async def _send(self, claimed: ClaimedMessage) -> None:
        gateway = self._gateways[claimed.outgoing.channel]
        message_id = claimed.message_id
        try:
            async with asyncio.timeout(SEND_TIMEOUT_S):
                await self._send_parts(gateway, claimed)
        except (GatewayUnavailable, TimeoutError) as error:
            await self._on_unavailable(claimed, str(error) or "timeout")
            return
        except MessageRefused as error:
            await self._give_up(claimed, str(error))
            return
        except StorageError as error:
            log.error("message.not_kept", message_id=message_id, error=str(error))
            return
        now = self._clock.utc()
        state = await self._run(lambda: self._outbox.settle_sent(message_id, gateway.name, now=now))
        log.info("message.sent", message_id=message_id, gateway=gateway.name, state=state.value)

    async def _send_parts(self, gateway: MessageGateway, claimed: ClaimedMessage) -> None:
        outgoing = claimed.outgoing
        for number in range(1, gateway.count_parts(outgoing) + 1):
            if number in claimed.sent_parts:
                continue
            await self._paces[gateway.name].wait()
            receipt = await gateway.send(outgoing, number)
            keep = partial(
                self._outbox.keep_part, outgoing.message_id, number, gateway.name, receipt
            )
            await self._run(partial(keep, now=self._clock.utc()))

    async def _on_unavailable(self, claimed: ClaimedMessage, error: str) -> None:
        delay_s = self._schedule.delay_s(claimed.attempts)
        if delay_s is None:
            await self._give_up(claimed, error)
            return
        until = self._clock.utc() + timedelta(seconds=delay_s)
        await self._run(lambda: self._outbox.postpone(claimed.message_id, error, until=until))
        log.info("message.postponed", message_id=claimed.message_id, error=error)

    async def _give_up(self, claimed: ClaimedMessage, error: str) -> None:
        now = self._clock.utc()
        await self._run(lambda: self._outbox.give_up(claimed.message_id, error, now=now))
        log.warning("message.given_up", message_id=claimed.message_id, error=error)

    def _distinct_gateways(self) -> list[MessageGateway]:
        return list({gateway.name: gateway for gateway in self._gateways.values()}.values())

    async def _run(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)
