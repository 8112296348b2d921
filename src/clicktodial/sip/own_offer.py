"""Offers of ours within a session: what waits, what is under way, and when it is tried again.

    WAITING --sent--> UNDER WAY --2xx--> answered        (its re-INVITE: refresh.py)
       ^                 |
       +--401, 422, 491--+--another refusal, or one too many--> refused

An offer waits for whatever exchange of either side is open (RFC 3261 14.1, RFC 3264 4), and those
that were made after it wait for it.
"""

from collections import deque

from clicktodial.domain.media import MediaDescription

# One that carries a party's offer through to the other, one of the application's, and one spare
# each: their makers wait for the end of theirs.
OFFERS_WAITING_MAX = 4
# A peer that is always about to offer something itself has no time for ours.
OFFER_TRIES_MAX = 8


class OwnOffer:
    """One of them. `sdp` is how it was written last; `due_at` is when it is to be sent."""

    __slots__ = ("due_at", "is_under_way", "media", "sdp", "tries")

    def __init__(self, media: MediaDescription, now: float) -> None:
        self.media = media
        self.sdp = b""
        self.tries = 0
        self.is_under_way = False
        self.due_at = now

    def start(self, sdp: bytes) -> None:
        """It is sent."""
        self.sdp = sdp
        self.tries += 1
        self.is_under_way = True

    def retry_at(self, at: float) -> bool:
        """It is to be sent again; False where that was tried often enough."""
        self.is_under_way = False
        self.due_at = at
        return self.tries < OFFER_TRIES_MAX


class OwnOffers:
    """Those of one session, in the order in which they were made."""

    __slots__ = ("_offers",)

    def __init__(self) -> None:
        self._offers: deque[OwnOffer] = deque()

    @property
    def current(self) -> OwnOffer | None:
        """The one whose turn it is."""
        return self._offers[0] if self._offers else None

    def add(self, media: MediaDescription, now: float) -> bool:
        """Let it wait its turn; False where too many do."""
        if len(self._offers) >= OFFERS_WAITING_MAX:
            return False
        self._offers.append(OwnOffer(media, now))
        return True

    def finish(self) -> OwnOffer:
        """The current one is answered or refused."""
        return self._offers.popleft()
