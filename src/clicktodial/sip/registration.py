"""Registering with a trunk (RFC 3261 10.2): asked for, kept up, tried again, taken back.

Theory of operation. Whoever owns a registration feeds it inputs; each returns the Expires of the
REGISTER to send now, or None. Between them there is one deadline. At most one REGISTER is under
way (RFC 3261 10.2), so a Stop that comes meanwhile waits for its answer.

    IDLE --Start--> TRYING --Accepted--> REGISTERED --Due--> TRYING
                    |    ^ \\--TooBrief: again, longer
         Refused,   v    | Due
         Silent   WAITING

    Stop: IDLE -> STOPPED; TRYING -> LEAVING, which decides when the answer is there; others
    -> UNREGISTERING (Expires 0) where a binding may stand, else STOPPED
    UNREGISTERING --anything--> STOPPED

A binding that stands goes on to count while it is refreshed, until the time that was granted is
over. Waits grow by RFC 5626 4.5's formula, from a shorter base: it was made for masses of phones
that come back at once, and a node has some dozens of trunks at most.
"""

import random as random_module
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto
from typing import TypeAlias
from urllib.parse import quote

from clicktodial.domain.trunk import Trunk
from clicktodial.sip.client_request import PlainRequest
from clicktodial.sip.error import RegistrationStateError
from clicktodial.sip.message import SipMessage
from clicktodial.sip.uri import DEFAULT_PORT, Hop, bracket_host, parse_uri, uri_of

# A quarter of the time granted is left for tries that fail.
REFRESH_FRACTION = 0.75
# A registrar that grants seconds must not make us its load generator.
REFRESH_S_MIN = 15.0
RETRY_BASE_S = 5.0
RETRY_S_MAX = 300.0
# What a registrar may make us wait for; a day would be a trunk forgotten.
RETRY_AFTER_S_MAX = 3_600
# RFC 3261 10.2.8: the registrar names what it takes; a week is beyond any that is meant.
EXPIRES_S_MAX = 604_800
_INTERVAL_TOO_BRIEF = 423
# A name or password that was refused will be again; and registrars lock out who insists.
_REFUSED_FOR_GOOD = frozenset({401, 403, 407})
_USER_SAFE = "-_.!~*'()&=+$,;?/"  # RFC 3261 25.1, user


class RegistrationState(Enum):
    """Where a registration stands."""

    IDLE = auto()
    TRYING = auto()
    REGISTERED = auto()
    WAITING = auto()
    LEAVING = auto()
    UNREGISTERING = auto()
    STOPPED = auto()


@dataclass(frozen=True, slots=True)
class Start:
    """Begin."""


@dataclass(frozen=True, slots=True)
class Due:
    """The deadline has passed."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """2xx, with the seconds for which we are known."""

    expires_s: int


@dataclass(frozen=True, slots=True)
class TooBrief:
    """423, with the least that the registrar takes."""

    min_expires_s: int


@dataclass(frozen=True, slots=True)
class Refused:
    """Any other answer."""

    status: int
    retry_after_s: int = 0


@dataclass(frozen=True, slots=True)
class Silent:
    """No answer came, or there was no address to ask."""


@dataclass(frozen=True, slots=True)
class Stop:
    """Take it back."""


RegistrationInput: TypeAlias = Start | Due | Accepted | TooBrief | Refused | Silent | Stop


class Registration:
    """One user's registration with one registrar. Times are monotonic seconds."""

    __slots__ = ("_asked_s", "_failures", "_random", "deadline", "registered_until", "state")

    def __init__(self, expires_s: int, random: random_module.Random) -> None:
        """`expires_s` is what is asked for; the registrar decides. `random` spreads the retries."""
        self._asked_s = expires_s
        self._failures = 0
        self._random = random
        self.state = RegistrationState.IDLE
        self.deadline: float | None = None
        self.registered_until = 0.0

    def process(self, what: RegistrationInput, now: float) -> int | None:
        """Take an input; returns the Expires of the REGISTER to send, None for none.

        Raises RegistrationStateError, and changes nothing, where the input makes no sense.
        """
        handler = _TABLE.get((self.state, type(what)))
        if handler is None:
            raise RegistrationStateError(f"{type(what).__name__} in {self.state.name}")
        return handler(self, what, now)

    def is_registered(self, now: float) -> bool:
        """Whether the registrar knows us."""
        return now < self.registered_until

    def _try(self, _what: RegistrationInput, _now: float) -> int:
        self.state = RegistrationState.TRYING
        self.deadline = None
        return self._asked_s

    def _on_accepted(self, what: RegistrationInput, now: float) -> None:
        assert isinstance(what, Accepted)
        self.state = RegistrationState.REGISTERED
        self._failures = 0
        self.registered_until = now + what.expires_s
        self.deadline = now + max(REFRESH_S_MIN, what.expires_s * REFRESH_FRACTION)

    def _on_too_brief(self, what: RegistrationInput, now: float) -> int | None:
        assert isinstance(what, TooBrief)
        if self._asked_s < what.min_expires_s <= EXPIRES_S_MAX:
            self._asked_s = what.min_expires_s
            return self._asked_s
        # It contradicts itself, or wants what nobody means: as any refusal.
        self._on_refused(Refused(_INTERVAL_TOO_BRIEF), now)
        return None

    def _on_refused(self, what: RegistrationInput, now: float) -> None:
        assert isinstance(what, Refused)
        if what.status in _REFUSED_FOR_GOOD:
            self.registered_until = 0.0
            self._wait(RETRY_S_MAX, now)
        else:
            self._wait(max(self._next_wait_s(), min(what.retry_after_s, RETRY_AFTER_S_MAX)), now)

    def _on_silence(self, _what: RegistrationInput, now: float) -> None:
        self._wait(self._next_wait_s(), now)

    def _next_wait_s(self) -> float:
        """RFC 5626 4.5: doubled with each failure in a row, and then half of it up to chance."""
        longest = min(RETRY_S_MAX, RETRY_BASE_S * 2.0 ** min(self._failures, 16))
        return longest * self._random.uniform(0.5, 1.0)

    def _wait(self, seconds: float, now: float) -> None:
        self.state = RegistrationState.WAITING
        self._failures += 1
        self.deadline = now + seconds

    def _leave(self, _what: RegistrationInput, _now: float) -> None:
        self.state = RegistrationState.LEAVING

    def _unregister(self, _what: RegistrationInput, now: float) -> int | None:
        self.deadline = None
        if not self.is_registered(now):
            self._end(_what, now)
            return None
        self.state = RegistrationState.UNREGISTERING
        return 0  # RFC 3261 10.2.2

    def _on_late_acceptance(self, what: RegistrationInput, now: float) -> int | None:
        self._on_accepted(what, now)
        return self._unregister(what, now)

    def _end(self, _what: RegistrationInput, _now: float) -> None:
        self.state = RegistrationState.STOPPED
        self.deadline = None
        self.registered_until = 0.0


_Handler: TypeAlias = Callable[[Registration, RegistrationInput, float], int | None]
_S = RegistrationState
_TABLE: dict[tuple[RegistrationState, type[RegistrationInput]], _Handler] = {
    (_S.IDLE, Start): Registration._try,
    (_S.IDLE, Stop): Registration._end,
    (_S.TRYING, Accepted): Registration._on_accepted,
    (_S.TRYING, TooBrief): Registration._on_too_brief,
    (_S.TRYING, Refused): Registration._on_refused,
    (_S.TRYING, Silent): Registration._on_silence,
    (_S.TRYING, Stop): Registration._leave,
    (_S.REGISTERED, Due): Registration._try,
    (_S.REGISTERED, Stop): Registration._unregister,
    (_S.WAITING, Due): Registration._try,
    (_S.WAITING, Stop): Registration._unregister,
    (_S.LEAVING, Accepted): Registration._on_late_acceptance,
    (_S.LEAVING, TooBrief): Registration._unregister,
    (_S.LEAVING, Refused): Registration._unregister,
    (_S.LEAVING, Silent): Registration._unregister,
    (_S.UNREGISTERING, Accepted): Registration._end,
    (_S.UNREGISTERING, TooBrief): Registration._end,
    (_S.UNREGISTERING, Refused): Registration._end,
    (_S.UNREGISTERING, Silent): Registration._end,
}


def create_register(
    trunk: Trunk, next_hop: Hop, expires_s: int, *, call_id: str, cseq: int
) -> PlainRequest:
    """The REGISTER of the trunk's user (RFC 3261 10.2). The trunk must have credentials.

    A user name with a domain of its own, `4711@provider.example`, is registered there.
    """
    assert trunk.credentials is not None
    user, _, domain = trunk.credentials.username.rpartition("@")
    if not user:
        user, domain = domain, ""
    registrar = domain or trunk_domain(trunk)
    user = quote(user, safe=_USER_SAFE)
    address_of_record = f"sip:{user}@{registrar}"
    return PlainRequest(
        method="REGISTER",
        request_uri=f"sip:{registrar}",
        to_uri=address_of_record,
        from_uri=address_of_record,
        next_hop=next_hop,
        contact_user=user,
        headers=(("Expires", str(expires_s)),),
        credentials=trunk.credentials,
        call_id=call_id,
        cseq=cseq,
    )


def trunk_domain(trunk: Trunk) -> str:
    """The host part of what is asked of the trunk itself."""
    host = bracket_host(trunk.host)
    return trunk.domain or (host if trunk.port == DEFAULT_PORT else f"{host}:{trunk.port}")


def read_answer(
    response: SipMessage | None, contact_uri: str, asked_s: int
) -> Accepted | TooBrief | Refused | Silent:
    """What an answer to a REGISTER of `contact_uri` for `asked_s` is to the registration."""
    if response is None:
        return Silent()
    if 200 <= response.status < 300:
        granted_s = _granted_s(response, contact_uri, asked_s)
        # Nothing was asked for, or something was given.
        return Accepted(granted_s) if granted_s or not asked_s else Refused(response.status)
    if response.status == _INTERVAL_TOO_BRIEF:
        return TooBrief(max(0, response.get_count("Min-Expires") or 0))
    # A Retry-After may go on with a comment and parameters.
    after = response.get("Retry-After").partition(";")[0].partition("(")[0].strip()
    seconds = int(after) if after.isascii() and after.isdecimal() and len(after) <= 9 else 0
    return Refused(response.status, seconds)


def _granted_s(response: SipMessage, contact_uri: str, asked_s: int) -> int:
    """RFC 3261 10.2.4: by our Contact's parameter, else by the header, else what we asked."""
    values = response.get_values("Contact")
    ours = next((each for each in values if _is_same(uri_of(each), contact_uri)), None)
    if ours is None and len(values) == 1:
        ours = values[0]  # a registrar before a NAT writes the address that it sees
    found = None if ours is None else _expires_of(ours)
    if found is None:
        found = response.get_count("Expires")
    return min(asked_s if found is None or found < 0 else found, EXPIRES_S_MAX)


def _is_same(uri: str, other: str) -> bool:
    """Whether both lead to the same user at the same place, whatever else they say."""
    one, two = parse_uri(uri), parse_uri(other)
    if one is None or two is None:
        return False
    return (one.user, one.host.lower(), one.port or DEFAULT_PORT) == (
        two.user,
        two.host.lower(),
        two.port or DEFAULT_PORT,
    )


def _expires_of(contact: str) -> int | None:
    for parameter in contact[contact.rfind(">") + 1 :].split(";"):
        name, _, value = parameter.partition("=")
        text = value.strip().strip('"')
        if name.strip().lower() == "expires" and text.isascii() and text.isdecimal():
            return int(text[:9])
    return None
