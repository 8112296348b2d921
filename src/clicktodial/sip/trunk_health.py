"""Whether a trunk is there, found out by OPTIONS (RFC 3261 11).

Theory of operation. Between calls the owner of a TrunkHealth waits for its deadline, and sends an
OPTIONS where `handle_timeout` says so; what came of it goes to `handle_answer`. Any answer shows
that the trunk is there, unless it says itself that it is not fit for calls. The machine keeps the
time of the answer too: one that comes too late for a call comes too late here.

            Silent               Silent, FAILURES_MAX in a row
       UP ---------> SUSPECT ------------------------------> DOWN
        ^               |                                      |
        +---Answered----+-----------------Answered-------------+

A trunk that is not UP is asked more often: to be sure of it, and to have it back.
"""

from enum import Enum, auto

from clicktodial.domain.trunk import Trunk
from clicktodial.sip.client_request import PlainRequest
from clicktodial.sip.message import SipMessage
from clicktodial.sip.registration import trunk_domain
from clicktodial.sip.uri import Hop

# One lost answer is a bad network; so many in a row, each asked several times, are not.
FAILURES_MAX = 3
RECHECK_S = 5.0
# What a proxy says whose own servers are gone or full. Other refusals, of a method or a URI that
# it does not know, come from a trunk that is well.
_UNFIT_STATUSES = frozenset({408, 500, 502, 503, 504})


class HealthState(Enum):
    """How a trunk does."""

    UP = auto()
    SUSPECT = auto()
    DOWN = auto()


class HealthInput(Enum):
    """What an OPTIONS brought."""

    ANSWERED = auto()
    SILENT = auto()


class TrunkHealth:
    """One trunk's. Times are monotonic seconds. A trunk is UP until found otherwise."""

    __slots__ = ("_awaits_answer", "_failures", "_interval_s", "_timeout_s", "deadline", "state")

    def __init__(self, *, interval_s: float, timeout_s: float, first_at: float) -> None:
        """`timeout_s` is how long an answer may take; `first_at` is when it is asked first."""
        self._interval_s = interval_s
        self._timeout_s = timeout_s
        self._awaits_answer = False
        self._failures = 0
        self.state = HealthState.UP
        self.deadline = first_at

    def handle_timeout(self, now: float) -> bool:
        """The deadline has passed; returns whether to send an OPTIONS now."""
        if self._awaits_answer:
            self._process(HealthInput.SILENT, now)
            return False
        self._awaits_answer = True
        self.deadline = now + self._timeout_s
        return True

    def handle_answer(self, response: SipMessage | None, now: float) -> None:
        """What came of the last OPTIONS: None where nothing could be asked."""
        if not self._awaits_answer:
            return  # it came too late
        fit = response is not None and response.status not in _UNFIT_STATUSES
        self._process(HealthInput.ANSWERED if fit else HealthInput.SILENT, now)

    def _process(self, what: HealthInput, now: float) -> None:
        self._awaits_answer = False
        self._failures = 0 if what is HealthInput.ANSWERED else self._failures + 1
        self.state = _TABLE[self.state, what, self._failures >= FAILURES_MAX]
        is_up = self.state is HealthState.UP
        self.deadline = now + (self._interval_s if is_up else min(self._interval_s, RECHECK_S))


# By state, input, and whether that was one failure too many.
_TABLE = {
    (HealthState.UP, HealthInput.ANSWERED, False): HealthState.UP,
    (HealthState.UP, HealthInput.SILENT, False): HealthState.SUSPECT,
    (HealthState.SUSPECT, HealthInput.ANSWERED, False): HealthState.UP,
    (HealthState.SUSPECT, HealthInput.SILENT, False): HealthState.SUSPECT,
    (HealthState.SUSPECT, HealthInput.SILENT, True): HealthState.DOWN,
    (HealthState.DOWN, HealthInput.ANSWERED, False): HealthState.UP,
    (HealthState.DOWN, HealthInput.SILENT, True): HealthState.DOWN,
}


def create_options(trunk: Trunk, next_hop: Hop) -> PlainRequest:
    """The OPTIONS that asks the trunk itself, and nobody behind it."""
    uri = f"sip:{trunk_domain(trunk)}"
    headers = (("Accept", "application/sdp"),)  # RFC 3261 11.1
    return PlainRequest(
        method="OPTIONS",
        request_uri=uri,
        to_uri=uri,
        next_hop=next_hop,
        headers=headers,
        credentials=trunk.credentials,
    )
