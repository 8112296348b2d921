"""How a connected call sounds, read every so often while it lasts.

The relay is asked in the call's own queue, so that a reading never overtakes what was asked
before, and never comes when the session is closed. It is asked once more when the call ends, as it
always was: a call that is over sooner than the first reading costs nothing here.
"""

import asyncio
from typing import Protocol

import structlog

from clicktodial.control.port import Clock, RelayError, RelaySession
from clicktodial.control.renegotiation import MediaStep
from clicktodial.domain.call import Call, CallState
from clicktodial.domain.leg import CallQuality
from clicktodial.domain.quality_timeline import QualityLog, QualityTimeline

log = structlog.get_logger()

_MS_PER_S = 1_000


class SamplerOwner(Protocol):
    """The controller, as far as it is needed here."""

    @property
    def call(self) -> Call: ...

    @property
    def session(self) -> RelaySession | None: ...

    def enqueue(self, step: MediaStep) -> None: ...


class QualitySampler:
    """One call's, from the moment in which its parties are joined."""

    __slots__ = ("_clock", "_joined_at", "_log", "_loop", "_owner", "_timer")

    def __init__(self, owner: SamplerOwner, clock: Clock, interval_s: int) -> None:
        self._owner = owner
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        self._joined_at = clock.monotonic_s()
        self._log = QualityLog(interval_s * _MS_PER_S)
        self._timer: asyncio.TimerHandle | None = None
        self._arm()

    def note(self, quality: CallQuality) -> None:
        """What the relay told just now."""
        passed_s = self._clock.monotonic_s() - self._joined_at
        self._log.add(round(passed_s * _MS_PER_S), quality)

    def timeline(self) -> QualityTimeline:
        """What is known by now."""
        return self._log.timeline()

    def stop(self) -> None:
        """Ask no more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _arm(self) -> None:
        self._timer = self._loop.call_later(self._log.interval_ms / _MS_PER_S, self._on_due)

    def _on_due(self) -> None:
        self._timer = None
        self._owner.enqueue(self._read)

    async def _read(self) -> None:
        session = self._owner.session
        if session is None:
            return
        try:
            self.note(await session.quality())
        except RelayError as error:
            # Of a relay that is gone its driver tells. What it did not tell the next reading has.
            call_id = self._owner.call.plan.call_id
            log.info("call.quality_unknown", call_id=call_id, detail=str(error))
        if self._owner.call.state is CallState.CONNECTED:
            self._arm()
