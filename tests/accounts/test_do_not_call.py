"""Lists of numbers, the blacklist, and what is set for the protection of callees."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, text
from tests.accounts.enterprises import ACME, NOW, OTHER, add_enterprises
from tests.accounts.test_member import version

from clicktodial.accounts import do_not_call
from clicktodial.accounts.do_not_call import ListPlace, NumberLists
from clicktodial.accounts.protection import ApplicationExceptions, ProtectionSettings
from clicktodial.domain.protection import (
    CallCaps,
    EnterpriseProtection,
    FrequencyCaps,
    ListKind,
    QuietHours,
)
from clicktodial.storage.error import AlreadyExists, NotFound, ValueInvalid
from clicktodial.storage.number_key import NumberKeys
from clicktodial.storage.secret import SecretVault
from clicktodial.storage.transaction import Transactions

OWN = ListPlace(ListKind.DO_NOT_CALL, ACME)
PLACES = [
    OWN,
    ListPlace(ListKind.ALLOWED, ACME),
    ListPlace(ListKind.DO_NOT_CALL),
    ListPlace(ListKind.ALLOWED),
]


@pytest.fixture
def lists(engine: Engine, transactions: Transactions) -> NumberLists:
    add_enterprises(engine)
    return NumberLists(transactions, NumberKeys(SecretVault(bytes(32))), region="CN")


@pytest.fixture
def settings(lists: NumberLists, transactions: Transactions) -> ProtectionSettings:
    return ProtectionSettings(transactions)


def test_each_list_is_its_own(lists: NumberLists) -> None:
    for serial, place in enumerate(PLACES):
        lists.add(place, "13912345673", reason=str(serial), added_by="p", now=NOW)
    for serial, place in enumerate(PLACES):
        assert lists.find(place, "+8613912345673").reason == str(serial)
        [entry] = lists.list_all(place, limit=9)
        lists.remove(place, entry.entry_id)
        with pytest.raises(NotFound):
            lists.find(place, "13912345673")
        with pytest.raises(NotFound):
            lists.remove(place, entry.entry_id)


def test_number_that_is_listed_again_has_what_is_said_last(lists: NumberLists) -> None:
    first = lists.add(OWN, "13912345673", source="hotline", added_by="p", now=NOW)
    later = NOW + timedelta(days=1)
    again = lists.add(OWN, "139 1234 5673", reason="x", expires_at=later, added_by="q", now=NOW)
    assert again == replace(first, reason="x", source="", expires_at=later)


@pytest.mark.parametrize(
    "given",
    [
        {"written": "12"},
        {"reason": "x" * 257},
        {"source": "a\tb"},
        {"expires_at": NOW},
    ],
)
def test_entry_out_of_bounds_is_refused(lists: NumberLists, given: dict[str, Any]) -> None:
    values: dict[str, Any] = {"written": "13912345673", "added_by": "p", "now": NOW} | given
    with pytest.raises(ValueInvalid):
        lists.add(OWN, **values)
    assert lists.list_all(OWN, limit=9) == []


def test_list_is_bounded(lists: NumberLists, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(do_not_call, "LISTED_MAX", 2)
    for serial in range(2):
        lists.add(OWN, f"1391234567{serial}", added_by="p", now=NOW)
    with pytest.raises(ValueInvalid, match="2 numbers at most"):
        lists.add(OWN, "13912345679", added_by="p", now=NOW)
    lists.add(OWN, "13912345670", reason="again", added_by="p", now=NOW)
    lists.add(PLACES[1], "13912345679", added_by="p", now=NOW)


def test_list_of_no_enterprise_is_not_there(lists: NumberLists) -> None:
    with pytest.raises(NotFound):
        lists.add(ListPlace(ListKind.ALLOWED, "nobody"), "13912345673", added_by="p", now=NOW)
    with pytest.raises(NotFound):
        lists.list_all(ListPlace(ListKind.ALLOWED, "nobody"), limit=1)


def test_whole_number_is_nowhere_in_the_database(lists: NumberLists, engine: Engine) -> None:
    lists.add(OWN, "13912345673", added_by="p", now=NOW)
    with engine.connect() as connection:
        [row] = connection.execute(text("SELECT * FROM number_list")).all()
    assert "12345673" not in str(row)


def test_running_nodes_are_told_of_the_first_number_of_a_list(
    lists: NumberLists, engine: Engine
) -> None:
    before = version(engine)
    for serial in range(3):
        lists.add(OWN, f"1391234567{serial}", added_by="p", now=NOW)
    assert version(engine) == before + 1


def test_blacklist_holds_numbers_and_prefixes(lists: NumberLists) -> None:
    lists.blacklist("01052680000", is_prefix=False, reason="fraud", added_by="p", now=NOW)
    lists.blacklist("+4487", is_prefix=True, reason="", added_by="p", now=NOW)
    with pytest.raises(AlreadyExists):
        lists.blacklist("+861052680000", is_prefix=False, reason="", added_by="p", now=NOW)
    listed = lists.list_blacklist(limit=9)
    assert [(each.number, each.is_prefix, each.reason) for each in listed] == [
        ("+4487", True, ""),
        ("+861052680000", False, "fraud"),
    ]
    assert lists.list_blacklist(after="+4487", limit=9) == listed[1:]
    lists.unblacklist("+4487")
    lists.unblacklist("010 5268 0000")
    assert lists.list_blacklist(limit=9) == []
    with pytest.raises(NotFound):
        lists.unblacklist("+4487")


@pytest.mark.parametrize("prefix", ["", "+", "+8", "86", "+0123", "+8613912345673999", "+86x"])
def test_prefix_is_a_plus_and_digits(lists: NumberLists, prefix: str) -> None:
    with pytest.raises(ValueInvalid):
        lists.blacklist(prefix, is_prefix=True, reason="", added_by="p", now=NOW)


def test_blacklist_is_bounded(lists: NumberLists, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(do_not_call, "BLACKLISTED_MAX", 1)
    lists.blacklist("+4487", is_prefix=True, reason="", added_by="p", now=NOW)
    with pytest.raises(ValueInvalid):
        lists.blacklist("+4488", is_prefix=True, reason="", added_by="p", now=NOW)


def test_protection_changes_as_it_is_given(settings: ProtectionSettings) -> None:
    assert settings.show(ACME) == EnterpriseProtection()
    wanted = EnterpriseProtection(
        members_only=True,
        member_caps=CallCaps(per_day=20),
        frequency=FrequencyCaps(per_hour=2),
        quiet_hours=QuietHours(1_260, 480),
        time_zone="Asia/Tokyo",
    )
    settings.change(ACME, lambda _: wanted)
    settings.change(ACME, lambda known: replace(known, members_only=False))
    assert settings.show(ACME) == replace(wanted, members_only=False)
    assert settings.show(OTHER) == EnterpriseProtection()
    with pytest.raises(NotFound):
        settings.change("nobody", lambda known: known)


@pytest.mark.parametrize(
    "wanted",
    [
        EnterpriseProtection(frequency=FrequencyCaps(per_hour=0)),
        EnterpriseProtection(frequency=FrequencyCaps(per_day=501)),
        EnterpriseProtection(frequency=FrequencyCaps(per_day=6)),
        EnterpriseProtection(member_caps=CallCaps(per_day=0)),
        EnterpriseProtection(quiet_hours=QuietHours(600, 600)),
        EnterpriseProtection(quiet_hours=QuietHours(0, 1_440)),
        EnterpriseProtection(time_zone="../../etc/passwd"),
        EnterpriseProtection(time_zone="Mars/Olympus"),
    ],
)
def test_protection_out_of_bounds_changes_nothing(
    settings: ProtectionSettings, wanted: EnterpriseProtection
) -> None:
    settings.change_platform(lambda known: replace(known, frequency=FrequencyCaps(per_day=5)))
    with pytest.raises(ValueInvalid):
        settings.change(ACME, lambda _: wanted)
    assert settings.show(ACME) == EnterpriseProtection()


def test_exceptions_are_of_an_application_of_the_enterprise(
    settings: ProtectionSettings, engine: Engine
) -> None:
    with engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO application (app_id, enterprise_id, name, status, secret_encrypted,"
                " signing_secret_encrypted, allow_private_addresses, created_at)"
                " VALUES ('app', 'acme', 'app', 'active', '', '', false, 0)"
            )
        )
    assert settings.show_exceptions(ACME, "app") == ApplicationExceptions()
    settings.change_exceptions(ACME, "app", ignores_quiet_hours=True)
    changed = settings.change_exceptions(ACME, "app", ignores_platform_quiet_hours=True)
    assert changed == ApplicationExceptions(
        ignores_quiet_hours=True, ignores_platform_quiet_hours=True
    )
    assert settings.show_exceptions(ACME, "app") == changed
    with pytest.raises(NotFound):
        settings.show_exceptions(OTHER, "app")
