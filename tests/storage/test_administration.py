"""Administrative changes, and how soon the running node knows them."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from sqlalchemy import Engine, select, text, update

from clicktodial.control.port import StoreError
from clicktodial.domain.application import (
    NO_LIMITS,
    ApplicationStatus,
    EnterpriseLimits,
    EnterpriseStatus,
)
from clicktodial.domain.cause import Side
from clicktodial.domain.enterprise import EnterpriseMove
from clicktodial.domain.identifier import AppId
from clicktodial.domain.plan import CallOptions, PresenceProof, Ringback
from clicktodial.domain.protection import FrequencyCaps, PlatformProtection
from clicktodial.domain.trunk import NumberFormat, SrtpPolicy, Trunk, TrunkCredentials, TrunkTls
from clicktodial.storage import application_directory, table
from clicktodial.storage.administration import Administration, NewApplication
from clicktodial.storage.application_directory import ApplicationDirectory
from clicktodial.storage.database import Database
from clicktodial.storage.enterprise_row import move_enterprise
from clicktodial.storage.error import (
    AdministrationError,
    AlreadyExists,
    NotFound,
    ValueInvalid,
)
from clicktodial.storage.member_table import platform_protection
from clicktodial.storage.options_codec import (
    CALLS_PER_SECOND_MAX,
    LIVE_CALLS_MAX,
    PRESENCE_TIMEOUT_S_MAX,
)
from clicktodial.storage.protection_codec import encode_protection
from clicktodial.storage.protection_row import PLATFORM_ROW
from clicktodial.storage.secret import SecretVault, old_secret_place, secret_place
from clicktodial.storage.statement import upsert
from clicktodial.storage.transaction import Transactions, note_change
from clicktodial.storage.value import DURATION_S_MAX, parse_target

VAULT = SecretVault(bytes(range(32)))
# The promise is a second; what the check itself needs comes on top on a loaded machine.
EFFECTIVE_WITHIN_S = 20.0
NEW = NewApplication(
    app_id="12345678",
    secret="S",
    sponsors=("01052680000",),
    notify_url="http://127.0.0.1:9000/",
)


@pytest.fixture
def administration(database: Database) -> Administration:
    return Administration(database.engine, VAULT, region="CN")


class Changes:
    """A directory, and a way to wait for what it is to learn."""

    def __init__(self, database: Database) -> None:
        self._changed = asyncio.Event()
        self.directory = ApplicationDirectory(database, VAULT, on_change=self._changed.set)

    async def wait(self) -> None:
        await asyncio.wait_for(self._changed.wait(), EFFECTIVE_WITHIN_S)
        self._changed.clear()


@pytest.fixture
async def changes(database: Database) -> AsyncIterator[Changes]:
    changes = Changes(database)
    await changes.directory.start()
    yield changes
    await changes.directory.close()


def version(engine: Engine) -> int:
    with engine.connect() as connection:
        return int(connection.execute(text("SELECT version FROM administration")).scalar_one())


@pytest.mark.on_every_database
async def test_created_application_is_found_with_its_secrets(
    administration: Administration, changes: Changes
) -> None:
    created = administration.create_application(NEW)
    application = await changes.directory.find(AppId("12345678"))
    assert application is not None
    assert application.secret == created.secret == "S"
    assert application.sponsors == {"+861052680000"}
    assert application.notify_url == "http://127.0.0.1:9000"
    assert application.enterprise_status is EnterpriseStatus.ACTIVE
    assert created.signing_secret is not None
    assert created.signing_secret.startswith("whsec_")
    assert len(application.signing_secret) == 32


async def test_trunk_that_was_there_before_an_application_is_known_with_it(
    administration: Administration, changes: Changes
) -> None:
    administration.add_trunk(Trunk("main", "sip.example.com", 5060))
    administration.create_application(NEW)
    # The poll has not been there yet.
    assert await changes.directory.find(AppId("12345678")) is not None
    assert [trunk.name for trunk in changes.directory.trunks()] == ["main"]


async def test_secrets_are_stored_encrypted_and_not_shown(
    administration: Administration, database: Database
) -> None:
    created = administration.create_application(
        NewApplication(app_id="a", secret="open-sesame-open-sesame")
    )
    with database.engine.connect() as connection:
        row = connection.execute(text("SELECT * FROM application")).one()
    assert b"sesame" not in row.secret_encrypted
    assert "sesame" not in repr(created)
    assert "sesame" not in repr(administration.show_application("a"))


async def test_generated_identifier_and_secret_are_usable(administration: Administration) -> None:
    created = administration.create_application(NewApplication())
    assert created.app_id.isdigit()
    assert len(created.app_id) == 8
    assert created.secret is not None
    assert len(created.secret) >= 32


async def test_operators_rules_that_cannot_be_read_leave_those_that_held(
    engine: Engine, changes: Changes
) -> None:
    rules = PlatformProtection(frequency=FrequencyCaps(per_hour=1))
    write = upsert(
        platform_protection,
        engine.dialect,
        {"id": PLATFORM_ROW, "settings": encode_protection(rules)},
    )
    with engine.begin() as connection:
        connection.execute(write)
        note_change(connection)
    await changes.directory.refresh()
    assert changes.directory.platform_rules().protection == rules
    with engine.begin() as connection:
        connection.execute(update(platform_protection).values(settings="{"))
        note_change(connection)
    await changes.directory.refresh()
    assert changes.directory.platform_rules().protection == rules


async def test_change_is_in_force_without_restart(
    administration: Administration, changes: Changes
) -> None:
    directory, app_id = changes.directory, AppId("12345678")
    assert await directory.find(app_id) is None
    administration.create_application(NEW)
    await changes.wait()
    assert await directory.find(app_id) is not None
    administration.set_application_status(app_id, ApplicationStatus.DISABLED)
    await changes.wait()
    application = await directory.find(app_id)
    assert application is not None
    assert application.status is ApplicationStatus.DISABLED


def suspend(engine: Engine, enterprise_id: str) -> None:
    """As whoever approves a suspension does."""
    with Transactions(engine).change() as connection:
        move_enterprise(connection, enterprise_id, EnterpriseMove.SUSPEND, now=datetime.now(UTC))


@pytest.mark.on_every_database
async def test_every_change_counts_up_the_version(
    administration: Administration, database: Database
) -> None:
    administration.create_application(NEW)
    trunk = Trunk("main", "192.0.2.1", 5060)
    steps: list[Callable[[], object]] = [
        lambda: administration.create_enterprise("acme", name="Acme Ltd"),
        lambda: suspend(database.engine, "acme"),
        lambda: administration.set_application_status("12345678", ApplicationStatus.DISABLED),
        lambda: administration.rotate_secret("12345678"),
        lambda: administration.rotate_signing_secret("12345678"),
        lambda: administration.set_max_duration("12345678", 60),
        lambda: administration.set_notify_url("12345678", None, allow_private_addresses=False),
        lambda: administration.add_sponsor("12345678", "01052680001"),
        lambda: administration.remove_sponsor("12345678", "01052680001"),
        lambda: administration.change_limits("default", lambda known: known),
        lambda: administration.add_trunk(trunk),
        lambda: administration.set_trunk_enabled("main", enabled=False),
        lambda: administration.remove_trunk("main"),
    ]
    for step in steps:
        before = version(database.engine)
        step()
        assert version(database.engine) == before + 1


async def test_refused_change_changes_nothing(
    administration: Administration, database: Database
) -> None:
    administration.create_application(NEW)
    before = version(database.engine)
    refused: list[tuple[type[AdministrationError], Callable[[], object]]] = [
        (AlreadyExists, lambda: administration.create_application(NEW)),
        (AlreadyExists, lambda: administration.create_enterprise("default")),
        (AlreadyExists, lambda: administration.add_sponsor("12345678", "+861052680000")),
        (NotFound, lambda: administration.show_application("none")),
        (NotFound, lambda: administration.rotate_secret("none")),
        (NotFound, lambda: administration.add_sponsor("none", "01052680000")),
        (NotFound, lambda: administration.remove_sponsor("12345678", "01052680009")),
        (NotFound, lambda: administration.remove_trunk("none")),
        (NotFound, lambda: administration.set_trunk_enabled("none", enabled=True)),
        (NotFound, lambda: suspend(database.engine, "none")),
        (
            NotFound,
            lambda: administration.create_application(NewApplication(enterprise_id="none")),
        ),
    ]
    for error, change in refused:
        with pytest.raises(error):
            change()
    assert version(database.engine) == before
    assert administration.show_application("12345678").sponsors == ("+861052680000",)
    assert len(administration.list_applications()) == 1


@pytest.mark.parametrize(
    "new",
    [
        NewApplication(app_id="with:colon"),
        NewApplication(app_id=""),
        NewApplication(app_id="x" * 65),
        NewApplication(secret=""),
        NewApplication(secret="with space"),
        NewApplication(secret="x" * 257),
        NewApplication(sponsors=("not a number",)),
        NewApplication(max_duration_s=0),
        NewApplication(max_duration_s=86_401),
        NewApplication(name="line\nbreak"),
        NewApplication(notify_url="ftp://example.com"),
        NewApplication(notify_url="http://"),
        NewApplication(notify_url="example.com"),
        NewApplication(notify_url="http://user:pass@example.com"),
        NewApplication(notify_url="http://example.com/?a=b"),
        NewApplication(notify_url="http://example.com/#a"),
        NewApplication(notify_url="http://example.com:99999"),
        NewApplication(notify_url="http://example.com:0"),
        NewApplication(notify_url="http://exa mple.com"),
        NewApplication(notify_url="http://example.com/\r\nX: y"),
        NewApplication(notify_url="http://[::1"),
        NewApplication(notify_url="http://example.com/" + "x" * 2048),
    ],
)
async def test_unusable_value_is_refused(
    administration: Administration, new: NewApplication
) -> None:
    with pytest.raises(ValueInvalid):
        administration.create_application(new)
    assert administration.list_applications() == []


async def test_suspended_enterprise_is_seen_in_its_applications(
    administration: Administration, changes: Changes, database: Database
) -> None:
    administration.create_application(NEW)
    suspend(database.engine, "default")
    application = await changes.directory.find(AppId("12345678"))
    assert application is not None
    assert application.enterprise_status is EnterpriseStatus.SUSPENDED
    assert [e.status for e in administration.list_enterprises()] == [EnterpriseStatus.SUSPENDED]


FULL_TRUNK = Trunk(
    "main",
    "sip.example.com",
    5060,
    priority=7,
    weight=3,
    prefixes=("+86", "+852"),
    number_format=NumberFormat.NATIONAL,
    region="HK",
    headers=(("X-Account", "7"),),
    calls_per_second_max=20,
    channels_max=300,
    credentials=TrunkCredentials("us", "pass word"),
    registers=True,
    registration_expires_s=300,
    options_interval_s=15,
    charging_vector=True,
    signs_calls=False,
    privacy=("id", "critical"),
    session_expires_s=90,
    srtp=SrtpPolicy.REQUIRED,
    codecs=("PCMA", "OPUS"),
    cost_per_minute_micros=12_500,
)


async def test_trunk_is_read_as_it_was_added_password_included(
    administration: Administration, changes: Changes
) -> None:
    administration.add_trunk(FULL_TRUNK)
    await changes.directory.refresh()
    assert changes.directory.trunks() == (FULL_TRUNK,)
    [detail] = administration.list_trunks()
    assert detail.trunk.credentials == TrunkCredentials("us", "")
    assert "pass word" not in repr(changes.directory.trunks())


async def test_trunk_that_is_changed_keeps_its_password_unless_given_another(
    administration: Administration, changes: Changes
) -> None:
    administration.add_trunk(FULL_TRUNK)
    administration.change_trunk("main", lambda trunk: replace(trunk, weight=9))
    await changes.directory.refresh()
    assert changes.directory.trunks() == (replace(FULL_TRUNK, weight=9),)
    new = TrunkCredentials("us", "new")
    administration.change_trunk("main", lambda trunk: replace(trunk, credentials=new))
    await changes.directory.refresh()
    assert changes.directory.trunks()[0].credentials == new
    administration.change_trunk(
        "main", lambda trunk: replace(trunk, credentials=None, registers=False)
    )
    await changes.directory.refresh()
    assert changes.directory.trunks()[0].credentials is None


async def test_change_of_a_trunk_that_is_not_there_or_makes_no_sense_changes_nothing(
    administration: Administration,
) -> None:
    with pytest.raises(NotFound):
        administration.change_trunk("none", lambda trunk: trunk)
    administration.add_trunk(FULL_TRUNK)
    with pytest.raises(ValueInvalid):
        administration.change_trunk("main", lambda trunk: replace(trunk, weight=-1))
    assert administration.show_trunk("main").trunk.weight == 3


async def test_trunk_that_a_newer_version_wrote_is_left_out_and_the_others_are_used(
    administration: Administration, changes: Changes, database: Database
) -> None:
    administration.add_trunk(FULL_TRUNK)
    administration.add_trunk(Trunk("other", "192.0.2.1", 5060))
    with database.engine.begin() as connection:
        newer = """{"number_format":"roman"}"""
        connection.execute(
            text("UPDATE trunk SET settings = :newer WHERE name = 'main'"), {"newer": newer}
        )
        connection.execute(text("UPDATE administration SET version = version + 1"))
    await changes.directory.refresh()
    assert [trunk.name for trunk in changes.directory.trunks()] == ["other"]


async def test_application_that_a_newer_version_wrote_is_a_store_error(
    administration: Administration, changes: Changes, database: Database
) -> None:
    administration.create_application(NEW)
    with database.engine.begin() as connection:
        connection.execute(
            text("UPDATE application SET options = :newer"), {"newer": """{"ringback":"choir"}"""}
        )
    with pytest.raises(StoreError):
        await changes.directory.find(AppId("12345678"))


async def test_options_are_read_as_they_were_changed(
    administration: Administration, changes: Changes
) -> None:
    administration.create_application(replace(NEW, sponsors=("01052680000",)))
    options = CallOptions(
        shown_to_callee="+861052680000",
        hides_number=True,
        caller_ring_timeout_s=20,
        max_duration_s=600,
        warning_before_end_s=15,
        warning_to=frozenset(Side),
        ringback=Ringback.NETWORK,
        presence=PresenceProof.KEY_AND_DETECTION,
        presence_audio="press-a-key",
        presence_timeout_s=20,
        hold_audio="music",
    )
    assert administration.change_options("12345678", lambda _: options) == options
    await changes.directory.refresh()
    application = await changes.directory.find(AppId("12345678"))
    assert application is not None
    assert application.options == options
    with pytest.raises(ValueInvalid):
        administration.change_options(
            "12345678", lambda known: replace(known, shown_to_caller="+8613912345673")
        )
    assert administration.show_application("12345678").options == options


@pytest.mark.parametrize(
    "options",
    [
        CallOptions(presence_timeout_s=0),
        CallOptions(presence_timeout_s=PRESENCE_TIMEOUT_S_MAX + 1),
        CallOptions(presence_audio="../secret"),
        CallOptions(hold_audio=""),
        CallOptions(hold_audio="a" * 33),
        CallOptions(announcement="Notice"),
        CallOptions(ringback_audio="a.wav"),
        CallOptions(warning_audio="-a"),
        CallOptions(warning_to=frozenset()),
        CallOptions(announcement_to=frozenset()),
    ],
)
async def test_options_that_make_no_sense_change_nothing(
    administration: Administration, options: CallOptions
) -> None:
    administration.create_application(NEW)
    with pytest.raises(ValueInvalid):
        administration.change_options("12345678", lambda _: options)
    assert administration.show_application("12345678").options == CallOptions()


async def test_limits_of_an_enterprise_are_those_of_its_applications(
    administration: Administration, changes: Changes
) -> None:
    administration.create_application(NEW)
    limits = EnterpriseLimits(
        live_calls_max=LIVE_CALLS_MAX,
        calls_per_second_max=CALLS_PER_SECOND_MAX,
        max_duration_s=DURATION_S_MAX,
        ring_timeout_s_max=1,
    )
    assert administration.show_enterprise("default").limits == NO_LIMITS
    assert administration.change_limits("default", lambda _: limits) == limits
    assert administration.show_enterprise("default").limits == limits
    assert [each.limits for each in administration.list_enterprises()] == [limits]
    await changes.directory.refresh()
    application = await changes.directory.find(AppId("12345678"))
    assert application is not None
    assert application.limits == limits


@pytest.mark.parametrize(
    "limits",
    [
        EnterpriseLimits(live_calls_max=0),
        EnterpriseLimits(live_calls_max=LIVE_CALLS_MAX + 1),
        EnterpriseLimits(calls_per_second_max=0),
        EnterpriseLimits(calls_per_second_max=CALLS_PER_SECOND_MAX + 1),
        EnterpriseLimits(max_duration_s=DURATION_S_MAX + 1),
        EnterpriseLimits(ring_timeout_s_max=-1),
    ],
)
async def test_limits_that_make_no_sense_change_nothing(
    administration: Administration, limits: EnterpriseLimits
) -> None:
    administration.create_application(NEW)
    with pytest.raises(ValueInvalid):
        administration.change_limits("default", lambda _: limits)
    with pytest.raises(NotFound):
        administration.change_limits("none", lambda known: known)
    with pytest.raises(NotFound):
        administration.show_enterprise("none")
    assert administration.show_enterprise("default").limits == NO_LIMITS


@pytest.mark.on_every_database
async def test_trunks_come_by_priority_and_only_enabled(
    administration: Administration, changes: Changes
) -> None:
    for name, priority in (("c", 10), ("b", 20), ("a", 20), ("off", 1)):
        administration.add_trunk(Trunk(name, "sip.example.com", 5060, priority=priority))
    administration.set_trunk_enabled("off", enabled=False)
    await changes.directory.refresh()
    assert [trunk.name for trunk in changes.directory.trunks()] == ["c", "a", "b"]
    listed = [(detail.trunk.name, detail.enabled) for detail in administration.list_trunks()]
    assert listed == [("off", False), ("c", True), ("a", True), ("b", True)]


@pytest.mark.parametrize(
    "trunk",
    [
        Trunk("bad name", "h", 5060),
        Trunk("t", "bad host", 5060),
        Trunk("t", "h", -1),
        Trunk("t", "h", 0, tls=TrunkTls(server_name="bad name")),
        Trunk("t", "h", 0, tls=TrunkTls(ca_file="relative.pem")),
        Trunk("t", "h", 0, tls=TrunkTls(certificate_file="/a.pem")),
        Trunk("t", "h", 0, tls=TrunkTls(key_file="/a.key")),
        Trunk("t", "h", 0, tls=TrunkTls(ca_file="/a\n.pem")),
        Trunk("t", "h", 0, tls=TrunkTls(ca_file="/" + "a" * 1_024)),
        Trunk("t", "h", 65_536),
        Trunk("t", "h", 5060, priority=-1),
        Trunk("t", "h", 5060, domain="x\r\ny"),
        Trunk("t", "h", 5060, answer_timeout_s=0),
    ],
)
async def test_unusable_trunk_is_refused(administration: Administration, trunk: Trunk) -> None:
    with pytest.raises(ValueInvalid):
        administration.add_trunk(trunk)


@pytest.mark.parametrize(
    ("written", "target"),
    [
        ("sip.example.com", ("sip.example.com", 5060)),
        ("192.0.2.1:5080", ("192.0.2.1", 5080)),
        ("[2001:db8::1]:5080", ("2001:db8::1", 5080)),
        ("[2001:db8::1]", ("2001:db8::1", 5060)),
    ],
)
def test_target_is_parsed(written: str, target: tuple[str, int]) -> None:
    assert parse_target(written) == target


@pytest.mark.parametrize("written", ["", ":5060", "h:", "h:x", "h:0", "h:65536", "h:٣", "a b:1"])
def test_unusable_target_is_refused(written: str) -> None:
    with pytest.raises(ValueInvalid):
        parse_target(written)


async def test_guessed_identifiers_do_not_drive_out_applications(
    administration: Administration, changes: Changes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(application_directory, "ABSENT_MAX", 5)
    administration.create_application(NEW)
    directory = changes.directory
    await directory.refresh()
    known = await directory.find(AppId("12345678"))
    for guess in range(20):
        assert await directory.find(AppId(f"guess-{guess}")) is None
    assert await directory.find(AppId("12345678")) is known
    assert len(directory._absent) == 5


async def test_applications_beyond_the_bound_are_loaded_again(
    administration: Administration, changes: Changes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(application_directory, "APPLICATIONS_MAX", 2)
    for name in ("a", "b", "c"):
        administration.create_application(NewApplication(app_id=name))
    await changes.directory.refresh()
    for name in ("a", "b", "c", "a"):
        application = await changes.directory.find(AppId(name))
        assert application is not None
        assert application.app_id == name
    assert len(changes.directory._applications) == 2


async def test_many_that_ask_at_once_share_one_load(
    administration: Administration, changes: Changes
) -> None:
    administration.create_application(NEW)
    await changes.directory.refresh()
    found = await asyncio.gather(*(changes.directory.find(AppId("12345678")) for _ in range(50)))
    assert len({id(application) for application in found}) == 1


@pytest.mark.on_every_database
def test_rotations_at_once_each_keep_the_secret_before_them(
    administration: Administration, engine: Engine
) -> None:
    administration.create_application(NEW)
    start = threading.Barrier(4)
    made: list[str | None] = []

    def rotate() -> None:
        start.wait(timeout=30)
        made.append(administration.rotate_secret("12345678", grace_s=60).secret)

    threads = [threading.Thread(target=rotate) for _ in range(start.parties)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    columns = table.application.c
    with engine.connect() as connection:
        row = connection.execute(select(columns.secret_encrypted, columns.old_secret_encrypted))
        current, old = row.one()
    kept = {
        VAULT.open(current, secret_place("12345678")).decode(),
        VAULT.open(old, old_secret_place("12345678")).decode(),
    }
    assert len(made) == len(threads)
    assert len(kept) == 2
    assert kept <= set(made)
