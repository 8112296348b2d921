"""What enterprises and the operator set for the protection of callees."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from sqlalchemy import Connection, select

from clicktodial.accounts.department import require_enterprise
from clicktodial.domain.protection import EnterpriseProtection, PlatformProtection
from clicktodial.domain.wording import worded
from clicktodial.storage import member_table, table
from clicktodial.storage.error import NotFound
from clicktodial.storage.protection_codec import (
    check_enterprise_protection,
    check_platform_protection,
    encode_protection,
)
from clicktodial.storage.protection_row import (
    PLATFORM_ROW,
    read_enterprise_protection,
    read_platform_protection,
)
from clicktodial.storage.statement import upsert
from clicktodial.storage.transaction import Transactions

_enterprise = member_table.enterprise_protection
_application = member_table.application_protection
_platform = member_table.platform_protection


@dataclass(frozen=True, slots=True, kw_only=True)
class ApplicationExceptions:
    """Which quiet hours do not hold for an application: its enterprise's, and the operator's."""

    ignores_quiet_hours: bool = False
    ignores_platform_quiet_hours: bool = False


class ProtectionSettings:
    """All methods raise AdministrationError and DatabaseUnavailable, and then nothing was
    changed. What is changed holds for calls within a second."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    def show(self, enterprise_id: str) -> EnterpriseProtection:
        """What the enterprise set."""
        with self._transactions.read() as connection:
            require_enterprise(connection, enterprise_id)
            return read_enterprise_protection(connection, enterprise_id)

    def change(
        self,
        enterprise_id: str,
        change: Callable[[EnterpriseProtection], EnterpriseProtection],
    ) -> EnterpriseProtection:
        """Returns it as it is now. No frequency cap may be above the operator's."""
        with self._transactions.change() as connection:
            require_enterprise(connection, enterprise_id)
            protection = change(read_enterprise_protection(connection, enterprise_id))
            check_enterprise_protection(protection, read_platform_protection(connection))
            row = {"enterprise_id": enterprise_id, "settings": encode_protection(protection)}
            connection.execute(upsert(_enterprise, connection.dialect, row))
        return protection

    def show_platform(self) -> PlatformProtection:
        """What the operator set."""
        with self._transactions.read() as connection:
            return read_platform_protection(connection)

    def change_platform(
        self, change: Callable[[PlatformProtection], PlatformProtection]
    ) -> PlatformProtection:
        """Returns it as it is now. Enterprises' caps that are above it stay as they are set: the
        operator's holds all the same."""
        with self._transactions.change() as connection:
            protection = change(read_platform_protection(connection))
            check_platform_protection(protection)
            row = {"id": PLATFORM_ROW, "settings": encode_protection(protection)}
            connection.execute(upsert(_platform, connection.dialect, row))
        return protection

    def show_exceptions(self, enterprise_id: str, app_id: str) -> ApplicationExceptions:
        """Those of an application of that enterprise."""
        with self._transactions.read() as connection:
            return _read_exceptions(connection, enterprise_id, app_id)

    def list_exceptions(self, enterprise_id: str) -> dict[str, ApplicationExceptions]:
        """Those of the enterprise's applications that have any, by application."""
        applications = table.application.c
        query = (
            select(_application)
            .join(table.application, applications.app_id == _application.c.app_id)
            .where(applications.enterprise_id == enterprise_id)
        )
        with self._transactions.read() as connection:
            return {
                row.app_id: ApplicationExceptions(
                    ignores_quiet_hours=row.ignores_quiet_hours,
                    ignores_platform_quiet_hours=row.ignores_platform_quiet_hours,
                )
                for row in connection.execute(query)
            }

    def change_exceptions(
        self,
        enterprise_id: str,
        app_id: str,
        *,
        ignores_quiet_hours: bool | None = None,
        ignores_platform_quiet_hours: bool | None = None,
    ) -> ApplicationExceptions:
        """Those that are given; returns them as they are now."""
        given = {
            "ignores_quiet_hours": ignores_quiet_hours,
            "ignores_platform_quiet_hours": ignores_platform_quiet_hours,
        }
        with self._transactions.change() as connection:
            known = _read_exceptions(connection, enterprise_id, app_id)
            exceptions = replace(
                known, **{name: each for name, each in given.items() if each is not None}
            )
            row = {
                "app_id": app_id,
                "ignores_quiet_hours": exceptions.ignores_quiet_hours,
                "ignores_platform_quiet_hours": exceptions.ignores_platform_quiet_hours,
            }
            connection.execute(upsert(_application, connection.dialect, row))
        return exceptions


def _read_exceptions(
    connection: Connection, enterprise_id: str, app_id: str
) -> ApplicationExceptions:
    applications = table.application.c
    query = (
        select(
            applications.app_id,
            _application.c.ignores_quiet_hours,
            _application.c.ignores_platform_quiet_hours,
        )
        .outerjoin_from(
            table.application, _application, _application.c.app_id == applications.app_id
        )
        .where(applications.app_id == app_id, applications.enterprise_id == enterprise_id)
    )
    row = connection.execute(query).first()
    if row is None:
        raise NotFound(worded("there is no application %(app_id)s", app_id=app_id))
    return ApplicationExceptions(
        ignores_quiet_hours=bool(row.ignores_quiet_hours),
        ignores_platform_quiet_hours=bool(row.ignores_platform_quiet_hours),
    )
