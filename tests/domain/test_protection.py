"""The rules that protect callees: windows, quiet hours, caps of the calendar."""

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clicktodial.domain.cause import Side
from clicktodial.domain.protection import (
    DAY_MS,
    FIVE_MINUTES_MS,
    FREQUENCY_MAX,
    HOUR_MS,
    NO_PLATFORM_RULES,
    NO_RULES,
    Calendar,
    CallCaps,
    CalleeClaim,
    CalleeHistory,
    CalleeRecord,
    CallFacts,
    CallRules,
    CountClaim,
    CountedCalls,
    EnterpriseProtection,
    FrequencyCaps,
    ListKind,
    MemberFacts,
    PlatformProtection,
    PlatformRules,
    QuietHours,
    Rule,
    RulesInForce,
    Scope,
    find_obstacles,
    make_claims,
    to_ms,
)

CALLEE = "+8613810268653"
NOON = datetime(2026, 3, 2, 4, 0, tzinfo=UTC)  # 12:00 in Shanghai


def rules(platform: PlatformRules = NO_PLATFORM_RULES, **own: Any) -> RulesInForce:
    return RulesInForce(own=CallRules(**own), platform=platform)


def refused_by(in_force: RulesInForce, facts: CallFacts, now: datetime = NOON) -> list[Rule]:
    return [each.rule for each in find_obstacles(in_force, facts, CALLEE, now)]


caps_strategy = st.builds(
    FrequencyCaps,
    per_5_minutes=st.none() | st.integers(1, 3),
    per_hour=st.none() | st.integers(1, 4),
    per_day=st.none() | st.integers(1, 5),
)


def call_when_allowed(caps: FrequencyCaps, times_ms: list[int]) -> list[int]:
    """The times of those calls that were let through, each judged by what is kept."""
    history, passed = CalleeHistory(), []
    for now_ms in times_ms:
        if history.find_cap(caps, now_ms) is None:
            # As the database keeps it, so that a restart between any two of them is the same.
            history = CalleeHistory(tuple(history.add(caps, now_ms).times_ms))
            passed.append(now_ms)
    return passed


def most_in_a_window(passed: list[int], window_ms: int) -> int:
    """The most calls that any window of that length holds."""
    return max((sum(0 <= t - start < window_ms for t in passed) for start in passed), default=0)


@given(caps_strategy, st.lists(st.integers(0, 20 * 60_000), max_size=60))
def test_no_window_ever_holds_more_than_its_cap(caps: FrequencyCaps, steps: list[int]) -> None:
    now_ms, times = 1_700_000_000_000, []
    for step in steps:
        now_ms += step
        times.append(now_ms)
    passed = call_when_allowed(caps, times)
    for cap, window_ms, _ in caps.windows:
        assert most_in_a_window(passed, window_ms) <= cap


@given(caps_strategy, st.lists(st.integers(0, DAY_MS - 1), max_size=60))
def test_clock_that_jumps_within_a_day_lets_no_more_through(
    caps: FrequencyCaps, offsets: list[int]
) -> None:
    # Of less than the shortest window's double, since so long is kept of what is counted.
    span_ms = 2 * caps.kept_ms
    times = [1_700_000_000_000 + offset % span_ms for offset in offsets if span_ms]
    passed = call_when_allowed(caps, times)
    for cap, window_ms, _ in caps.windows:
        assert most_in_a_window(passed, window_ms) <= cap


@given(st.integers(-400 * DAY_MS, 400 * DAY_MS))
def test_clock_that_jumps_far_keeps_nobody_from_being_called_for_longer_than_the_window(
    jump_ms: int,
) -> None:
    caps = FrequencyCaps(per_hour=1)
    start_ms = 1_700_000_000_000
    history = CalleeHistory().add(caps, start_ms)
    blocked = history.find_cap(caps, start_ms + jump_ms) is not None
    assert blocked == (abs(jump_ms) < HOUR_MS)


def test_window_is_over_to_the_millisecond() -> None:
    caps = FrequencyCaps(per_5_minutes=2)
    history = CalleeHistory((0, 1))
    assert history.find_cap(caps, FIVE_MINUTES_MS - 1) == (2, "5 minutes")
    assert history.find_cap(caps, FIVE_MINUTES_MS) is None


def test_history_is_bounded_whatever_the_caps() -> None:
    caps, history = FrequencyCaps(per_day=FREQUENCY_MAX), CalleeHistory()
    for now_ms in range(3 * FREQUENCY_MAX):
        history = history.add(caps, now_ms)
    assert len(history.times_ms) == 2 * FREQUENCY_MAX + 1


@pytest.mark.parametrize(
    ("own", "most", "within"),
    [
        (FrequencyCaps(per_hour=3), FrequencyCaps(per_hour=3), True),
        (FrequencyCaps(per_hour=4), FrequencyCaps(per_hour=3), False),
        (FrequencyCaps(), FrequencyCaps(per_hour=3), True),
        (FrequencyCaps(per_day=9), FrequencyCaps(per_hour=3), True),
    ],
)
def test_own_caps_are_within_the_operators(
    own: FrequencyCaps, most: FrequencyCaps, within: bool
) -> None:
    assert own.is_within(most) == within


# Quiet hours


@pytest.mark.parametrize(
    ("local", "is_quiet"),
    [("20:59", False), ("21:00", True), ("23:59", True), ("00:00", True), ("07:59", True),
     ("08:00", False)],
)  # fmt: skip
def test_quiet_hours_span_midnight_by_the_callees_clock(local: str, is_quiet: bool) -> None:
    hour, minute = map(int, local.split(":"))
    now = datetime(2026, 3, 2, hour, minute, tzinfo=ZoneInfo("Asia/Shanghai")).astimezone(UTC)
    protection = EnterpriseProtection(quiet_hours=QuietHours(21 * 60, 8 * 60))
    refused = refused_by(rules(enterprise=protection), CallFacts(), now)
    assert refused == ([Rule.QUIET_HOURS] if is_quiet else [])


@given(st.integers(0, 1439), st.integers(0, 1439), st.integers(0, 1439))
def test_quiet_hours_and_their_complement_are_the_day(start: int, end: int, minute: int) -> None:
    if start != end:
        assert QuietHours(start, end).hold_at(minute) != QuietHours(end, start).hold_at(minute)


def test_callee_who_may_be_in_several_zones_is_spared_in_each() -> None:
    # A toll-free number of North America: 22:30 in New York is 19:30 in Los Angeles.
    now = datetime(2026, 1, 5, 3, 30, tzinfo=UTC)
    in_force = rules(enterprise=EnterpriseProtection(quiet_hours=QuietHours(21 * 60, 8 * 60)))
    assert find_obstacles(in_force, CallFacts(), "+18002530000", now)
    # 18:00 in New York, 13:00 in Honolulu, 09:00 in Guam.
    assert not find_obstacles(
        in_force, CallFacts(), "+18002530000", datetime(2026, 1, 5, 23, 0, tzinfo=UTC)
    )


def test_quiet_hours_follow_summer_time() -> None:
    in_force = rules(enterprise=EnterpriseProtection(quiet_hours=QuietHours(22 * 60, 7 * 60)))
    # 06:30 in Berlin in winter, 07:30 in summer, at the same hour of UTC.
    winter, summer = (datetime(2026, month, 2, 5, 30, tzinfo=UTC) for month in (1, 7))
    assert find_obstacles(in_force, CallFacts(), "+493012345678", winter)
    assert not find_obstacles(in_force, CallFacts(), "+493012345678", summer)


def test_callee_of_no_known_zone_is_spared_by_the_enterprises() -> None:
    protection = EnterpriseProtection(
        quiet_hours=QuietHours(21 * 60, 8 * 60), time_zone="Asia/Tokyo"
    )
    # A satellite phone; 22:00 in Tokyo.
    now = datetime(2026, 1, 5, 13, 0, tzinfo=UTC)
    assert find_obstacles(rules(enterprise=protection), CallFacts(), "+881612345678", now)


def test_application_ignores_only_the_quiet_hours_that_it_may() -> None:
    night = datetime(2026, 3, 2, 15, 0, tzinfo=UTC)  # 23:00 in Shanghai
    hours = QuietHours(21 * 60, 8 * 60)
    platform = PlatformRules(protection=PlatformProtection(quiet_hours=hours))
    own = EnterpriseProtection(quiet_hours=hours)
    both = find_obstacles(rules(platform, enterprise=own), CallFacts(), CALLEE, night)
    assert [each.rule for each in both] == [Rule.QUIET_HOURS, Rule.QUIET_HOURS]
    assert "It is 23:00 where the callee may be (Asia/Shanghai)" in both[0].words
    exempt = rules(platform, enterprise=own, ignores_quiet_hours=True)
    [left] = find_obstacles(exempt, CallFacts(), CALLEE, night)
    assert "platform's quiet hours 21:00-08:00" in left.words
    exempt = rules(
        platform, enterprise=own, ignores_quiet_hours=True, ignores_platform_quiet_hours=True
    )
    assert exempt.are_none


# Lists and members


def test_blacklisted_party_is_refused_whatever_exceptions_there_are() -> None:
    allowed = frozenset({(Scope.PLATFORM, ListKind.ALLOWED)})
    for side in Side:
        facts = CallFacts(blacklisted=frozenset({side}), listed=allowed)
        [obstacle] = find_obstacles(rules(), facts, CALLEE, NOON)
        words = f"The {side.value} is on the operator's blacklist"
        assert obstacle == (Rule.BLACKLIST, words, side)


@pytest.mark.parametrize(
    ("listed_by", "allowed_by", "is_refused"),
    [
        (Scope.PLATFORM, None, True),
        (Scope.ENTERPRISE, None, True),
        (Scope.PLATFORM, Scope.ENTERPRISE, True),
        (Scope.PLATFORM, Scope.PLATFORM, False),
        (Scope.ENTERPRISE, Scope.ENTERPRISE, False),
        (Scope.ENTERPRISE, Scope.PLATFORM, False),
    ],
)
def test_exception_holds_for_the_rules_of_its_scope(
    listed_by: Scope, allowed_by: Scope | None, is_refused: bool
) -> None:
    listed = {(listed_by, ListKind.DO_NOT_CALL)}
    if allowed_by is not None:
        listed.add((allowed_by, ListKind.ALLOWED))
    facts = CallFacts(listed=frozenset(listed))
    assert refused_by(rules(), facts) == ([Rule.DO_NOT_CALL] if is_refused else [])


def test_only_members_call_where_the_enterprise_says_so() -> None:
    in_force = rules(enterprise=EnterpriseProtection(members_only=True))
    assert refused_by(in_force, CallFacts()) == [Rule.MEMBERS_ONLY]
    assert refused_by(in_force, CallFacts(member=MemberFacts(member_id="m"))) == []
    assert refused_by(rules(), CallFacts()) == []


# Frequency, and what is claimed


def test_frequency_of_each_scope_is_refused_and_claimed_for_itself() -> None:
    platform = PlatformRules(protection=PlatformProtection(frequency=FrequencyCaps(per_day=2)))
    in_force = rules(platform, enterprise=EnterpriseProtection(frequency=FrequencyCaps(per_hour=1)))
    now_ms = to_ms(NOON)
    records = {
        Scope.PLATFORM: CalleeRecord(CalleeHistory((now_ms - 2 * HOUR_MS,)), 4),
        Scope.ENTERPRISE: CalleeRecord(CalleeHistory((now_ms - 2 * HOUR_MS,)), 1),
    }
    facts = CallFacts(enterprise_id="acme", callee_key="key", records=records)
    assert refused_by(in_force, facts) == []
    claims = [each for each in make_claims(in_force, facts, NOON) if isinstance(each, CalleeClaim)]
    assert [(each.owner, each.callee_key, each.version) for each in claims] == [
        ("", "key", 4),
        ("acme", "key", 1),
    ]
    assert claims[0].history.times_ms == (now_ms - 2 * HOUR_MS, now_ms)
    assert claims[0].expires_at == NOON + timedelta(days=2)
    later = CallFacts(
        enterprise_id="acme",
        callee_key="key",
        records={
            Scope.PLATFORM: CalleeRecord(claims[0].history),
            Scope.ENTERPRISE: CalleeRecord(claims[1].history),
        },
    )
    words = [each.words for each in find_obstacles(in_force, later, CALLEE, NOON)]
    assert words == [
        "The callee may be called 2 times in a day by the platform's cap, and was",
        "The callee may be called 1 times in an hour by the enterprise's cap, and was",
    ]


def test_spared_callee_is_neither_refused_nor_counted() -> None:
    in_force = rules(enterprise=EnterpriseProtection(frequency=FrequencyCaps(per_hour=1)))
    facts = CallFacts(
        listed=frozenset({(Scope.ENTERPRISE, ListKind.ALLOWED)}),
        records={Scope.ENTERPRISE: CalleeRecord(CalleeHistory((to_ms(NOON),)), 1)},
    )
    assert refused_by(in_force, facts) == []
    assert make_claims(in_force, facts, NOON) == ()


# Caps of the calendar


def test_caps_of_member_and_department_are_claimed_and_refused() -> None:
    protection = EnterpriseProtection(member_caps=CallCaps(per_day=5, per_month=50))
    member = MemberFacts(
        member_id="1",
        caps=CallCaps(per_day=2),
        department_id="2",
        department_caps=CallCaps(per_month=9),
    )
    in_force = rules(enterprise=protection, has_caps=True)
    claims = make_claims(in_force, CallFacts(member=member), NOON)
    assert [(each.counted, each.limit) for each in claims if isinstance(each, CountClaim)] == [
        (("m:1", "2026-03-02"), 2),
        (("m:1", "2026-03"), 50),
        (("d:2", "2026-03"), 9),
    ]
    full = {CountedCalls("m:1", "2026-03-02"): 2, CountedCalls("d:2", "2026-03"): 9}
    words = [
        each.words
        for each in find_obstacles(in_force, CallFacts(member=member, calls=full), CALLEE, NOON)
    ]
    assert words == [
        "The member's cap of calls a day is reached: 2",
        "The department's cap of calls a month is reached: 9",
    ]


@given(
    st.integers(0, 15 * 365 * 86_400),
    st.sampled_from(
        ["Asia/Shanghai", "Europe/Berlin", "America/New_York", "Pacific/Apia", "Africa/Cairo"]
    ),
)
def test_day_and_month_begin_at_midnight_of_the_zone(seconds: int, zone: str) -> None:
    now = datetime(2020, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
    calendar = Calendar.at(now, zone)
    assert calendar.day.ends_at > now
    assert Calendar.at(calendar.day.ends_at, zone).day.name > calendar.day.name
    last = calendar.day.ends_at.astimezone(UTC) - timedelta(milliseconds=1)
    assert Calendar.at(last, zone).day.name == calendar.day.name
    assert Calendar.at(calendar.month.ends_at, zone).month.name > calendar.month.name
    last = calendar.month.ends_at.astimezone(UTC) - timedelta(milliseconds=1)
    assert Calendar.at(last, zone).month.name == calendar.month.name


def test_rules_of_nothing_need_nothing() -> None:
    nothing = RulesInForce(own=NO_RULES, platform=NO_PLATFORM_RULES)
    assert nothing.are_none
    assert not nothing.need_facts
