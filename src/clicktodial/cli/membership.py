"""`clicktodial member`, `blacklist`, `do-not-call`: who may call, and who is not to be called."""

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from clicktodial.cli.error import CommandError
from clicktodial.cli.option import Config, Json
from clicktodial.cli.output import format_fields, format_table, tell
from clicktodial.cli.session import log_to_standard_error, read_settings, storage_errors

if TYPE_CHECKING:
    from clicktodial.accounts.do_not_call import NumberLists
    from clicktodial.accounts.member import Members
    from clicktodial.accounts.table_import import ImportJob, ImportOrder, RowProblem, TableImport

member_app = typer.Typer(no_args_is_help=True, help="Members of enterprises.")
blacklist_app = typer.Typer(no_args_is_help=True, help="Numbers that nobody calls or calls from.")
do_not_call_app = typer.Typer(no_args_is_help=True, help="Callees who are not to be called.")

# Whoever works at the operator's machines; people's names are known to the API alone.
_BY_COMMAND_LINE = "operator"
# More is for the export, not for a terminal.
LISTED_MAX = 10_000
_PROBLEMS_SHOWN = 1_000

EnterpriseId = Annotated[
    str, typer.Argument(metavar="ENTERPRISE", help="The enterprise's identifier.")
]
TableFile = Annotated[
    Path,
    typer.Argument(metavar="FILE", exists=True, dir_okay=False, readable=True, help="CSV or XLSX."),
]
Whole = Annotated[
    bool, typer.Option("--all-or-nothing", help="Import nothing where a row is wrong.")
]


@dataclass(frozen=True, slots=True)
class _Membership:
    members: "Members"
    lists: "NumberLists"
    importing: "TableImport"


@contextmanager
def _open_membership(config: Path | None) -> Generator[_Membership]:
    """The use cases, on a migrated database. Raises CommandError."""
    settings = read_settings(config)
    log_to_standard_error()
    with storage_errors():
        from clicktodial.accounts.do_not_call import NumberLists
        from clicktodial.accounts.member import Members
        from clicktodial.accounts.table_import import TableImport
        from clicktodial.storage.engine import open_engine
        from clicktodial.storage.migration import migrate_engine
        from clicktodial.storage.number_key import NumberKeys
        from clicktodial.storage.secret import SecretVault, load_master_key
        from clicktodial.storage.transaction import Transactions

        region = settings.calls.default_region
        engine = open_engine(settings.database_url)
        try:
            migrate_engine(engine)
            transactions = Transactions(engine)
            keys = NumberKeys(SecretVault(load_master_key(settings)))
            yield _Membership(
                Members(transactions, region=region),
                NumberLists(transactions, keys, region=region),
                # No node: a server that starts meanwhile must not take the job for a dead one's.
                TableImport(transactions, keys, region=region, node_id="command-line"),
            )
        finally:
            engine.dispose()


@member_app.command("import")
def import_members(
    enterprise: EnterpriseId,
    file: TableFile,
    *,
    all_or_nothing: Whole = False,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Add the members of a file, and change those that are there."""
    from clicktodial.accounts.table_import import ImportOrder
    from clicktodial.accounts.table_row import TableKind

    order = ImportOrder(
        kind=TableKind.MEMBERS,
        scope=enterprise,
        is_all_or_nothing=all_or_nothing,
        ordered_by=_BY_COMMAND_LINE,
    )
    with _open_membership(config) as membership:
        # An enterprise that is not there is told before its file is read.
        membership.members.find(enterprise, limit=1)
        _import(membership.importing, order, file, as_json=as_json)


@member_app.command("list")
def list_members(
    enterprise: EnterpriseId,
    *,
    search: Annotated[
        str, typer.Option("--search", metavar="TEXT", help="In number, name or employee id.")
    ] = "",
    config: Config = None,
    as_json: Json = False,
) -> None:
    """List members in the order in which they were added."""
    with _open_membership(config) as membership:
        from clicktodial.accounts.member import MemberSearch

        found = membership.members.find(enterprise, MemberSearch(search), limit=LISTED_MAX)
    rows = [
        (each.profile.e164, each.profile.name, each.profile.department, each.profile.employee_id)
        for each in found
    ]
    text = format_table(
        ("NUMBER", "NAME", "DEPARTMENT", "EMPLOYEE"), rows, empty="There are no such members."
    )
    tell(found, text, as_json=as_json)


@blacklist_app.command("add")
def add_to_blacklist(
    number: Annotated[str, typer.Argument(metavar="NUMBER", help="A number, or a prefix.")],
    *,
    prefix: Annotated[
        bool, typer.Option("--prefix", help="All numbers that begin so; with a plus.")
    ] = False,
    reason: Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why.")] = "",
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Let nobody call a number, or call from it."""
    with _open_membership(config) as membership:
        entry = membership.lists.blacklist(
            number,
            is_prefix=prefix,
            reason=reason,
            added_by=_BY_COMMAND_LINE,
            now=datetime.now(UTC),
        )
    tell(entry, f"{entry.number} is on the blacklist.", as_json=as_json)


@blacklist_app.command("list")
def list_blacklist(*, config: Config = None, as_json: Json = False) -> None:
    """List the blacklist."""
    with _open_membership(config) as membership:
        found = membership.lists.list_blacklist(limit=LISTED_MAX)
    rows = [(each.number, "prefix" if each.is_prefix else "number", each.reason) for each in found]
    text = format_table(("NUMBER", "KIND", "REASON"), rows, empty="The blacklist is empty.")
    tell(found, text, as_json=as_json)


@blacklist_app.command("remove")
def remove_from_blacklist(
    number: Annotated[str, typer.Argument(metavar="NUMBER", help="As it is listed.")],
    *,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Let a number be called again."""
    with _open_membership(config) as membership:
        membership.lists.unblacklist(number)
    tell({"number": number}, f"{number} is no longer on the blacklist.", as_json=as_json)


@do_not_call_app.command("import")
def import_do_not_call(
    file: TableFile,
    *,
    enterprise: Annotated[
        str | None,
        typer.Option("--enterprise", metavar="ENTERPRISE", help="Its list; else the platform's."),
    ] = None,
    all_or_nothing: Whole = False,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Put the numbers of a file on a do-not-call list."""
    from clicktodial.accounts.table_import import ImportOrder
    from clicktodial.accounts.table_row import TableKind
    from clicktodial.storage.protection_row import PLATFORM_SCOPE

    order = ImportOrder(
        kind=TableKind.DO_NOT_CALL,
        scope=PLATFORM_SCOPE if enterprise is None else enterprise,
        is_all_or_nothing=all_or_nothing,
        ordered_by=_BY_COMMAND_LINE,
    )
    with _open_membership(config) as membership:
        if enterprise is not None:
            membership.members.find(enterprise, limit=1)
        _import(membership.importing, order, file, as_json=as_json)


def _import(importing: "TableImport", order: "ImportOrder", file: Path, *, as_json: bool) -> None:
    """Import, tell what came of it, and fail where nothing was imported."""
    job_id = importing.create(order, now=datetime.now(UTC))
    with file.open("rb") as content:
        importing.run(job_id, order, content)
    job = importing.show(order.kind, order.scope, job_id)
    problems = importing.problems(job_id, limit=_PROBLEMS_SHOWN)
    if job.error is not None:
        raise CommandError(job.error, kind="ImportFailed")
    tell({"import": job, "problems": problems}, _describe(job, problems), as_json=as_json)
    if order.is_all_or_nothing and job.refused:
        raise typer.Exit(1)


def _describe(job: "ImportJob", problems: "list[RowProblem]") -> str:
    fields = format_fields(
        [
            ("State", job.state),
            ("Rows", job.rows_read),
            ("Added", job.added),
            ("Changed", job.changed),
            ("Unchanged", job.unchanged),
            ("Refused", job.refused),
        ]
    )
    return "\n".join([fields, *(f"row {each.row}: {each.problem}" for each in problems)])
