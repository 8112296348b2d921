"""Applications and trunks as their rows tell them."""

from dataclasses import dataclass
from typing import Any

import structlog
from sqlalchemy import Connection, Dialect, Row, select

from clicktodial.domain.application import (
    Application,
    ApplicationStatus,
    EnterpriseStatus,
    OldSecret,
)
from clicktodial.domain.identifier import AppId
from clicktodial.domain.number_pool import NumberPool, Place, PoolNumber
from clicktodial.domain.trunk import Transport, Trunk, TrunkCredentials
from clicktodial.storage import table
from clicktodial.storage.application_codec import (
    decode_allow_list,
    decode_application_limits,
    decode_capabilities,
    decode_cities,
    decode_scopes,
)
from clicktodial.storage.error import OptionsUnreadable, SecretUnreadable
from clicktodial.storage.message_row import read_application_messages
from clicktodial.storage.minutes import read_pool_terms
from clicktodial.storage.number_table import number_pool, number_pool_member, sponsor_number
from clicktodial.storage.options_codec import (
    decode_call_options,
    decode_limits,
    decode_trunk_settings,
)
from clicktodial.storage.protection_row import read_call_rules
from clicktodial.storage.secret import (
    SecretVault,
    old_secret_place,
    secret_place,
    signing_secret_place,
    trunk_password_place,
)
from clicktodial.storage.statement import Query

log = structlog.get_logger()


def read_application(
    connection: Connection, app_id: AppId, vault: SecretVault
) -> Application | None:
    """The application with its secrets in clear. Raises SecretUnreadable."""
    query = (
        select(
            table.application,
            table.enterprise.c.status.label("enterprise_status"),
            table.enterprise.c.limits.label("enterprise_limits"),
        )
        .join(table.enterprise, table.enterprise.c.id == table.application.c.enterprise_id)
        .where(table.application.c.app_id == app_id)
    )
    row = connection.execute(query).first()
    if row is None:
        return None
    numbers = read_numbers(connection, app_id)
    return Application(
        app_id=app_id,
        enterprise_id=row.enterprise_id,
        enterprise_status=EnterpriseStatus(row.enterprise_status),
        status=ApplicationStatus(row.status),
        secret=vault.open(row.secret_encrypted, secret_place(app_id)).decode(),
        signing_secret=vault.open(row.signing_secret_encrypted, signing_secret_place(app_id)),
        sponsors=frozenset(numbers),
        notify_url=row.notify_url,
        allow_private_addresses=row.allow_private_addresses,
        max_duration_s=row.max_duration_s,
        options=decode_call_options(row.options),
        limits=decode_limits(row.enterprise_limits),
        own_limits=decode_application_limits(row.limits),
        capabilities=decode_capabilities(row.capabilities),
        old_secret=_old_secret_of(row, vault),
        allow_list=decode_allow_list(row.allow_list),
        pools=read_pools(connection, app_id, numbers),
        trunk_by_number={
            e164: number.trunk for e164, number in numbers.items() if number.trunk is not None
        },
        messages=read_application_messages(connection, app_id),
        rules=read_call_rules(connection, row.enterprise_id, app_id),
        pool_terms=read_pool_terms(connection, row.enterprise_id),
        scopes=decode_scopes(row.scopes),
    )


@dataclass(frozen=True, slots=True)
class NumberInfo:
    """What the inventory says of a number that an application may show; nothing, perhaps."""

    place: Place
    trunk: str | None


def read_numbers(connection: Connection, app_id: str) -> dict[str, NumberInfo]:
    """The numbers that the application may show, in E.164."""
    shown, known = table.application_number.c, sponsor_number.c
    query = (
        select(shown.e164, known.city, known.region, known.trunk)
        .outerjoin_from(table.application_number, sponsor_number, known.e164 == shown.e164)
        .where(shown.app_id == app_id)
    )
    return {
        row.e164: NumberInfo(Place(row.city or "", row.region or ""), row.trunk)
        for row in connection.execute(query)
    }


def read_pools(
    connection: Connection, app_id: str, numbers: dict[str, NumberInfo]
) -> tuple[NumberPool, ...]:
    """The pools that were made of those numbers, by name."""
    pools, members = number_pool.c, number_pool_member.c
    names = select(pools.name, pools.fallback).where(pools.app_id == app_id)
    rows = connection.execute(names.order_by(pools.name)).all()
    if not rows:
        return ()
    query = select(members.name, members.e164).where(members.app_id == app_id)
    by_name: dict[str, list[PoolNumber]] = {}
    for row in connection.execute(query.order_by(members.e164)):
        by_name.setdefault(row.name, []).append(PoolNumber(row.e164, numbers[row.e164].place))
    return tuple(
        NumberPool(row.name, tuple(by_name.get(row.name, ())), decode_cities(row.fallback))
        for row in rows
    )


def _old_secret_of(row: Row[Any], vault: SecretVault) -> OldSecret | None:
    if row.old_secret_encrypted is None:
        return None
    secret = vault.open(row.old_secret_encrypted, old_secret_place(row.app_id)).decode()
    return OldSecret(secret, row.old_secret_until)


def read_sponsors(connection: Connection, app_id: str) -> frozenset[str]:
    """The numbers that the application may show, in E.164."""
    numbers = table.application_number.c
    query = select(numbers.e164).where(numbers.app_id == app_id)
    return frozenset(connection.scalars(query))


def read_trunks(connection: Connection, vault: SecretVault) -> tuple[Trunk, ...]:
    """The enabled trunks, by priority and name; passwords in clear.

    One whose password cannot be read is there without it: others may ask for none.
    """
    columns = table.trunk.c
    query = select(table.trunk).where(columns.enabled).order_by(columns.priority, columns.name)
    trunks = []
    for row in connection.execute(query):
        try:
            trunks.append(trunk_of_row(row, _password_of(row, vault)))
        except OptionsUnreadable as error:
            # Another version wrote it; the other trunks are used.
            log.error("trunk.settings_unreadable", trunk=row.name, error=str(error))
    return tuple(trunks)


class VersionQuery:
    """How many administrative changes there were: asked twice a second, finished once."""

    def __init__(self, dialect: Dialect) -> None:
        self._query = Query(select(table.administration.c.version), dialect)

    def run(self, connection: Connection) -> int:
        """Raises StoreError."""
        ((version,),) = self._query.run(connection, {})
        return int(version)


def _password_of(row: Row[Any], vault: SecretVault) -> str:
    if row.password_encrypted is None:
        return ""
    try:
        return vault.open(row.password_encrypted, trunk_password_place(row.name)).decode()
    except SecretUnreadable as error:
        log.error("trunk.password_unreadable", trunk=row.name, error=str(error))
        return ""


def trunk_of_row(row: Row[Any], password: str = "") -> Trunk:
    """The trunk of a row of `trunk`; its credentials have this password."""
    settings = decode_trunk_settings(row.settings)
    credentials = None
    if settings.username is not None:
        credentials = TrunkCredentials(settings.username, password)
    return Trunk(
        name=row.name,
        host=row.host,
        port=row.port,
        transport=Transport(row.transport),
        priority=row.priority,
        domain=row.domain,
        answer_timeout_s=row.answer_timeout_s,
        weight=settings.weight,
        prefixes=settings.prefixes,
        number_format=settings.number_format,
        region=settings.region,
        headers=settings.headers,
        calls_per_second_max=settings.calls_per_second_max,
        channels_max=settings.channels_max,
        credentials=credentials,
        tls=settings.tls,
        registers=settings.registers,
        registration_expires_s=settings.registration_expires_s,
        options_interval_s=settings.options_interval_s,
        charging_vector=settings.charging_vector,
        signs_calls=settings.signs_calls,
        privacy=settings.privacy,
        session_expires_s=settings.session_expires_s,
        srtp=settings.srtp,
        codecs=settings.codecs,
        cost_per_minute_micros=settings.cost_per_minute_micros,
    )
