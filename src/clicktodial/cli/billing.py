"""`clicktodial pool`, `package`, `cap`, `ledger`, `cdr` and `statement`: minutes and money."""

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from clicktodial.cli.option import Config, Json
from clicktodial.cli.output import format_fields, format_table, tell
from clicktodial.cli.session import log_to_standard_error, read_settings, storage_errors

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from clicktodial.billing.pool import PoolDetail, Pools
    from clicktodial.config import Settings
    from clicktodial.storage.transaction import Transactions

pool_app = typer.Typer(no_args_is_help=True, help="The minutes of enterprises.")
package_app = typer.Typer(no_args_is_help=True, help="Packages that add minutes to a pool.")
cap_app = typer.Typer(no_args_is_help=True, help="Caps on what members, and others, use.")
ledger_app = typer.Typer(no_args_is_help=True, help="The ledger of all minutes and money.")
cdr_app = typer.Typer(no_args_is_help=True, help="Call detail records.")

EnterpriseId = Annotated[
    str, typer.Argument(metavar="ENTERPRISE", help="The enterprise's identifier.")
]


class Kind(StrEnum):
    """How a package grants."""

    ONE_OFF = "one-off"
    MONTHLY = "monthly"
    OVERAGE = "overage"


class Scope(StrEnum):
    """Whom a cap bounds."""

    MEMBER = "member"
    DEPARTMENT = "department"
    APPLICATION = "application"


class Period(StrEnum):
    """How long a cap counts."""

    DAY = "day"
    MONTH = "month"


class FileKind(StrEnum):
    """How CDRs are written."""

    CSV = "csv"
    PARQUET = "parquet"


class PageKind(StrEnum):
    """How a statement is written."""

    HTML = "html"
    PDF = "pdf"


@dataclass(frozen=True, slots=True)
class _Billing:
    settings: "Settings"
    engine: "Engine"
    transactions: "Transactions"
    pools: "Pools"
    now: datetime


@contextmanager
def _open_billing(config: Path | None) -> Generator[_Billing]:
    """The use cases, on a migrated database. Raises CommandError."""
    settings = read_settings(config)
    log_to_standard_error()
    with storage_errors():
        from clicktodial.billing.pool import Pools
        from clicktodial.storage.engine import open_engine
        from clicktodial.storage.migration import migrate_engine
        from clicktodial.storage.transaction import Transactions

        engine = open_engine(settings.database_url)
        try:
            migrate_engine(engine)
            transactions = Transactions(engine)
            pools = Pools(transactions, zone=settings.billing.zone)
            yield _Billing(settings, engine, transactions, pools, datetime.now(UTC))
        finally:
            engine.dispose()


# Pools


@pool_app.command("set-up")
def set_up(
    enterprise: EnterpriseId,
    *,
    unit_s: Annotated[
        int, typer.Option("--unit", metavar="SECONDS", help="Calls are rounded up to it.")
    ] = 60,
    minimum_s: Annotated[
        int, typer.Option("--minimum", metavar="SECONDS", help="That a call counts at least.")
    ] = 0,
    free_below_s: Annotated[
        int, typer.Option("--free-below", metavar="SECONDS", help="Shorter calls are free.")
    ] = 0,
    legs: Annotated[int, typer.Option("--legs", metavar="N", help="Legs that count: 1, 2.")] = 1,
    currency: Annotated[
        str, typer.Option("--currency", metavar="CODE", help="Of its money, for good.")
    ] = "CNY",
    alert_percents: Annotated[
        list[int] | None,
        typer.Option("--alert-at", metavar="PERCENT", help="A share to tell of; repeat."),
    ] = None,
    alert_emails: Annotated[
        list[str] | None,
        typer.Option("--alert-to", metavar="EMAIL", help="Who is told; repeat."),
    ] = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Give an enterprise a pool, or change how it is charged. From then on its calls need
    minutes."""
    with _open_billing(config) as billing:
        from clicktodial.billing.pool import DEFAULT_ALERT_PERCENTS, PoolSettings, create_tariff
        from clicktodial.domain.principal import OPERATOR_PRINCIPAL

        tariff = create_tariff(
            unit_s=unit_s, minimum_s=minimum_s, free_below_s=free_below_s, legs=legs
        )
        settings = PoolSettings(
            tariff,
            currency,
            tuple(alert_percents) if alert_percents else DEFAULT_ALERT_PERCENTS,
            tuple(alert_emails or ()),
        )
        billing.pools.set_up(OPERATOR_PRINCIPAL, enterprise, settings, billing.now)
        detail = billing.pools.show(OPERATOR_PRINCIPAL, enterprise, billing.now)
    tell(detail, _describe(detail), as_json=as_json)


@pool_app.command("show")
def show(enterprise: EnterpriseId, *, config: Config = None, as_json: Json = False) -> None:
    """Show what an enterprise has left."""
    with _open_billing(config) as billing:
        from clicktodial.domain.principal import OPERATOR_PRINCIPAL

        detail = billing.pools.show(OPERATOR_PRINCIPAL, enterprise, billing.now)
    tell(detail, _describe(detail), as_json=as_json)


def _describe(detail: "PoolDetail") -> str:
    tariff, currency = detail.settings.tariff, detail.settings.currency
    fields = format_fields(
        [
            ("Enterprise", detail.enterprise_id),
            ("Available (min)", _minutes(detail.available_s)),
            ("Held by calls (min)", _minutes(detail.reserved_s)),
            ("Used (min)", _minutes(detail.consumed_s)),
            ("Used (%)", detail.used_percent),
            ("Overage left (min)", _minutes(detail.overage_available_s)),
            ("Owed", f"{_money(detail.owed_micros)} {currency}"),
            ("Runs dry", detail.runs_dry_at),
            ("Unit (s)", tariff.unit_s),
            ("Minimum (s)", tariff.minimum_s),
            ("Free below (s)", tariff.free_below_s),
            ("Legs", tariff.legs),
            ("Alerts at (%)", detail.settings.alert_percents),
            ("Alerts to", detail.settings.alert_emails),
        ]
    )
    rows = [
        (lot.name, lot.period, lot.valid_until, _minutes(lot.available_s), _minutes(lot.granted_s))
        for lot in detail.lots
    ]
    headings = ("PACKAGE", "PERIOD", "VALID UNTIL", "AVAILABLE", "GRANTED")
    return f"{fields}\n\n{format_table(headings, rows, empty='Nothing may be drawn on now.')}"


def _minutes(seconds: int) -> str:
    return f"{seconds // 60}:{seconds % 60:02}"


def _money(micros: int) -> str:
    from clicktodial.billing.statement_page import format_money

    return format_money(micros)


# Packages


@package_app.command("add")
def add_package(
    enterprise: EnterpriseId,
    *,
    minutes: Annotated[int, typer.Option("--minutes", metavar="N", help="That it grants.")],
    name: Annotated[str, typer.Option("--name", help="For people.")],
    kind: Annotated[Kind, typer.Option("--kind", help="How it grants.")] = Kind.ONE_OFF,
    price_micros: Annotated[
        int, typer.Option("--price-micros", metavar="N", help="Owed for each grant.")
    ] = 0,
    micros_per_minute: Annotated[
        int, typer.Option("--micros-per-minute", metavar="N", help="The price of overage.")
    ] = 0,
    valid_until: Annotated[
        datetime | None,
        typer.Option("--valid-until", formats=["%Y-%m-%d"], metavar="DAY", help="Not included."),
    ] = None,
    carry_months: Annotated[
        int, typer.Option("--carry-months", metavar="N", help="Months that the rest lives on.")
    ] = 0,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Sell a package, valid from now on."""
    with _open_billing(config) as billing:
        from clicktodial.billing.package import NewPackage, PackageKind
        from clicktodial.domain.principal import OPERATOR_PRINCIPAL

        zone = billing.settings.billing.zone
        new = NewPackage(
            kind=PackageKind(kind),
            name=name,
            seconds=minutes * 60,
            price_micros=price_micros,
            micros_per_minute=micros_per_minute,
            valid_from=billing.now,
            valid_until=None if valid_until is None else valid_until.replace(tzinfo=zone),
            carry_months=carry_months,
        )
        detail = billing.pools.add_package(OPERATOR_PRINCIPAL, enterprise, new, billing.now)
    tell(detail, f"{enterprise} has package {detail.package_id}.", as_json=as_json)


@package_app.command("list")
def list_packages(
    enterprise: EnterpriseId, *, config: Config = None, as_json: Json = False
) -> None:
    """List the packages that an enterprise bought."""
    with _open_billing(config) as billing:
        from clicktodial.domain.principal import OPERATOR_PRINCIPAL

        details = billing.pools.list_packages(OPERATOR_PRINCIPAL, enterprise)
    rows = [
        (each.package_id, each.kind, each.name, _minutes(each.seconds), each.valid_until)
        for each in details
    ]
    headings = ("PACKAGE", "KIND", "NAME", "MINUTES", "VALID UNTIL")
    text = format_table(headings, rows, empty="There are no packages.")
    tell(details, text, as_json=as_json)


@package_app.command("end")
def end_package(
    enterprise: EnterpriseId,
    package: Annotated[str, typer.Argument(metavar="PACKAGE", help="The package's identifier.")],
    *,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Grant nothing more of a package; what is left of overage is taken back."""
    with _open_billing(config) as billing:
        from clicktodial.domain.principal import OPERATOR_PRINCIPAL

        billing.pools.end_package(OPERATOR_PRINCIPAL, enterprise, package, billing.now)
    tell({"package_id": package}, f"{package} grants nothing more.", as_json=as_json)


# Caps


@cap_app.command("set")
def set_cap(
    enterprise: EnterpriseId,
    *,
    minutes: Annotated[int, typer.Option("--minutes", metavar="N", help="In a period.")],
    scope: Annotated[Scope, typer.Option("--scope", help="Whom it bounds.")] = Scope.MEMBER,
    key: Annotated[
        str, typer.Option("--key", metavar="KEY", help="Which one; * is each of them.")
    ] = "*",
    period: Annotated[Period, typer.Option("--period", help="How long it counts.")] = Period.MONTH,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Bound what a member, a department or an application uses."""
    with _open_billing(config) as billing:
        from clicktodial.domain.minutes import CapPeriod, CapScope
        from clicktodial.domain.principal import OPERATOR_PRINCIPAL

        detail = billing.pools.set_cap(
            OPERATOR_PRINCIPAL,
            enterprise,
            scope=CapScope(scope),
            key=key,
            period=CapPeriod(period),
            limit_s=minutes * 60,
        )
    tell(detail, f"{enterprise} has cap {detail.cap_id}.", as_json=as_json)


@cap_app.command("list")
def list_caps(enterprise: EnterpriseId, *, config: Config = None, as_json: Json = False) -> None:
    """List the caps of an enterprise."""
    with _open_billing(config) as billing:
        from clicktodial.domain.principal import OPERATOR_PRINCIPAL

        details = billing.pools.list_caps(OPERATOR_PRINCIPAL, enterprise)
    rows = [
        (each.cap_id, each.scope, each.key, each.period, _minutes(each.limit_s)) for each in details
    ]
    headings = ("CAP", "SCOPE", "KEY", "PERIOD", "MINUTES")
    tell(details, format_table(headings, rows, empty="There are no caps."), as_json=as_json)


@cap_app.command("remove")
def remove_cap(
    enterprise: EnterpriseId,
    cap: Annotated[str, typer.Argument(metavar="CAP", help="The cap's identifier.")],
    *,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Bound nobody by a cap any more."""
    with _open_billing(config) as billing:
        from clicktodial.domain.principal import OPERATOR_PRINCIPAL

        billing.pools.remove_cap(OPERATOR_PRINCIPAL, enterprise, cap)
    tell({"cap_id": cap}, f"{cap} bounds nobody any more.", as_json=as_json)


# Ledger, CDRs and statements


# Without it the only command would take the place of its group.
@ledger_app.callback()
def ledger_group() -> None:
    """The ledger of all minutes and money."""


@ledger_app.command("verify")
def verify(*, config: Config = None, as_json: Json = False) -> None:
    """Prove that ledger, balances and calls agree; exit code 1 where they do not."""
    with _open_billing(config) as billing:
        from clicktodial.billing.ledger import verify_ledger

        found = verify_ledger(billing.engine)
    looked_at = (
        f"{found.entries} entries, {found.lots} lots, {found.calls} calls that ended with "
        f"{found.billed_s} s, {found.open_calls} that live"
    )
    lines = [f"{each.subject}: {each.detail}" for each in found.discrepancies]
    first = f"Sound: {looked_at}." if found.is_sound else f"{found.count} errors in {looked_at}."
    tell(found, "\n".join([first, *lines]), as_json=as_json)
    if not found.is_sound:
        raise typer.Exit(1)


@cdr_app.callback()
def cdr_group() -> None:
    """Call detail records."""


@cdr_app.command("export")
def export_cdrs(
    enterprise: EnterpriseId,
    *,
    since: Annotated[
        datetime,
        typer.Option("--since", formats=["%Y-%m-%d"], metavar="DAY", help="The first day."),
    ],
    until: Annotated[
        datetime,
        typer.Option("--until", formats=["%Y-%m-%d"], metavar="DAY", help="Not included."),
    ],
    output: Annotated[Path, typer.Option("--output", metavar="FILE", help="Where to write.")],
    kind: Annotated[FileKind, typer.Option("--format", help="How to write.")] = FileKind.CSV,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Write the CDRs of the calls that ended in a period to a file."""
    with _open_billing(config) as billing:
        from clicktodial.billing.cdr import CdrQuery, CdrReader
        from clicktodial.billing.export import ExportKind, write_whole
        from clicktodial.domain.principal import OPERATOR_PRINCIPAL

        zone = billing.settings.billing.zone
        query = CdrQuery(enterprise, since.replace(tzinfo=zone), until.replace(tzinfo=zone))
        reader = CdrReader(billing.transactions)
        reader.page(OPERATOR_PRINCIPAL, query, limit=1)  # whether there is such an enterprise
        count = write_whole(ExportKind(kind), reader.stream(query), output)
    tell({"file": str(output), "rows": count}, f"{count} CDRs in {output}.", as_json=as_json)


def statement(
    enterprise: EnterpriseId,
    *,
    month: Annotated[str, typer.Option("--month", metavar="YYYY-MM", help="The month.")],
    output: Annotated[Path, typer.Option("--output", metavar="FILE", help="Where to write.")],
    kind: Annotated[PageKind, typer.Option("--format", help="How to write.")] = PageKind.HTML,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Write the statement of a month to a file."""
    with _open_billing(config) as billing:
        from clicktodial.billing.statement import Statements
        from clicktodial.billing.statement_page import render_html, render_pdf
        from clicktodial.domain.principal import OPERATOR_PRINCIPAL

        zone = billing.settings.billing.zone
        made = Statements(billing.transactions, zone=zone).make(
            OPERATOR_PRINCIPAL, enterprise, month, billing.now
        )
        font = billing.settings.billing.pdf_font
        if kind is PageKind.PDF:
            output.write_bytes(render_pdf(made, None if font is None else Path(font)))
        else:
            output.write_bytes(render_html(made))
    answer = {"file": str(output), "owed_micros": made.owed_micros, "currency": made.currency}
    text = f"{output}: {_money(made.owed_micros)} {made.currency} owed for {month}."
    tell(answer, text, as_json=as_json)
