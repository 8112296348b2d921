"""What an operator administers: enterprises, applications, numbers and trunks.

Plain blocking functions, for the command line and, on a thread, for an API. They work before
the server starts and while it runs; each change counts up the version that
`application_directory` watches, in the change's own transaction.
"""

import base64
import secrets
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Engine, Row, delete, insert, select, update
from sqlalchemy.exc import OperationalError

from clicktodial.config import Settings
from clicktodial.domain.access import ALL_SCOPES, AccessScope
from clicktodial.domain.application import (
    ALL_CAPABILITIES,
    NO_APPLICATION_LIMITS,
    ApplicationLimits,
    ApplicationStatus,
    Capability,
    EnterpriseLimits,
    EnterpriseStatus,
    Network,
)
from clicktodial.domain.enterprise import EnterpriseState
from clicktodial.domain.plan import CallOptions
from clicktodial.domain.sponsor_number import NumberState
from clicktodial.domain.trunk import Trunk
from clicktodial.domain.wording import worded
from clicktodial.storage import table, value
from clicktodial.storage.application_codec import (
    GRACE_S_MAX,
    check_application_limits,
    decode_allow_list,
    decode_application_limits,
    decode_capabilities,
    decode_scopes,
    encode_allow_list,
    encode_application_limits,
    encode_capabilities,
    encode_scopes,
)
from clicktodial.storage.application_row import read_sponsors, trunk_of_row
from clicktodial.storage.engine import open_engine
from clicktodial.storage.enterprise_row import insert_enterprise
from clicktodial.storage.error import Conflict, DatabaseUnavailable, NotFound
from clicktodial.storage.instant import from_millis, to_millis
from clicktodial.storage.migration import migrate_engine
from clicktodial.storage.number_table import sponsor_number
from clicktodial.storage.options_codec import (
    check_limits,
    check_options,
    decode_call_options,
    decode_limits,
    encode_call_options,
    encode_limits,
)
from clicktodial.storage.secret import (
    SecretVault,
    load_master_key,
    old_secret_place,
    secret_place,
    signing_secret_place,
    trunk_password_place,
)
from clicktodial.storage.transaction import Transactions
from clicktodial.storage.trunk_row import check_trunk

DEFAULT_ENTERPRISE = "default"
# The prefix under which the libraries of Standard Webhooks take a secret.
SIGNING_SECRET_PREFIX = "whsec_"
_SIGNING_SECRET_BYTES = 32
_SECRET_BYTES = 32
_APP_ID_DIGITS = 8
# More of one kind than this is for an API with pages, not for a list on a terminal.
LISTED_MAX = 10_000


@dataclass(frozen=True, slots=True)
class EnterpriseDetail:
    """An enterprise, as shown to the operator."""

    enterprise_id: str
    name: str
    status: EnterpriseStatus
    limits: EnterpriseLimits


@dataclass(frozen=True, slots=True)
class ApplicationDetail:
    """An application, as shown to the operator: all but its secrets."""

    app_id: str
    enterprise_id: str
    name: str
    status: ApplicationStatus
    notify_url: str | None
    allow_private_addresses: bool
    max_duration_s: int | None
    created_at: datetime
    sponsors: tuple[str, ...]
    options: CallOptions
    capabilities: frozenset[Capability] = ALL_CAPABILITIES
    allow_list: tuple[Network, ...] = ()
    limits: ApplicationLimits = NO_APPLICATION_LIMITS
    old_secret_until: datetime | None = None
    scopes: frozenset[AccessScope] = ALL_SCOPES
    pool_alerts: bool = False


@dataclass(frozen=True, slots=True)
class CreatedSecrets:
    """Secrets in clear, to be shown once: nothing can read them out again for a person."""

    app_id: str
    secret: str | None = field(default=None, repr=False)
    signing_secret: str | None = field(default=None, repr=False)
    old_secret_until: datetime | None = None


@dataclass(frozen=True, slots=True)
class TrunkDetail:
    """A trunk, and whether it is used."""

    trunk: Trunk
    enabled: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class NewApplication:
    """What a new application is given; None of an identifier or secret has one made.

    Where its enterprise `must_be_active` and is not, it is refused.
    """

    app_id: str | None = None
    secret: str | None = None
    name: str | None = None
    enterprise_id: str = DEFAULT_ENTERPRISE
    sponsors: tuple[str, ...] = ()
    notify_url: str | None = None
    allow_private_addresses: bool = False
    max_duration_s: int | None = None
    capabilities: frozenset[Capability] = ALL_CAPABILITIES
    must_be_active: bool = False


class Administration:
    """Every administrative change. All methods raise AdministrationError and
    DatabaseUnavailable, and then nothing was changed."""

    def __init__(self, engine: Engine, vault: SecretVault, *, region: str) -> None:
        self._engine = engine
        self._transactions = Transactions(engine)
        self._vault = vault
        self._region = region

    @classmethod
    def open(cls, settings: Settings) -> "Administration":
        """On the database of these settings, migrated. Raises StorageError."""
        engine = open_engine(settings.database_url)
        try:
            migrate_engine(engine)
        except OperationalError as error:
            engine.dispose()
            raise DatabaseUnavailable(str(error.orig)) from error
        vault = SecretVault(load_master_key(settings))
        return cls(engine, vault, region=settings.calls.default_region)

    def close(self) -> None:
        """Close the connections."""
        self._engine.dispose()

    # Enterprises

    def create_enterprise(self, enterprise_id: str, *, name: str | None = None) -> None:
        """A new enterprise, active."""
        with self._transactions.change(
            worded("there is an enterprise %(enterprise_id)s already", enterprise_id=enterprise_id)
        ) as connection:
            insert_enterprise(
                connection,
                enterprise_id,
                name=name or enterprise_id,
                state=EnterpriseState.ACTIVE,
            )

    def list_enterprises(self) -> list[EnterpriseDetail]:
        """All enterprises, by identifier."""
        query = select(table.enterprise).order_by(table.enterprise.c.id).limit(LISTED_MAX)
        with self._transactions.read() as connection:
            return [_enterprise_detail(row) for row in connection.execute(query)]

    def name_enterprises(self, enterprise_ids: Collection[str]) -> dict[str, str]:
        """The names of those that there are, by identifier; for as many as a page shows."""
        columns = table.enterprise.c
        query = select(columns.id, columns.name).where(columns.id.in_(enterprise_ids))
        with self._transactions.read() as connection:
            return {row.id: row.name for row in connection.execute(query)}

    def show_enterprise(self, enterprise_id: str) -> EnterpriseDetail:
        """One enterprise."""
        query = select(table.enterprise).where(table.enterprise.c.id == enterprise_id)
        with self._transactions.read() as connection:
            return _enterprise_detail(_found(connection.execute(query).first(), enterprise_id))

    def change_limits(
        self, enterprise_id: str, change: Callable[[EnterpriseLimits], EnterpriseLimits]
    ) -> EnterpriseLimits:
        """Change what it may use, for its calls to come; returns the limits as they are now."""
        columns = table.enterprise.c
        with self._transactions.change() as connection:
            query = select(columns.limits).where(columns.id == enterprise_id)
            row = _found(connection.execute(query).first(), enterprise_id)
            limits = change(decode_limits(row.limits))
            check_limits(limits)
            connection.execute(
                update(table.enterprise)
                .where(columns.id == enterprise_id)
                .values(limits=encode_limits(limits))
            )
        return limits

    # Applications

    def create_application(
        self, new: NewApplication, *, now: datetime | None = None
    ) -> CreatedSecrets:
        """A new application, active. The enterprise named `default` is made when missing."""
        app_id = new.app_id if new.app_id is not None else _generate_app_id()
        secret = new.secret if new.secret is not None else secrets.token_urlsafe(_SECRET_BYTES)
        signing_secret = secrets.token_bytes(_SIGNING_SECRET_BYTES)
        row = self._application_row(new, app_id, now or datetime.now(UTC))
        row["secret_encrypted"] = self._seal_secret(app_id, secret)
        row["signing_secret_encrypted"] = self._vault.seal(
            signing_secret, signing_secret_place(app_id)
        )
        sponsors = {value.check_sponsor(written, self._region) for written in new.sponsors}
        with self._transactions.change(
            worded("there is an application %(app_id)s already", app_id=app_id)
        ) as connection:
            _require_enterprise(connection, new.enterprise_id, active=new.must_be_active)
            connection.execute(insert(table.application).values(row))
            _require_not_of_another(connection, app_id, sponsors)
            _insert_sponsors(connection, app_id, sponsors)
        return CreatedSecrets(app_id, secret, _show_signing_secret(signing_secret))

    def list_applications(self) -> list[ApplicationDetail]:
        """All applications, by identifier."""
        query = select(table.application).order_by(table.application.c.app_id).limit(LISTED_MAX)
        with self._transactions.read() as connection:
            rows = connection.execute(query).all()
            return [_application_detail(connection, row) for row in rows]

    def show_applications(self, app_ids: Sequence[str]) -> list[ApplicationDetail]:
        """Those of these that there are, by identifier."""
        columns, numbers = table.application.c, table.application_number.c
        query = select(table.application).where(columns.app_id.in_(app_ids))
        shown = select(numbers.app_id, numbers.e164).where(numbers.app_id.in_(app_ids))
        with self._transactions.read() as connection:
            sponsors: dict[str, list[str]] = {}
            for app_id, e164 in connection.execute(shown):
                sponsors.setdefault(app_id, []).append(e164)
            rows = connection.execute(query.order_by(columns.app_id)).all()
        return [_detail_of(row, sponsors.get(row.app_id, [])) for row in rows]

    def show_application(self, app_id: str) -> ApplicationDetail:
        """One application."""
        query = select(table.application).where(table.application.c.app_id == app_id)
        with self._transactions.read() as connection:
            row = connection.execute(query).first()
            if row is None:
                raise NotFound(worded("there is no application %(app_id)s", app_id=app_id))
            return _application_detail(connection, row)

    def set_application_status(self, app_id: str, status: ApplicationStatus) -> None:
        """Disable or enable an application."""
        self._update_application(app_id, {"status": status.value})

    def set_notify_url(
        self, app_id: str, notify_url: str | None, *, allow_private_addresses: bool
    ) -> None:
        """Where its notifications go from now on, those that wait included; None for nowhere."""
        url = None if notify_url is None else value.check_notify_url(notify_url)
        self._update_application(
            app_id, {"notify_url": url, "allow_private_addresses": allow_private_addresses}
        )

    def set_pool_alerts(self, app_id: str, *, wanted: bool) -> None:
        """Whether its server is told when the enterprise's pool passes a threshold."""
        self._update_application(app_id, {"pool_alerts": wanted})

    def set_max_duration(self, app_id: str, max_duration_s: int | None) -> None:
        """Its own cut-off of calls, in seconds; None for the platform's alone."""
        self._update_application(app_id, {"max_duration_s": _check_duration(max_duration_s)})

    def change_options(
        self, app_id: str, change: Callable[[CallOptions], CallOptions]
    ) -> CallOptions:
        """Change the options of its calls to come; returns them as they are now."""
        columns = table.application.c
        with self._transactions.change() as connection:
            row = connection.execute(
                select(columns.options).where(columns.app_id == app_id)
            ).first()
            if row is None:
                raise NotFound(worded("there is no application %(app_id)s", app_id=app_id))
            options = change(decode_call_options(row.options))
            check_options(options, read_sponsors(connection, app_id))
            connection.execute(
                update(table.application)
                .where(columns.app_id == app_id)
                .values(options=encode_call_options(options))
            )
        return options

    def rename_application(self, app_id: str, name: str) -> None:
        """Its name for people."""
        self._update_application(app_id, {"name": value.check_name(name)})

    def set_capabilities(self, app_id: str, capabilities: frozenset[Capability]) -> None:
        """What it may use from now on."""
        self._update_application(app_id, {"capabilities": encode_capabilities(capabilities)})

    def set_scopes(self, app_id: str, scopes: frozenset[AccessScope]) -> None:
        """What its access tokens allow at most, those that were given out included."""
        self._update_application(app_id, {"scopes": encode_scopes(scopes)})

    def set_allow_list(self, app_id: str, networks: tuple[Network, ...]) -> None:
        """From where alone it may ask from now on; none for everywhere."""
        self._update_application(app_id, {"allow_list": encode_allow_list(networks)})

    def change_application_limits(
        self, app_id: str, change: Callable[[ApplicationLimits], ApplicationLimits]
    ) -> ApplicationLimits:
        """Change what it may use at most, from now on; returns the limits as they are now."""
        columns = table.application.c
        with self._transactions.change() as connection:
            query = select(columns.limits).where(columns.app_id == app_id)
            row = connection.execute(query).first()
            if row is None:
                raise NotFound(worded("there is no application %(app_id)s", app_id=app_id))
            limits = change(decode_application_limits(row.limits))
            check_application_limits(limits)
            connection.execute(
                update(table.application)
                .where(columns.app_id == app_id)
                .values(limits=encode_application_limits(limits))
            )
        return limits

    def rotate_secret(
        self,
        app_id: str,
        *,
        secret: str | None = None,
        grace_s: int = 0,
        now: datetime | None = None,
    ) -> CreatedSecrets:
        """A new secret. The one before works on for `grace_s` seconds, and one that was before
        that no longer; without a grace it is refused within a second."""
        value.check_range(grace_s, "the grace", low=0, high=GRACE_S_MAX)
        if secret is None:
            secret = secrets.token_urlsafe(_SECRET_BYTES)
        columns = table.application.c
        until = _after(now or datetime.now(UTC), grace_s) if grace_s else None
        values: dict[str, Any] = {
            "secret_encrypted": self._seal_secret(app_id, secret),
            "old_secret_encrypted": None,
            "old_secret_until": until,
        }
        with self._transactions.change() as connection:
            query = select(columns.secret_encrypted).where(columns.app_id == app_id)
            # Of two rotations at once the later one keeps the earlier one's secret for its grace.
            row = connection.execute(query.with_for_update()).first()
            if row is None:
                raise NotFound(worded("there is no application %(app_id)s", app_id=app_id))
            if grace_s:
                old = self._vault.open(row.secret_encrypted, secret_place(app_id))
                values["old_secret_encrypted"] = self._vault.seal(old, old_secret_place(app_id))
            connection.execute(
                update(table.application).where(columns.app_id == app_id).values(values)
            )
        return CreatedSecrets(app_id, secret=secret, old_secret_until=until)

    def revoke_old_secret(self, app_id: str) -> None:
        """The secret of before the last rotation is refused within a second."""
        self._update_application(app_id, {"old_secret_encrypted": None, "old_secret_until": None})

    def rotate_signing_secret(self, app_id: str) -> CreatedSecrets:
        """A new secret for the signatures of notifications."""
        secret = secrets.token_bytes(_SIGNING_SECRET_BYTES)
        sealed = self._vault.seal(secret, signing_secret_place(app_id))
        self._update_application(app_id, {"signing_secret_encrypted": sealed})
        return CreatedSecrets(app_id, signing_secret=_show_signing_secret(secret))

    def read_number(self, written: str) -> str:
        """A number in E.164."""
        return value.check_sponsor(written, self._region)

    def add_sponsor(self, app_id: str, written: str) -> str:
        """Let it show a number; returns the number in E.164."""
        e164 = value.check_sponsor(written, self._region)
        with self._transactions.change(
            "the application may show that number already"
        ) as connection:
            _require_application(connection, app_id)
            _require_not_of_another(connection, app_id, {e164})
            _insert_sponsors(connection, app_id, {e164})
        return e164

    def remove_sponsor(self, app_id: str, written: str) -> str:
        """Let it show a number no longer; returns the number in E.164."""
        e164 = value.check_sponsor(written, self._region)
        columns = table.application_number.c
        where = (columns.app_id == app_id) & (columns.e164 == e164)
        with self._transactions.change() as connection:
            removed = connection.execute(delete(table.application_number).where(where))
            _require(
                removed.rowcount,
                worded("application %(app_id)s may not show that number anyway", app_id=app_id),
            )
        return e164

    # Trunks

    def add_trunk(self, trunk: Trunk) -> None:
        """A new trunk, enabled."""
        row = check_trunk(trunk) | self._trunk_password(trunk) | {"enabled": True}
        with self._transactions.change(
            worded("there is a trunk %(name)s already", name=trunk.name)
        ) as connection:
            connection.execute(insert(table.trunk).values(row))

    def change_trunk(self, name: str, change: Callable[[Trunk], Trunk]) -> Trunk:
        """Change a trunk; calls that go through it go on as they are. Returns it as it is now.

        `change` is given the trunk with an empty password, and one that it leaves empty stays.
        """
        columns = table.trunk.c
        with self._transactions.change() as connection:
            row = connection.execute(select(table.trunk).where(columns.name == name)).first()
            if row is None:
                raise NotFound(worded("there is no trunk %(name)s", name=name))
            changed = replace(change(trunk_of_row(row)), name=name)
            values = self._changed_columns(changed, has_password=row.password_encrypted is not None)
            connection.execute(update(table.trunk).where(columns.name == name).values(values))
        return changed

    def remove_trunk(self, name: str) -> None:
        """Remove a trunk; calls that go through it go on."""
        with self._transactions.change() as connection:
            removed = connection.execute(delete(table.trunk).where(table.trunk.c.name == name))
            _require(removed.rowcount, worded("there is no trunk %(name)s", name=name))

    def set_trunk_enabled(self, name: str, *, enabled: bool) -> None:
        """Use a trunk for new calls, or do not."""
        where = table.trunk.c.name == name
        with self._transactions.change() as connection:
            changed = connection.execute(update(table.trunk).where(where).values(enabled=enabled))
            _require(changed.rowcount, worded("there is no trunk %(name)s", name=name))

    def show_trunk(self, name: str) -> TrunkDetail:
        """One trunk, its password empty."""
        with self._transactions.read() as connection:
            row = connection.execute(select(table.trunk).where(table.trunk.c.name == name)).first()
            if row is None:
                raise NotFound(worded("there is no trunk %(name)s", name=name))
            return TrunkDetail(trunk_of_row(row), row.enabled)

    def list_trunks(self) -> list[TrunkDetail]:
        """All trunks, in the order in which they are tried."""
        columns = table.trunk.c
        query = select(table.trunk).order_by(columns.priority, columns.name).limit(LISTED_MAX)
        with self._transactions.read() as connection:
            rows = connection.execute(query)
            return [TrunkDetail(trunk_of_row(row), row.enabled) for row in rows]

    # What all of them share

    def _trunk_password(self, trunk: Trunk) -> dict[str, Any]:
        if trunk.credentials is None:
            return {"password_encrypted": None}
        place = trunk_password_place(trunk.name)
        sealed = self._vault.seal(trunk.credentials.password.encode(), place)
        return {"password_encrypted": sealed}

    def _changed_columns(self, trunk: Trunk, *, has_password: bool) -> dict[str, Any]:
        credentials = trunk.credentials
        if credentials is None or credentials.password or not has_password:
            return check_trunk(trunk) | self._trunk_password(trunk)
        unchanged = replace(trunk, credentials=replace(credentials, password="unchanged"))
        return check_trunk(unchanged)

    def _update_application(self, app_id: str, values: dict[str, Any]) -> None:
        where = table.application.c.app_id == app_id
        with self._transactions.change() as connection:
            changed = connection.execute(update(table.application).where(where).values(values))
            _require(changed.rowcount, worded("there is no application %(app_id)s", app_id=app_id))

    def _seal_secret(self, app_id: str, secret: str) -> bytes:
        return self._vault.seal(value.check_secret(secret).encode(), secret_place(app_id))

    def _application_row(self, new: NewApplication, app_id: str, now: datetime) -> dict[str, Any]:
        value.check_identifier(app_id, "the application's identifier")
        url = None if new.notify_url is None else value.check_notify_url(new.notify_url)
        return {
            "app_id": app_id,
            "enterprise_id": new.enterprise_id,
            "name": value.check_name(new.name or app_id),
            "status": ApplicationStatus.ACTIVE.value,
            "notify_url": url,
            "allow_private_addresses": new.allow_private_addresses,
            "max_duration_s": _check_duration(new.max_duration_s),
            "capabilities": encode_capabilities(new.capabilities),
            "created_at": now,
        }


def _after(now: datetime, seconds: int) -> datetime:
    """As exact as it is stored, so that what is answered is what holds."""
    return from_millis(to_millis(now + timedelta(seconds=seconds)))


def _check_duration(max_duration_s: int | None) -> int | None:
    if max_duration_s is None:
        return None
    return value.check_range(
        max_duration_s, "the maximum duration", low=1, high=value.DURATION_S_MAX
    )


def _require(rowcount: int, message: str) -> None:
    if rowcount == 0:
        raise NotFound(message)


def _require_enterprise(connection: Connection, enterprise_id: str, *, active: bool) -> None:
    where = table.enterprise.c.id == enterprise_id
    status = connection.scalar(select(table.enterprise.c.status).where(where))
    if status is not None:
        if active and status != EnterpriseStatus.ACTIVE.value:
            raise Conflict(worded("the enterprise is %(status)s", status=status))
        return
    if enterprise_id != DEFAULT_ENTERPRISE:
        raise NotFound(
            worded("there is no enterprise %(enterprise_id)s", enterprise_id=enterprise_id)
        )
    insert_enterprise(connection, enterprise_id, name=enterprise_id, state=EnterpriseState.ACTIVE)


def _require_application(connection: Connection, app_id: str) -> None:
    where = table.application.c.app_id == app_id
    if connection.scalar(select(table.application.c.app_id).where(where)) is None:
        raise NotFound(worded("there is no application %(app_id)s", app_id=app_id))


def _require_not_of_another(connection: Connection, app_id: str, numbers: Iterable[str]) -> None:
    """Numbers of the inventory are shown by the enterprise that they are assigned to; numbers
    that the operator keeps no inventory of, by whom the operator says."""
    for e164 in numbers:
        query = select(sponsor_number.c.enterprise_id, sponsor_number.c.state)
        query = query.where(sponsor_number.c.e164 == e164).with_for_update()
        row = connection.execute(query).first()
        if row is None:
            continue
        columns = table.application.c
        owner = connection.scalar(select(columns.enterprise_id).where(columns.app_id == app_id))
        if row.state != NumberState.ASSIGNED.value or row.enterprise_id != owner:
            raise Conflict("the inventory has not assigned that number to the enterprise")


def _insert_sponsors(connection: Connection, app_id: str, sponsors: Iterable[str]) -> None:
    for e164 in sorted(sponsors):
        connection.execute(insert(table.application_number).values(app_id=app_id, e164=e164))


def _found(row: Row[Any] | None, enterprise_id: str) -> Row[Any]:
    if row is None:
        raise NotFound(
            worded("there is no enterprise %(enterprise_id)s", enterprise_id=enterprise_id)
        )
    return row


def _enterprise_detail(row: Row[Any]) -> EnterpriseDetail:
    return EnterpriseDetail(
        row.id, row.name, EnterpriseStatus(row.status), decode_limits(row.limits)
    )


def _application_detail(connection: Connection, row: Row[Any]) -> ApplicationDetail:
    return _detail_of(row, read_sponsors(connection, row.app_id))


def _detail_of(row: Row[Any], sponsors: Iterable[str]) -> ApplicationDetail:
    return ApplicationDetail(
        app_id=row.app_id,
        enterprise_id=row.enterprise_id,
        name=row.name,
        status=ApplicationStatus(row.status),
        notify_url=row.notify_url,
        allow_private_addresses=row.allow_private_addresses,
        max_duration_s=row.max_duration_s,
        created_at=row.created_at,
        sponsors=tuple(sorted(sponsors)),
        options=decode_call_options(row.options),
        capabilities=decode_capabilities(row.capabilities),
        allow_list=decode_allow_list(row.allow_list),
        limits=decode_application_limits(row.limits),
        old_secret_until=row.old_secret_until,
        scopes=decode_scopes(row.scopes),
        pool_alerts=row.pool_alerts,
    )


def _generate_app_id() -> str:
    # Eight digits, like the specification's example; a taken one is refused, not overwritten.
    return str(secrets.randbelow(9 * 10 ** (_APP_ID_DIGITS - 1)) + 10 ** (_APP_ID_DIGITS - 1))


def _show_signing_secret(secret: bytes) -> str:
    return SIGNING_SECRET_PREFIX + base64.b64encode(secret).decode()
