"""What concerns members and the protection of callees, put together: use cases and routes."""

from dataclasses import dataclass

from clicktodial.accounts.department import Departments
from clicktodial.accounts.do_not_call import NumberLists
from clicktodial.accounts.member import Members
from clicktodial.accounts.protection import ProtectionSettings
from clicktodial.accounts.table_import import TableImport
from clicktodial.accounts.table_row import TableKind
from clicktodial.api.management.enterprise_scope import EnterpriseScope
from clicktodial.api.management.member import (
    EDITORS,
    READERS,
    DepartmentResource,
    MemberResource,
)
from clicktodial.api.management.number_list import BlacklistResource, NumberListResource
from clicktodial.api.management.protection import ProtectionResource
from clicktodial.api.management.route import Route
from clicktodial.api.management.table_import import ImportResource, Runner
from clicktodial.api.management.worker import Worker
from clicktodial.domain.principal import Role
from clicktodial.domain.protection import ListKind
from clicktodial.storage.number_key import NumberKeys
from clicktodial.storage.transaction import Transactions

_OPERATOR = frozenset({Role.OPERATOR})
_MEMBERS, _PROTECTION = "Members", "Protection"


@dataclass(frozen=True, slots=True, kw_only=True)
class MembershipNeeds:
    """The use cases about members and callees. `runner` runs the imports of `importing`."""

    transactions: Transactions
    members: Members
    departments: Departments
    lists: NumberLists
    settings: ProtectionSettings
    importing: TableImport
    runner: Runner


def create_membership_needs(
    transactions: Transactions,
    keys: NumberKeys,
    *,
    importing: TableImport,
    runner: Runner,
    region: str,
) -> MembershipNeeds:
    """All of them, on one database. `region` is that of telephone numbers."""
    return MembershipNeeds(
        transactions=transactions,
        members=Members(transactions, region=region),
        departments=Departments(transactions),
        lists=NumberLists(transactions, keys, region=region),
        settings=ProtectionSettings(transactions),
        importing=importing,
        runner=runner,
    )


def create_membership_routes(needs: MembershipNeeds, worker: Worker) -> list[Route]:
    """The rows of members and of the protection of callees."""
    scope = EnterpriseScope(needs.transactions, worker)
    return [
        *MemberResource(needs.members, needs.departments, scope).routes(),
        *_imports(needs, TableKind.MEMBERS, scope, worker, is_platform=False),
        *DepartmentResource(needs.departments, scope).routes(),
        *ProtectionResource(needs.settings, scope, worker).routes(),
        *_lists(needs, ListKind.DO_NOT_CALL, scope, worker, is_platform=False),
        *_imports(needs, TableKind.DO_NOT_CALL, scope, worker, is_platform=False),
        *_lists(needs, ListKind.ALLOWED, scope, worker, is_platform=False),
        *_lists(needs, ListKind.DO_NOT_CALL, scope, worker, is_platform=True),
        *_imports(needs, TableKind.DO_NOT_CALL, scope, worker, is_platform=True),
        *_lists(needs, ListKind.ALLOWED, scope, worker, is_platform=True),
        *BlacklistResource(needs.lists, worker).routes(),
    ]


def _lists(
    needs: MembershipNeeds,
    kind: ListKind,
    scope: EnterpriseScope,
    worker: Worker,
    *,
    is_platform: bool,
) -> list[Route]:
    resource = NumberListResource(kind, needs.lists, scope, worker, is_platform=is_platform)
    if is_platform:
        return resource.routes(_PROTECTION, _OPERATOR, _OPERATOR)
    return resource.routes(_PROTECTION, READERS, EDITORS)


def _imports(
    needs: MembershipNeeds,
    kind: TableKind,
    scope: EnterpriseScope,
    worker: Worker,
    *,
    is_platform: bool,
) -> list[Route]:
    resource = ImportResource(
        kind, needs.importing, needs.runner, scope, worker, is_platform=is_platform
    )
    tag = _MEMBERS if kind is TableKind.MEMBERS else _PROTECTION
    if is_platform:
        return resource.routes(tag, _OPERATOR, _OPERATOR)
    return resource.routes(tag, READERS, EDITORS)
