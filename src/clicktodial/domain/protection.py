"""Who may call whom, how often and when: the rules that protect those who are called.

Theory of operation. `find_obstacles` is given what an enterprise and the operator set
(`CallRules`), what the database knows of the two parties (`CallFacts`) and the time, and says all
that stands against the call. Where nothing does, `make_claims` says what the call counts towards.
Claims are counted in the transaction that makes the call, each only if it still holds there: two
calls that ask at the same time, on whatever nodes, cannot both be the last one.

    rules, facts, now --> obstacles --> refused
                     \\-> claims ----> counted with the call, or the call is judged anew

What the operator sets holds for all; what an enterprise sets holds besides, for its own calls.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple, TypeAlias

from clicktodial.domain.cause import Side
from clicktodial.domain.time_zone import CHINA, find_zone, zones_of_number
from clicktodial.domain.wording import worded

# Nobody has a phone that may ring more often; it bounds what is kept of a callee.
FREQUENCY_MAX = 500
# A call centre's busiest member, for a month; a typing error must not read as "no cap".
CALL_CAP_MAX = 1_000_000
MINUTES_PER_DAY = 24 * 60

FIVE_MINUTES_MS = 5 * 60 * 1000
HOUR_MS = 60 * 60 * 1000
DAY_MS = 24 * HOUR_MS


class Scope(StrEnum):
    """Whose rule it is: the operator's for all calls, or the enterprise's for its own."""

    PLATFORM = "platform"
    ENTERPRISE = "enterprise"


class ListKind(StrEnum):
    """What a number is listed for. ALLOWED is an exception from all rules of the same scope but
    the blacklist; the platform's is one from those of enterprises too."""

    DO_NOT_CALL = "do-not-call"
    ALLOWED = "allowed"


class Rule(StrEnum):
    """What a call is refused by."""

    BLACKLIST = "blacklist"
    MEMBERS_ONLY = "members-only"
    DO_NOT_CALL = "do-not-call"
    QUIET_HOURS = "quiet-hours"
    FREQUENCY = "frequency"
    CALL_CAP = "call-cap"


class Obstacle(NamedTuple):
    """Why a call may not be, in words that hold no number."""

    rule: Rule
    words: str
    side: Side = Side.CALLEE


@dataclass(frozen=True, slots=True, kw_only=True)
class FrequencyCaps:
    """How often one callee may be called, at most, in any such time. None is any number."""

    per_5_minutes: int | None = None
    per_hour: int | None = None
    per_day: int | None = None

    @property
    def windows(self) -> Iterator[tuple[int, int, str]]:
        """Those that are set: the cap, the length in milliseconds, and its name in words."""
        for cap, window_ms, words in (
            (self.per_5_minutes, FIVE_MINUTES_MS, worded("5 minutes")),
            (self.per_hour, HOUR_MS, worded("an hour")),
            (self.per_day, DAY_MS, worded("a day")),
        ):
            if cap is not None:
                yield cap, window_ms, words

    @property
    def kept_ms(self) -> int:
        """How long a call counts in any of them; 0 where none is set."""
        return max((window_ms for _, window_ms, _ in self.windows), default=0)

    def is_within(self, other: "FrequencyCaps") -> bool:
        """Whether each of its caps is no higher than the other's."""
        pairs = (
            (self.per_5_minutes, other.per_5_minutes),
            (self.per_hour, other.per_hour),
            (self.per_day, other.per_day),
        )
        return all(own is None or most is None or own <= most for own, most in pairs)


NO_FREQUENCY = FrequencyCaps()


@dataclass(frozen=True, slots=True)
class CalleeHistory:
    """When a callee was called lately, in milliseconds since 1970, in the order of the calls."""

    times_ms: tuple[int, ...] = ()

    def find_cap(self, caps: FrequencyCaps, now_ms: int) -> tuple[int, str] | None:
        """The cap that another call now would pass, with its window in words.

        A call that lies in the future, as after a clock was set back, counts as one in the past
        does: no window that holds this call can then hold more than its cap, and no clock can
        keep a callee from being called for longer than that window.
        """
        for cap, window_ms, words in caps.windows:
            if sum(abs(now_ms - time_ms) < window_ms for time_ms in self.times_ms) >= cap:
                return cap, words
        return None

    def add(self, caps: FrequencyCaps, now_ms: int) -> "CalleeHistory":
        """With a call now, without those that no window reaches any more. Twice its length is
        kept, so that a clock which is set back a little finds what it counted."""
        kept_ms = 2 * caps.kept_ms
        kept = [time_ms for time_ms in self.times_ms if abs(now_ms - time_ms) < kept_ms]
        return CalleeHistory((*kept[-2 * FREQUENCY_MAX :], now_ms))


@dataclass(frozen=True, slots=True)
class QuietHours:
    """From `start_minute` of the day to `end_minute`, which is not within, by the callee's
    clock; over midnight where the end is before the start."""

    start_minute: int
    end_minute: int

    def __str__(self) -> str:
        return f"{_clock(self.start_minute)}-{_clock(self.end_minute)}"

    def hold_at(self, minute: int) -> bool:
        """Whether that minute of the day is within."""
        if self.start_minute <= self.end_minute:
            return self.start_minute <= minute < self.end_minute
        return minute >= self.start_minute or minute < self.end_minute


@dataclass(frozen=True, slots=True, kw_only=True)
class CallCaps:
    """How many calls may be begun in a day and in a month of the calendar; None is any number."""

    per_day: int | None = None
    per_month: int | None = None


NO_CAPS = CallCaps()


@dataclass(frozen=True, slots=True, kw_only=True)
class EnterpriseProtection:
    """What an enterprise sets for its calls. `member_caps` hold for each member that has none of
    its own; days and months are those of `time_zone`, by which a callee of whom no zone is known
    is spared too."""

    members_only: bool = False
    member_caps: CallCaps = NO_CAPS
    frequency: FrequencyCaps = NO_FREQUENCY
    quiet_hours: QuietHours | None = None
    time_zone: str = CHINA


@dataclass(frozen=True, slots=True, kw_only=True)
class PlatformProtection:
    """What the operator sets for all calls, over all enterprises together."""

    frequency: FrequencyCaps = NO_FREQUENCY
    quiet_hours: QuietHours | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CallRules:
    """The rules of an application's calls: its enterprise's, and what it is exempt from.

    `has_caps` and `has_lists` tell whether any member or department has a cap, and whether any
    number is listed: where not, nobody looks.
    """

    enterprise: EnterpriseProtection = EnterpriseProtection()
    has_caps: bool = False
    has_lists: bool = False
    ignores_quiet_hours: bool = False
    ignores_platform_quiet_hours: bool = False

    @property
    def needs_member(self) -> bool:
        """Whether it matters which member the caller is."""
        return self.enterprise.members_only or self.has_caps

    @property
    def quiet_hours(self) -> QuietHours | None:
        """The enterprise's, where they hold for this application."""
        return None if self.ignores_quiet_hours else self.enterprise.quiet_hours


NO_RULES = CallRules()


@dataclass(frozen=True, slots=True, kw_only=True)
class PlatformRules:
    """The operator's, with what its lists hold any of."""

    protection: PlatformProtection = PlatformProtection()
    has_blacklist: bool = False
    has_lists: bool = False


NO_PLATFORM_RULES = PlatformRules()


@dataclass(frozen=True, slots=True, kw_only=True)
class RulesInForce:
    """Both together, for one call."""

    own: CallRules
    platform: PlatformRules

    @property
    def needs_lists(self) -> bool:
        """Whether it matters what the callee is listed for."""
        return self.own.has_lists or self.platform.has_lists

    @property
    def scopes_that_count(self) -> tuple[Scope, ...]:
        """Those that have a frequency cap."""
        return tuple(scope for scope in Scope if self.frequency(scope).kept_ms)

    @property
    def are_none(self) -> bool:
        """Whether nothing at all is switched on."""
        return not (
            self.own.needs_member
            or self.needs_lists
            or self.platform.has_blacklist
            or self.scopes_that_count
            or any(self.quiet_hours(scope) for scope in Scope)
        )

    @property
    def need_facts(self) -> bool:
        """Whether the database has to be asked; quiet hours need but a clock."""
        return bool(
            self.own.needs_member
            or self.needs_lists
            or self.platform.has_blacklist
            or self.scopes_that_count
        )

    def frequency(self, scope: Scope) -> FrequencyCaps:
        """The caps of that scope."""
        if scope is Scope.PLATFORM:
            return self.platform.protection.frequency
        return self.own.enterprise.frequency

    def quiet_hours(self, scope: Scope) -> QuietHours | None:
        """Those of that scope, where they hold for the application."""
        if scope is Scope.ENTERPRISE:
            return self.own.quiet_hours
        if self.own.ignores_platform_quiet_hours:
            return None
        return self.platform.protection.quiet_hours


class CapWords(NamedTuple):
    """What somebody's caps are called."""

    a_day: str
    a_month: str


_OF_MEMBER = CapWords(
    worded("member's cap of calls a day"), worded("member's cap of calls a month")
)
_OF_DEPARTMENT = CapWords(
    worded("department's cap of calls a day"), worded("department's cap of calls a month")
)


class CapSubject(NamedTuple):
    """Whose calls are counted: a member's or a department's, with its caps."""

    key: str
    words: CapWords
    caps: CallCaps


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberFacts:
    """The member that calls. `caps` are its own, and replace the enterprise's for members."""

    member_id: str
    caps: CallCaps = NO_CAPS
    department_id: str | None = None
    department_caps: CallCaps = NO_CAPS

    def subjects(self, protection: EnterpriseProtection) -> tuple[CapSubject, ...]:
        """Whose calls count, as far as there is a cap for them."""
        own, every = self.caps, protection.member_caps
        caps = CallCaps(
            per_day=every.per_day if own.per_day is None else own.per_day,
            per_month=every.per_month if own.per_month is None else own.per_month,
        )
        subjects = [CapSubject(member_subject(self.member_id), _OF_MEMBER, caps)]
        if self.department_id is not None:
            key = department_subject(self.department_id)
            subjects.append(CapSubject(key, _OF_DEPARTMENT, self.department_caps))
        return tuple(each for each in subjects if each.caps != NO_CAPS)


def member_subject(member_id: str) -> str:
    """Under which a member's calls are counted."""
    return f"m:{member_id}"


def department_subject(department_id: str) -> str:
    """Under which a department's calls are counted."""
    return f"d:{department_id}"


class CountedPeriod(NamedTuple):
    """A day or a month of the calendar: its name, as it is counted under, and when it is over."""

    name: str
    ends_at: datetime


@dataclass(frozen=True, slots=True)
class Calendar:
    """The day and the month in which a moment lies, by the clock of a time zone."""

    day: CountedPeriod
    month: CountedPeriod

    @classmethod
    def at(cls, now: datetime, zone_name: str) -> "Calendar":
        """Of that moment."""
        zone = find_zone(zone_name)
        today = now.astimezone(zone).replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
        first = today.replace(day=1)
        # By the wall clock: a day may have 23 or 25 hours.
        return cls(
            CountedPeriod(f"{today:%Y-%m-%d}", today + timedelta(days=1)),
            CountedPeriod(f"{today:%Y-%m}", (first + timedelta(days=32)).replace(day=1)),
        )


class CountedCalls(NamedTuple):
    """What is counted: whose calls, in which period."""

    subject: str
    period: str


@dataclass(frozen=True, slots=True)
class CalleeRecord:
    """What is kept of a callee for one scope; `version` counts the changes of it."""

    history: CalleeHistory = CalleeHistory()
    version: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class CallFacts:
    """What is known of the parties, as far as the rules need it. `callee_key` stands for the
    callee's number where it is kept."""

    enterprise_id: str = ""
    callee_key: str = ""
    blacklisted: frozenset[Side] = frozenset()
    listed: frozenset[tuple[Scope, ListKind]] = frozenset()
    member: MemberFacts | None = None
    calls: Mapping[CountedCalls, int] = field(default_factory=dict)
    records: Mapping[Scope, CalleeRecord] = field(default_factory=dict)

    def spares(self, scope: Scope) -> bool:
        """Whether the rules of that scope do not hold for this callee."""
        if (Scope.PLATFORM, ListKind.ALLOWED) in self.listed:
            return True
        return (scope, ListKind.ALLOWED) in self.listed


NO_FACTS = CallFacts()


@dataclass(frozen=True, slots=True)
class CountClaim:
    """One more call of the subject in the period, which may have `limit` of them."""

    counted: CountedCalls
    limit: int
    ends_at: datetime


@dataclass(frozen=True, slots=True)
class CalleeClaim:
    """The callee's history, one call longer, in the place of the one that was `version`. `owner`
    is the enterprise whose it is; empty: the platform's."""

    owner: str
    callee_key: str
    version: int
    history: CalleeHistory
    expires_at: datetime


Claim: TypeAlias = CountClaim | CalleeClaim


def find_obstacles(
    rules: RulesInForce, facts: CallFacts, callee_e164: str, now: datetime
) -> tuple[Obstacle, ...]:
    """All that stands against the call, what lasts longest first."""
    return (
        *_find_blacklisted(facts),
        *_find_foreign_caller(rules, facts),
        *_find_listed(facts),
        *_find_quiet_hours(rules, facts, callee_e164, now),
        *_find_frequency(rules, facts, now),
        *_find_call_caps(rules, facts, now),
    )


def make_claims(rules: RulesInForce, facts: CallFacts, now: datetime) -> tuple[Claim, ...]:
    """What a call that nothing stands against is to be counted towards."""
    claims: list[Claim] = [
        CountClaim(counted, limit, period.ends_at)
        for counted, limit, period, _ in _caps_of(rules, facts, now)
    ]
    for scope in rules.scopes_that_count:
        if not facts.spares(scope):
            caps = rules.frequency(scope)
            record = facts.records.get(scope, CalleeRecord())
            claims.append(
                CalleeClaim(
                    facts.enterprise_id if scope is Scope.ENTERPRISE else "",
                    facts.callee_key,
                    record.version,
                    record.history.add(caps, to_ms(now)),
                    now + timedelta(milliseconds=2 * caps.kept_ms),
                )
            )
    return tuple(claims)


def to_ms(now: datetime) -> int:
    """Milliseconds since 1970 of an aware time."""
    return round(now.timestamp() * 1000)


def _find_blacklisted(facts: CallFacts) -> Iterator[Obstacle]:
    for side in Side:
        if side in facts.blacklisted:
            words = worded("The %(side)s is on the operator's blacklist", side=side)
            yield Obstacle(Rule.BLACKLIST, words, side)


def _find_foreign_caller(rules: RulesInForce, facts: CallFacts) -> Iterator[Obstacle]:
    if rules.own.enterprise.members_only and facts.member is None:
        yield Obstacle(
            Rule.MEMBERS_ONLY, worded("The caller is no member of the enterprise"), Side.CALLER
        )


def _find_listed(facts: CallFacts) -> Iterator[Obstacle]:
    for scope in Scope:
        if (scope, ListKind.DO_NOT_CALL) in facts.listed and not facts.spares(scope):
            words = worded("The callee is on the %(scope)s's do-not-call list", scope=scope)
            yield Obstacle(Rule.DO_NOT_CALL, words)


def _find_quiet_hours(
    rules: RulesInForce, facts: CallFacts, callee_e164: str, now: datetime
) -> Iterator[Obstacle]:
    for scope in Scope:
        hours = rules.quiet_hours(scope)
        if hours is None or facts.spares(scope):
            continue
        zones = zones_of_number(callee_e164) or (find_zone(rules.own.enterprise.time_zone),)
        for zone in zones:
            local = now.astimezone(zone)
            minute = local.hour * 60 + local.minute
            if hours.hold_at(minute):
                words = worded(
                    "It is %(clock)s where the callee may be (%(zone)s), within the "
                    "%(scope)s's quiet hours %(hours)s",
                    clock=_clock(minute),
                    zone=zone,
                    scope=scope,
                    hours=hours,
                )
                yield Obstacle(Rule.QUIET_HOURS, words)
                break


def _find_frequency(rules: RulesInForce, facts: CallFacts, now: datetime) -> Iterator[Obstacle]:
    for scope in rules.scopes_that_count:
        if facts.spares(scope):
            continue
        history = facts.records.get(scope, CalleeRecord()).history
        passed = history.find_cap(rules.frequency(scope), to_ms(now))
        if passed is not None:
            cap, window = passed
            words = worded(
                "The callee may be called %(cap)s times in %(window)s by the %(scope)s's cap, "
                "and was",
                cap=cap,
                window=window,
                scope=scope,
            )
            yield Obstacle(Rule.FREQUENCY, words)


def _find_call_caps(rules: RulesInForce, facts: CallFacts, now: datetime) -> Iterator[Obstacle]:
    for counted, limit, _, words in _caps_of(rules, facts, now):
        if facts.calls.get(counted, 0) >= limit:
            yield Obstacle(
                Rule.CALL_CAP,
                worded("The %(cap)s is reached: %(limit)s", cap=words, limit=limit),
                Side.CALLER,
            )


def _caps_of(
    rules: RulesInForce, facts: CallFacts, now: datetime
) -> Iterator[tuple[CountedCalls, int, CountedPeriod, str]]:
    if facts.member is None or not rules.own.has_caps:
        return
    protection = rules.own.enterprise
    calendar = Calendar.at(now, protection.time_zone)
    for subject in facts.member.subjects(protection):
        for limit, period, words in (
            (subject.caps.per_day, calendar.day, subject.words.a_day),
            (subject.caps.per_month, calendar.month, subject.words.a_month),
        ):
            if limit is not None:
                counted = CountedCalls(subject.key, period.name)
                yield counted, limit, period, words


def _clock(minute: int) -> str:
    return f"{minute // 60:02d}:{minute % 60:02d}"
