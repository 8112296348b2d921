"""The pages of this area."""

from clicktodial.accounts.table_row import TableKind
from clicktodial.portal.member.department import DepartmentPages
from clicktodial.portal.member.member import MemberPages
from clicktodial.portal.member.shared import EDITORS, READERS
from clicktodial.portal.needs import ConsoleNeeds
from clicktodial.portal.page import Area, gather_area
from clicktodial.portal.table_import import ImportNames, ImportPages

_IMPORTS = ImportNames(
    kind=TableKind.MEMBERS,
    is_platform=False,
    name="memberImport",
    operation="Members",
    path="/members/imports",
    parameter="import_id",
    parent="members",
    readers=READERS,
    editors=EDITORS,
)


def create_member_area(needs: ConsoleNeeds) -> Area:
    """Its pages and actions."""
    return gather_area(MemberPages(needs), DepartmentPages(needs), ImportPages(needs, _IMPORTS))
