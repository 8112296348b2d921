"""Applications over a real database: whose they are, their keys, what they may use."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine

from clicktodial.accounts import application as application_module
from clicktodial.accounts.application import ApplicationDesk, Wish
from clicktodial.domain.application import (
    ALL_CAPABILITIES,
    NO_APPLICATION_LIMITS,
    Application,
    ApplicationLimits,
    ApplicationStatus,
    Capability,
)
from clicktodial.domain.enterprise import EnterpriseMove
from clicktodial.domain.identifier import AppId
from clicktodial.domain.principal import OPERATOR_PRINCIPAL, Principal, Role
from clicktodial.storage.administration import Administration
from clicktodial.storage.application_codec import (
    GRACE_S_MAX,
    NETWORKS_MAX,
    REQUESTS_PER_SECOND_MAX,
    parse_networks,
)
from clicktodial.storage.application_row import read_application
from clicktodial.storage.enterprise_row import move_enterprise
from clicktodial.storage.error import (
    Conflict,
    NotFound,
    NotPermitted,
    OptionsUnreadable,
    SecretUnreadable,
    ValueInvalid,
)
from clicktodial.storage.options_codec import CALLS_PER_SECOND_MAX, LIVE_CALLS_MAX
from clicktodial.storage.secret import SecretVault
from clicktodial.storage.transaction import Transactions

NOW = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
OLGA = Principal(name="olga", roles=frozenset({Role.OWNER}), enterprise_id="acme")
BEN = Principal(name="ben", roles=frozenset({Role.DEVELOPER}), enterprise_id="bell")
VAULT = SecretVault(bytes(range(32)))
WISH = Wish(name="Courier", capabilities=frozenset({Capability.CLICK_TO_DIAL}))


@pytest.fixture
def desk(engine: Engine, administration: Administration) -> ApplicationDesk:
    return ApplicationDesk(Transactions(engine), administration)


def read(engine: Engine, app_id: str = "acme-app") -> Application:
    """As the call path reads it."""
    with engine.connect() as connection:
        application = read_application(connection, AppId(app_id), VAULT)
    assert application is not None
    return application


def test_application_is_created_with_what_it_may_and_its_key(
    desk: ApplicationDesk, engine: Engine
) -> None:
    created = desk.create(OLGA, "acme", replace(WISH, notify_url="https://app.example/"))
    detail = desk.show(OLGA, created.app_id)
    assert (detail.name, detail.enterprise_id) == ("Courier", "acme")
    assert detail.notify_url == "https://app.example"
    assert not detail.allow_private_addresses
    application = read(engine, created.app_id)
    assert application.secret == created.secret
    assert application.capabilities == {Capability.CLICK_TO_DIAL}
    assert application.sponsors == frozenset()


@pytest.mark.parametrize(
    ("move", "state"),
    [(EnterpriseMove.SUSPEND, "suspended"), (EnterpriseMove.CANCEL, "cancelled")],
)
def test_application_is_created_in_an_active_enterprise_alone(
    desk: ApplicationDesk, engine: Engine, move: EnterpriseMove, state: str
) -> None:
    with Transactions(engine).change() as connection:
        move_enterprise(connection, "acme", move, now=datetime.now(UTC))
    with pytest.raises(Conflict, match=f"the enterprise is {state}"):
        desk.create(OLGA, "acme", WISH)
    assert [each.app_id for each in desk.list_applications(OLGA)] == ["acme-app"]


def test_applications_of_an_enterprise_are_bounded(
    desk: ApplicationDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(application_module, "APPLICATIONS_OF_ENTERPRISE_MAX", 2)
    desk.create(OLGA, "acme", WISH)
    with pytest.raises(ValueInvalid, match="at most 2 applications"):
        desk.create(OLGA, "acme", WISH)
    desk.create(BEN, "bell", WISH)


def test_applications_are_listed_by_page_and_each_sees_its_own(desk: ApplicationDesk) -> None:
    def listed(principal: Principal, **which: object) -> list[str]:
        found = desk.list_applications(principal, **which)  # type: ignore[arg-type]  # any of them
        return [each.app_id for each in found]

    assert listed(OLGA) == ["acme-app"]
    with pytest.raises(NotFound):
        listed(BEN, enterprise_id="acme")
    assert listed(OPERATOR_PRINCIPAL) == ["acme-app", "bell-app"]
    assert listed(OPERATOR_PRINCIPAL, enterprise_id="bell") == ["bell-app"]
    assert listed(OPERATOR_PRINCIPAL, limit=1) == ["acme-app"]
    assert listed(OPERATOR_PRINCIPAL, after="acme-app") == ["bell-app"]


def test_application_of_another_enterprise_is_not_there(desk: ApplicationDesk) -> None:
    asked: list[Callable[[str], object]] = [
        lambda app_id: desk.show(BEN, app_id),
        lambda app_id: desk.rename(BEN, app_id, "x"),
        lambda app_id: desk.set_capabilities(BEN, app_id, ALL_CAPABILITIES),
        lambda app_id: desk.set_enabled(BEN, app_id, enabled=False),
        lambda app_id: desk.set_server(BEN, app_id, None),
        lambda app_id: desk.allow_private_addresses(BEN, app_id, allowed=True),
        lambda app_id: desk.set_allow_list(BEN, app_id, ()),
        lambda app_id: desk.change_limits(BEN, app_id, lambda limits: limits),
        lambda app_id: desk.rotate_key(BEN, app_id, grace_s=0, now=NOW),
        lambda app_id: desk.rotate_signing_key(BEN, app_id),
        lambda app_id: desk.revoke_old_key(BEN, app_id),
    ]
    for each in asked:
        for app_id in ("acme-app", "nothing"):
            with pytest.raises(NotFound, match=f"there is no application {app_id}"):
                each(app_id)
    with pytest.raises(NotFound):
        desk.create(BEN, "acme", WISH)


def test_what_an_application_is_given_reaches_the_call_path(
    desk: ApplicationDesk, engine: Engine
) -> None:
    desk.rename(OLGA, "acme-app", "Clinic")
    desk.set_capabilities(OLGA, "acme-app", frozenset({Capability.MESSAGES}))
    networks = parse_networks(["203.0.113.0/24", "2001:db8::1", "203.0.113.0/24"])
    desk.set_allow_list(OLGA, "acme-app", networks)
    limits = ApplicationLimits(live_calls_max=5, requests_per_second_max=3)
    assert desk.change_limits(OLGA, "acme-app", lambda _: limits) == limits
    desk.set_enabled(OLGA, "acme-app", enabled=False)
    desk.set_server(OLGA, "acme-app", "https://app.example")
    application = read(engine)
    assert application.capabilities == {Capability.MESSAGES}
    assert [str(network) for network in application.allow_list] == [
        "203.0.113.0/24",
        "2001:db8::1/128",
    ]
    assert application.own_limits == limits
    assert application.status is ApplicationStatus.DISABLED
    assert application.notify_url == "https://app.example"
    detail = desk.show(OLGA, "acme-app")
    assert (detail.name, *detail.capabilities) == ("Clinic", Capability.MESSAGES)
    assert (detail.allow_list, detail.limits) == (networks, limits)
    desk.set_enabled(OLGA, "acme-app", enabled=True)
    assert read(engine).status is ApplicationStatus.ACTIVE


def test_application_of_before_may_all_and_is_bound_by_nothing(
    desk: ApplicationDesk, engine: Engine
) -> None:
    application = read(engine)
    # The very objects, by which calls see that there is nothing to check.
    assert application.capabilities is ALL_CAPABILITIES
    assert application.own_limits is NO_APPLICATION_LIMITS
    assert (application.allow_list, application.old_secret, application.pools) == ((), None, ())


def test_private_server_address_is_the_operators_to_allow(
    desk: ApplicationDesk, engine: Engine
) -> None:
    with pytest.raises(NotPermitted):
        desk.allow_private_addresses(OLGA, "acme-app", allowed=True)
    desk.allow_private_addresses(OPERATOR_PRINCIPAL, "acme-app", allowed=True)
    desk.set_server(OLGA, "acme-app", "http://10.0.0.1")
    application = read(engine)
    assert (application.notify_url, application.allow_private_addresses) == (
        "http://10.0.0.1",
        True,
    )


# Keys


def test_rotated_key_leaves_the_old_one_for_its_grace(
    desk: ApplicationDesk, engine: Engine
) -> None:
    created = desk.rotate_key(OLGA, "acme-app", grace_s=3600, now=NOW)
    until = NOW + timedelta(hours=1)
    assert created.old_secret_until == until
    application = read(engine)
    assert application.secret == created.secret != "S"
    assert application.old_secret is not None
    assert (application.old_secret.secret, application.old_secret.until) == ("S", until)
    assert desk.show(OLGA, "acme-app").old_secret_until == until
    # Two at most: the first is gone with the second rotation.
    again = desk.rotate_key(OLGA, "acme-app", grace_s=60, now=NOW)
    application = read(engine)
    assert application.secret == again.secret
    assert application.old_secret is not None
    assert application.old_secret.secret == created.secret


def test_old_key_is_revoked_at_once(desk: ApplicationDesk, engine: Engine) -> None:
    created = desk.rotate_key(OLGA, "acme-app", grace_s=3600, now=NOW)
    desk.revoke_old_key(OLGA, "acme-app")
    application = read(engine)
    assert (application.secret, application.old_secret) == (created.secret, None)


def test_rotation_without_a_grace_leaves_one_key(desk: ApplicationDesk, engine: Engine) -> None:
    desk.rotate_key(OLGA, "acme-app", grace_s=3600, now=NOW)
    created = desk.rotate_key(OLGA, "acme-app", grace_s=0, now=NOW)
    assert created.old_secret_until is None
    assert read(engine).old_secret is None


@pytest.mark.parametrize("grace_s", [-1, GRACE_S_MAX + 1])
def test_grace_is_bounded(desk: ApplicationDesk, engine: Engine, grace_s: int) -> None:
    with pytest.raises(ValueInvalid, match="the grace must be between 0 and 2592000"):
        desk.rotate_key(OLGA, "acme-app", grace_s=grace_s, now=NOW)
    assert read(engine).secret == "S"


def test_old_key_is_stored_sealed_in_a_place_of_its_own(
    desk: ApplicationDesk, engine: Engine
) -> None:
    desk.rotate_key(OLGA, "acme-app", grace_s=3600, now=NOW)
    with engine.begin() as connection:
        # Put back where the new one stands, it opens no more.
        connection.exec_driver_sql(
            "UPDATE application SET secret_encrypted = old_secret_encrypted"
            " WHERE app_id = 'acme-app'"
        )
    with pytest.raises(SecretUnreadable):
        read(engine)


# What may be written


@pytest.mark.parametrize(
    "network",
    ["", "203.0.113.1/24", "203.0.113.0/33", "fe80::1%eth0", "::ffff:203.0.113.0/120", "a.example"],
)
def test_network_that_is_none_is_refused(network: str) -> None:
    with pytest.raises(ValueInvalid):
        parse_networks([network])


def test_allow_list_is_bounded() -> None:
    parse_networks(f"203.0.113.{index}" for index in range(NETWORKS_MAX))
    with pytest.raises(ValueInvalid, match="at most 64 networks"):
        parse_networks(f"203.0.113.{index}" for index in range(NETWORKS_MAX + 1))


@pytest.mark.parametrize("column", ["allow_list", "limits"])
def test_what_cannot_be_read_is_an_error_and_not_no_bound(
    desk: ApplicationDesk, engine: Engine, column: str
) -> None:
    with engine.begin() as connection:
        connection.exec_driver_sql(f"UPDATE application SET {column} = '[1]'")
    with pytest.raises(OptionsUnreadable):
        read(engine)


@pytest.mark.parametrize(
    "limits",
    [
        ApplicationLimits(live_calls_max=0),
        ApplicationLimits(live_calls_max=LIVE_CALLS_MAX + 1),
        ApplicationLimits(calls_per_second_max=CALLS_PER_SECOND_MAX + 1),
        ApplicationLimits(requests_per_second_max=0),
        ApplicationLimits(requests_per_second_max=REQUESTS_PER_SECOND_MAX + 1),
    ],
)
def test_limit_out_of_bounds_is_refused(desk: ApplicationDesk, limits: ApplicationLimits) -> None:
    with pytest.raises(ValueInvalid):
        desk.change_limits(OLGA, "acme-app", lambda _: limits)
    assert desk.show(OLGA, "acme-app").limits == NO_APPLICATION_LIMITS


def test_applications_are_shown_together_with_their_numbers(
    desk: ApplicationDesk, administration: Administration
) -> None:
    administration.add_sponsor("acme-app", "01052680000")
    shown = administration.show_applications(["bell-app", "acme-app", "none"])
    assert [each.app_id for each in shown] == ["acme-app", "bell-app"]
    assert shown[0] == administration.show_application("acme-app")
    assert shown[0].sponsors == ("+861052680000",)
    assert desk.list_ids(OLGA) == ["acme-app"]
    assert desk.list_ids(OPERATOR_PRINCIPAL, after="acme-app") == ["bell-app"]
