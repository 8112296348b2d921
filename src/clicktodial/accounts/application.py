"""Applications, as the people of their enterprise and the operator's work with them.

Over `storage.administration`, which knows no people: here stands who sees which application.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select

from clicktodial.accounts.scope import (
    require_application,
    require_visible,
    visible_enterprises,
)
from clicktodial.domain.application import (
    ApplicationLimits,
    ApplicationStatus,
    Capability,
    Network,
)
from clicktodial.domain.principal import STAFF_ROLES, Principal
from clicktodial.domain.wording import worded
from clicktodial.storage import table
from clicktodial.storage.administration import (
    Administration,
    ApplicationDetail,
    CreatedSecrets,
    NewApplication,
)
from clicktodial.storage.error import NotPermitted, ValueInvalid
from clicktodial.storage.transaction import Transactions

# What one page of a list holds; an answer is to stay a few tens of kilobytes.
APPLICATIONS_PAGE_MAX = 100
# Beyond what anybody tells apart; each costs memory on every node that it calls through.
APPLICATIONS_OF_ENTERPRISE_MAX = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """A new application."""

    name: str
    capabilities: frozenset[Capability]
    notify_url: str | None = None


class ApplicationDesk:
    """All methods raise AdministrationError, NotFound also for what is another's."""

    def __init__(self, transactions: Transactions, administration: Administration) -> None:
        self._transactions = transactions
        self._administration = administration

    def create(self, principal: Principal, enterprise_id: str, wish: Wish) -> CreatedSecrets:
        """A new application of an active enterprise, with its key pair, shown this once."""
        columns = table.application.c
        with self._transactions.read() as connection:
            require_visible(connection, principal, enterprise_id)
            last = select(columns.app_id).where(columns.enterprise_id == enterprise_id)
            last = last.offset(APPLICATIONS_OF_ENTERPRISE_MAX - 1).limit(1)
            if connection.execute(last).first() is not None:
                raise ValueInvalid(
                    worded(
                        "an enterprise has at most %(most)s applications",
                        most=APPLICATIONS_OF_ENTERPRISE_MAX,
                    )
                )
        return self._administration.create_application(
            NewApplication(
                name=wish.name,
                enterprise_id=enterprise_id,
                notify_url=wish.notify_url,
                capabilities=wish.capabilities,
                must_be_active=True,
            )
        )

    def list_applications(
        self,
        principal: Principal,
        *,
        enterprise_id: str | None = None,
        after: str | None = None,
        limit: int = APPLICATIONS_PAGE_MAX,
    ) -> list[ApplicationDetail]:
        """Those that the principal may see, by identifier, beginning behind `after`."""
        found = self.list_ids(principal, enterprise_id=enterprise_id, after=after, limit=limit)
        return self._administration.show_applications(found)

    def list_ids(
        self,
        principal: Principal,
        *,
        enterprise_id: str | None = None,
        after: str | None = None,
        limit: int = APPLICATIONS_PAGE_MAX,
    ) -> list[str]:
        """What those are called."""
        columns = table.application.c
        query = (
            select(columns.app_id)
            .join(table.enterprise, table.enterprise.c.id == columns.enterprise_id)
            .where(visible_enterprises(principal))
            .order_by(columns.app_id)
            .limit(limit)
        )
        if enterprise_id is not None:
            query = query.where(columns.enterprise_id == enterprise_id)
        if after is not None:
            query = query.where(columns.app_id > after)
        with self._transactions.read() as connection:
            if enterprise_id is not None:
                require_visible(connection, principal, enterprise_id)
            return list(connection.scalars(query))

    def show(self, principal: Principal, app_id: str) -> ApplicationDetail:
        """One application."""
        self._require(principal, app_id)
        return self._administration.show_application(app_id)

    def rename(self, principal: Principal, app_id: str, name: str) -> None:
        """Its name for people."""
        self._require(principal, app_id)
        self._administration.rename_application(app_id, name)

    def set_capabilities(
        self, principal: Principal, app_id: str, capabilities: frozenset[Capability]
    ) -> None:
        """What it may use from now on."""
        self._require(principal, app_id)
        self._administration.set_capabilities(app_id, capabilities)

    def set_enabled(self, principal: Principal, app_id: str, *, enabled: bool) -> None:
        """Let it call, or refuse it with 0001004."""
        self._require(principal, app_id)
        status = ApplicationStatus.ACTIVE if enabled else ApplicationStatus.DISABLED
        self._administration.set_application_status(app_id, status)

    def set_server(self, principal: Principal, app_id: str, notify_url: str | None) -> None:
        """The address of its application server. Whether that may be a private one stays as the
        operator decided: a customer could make the platform speak to the operator's own."""
        self._require(principal, app_id)
        allows = self._administration.show_application(app_id).allow_private_addresses
        self._administration.set_notify_url(app_id, notify_url, allow_private_addresses=allows)

    def allow_private_addresses(self, principal: Principal, app_id: str, *, allowed: bool) -> None:
        """Whether its server may have a private address: the operator's to say."""
        self._require(principal, app_id)
        if not principal.has_any(STAFF_ROLES):
            raise NotPermitted("private addresses are allowed by the operator")
        url = self._administration.show_application(app_id).notify_url
        self._administration.set_notify_url(app_id, url, allow_private_addresses=allowed)

    def set_pool_alerts(self, principal: Principal, app_id: str, *, wanted: bool) -> None:
        """Whether its server is told when the pool passes a threshold."""
        self._require(principal, app_id)
        self._administration.set_pool_alerts(app_id, wanted=wanted)

    def set_allow_list(
        self, principal: Principal, app_id: str, networks: tuple[Network, ...]
    ) -> None:
        """From where alone it may ask from now on; none for everywhere."""
        self._require(principal, app_id)
        self._administration.set_allow_list(app_id, networks)

    def change_limits(
        self,
        principal: Principal,
        app_id: str,
        change: Callable[[ApplicationLimits], ApplicationLimits],
    ) -> ApplicationLimits:
        """What it may use at most, within its enterprise's limits."""
        self._require(principal, app_id)
        return self._administration.change_application_limits(app_id, change)

    def rotate_key(
        self, principal: Principal, app_id: str, *, grace_s: int, now: datetime
    ) -> CreatedSecrets:
        """A new key, shown this once; the old one works on for so long."""
        self._require(principal, app_id)
        return self._administration.rotate_secret(app_id, grace_s=grace_s, now=now)

    def rotate_signing_key(self, principal: Principal, app_id: str) -> CreatedSecrets:
        """A new key of the signatures of notifications, shown this once."""
        self._require(principal, app_id)
        return self._administration.rotate_signing_secret(app_id)

    def revoke_old_key(self, principal: Principal, app_id: str) -> None:
        """The key of before the last rotation works no longer."""
        self._require(principal, app_id)
        self._administration.revoke_old_secret(app_id)

    def enterprise_of(self, principal: Principal, app_id: str) -> str:
        """Whose the application is, where that is the business of who asks."""
        return self._require(principal, app_id)

    def _require(self, principal: Principal, app_id: str) -> str:
        # An application stays with its enterprise, so that nothing changes between the two.
        with self._transactions.read() as connection:
            row = require_application(connection, principal, app_id)
        enterprise_id: str = row.enterprise_id
        return enterprise_id
