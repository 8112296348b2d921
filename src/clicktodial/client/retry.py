"""When a request is sent again, and after how long. Pure.

What is repeated here may be repeated: reading, ending a call, and beginning one with an
Idempotency-Key, which is made once for all tries (docs/idempotency.md).
"""

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from clicktodial.client.authority import Authority
from clicktodial.client.error import LimitReached, NotAnswered, Refused, Unavailable
from clicktodial.client.exchange import (
    Answer,
    Operation,
    Pause,
    Request,
    Send,
    read_retry_after,
)

# The platform, or what stands before it, cannot now; 500 placed no call either.
RETRIED_STATUSES = frozenset({429, 500, 502, 503, 504})
_UNAUTHENTICATED = 401


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often, and how long between. The waits double, and each is drawn from half of it to the
    whole, so that clients that failed together do not come back together."""

    attempts: int = 4
    first_wait_s: float = 0.2
    wait_s_max: float = 5.0
    # A platform that asks for more patience than this is told of to the caller instead.
    retry_after_s_max: float = 30.0

    def wait_s(self, failures: int, draw: Callable[[], float]) -> float:
        """The wait after that many failures in a row; `draw` gives numbers of [0, 1)."""
        # Beyond 2**16 the power says nothing new.
        whole_s = min(self.wait_s_max, self.first_wait_s * 2.0 ** min(failures - 1, 16))
        return whole_s * (0.5 + 0.5 * draw())

    def is_patient(self, asked_for_s: float | None) -> bool:
        """Whether it waits for as long as the platform asks for."""
        return asked_for_s is None or asked_for_s <= self.retry_after_s_max


NO_RETRIES = RetryPolicy(attempts=1)


@dataclass(frozen=True, slots=True)
class Outcome:
    """The answer at last; and whether one before was lost: what was asked may have been done."""

    answer: Answer
    was_lost: bool


def exchange(
    create: Callable[[Mapping[str, str]], Request],
    *,
    authority: Authority,
    policy: RetryPolicy,
    draw: Callable[[], float] = random.random,
) -> Operation[Outcome]:
    """Send what `create` makes of the authority's headers until it is answered. Raises NotAnswered
    where the last try was not; refusals are answers."""
    failures, was_lost, was_renewed = 0, False, False
    while True:
        is_asked = False
        try:
            headers = yield from authority.create_headers()
            is_asked = True
            answer: Answer = yield Send(create(headers))
        except (NotAnswered, Unavailable, LimitReached) as error:
            failures, was_lost = failures + 1, was_lost or is_asked
            asked_for_s = error.retry_after_s if isinstance(error, Refused) else None
            if failures >= policy.attempts or not policy.is_patient(asked_for_s):
                raise
        else:
            if answer.status == _UNAUTHENTICATED and not was_renewed and authority.discard(headers):
                was_renewed = True
                continue
            failures, asked_for_s = failures + 1, read_retry_after(answer)
            if (
                answer.status not in RETRIED_STATUSES
                or failures >= policy.attempts
                or not policy.is_patient(asked_for_s)
            ):
                return Outcome(answer, was_lost)
        yield Pause(max(asked_for_s or 0.0, policy.wait_s(failures, draw)))
