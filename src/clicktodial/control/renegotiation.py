"""Audio that is agreed on anew while a call lives: moves, holds, other codecs.

A party's offer is taken in one of three ways. With the codec in use, or any other where the relay
transcodes, the relay follows and the party is answered. With other codecs only, where the relay
cannot transcode, the other party is first offered those: when it has answered, both change
together; when it refuses, or time is short, the offer is refused and nothing has changed.

What can cross: the party hangs up, or waited too long, when the other has already changed; the
other answers after the offer was refused; either offers something of its own meanwhile. In the
first two, the other party is offered the old codec again. An offer of codecs that comes while one
is being settled is refused; one with the codec in use is answered at once, as ever (our own offer
to that party waits for it, RFC 3261 14).

All that asks the relay runs in the call's queue, in the order in which it was asked for.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from enum import Enum, auto
from functools import partial
from typing import Protocol, TypeAlias

import structlog

from clicktodial.control.port import Leg, Offered, RelayError, RelaySession
from clicktodial.domain.call import Call, CallState
from clicktodial.domain.call_input import CallInput, LegMediaChanged, MediaFailed
from clicktodial.domain.cause import Side
from clicktodial.domain.media import (
    UNSPECIFIED_HOST,
    Codec,
    MediaDescription,
    chosen_codec,
)

log = structlog.get_logger()

# What is left of the time to decide when the other party must have answered: the relay is told of
# two addresses, and our answer must leave.
ANSWER_MARGIN_S = 0.5
# With less before that, the other party is not asked: one lost message would be too late.
ASKING_TIME_MIN_S = 1.0

MediaStep: TypeAlias = Callable[[], Awaitable[None]]


class RenegotiationOwner(Protocol):
    """The controller, as far as it is needed here."""

    @property
    def call(self) -> Call: ...

    @property
    def session(self) -> RelaySession | None:
        """None where it was never opened, or is closed."""

    def find_leg(self, side: Side) -> Leg | None:
        """The leg of that side while it lives."""

    def feed(self, call_input: CallInput) -> None: ...

    def enqueue(self, step: MediaStep) -> None:
        """Run it after whatever the relay was asked before. RelayError ends the call."""


class _Phase(Enum):
    ASKING = auto()  # the other party was offered the new codecs; ours to decide
    GIVEN_UP = auto()  # the offer is refused, and the other party's answer is still to come
    PUTTING_BACK = auto()  # the other party was offered the old codec again


@dataclass(slots=True)
class _CodecChange:
    """A change of codec on both sides; `offered` is open at `leg` while ASKING."""

    side: Side
    leg: Leg
    offered: MediaDescription
    phase: _Phase = _Phase.ASKING
    timer: asyncio.TimerHandle | None = None

    def stop_timer(self) -> None:
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None


class MediaRenegotiation:
    """One call's. Made when the first of its parties wants something."""

    def __init__(self, owner: RenegotiationOwner) -> None:
        self._owner = owner
        self._loop = asyncio.get_running_loop()
        self._change: _CodecChange | None = None

    # What the legs tell

    def on_offered(self, side: Side, leg: Leg, offered: Offered) -> None:
        """A decision is owed to the leg."""
        decide_by = self._loop.time() + offered.decide_within_s
        self._owner.enqueue(partial(self._decide, side, leg, offered.media, decide_by))

    def on_changed(self, side: Side, media: MediaDescription) -> None:
        """The party answered a refresh of ours with other audio; nothing is owed."""
        self._owner.enqueue(partial(self._follow, side, media))

    def on_reoffer_answered(self, side: Side, media: MediaDescription) -> None:
        """The other party has taken what it was offered."""
        change = self._change
        if change is None or side is not change.side.other:
            self.on_changed(side, media)
            return
        change.stop_timer()
        match change.phase:
            case _Phase.ASKING:
                self._owner.enqueue(partial(self._change_both, change, media))
            case _Phase.GIVEN_UP:
                self._owner.enqueue(partial(self._put_back, change))
            case _Phase.PUTTING_BACK:
                self._change = None
                if self._find_codec(side, media) is None:
                    self._fail()
                else:
                    self.on_changed(side, media)

    def on_reoffer_refused(self, side: Side, sip_status: int) -> None:
        """The other party stays as it is."""
        change = self._change
        if change is None or side is not change.side.other:
            return
        self._change = None
        change.stop_timer()
        match change.phase:
            case _Phase.ASKING:
                self._log_refusal(change.side, f"the other party said {sip_status}")
                change.leg.refuse_offer()
            case _Phase.GIVEN_UP:
                pass
            case _Phase.PUTTING_BACK:
                self._fail()

    def close(self) -> None:
        """The call is over."""
        if self._change is not None:
            self._change.stop_timer()
            self._change = None

    # Steps of the call's queue

    async def _decide(
        self, side: Side, leg: Leg, offered: MediaDescription, decide_by: float
    ) -> None:
        codec = self._find_codec(side, offered)
        if codec is not None:
            await self._take(side, leg, offered, codec)
        elif not await self._ask_other(side, leg, offered, decide_by):
            self._log_refusal(side, "no codec can be agreed on")
            leg.refuse_offer()

    def _find_codec(self, side: Side, offered: MediaDescription) -> Codec | None:
        """The codec to take the offer with, without asking the other party."""
        call = self._owner.call
        in_use = call.codecs.get(side)
        if in_use is not None and (same := chosen_codec(offered, (in_use,))) is not None:
            return same
        # Whoever is alone with us may change as it likes: the other is offered that later.
        if call.plan.transcodes or call.state is CallState.PROVING_PRESENCE:
            return chosen_codec(offered, call.plan.codecs)
        return None

    async def _take(self, side: Side, leg: Leg, offered: MediaDescription, codec: Codec) -> None:
        """Let the relay follow, then answer: a party that was told yes is heard."""
        taken = replace(offered, codecs=(codec,))
        try:
            await self._point(side, taken)
        except RelayError as error:
            self._log_refusal(side, str(error))
            leg.refuse_offer()
            return
        if self._find_codec(side, offered) != codec:
            # The other party has come to depend on the codec that was in use.
            self._log_refusal(side, "the codec can no longer be changed")
            leg.refuse_offer()
        elif leg.answer_offer(codec):
            self._tell(side, taken)
            return
        await self._point_back(side)

    async def _follow(self, side: Side, media: MediaDescription) -> None:
        codec = self._find_codec(side, media)
        if codec is None:
            self._log_refusal(side, "it answers without the codec in use")
            return
        followed = replace(media, codecs=(codec,))
        try:
            await self._point(side, followed)
        except RelayError as error:
            self._log_refusal(side, str(error))
            return
        self._tell(side, followed)

    async def _ask_other(
        self, side: Side, leg: Leg, offered: MediaDescription, decide_by: float
    ) -> bool:
        """Offer the other party what both can; whether it was asked."""
        call, other = self._owner.call, self._owner.find_leg(side.other)
        codecs = self._common_codecs(offered)
        give_up_at = decide_by - ANSWER_MARGIN_S
        if (
            not codecs
            or other is None
            or self._change is not None
            or call.state not in (CallState.ANNOUNCING, CallState.CONNECTED)
            or give_up_at - self._loop.time() < ASKING_TIME_MIN_S
        ):
            return False
        offer = await self._create_offer(side.other, codecs)
        if offer is None or self._owner.find_leg(side.other) is not other:
            return False
        change = self._change = _CodecChange(side, leg, offered)
        change.timer = self._loop.call_at(give_up_at, self._give_up, change)
        other.reoffer(offer)
        return True

    def _give_up(self, change: _CodecChange) -> None:
        change.timer = None
        change.phase = _Phase.GIVEN_UP
        self._log_refusal(change.side, "the other party did not answer in time")
        change.leg.refuse_offer()

    async def _change_both(self, change: _CodecChange, answered: MediaDescription) -> None:
        """Both parties have said yes to one codec; the relay follows, and the first is told."""
        side = change.side
        if self._owner.find_leg(side) is not change.leg:
            self._change = None  # hung up meanwhile, and with it the call
            return
        theirs = chosen_codec(answered, self._common_codecs(change.offered))
        ours = None if theirs is None else chosen_codec(change.offered, (theirs,))
        if theirs is None or ours is None:
            await self._refuse_after_all(change, "the other party chose another codec")
            return
        taken = replace(change.offered, codecs=(ours,))
        followed = replace(answered, codecs=(theirs,))
        try:
            await self._point(side.other, followed)
            await self._point(side, taken)
        except RelayError as error:
            await self._refuse_after_all(change, str(error))
            return
        if not change.leg.answer_offer(ours):
            await self._refuse_after_all(change, "the answer came too late")
            return
        self._change = None
        self._tell(side.other, followed)
        self._tell(side, taken)

    async def _refuse_after_all(self, change: _CodecChange, detail: str) -> None:
        self._log_refusal(change.side, detail)
        change.leg.refuse_offer()
        await self._point_back(change.side)
        await self._put_back(change)

    async def _put_back(self, change: _CodecChange) -> None:
        """Offer the other party the codec that it had."""
        other = change.side.other
        leg, codec = self._owner.find_leg(other), self._owner.call.codecs.get(other)
        offer = None if codec is None else await self._create_offer(other, (codec,))
        if leg is None or offer is None or self._owner.find_leg(other) is not leg:
            self._change = None
            return
        change.phase = _Phase.PUTTING_BACK
        leg.reoffer(offer)

    # Parts

    def _fail(self) -> None:
        """Both would hear noise."""
        self._owner.feed(MediaFailed("The parties no longer agree on a codec"))

    def _common_codecs(self, offered: MediaDescription) -> tuple[Codec, ...]:
        """Of what the party would take, what we carry: in its order, and our numbering."""
        carried = {codec.name: codec for codec in self._owner.call.plan.codecs}
        return tuple(carried[each.name] for each in offered.codecs if each.name in carried)

    async def _create_offer(self, side: Side, codecs: tuple[Codec, ...]) -> MediaDescription | None:
        """What to offer anew to that side; None where the relay is closed."""
        session = self._owner.session
        if session is None:
            return None
        return MediaDescription(
            await session.local_address(side),
            codecs,
            self._owner.call.media[side].dtmf,
            crypto=await session.local_crypto(side),
        )

    async def _point(self, side: Side, media: MediaDescription) -> None:
        """Let the relay send that side's audio there. Raises RelayError."""
        session = self._owner.session
        if session is not None and media.address.host != UNSPECIFIED_HOST:
            await session.set_remote(side, media)

    async def _point_back(self, side: Side) -> None:
        """The party was not answered and stays where it was, if it has not hung up."""
        if self._owner.find_leg(side) is not None:
            await self._point(side, self._owner.call.media[side])

    def _tell(self, side: Side, media: MediaDescription) -> None:
        log.info(
            "media.changed",
            call_id=self._owner.call.plan.call_id,
            side=side.value,
            codec=media.codecs[0].name,
            direction=media.direction.value,
        )
        self._owner.feed(LegMediaChanged(side, media))

    def _log_refusal(self, side: Side, detail: str) -> None:
        log.warning(
            "media.change_refused",
            call_id=self._owner.call.plan.call_id,
            side=side.value,
            detail=detail,
        )
