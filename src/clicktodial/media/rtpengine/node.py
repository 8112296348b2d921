"""One rtpengine of the fleet: its sessions, and whether it is there."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import structlog

from clicktodial.config import RelayNodeSettings
from clicktodial.control.port import RelayError
from clicktodial.domain.identifier import CallId
from clicktodial.media.rtpengine.channel import NgChannel, NodeSilentError, PlainReply
from clicktodial.media.rtpengine.reply import ListReply, StatisticsReply
from clicktodial.media.rtpengine.session import RtpengineSession, SessionHost

log = structlog.get_logger()

# How often a node is asked whether it is there, and how long it may take to say so.
PING_INTERVAL_S = 1.0
PING_TIMEOUT_S = 2.0
# One that is busy for a moment may miss one. After so many in a row its sessions are over: within
# PINGS_MISSED_MAX * (PING_INTERVAL_S + PING_TIMEOUT_S), and at once where nobody listens there.
PINGS_MISSED_MAX = 3
# Every so many times it is asked how it does as well: that changes slowly.
STATISTICS_ROUNDS = 5
# Its uptime is told in whole seconds, by an answer that may take PING_TIMEOUT_S.
_UPTIME_SLACK_S = 3.5
# Two hundred bytes a call id fit a datagram so many times.
LISTED_MAX = 300
# Each list has at most LISTED_MAX names, and each round deletes those of ours.
_LIST_ROUNDS_MAX = 100
# Thousands are deleted in seconds. A node that takes longer must not keep the platform from
# starting, nor its own death from being seen; the rest is deleted the next time.
TIDY_TIMEOUT_S = 30.0


class RelayNode:
    """What the fleet knows of a node. Watched from `start` to `close`."""

    def __init__(self, settings: RelayNodeSettings, host: SessionHost) -> None:
        self.settings = settings
        self.sessions: dict[CallId, RtpengineSession] = {}
        self.is_up = False
        self._host = host
        self._channel = NgChannel(*settings.address)
        self._watch: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._missed = 0
        self._is_untidy = True
        self._born_at: float | None = None
        # What it carried when it was last asked, and how many of these were ours.
        self._carried = 0
        self._own_then = 0

    @property
    def name(self) -> str:
        return self.settings.name

    @property
    def load(self) -> float:
        """Sessions that it carries by now, those of others included, for its weight."""
        since = len(self.sessions) - self._own_then
        return max(len(self.sessions), self._carried + since) / self.settings.weight

    @property
    def rank(self) -> tuple[bool, float]:
        """The lower, the better a place for a call: one that did not answer last is a poor one."""
        return self._missed > 0, self.load

    @property
    def takes_calls(self) -> bool:
        return self.is_up and not self.settings.is_drained

    async def start(self) -> None:
        """See whether it is there, and go on doing so. Raises OSError."""
        await self._channel.open()
        await self._look()
        self._watch = asyncio.get_running_loop().create_task(self._keep_looking())

    async def close(self) -> None:
        """End all its sessions; their captures stay for the next start."""
        if self._watch is not None:
            self._watch.cancel()
            await asyncio.gather(self._watch, return_exceptions=True)
        if self.is_up:
            await asyncio.gather(*(each.abandon() for each in list(self.sessions.values())))
        self.sessions.clear()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._channel.close()

    async def open(self, call_id: CallId, on_dead: Callable[[str], None]) -> RtpengineSession:
        """A session here. Raises RelayError."""
        session = RtpengineSession(self._host, self._channel, call_id, on_dead)
        self.sessions[call_id] = session
        try:
            await session.create()
        except (RelayError, asyncio.CancelledError) as error:
            self.forget(session)
            if isinstance(error, NodeSilentError):
                self._miss()
            # Refused, late or given up: rtpengine may have made it all the same.
            self._own(session.abandon())
            raise
        return session

    def forget(self, session: RtpengineSession) -> None:
        """The session is over; where rtpengine may still have it, that is seen to later."""
        if self.sessions.get(session.call_id) is session:
            del self.sessions[session.call_id]
            self._is_untidy |= not session.is_deleted

    async def delete_leftovers(self) -> None:
        """End the calls that an earlier life of this process left here. Raises RelayError."""
        captures = self._host.captures
        for _ in range(_LIST_ROUNDS_MAX):
            listed = await self._channel.request("list", {"limit": LISTED_MAX}, ListReply)
            # A session is known here before rtpengine knows of it, hence all that are listed.
            live = {captures.name(key) for key, each in self.sessions.items() if not each.is_lost}
            left = [name for name in listed.calls if captures.is_own(name) and name not in live]
            if not left:
                return
            log.info("relay.leftovers_deleted", node=self.name, count=len(left))
            for name in left:
                arguments = {"call-id": name, "from-tag": "", "delete delay": 0}
                await self._channel.request("delete", arguments, PlainReply)

    async def _keep_looking(self) -> None:
        rounds = 0
        while True:
            await asyncio.sleep(PING_INTERVAL_S)
            rounds += 1
            await self._look(asks_more=not self.is_up or rounds % STATISTICS_ROUNDS == 0)
            if self.is_up and self._is_untidy:
                await self.tidy()

    async def tidy(self) -> None:
        """`delete_leftovers`, which may also be done later."""
        try:
            async with asyncio.timeout(TIDY_TIMEOUT_S):
                await self.delete_leftovers()
            self._is_untidy = False
        except (RelayError, TimeoutError) as error:
            log.warning("relay.leftovers_kept", node=self.name, error=str(error))

    async def _look(self, *, asks_more: bool = True) -> None:
        try:
            if asks_more:
                reply = await self._channel.request(
                    "statistics", {}, StatisticsReply, timeout_s=PING_TIMEOUT_S
                )
                self._take_statistics(reply)
            else:
                await self._channel.request("ping", {}, PlainReply, timeout_s=PING_TIMEOUT_S)
        except RelayError as error:
            log.info("relay.node_missed", node=self.name, error=str(error))
            self._miss()
            return
        self._missed = 0
        if not self.is_up:
            self.is_up = True
            log.info("relay.node_up", node=self.name)

    def _take_statistics(self, reply: StatisticsReply) -> None:
        if reply.uptime_s is not None:
            born_at = asyncio.get_running_loop().time() - reply.uptime_s
            if self._born_at is not None and born_at - self._born_at > _UPTIME_SLACK_S:
                # It was started anew in between, faster than anybody missed it.
                self._end_sessions("the relay was restarted")
            self._born_at = born_at
        self._carried, self._own_then = reply.sessions, len(self.sessions)

    def _miss(self) -> None:
        self._missed += 1
        if self._missed >= PINGS_MISSED_MAX and (self.is_up or self.sessions):
            self.is_up = False
            self._is_untidy = True
            self._born_at = None
            log.error("relay.node_down", node=self.name, sessions=len(self.sessions))
            self._end_sessions("the relay does not answer")

    def _own(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _end_sessions(self, reason: str) -> None:
        for session in list(self.sessions.values()):
            session.tell_lost(reason)
