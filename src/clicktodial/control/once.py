"""Begins that come with a key: each is carried out once, and answered the same every time.

The key is claimed in the very transaction that makes the call durable, so that no crash leaves one
of the two without the other, and of two that come at once, to whichever nodes, the database lets
in one. Those that come to one node wait for their turn here. A begin that is refused claims
nothing: it may be tried again by the same key.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from clicktodial.control.admission import Turns
from clicktodial.control.error import ControlError, KeyReused, Overloaded
from clicktodial.control.port import StoreError
from clicktodial.domain.idempotency import OnceClaim
from clicktodial.domain.identifier import AppId, CallId


@dataclass(frozen=True, slots=True)
class KeptRequest:
    """What is kept of a begin. `answer` is None where it follows from the call."""

    request_hash: str
    call_id: CallId
    answer: bytes | None


class KeptRequests(Protocol):
    """Knows begins that came with a key."""

    async def find(self, app_id: AppId, key_hash: str, now: datetime) -> KeptRequest | None:
        """The one of that key, unless it is forgotten by now. Raises StoreError."""

    async def keep_answer(self, app_id: AppId, key_hash: str, answer: bytes) -> None:
        """Durable on return. Raises StoreError."""


@dataclass(frozen=True, slots=True)
class OnceAnswer:
    """What is answered, for the first time or once more."""

    body: bytes
    is_replayed: bool


@dataclass(frozen=True, slots=True)
class OnceBegin:
    """How an API begins a call and renders its answer. One that `keeps_answer` may render
    something else when it is asked again."""

    begin: Callable[[OnceClaim], Awaitable[CallId]]
    render: Callable[[CallId], Awaitable[bytes]]
    keeps_answer: bool


class OnceBegins:
    """Carries out begins that come with a key."""

    def __init__(self, kept: KeptRequests, utc: Callable[[], datetime]) -> None:
        self._kept = kept
        self._utc = utc
        self._turns = Turns()

    async def answer(
        self, app_id: AppId, key_hash: str, request_hash: str, how: OnceBegin
    ) -> OnceAnswer:
        """The answer to the request of that key. Raises KeyReused, and what `how` does."""
        claim = OnceClaim(key_hash, request_hash, self._utc())
        async with self._turns.take(f"{app_id} {key_hash}"):
            kept = await self._find(app_id, claim)
            if kept is None:
                try:
                    return await self._carry_out(app_id, claim, how)
                except ControlError:
                    # Another node may have been quicker, whatever was lost by that.
                    kept = await self._find(app_id, claim)
                    if kept is None:
                        raise
            body = kept.answer if kept.answer is not None else await how.render(kept.call_id)
            return OnceAnswer(body, is_replayed=True)

    async def _carry_out(self, app_id: AppId, claim: OnceClaim, how: OnceBegin) -> OnceAnswer:
        call_id = await how.begin(claim)
        body = await how.render(call_id)
        if how.keeps_answer:
            await self._kept.keep_answer(app_id, claim.key_hash, body)
        return OnceAnswer(body, is_replayed=False)

    async def _find(self, app_id: AppId, claim: OnceClaim) -> KeptRequest | None:
        try:
            kept = await self._kept.find(app_id, claim.key_hash, claim.now)
        except StoreError as error:
            # Whether there is such a call is not known: none is begun.
            raise Overloaded from error
        if kept is not None and kept.request_hash != claim.request_hash:
            raise KeyReused
        return kept
