"""The pages of this area."""

from clicktodial.accounts.table_row import TableKind
from clicktodial.domain.protection import ListKind
from clicktodial.portal.needs import ConsoleNeeds
from clicktodial.portal.page import Area, gather_area
from clicktodial.portal.protection.number_list import (
    BlacklistPages,
    ListNames,
    NumberListPages,
)
from clicktodial.portal.protection.rule import RulePages
from clicktodial.portal.protection.shared import EDITORS, OPERATOR, READERS
from clicktodial.portal.table_import import ImportNames, ImportPages
from clicktodial.portal.text import mark

_LISTS = (
    ListNames(
        kind=ListKind.DO_NOT_CALL,
        is_platform=False,
        name="doNotCall",
        title=mark("Do-not-call list"),
        lead=mark("Whoever stands here is called by none of your applications."),
        operation="DoNotCall",
        path="/protection/do-not-call",
        parameter="entry_id",
        parent="protection",
        imports="doNotCallImports",
        readers=READERS,
        editors=EDITORS,
    ),
    ListNames(
        kind=ListKind.ALLOWED,
        is_platform=False,
        name="allowedCallees",
        title=mark("Exceptions"),
        lead=mark("Whoever stands here is called whatever your rules say, at any hour."),
        operation="AllowedCallee",
        path="/protection/exceptions",
        parameter="allowed_id",
        parent="protection",
        imports="",
        readers=READERS,
        editors=EDITORS,
    ),
    ListNames(
        kind=ListKind.DO_NOT_CALL,
        is_platform=True,
        name="platformDoNotCall",
        title=mark("Do-not-call list"),
        lead=mark("Whoever stands here is called by no customer."),
        operation="PlatformDoNotCall",
        path="/platform/protection/do-not-call",
        parameter="platform_entry_id",
        parent="platformProtection",
        imports="platformDoNotCallImports",
        readers=OPERATOR,
        editors=OPERATOR,
    ),
    ListNames(
        kind=ListKind.ALLOWED,
        is_platform=True,
        name="platformAllowedCallees",
        title=mark("Exceptions"),
        lead=mark("Whoever stands here is called whatever anybody's rules say."),
        operation="PlatformAllowedCallee",
        path="/platform/protection/exceptions",
        parameter="platform_allowed_id",
        parent="platformProtection",
        imports="",
        readers=OPERATOR,
        editors=OPERATOR,
    ),
)
_IMPORTS = (
    ImportNames(
        kind=TableKind.DO_NOT_CALL,
        is_platform=False,
        name="doNotCallImport",
        operation="DoNotCall",
        path="/protection/do-not-call/imports",
        parameter="list_import_id",
        parent="doNotCall",
        readers=READERS,
        editors=EDITORS,
    ),
    ImportNames(
        kind=TableKind.DO_NOT_CALL,
        is_platform=True,
        name="platformDoNotCallImport",
        operation="PlatformDoNotCall",
        path="/platform/protection/do-not-call/imports",
        parameter="platform_import_id",
        parent="platformDoNotCall",
        readers=OPERATOR,
        editors=OPERATOR,
    ),
)


def create_protection_area(needs: ConsoleNeeds) -> Area:
    """Its pages and actions."""
    return gather_area(
        RulePages(needs),
        *[NumberListPages(needs, names) for names in _LISTS],
        BlacklistPages(needs),
        *[ImportPages(needs, names) for names in _IMPORTS],
    )
