"""What the management API says of pools, packages, caps, CDRs, statements and exports."""

from typing import Annotated, Any

from msgspec import Meta, field

from clicktodial.api.management.schema import Identifier, Instant, Strict
from clicktodial.billing.cdr import CdrDetail
from clicktodial.billing.export import ExportDetail, ExportKind
from clicktodial.billing.package import (
    CARRY_MONTHS_MAX,
    MICROS_PER_MINUTE_MAX,
    PRICE_MICROS_MAX,
    SECONDS_MAX,
    NewPackage,
    PackageKind,
)
from clicktodial.billing.pool import (
    ALERT_EMAILS_MAX,
    ALERT_PERCENTS_MAX,
    DEFAULT_ALERT_PERCENTS,
    EMAIL_CHARACTERS_MAX,
    CapDetail,
    LotDetail,
    PackageDetail,
    PoolDetail,
    PoolSettings,
    create_tariff,
)
from clicktodial.billing.statement import PackageLine, Statement, Total
from clicktodial.domain.minutes import CapPeriod, CapScope, Charging
from clicktodial.domain.rating import FREE_BELOW_S_MAX, LEGS_MAX, MINIMUM_S_MAX, UNIT_S_MAX

# Thirty years of talk; what is beyond is a mistake, and all sums of it fit 64 bits.
CAP_S_MAX = 10**9

_Currency = Annotated[
    str, Meta(pattern="^[A-Z]{3}$", description="Of all the pool's money, for good (ISO 4217).")
]
_Percent = Annotated[int, Meta(ge=1, le=100)]
_Email = Annotated[str, Meta(min_length=3, max_length=EMAIL_CHARACTERS_MAX)]
_Percents = Annotated[
    list[_Percent], Meta(max_length=ALERT_PERCENTS_MAX, description="Shares used, in per cent.")
]
_Emails = Annotated[list[_Email], Meta(max_length=ALERT_EMAILS_MAX, description="Who is told.")]
_Seconds = Annotated[int, Meta(ge=0, description="Seconds of the pool.")]
_Micros = Annotated[int, Meta(description="Millionths of the pool's currency.")]


class TariffBody(Strict, frozen=True):
    """How a conversation is counted: `minimum_s` at least, rounded up to `unit_s`, once or twice;
    not at all where it is shorter than `free_below_s`."""

    unit_s: Annotated[int, Meta(ge=1, le=UNIT_S_MAX)] = 60
    minimum_s: Annotated[int, Meta(ge=0, le=MINIMUM_S_MAX)] = 0
    free_below_s: Annotated[int, Meta(ge=0, le=FREE_BELOW_S_MAX)] = 0
    legs: Annotated[int, Meta(ge=1, le=LEGS_MAX)] = 1


class MinutePoolBody(Strict, frozen=True):
    """How the enterprise's calls are charged from now on."""

    tariff: TariffBody = TariffBody()
    currency: _Currency = "CNY"
    alert_percents: _Percents = field(default_factory=lambda: list(DEFAULT_ALERT_PERCENTS))
    alert_emails: _Emails = field(default_factory=list)

    def settings(self) -> PoolSettings:
        """As the use case takes them. Raises ValueInvalid."""
        return PoolSettings(
            create_tariff(
                unit_s=self.tariff.unit_s,
                minimum_s=self.tariff.minimum_s,
                free_below_s=self.tariff.free_below_s,
                legs=self.tariff.legs,
            ),
            self.currency,
            tuple(self.alert_percents),
            tuple(self.alert_emails),
        )


class AlertsBody(Strict, frozen=True):
    """At which shares whom to tell."""

    alert_percents: _Percents
    alert_emails: _Emails


class LotView(Strict, frozen=True):
    """What a package granted at once, and where it is now."""

    lot_id: Identifier
    package_id: Identifier
    name: str
    period: str
    is_overage: bool
    micros_per_minute: _Micros
    valid_from: Instant
    valid_until: Instant | None
    granted_s: _Seconds
    available_s: _Seconds
    reserved_s: _Seconds
    consumed_s: _Seconds
    expired_s: _Seconds


class MinutePoolView(Strict, frozen=True):
    """A pool: sums over the lots that may be drawn on now, overage left out, and those lots in
    the order in which they are. `runs_dry_at` goes by the use of the last seven days."""

    enterprise_id: Identifier
    tariff: TariffBody
    currency: _Currency
    alert_percents: _Percents
    alert_emails: _Emails
    granted_s: _Seconds
    available_s: _Seconds
    reserved_s: _Seconds
    consumed_s: _Seconds
    overage_available_s: _Seconds
    owed_micros: _Micros
    used_percent: int
    runs_dry_at: Instant | None
    lots: list[LotView]


class PackageBody(Strict, frozen=True):
    """What is sold. `valid_from` is now where it is not given, `valid_until` never."""

    kind: PackageKind
    name: Annotated[str, Meta(min_length=1, max_length=200)]
    seconds: Annotated[int, Meta(ge=1, le=SECONDS_MAX)]
    price_micros: Annotated[int, Meta(ge=0, le=PRICE_MICROS_MAX)] = 0
    micros_per_minute: Annotated[int, Meta(ge=0, le=MICROS_PER_MINUTE_MAX)] = 0
    valid_from: Instant | None = None
    valid_until: Instant | None = None
    carry_months: Annotated[int, Meta(ge=0, le=CARRY_MONTHS_MAX)] = 0

    def package(self, now: Instant) -> NewPackage:
        """As the use case takes it."""
        return NewPackage(
            kind=self.kind,
            name=self.name,
            seconds=self.seconds,
            price_micros=self.price_micros,
            micros_per_minute=self.micros_per_minute,
            valid_from=self.valid_from or now,
            valid_until=self.valid_until,
            carry_months=self.carry_months,
        )


class PackageView(Strict, frozen=True):
    """A package that was sold."""

    package_id: Identifier
    kind: PackageKind
    name: str
    seconds: _Seconds
    price_micros: _Micros
    micros_per_minute: _Micros
    valid_from: Instant
    valid_until: Instant | None
    carry_months: int
    sold_by: str
    created_at: Instant
    ended_at: Instant | None


class PackageList(Strict, frozen=True):
    """All packages of an enterprise, the oldest first."""

    packages: list[PackageView]


class CapBody(Strict, frozen=True, kw_only=True):
    """A cap on what the member (E.164 with plus), department or application that `key` names,
    or with `*` each of them, uses in a period."""

    scope: CapScope
    key: Annotated[str, Meta(min_length=1, max_length=64)] = "*"
    period: CapPeriod
    limit_s: Annotated[int, Meta(ge=1, le=CAP_S_MAX)]


class CapView(Strict, frozen=True):
    """A cap that holds."""

    cap_id: Identifier
    scope: CapScope
    key: str
    period: CapPeriod
    limit_s: int


class CapList(Strict, frozen=True):
    """All caps of an enterprise."""

    caps: list[CapView]


class CdrLot(Strict, frozen=True):
    """What a call took of a lot."""

    lot_id: Identifier
    seconds: _Seconds


class CdrView(Strict, frozen=True):
    """What became of a call and what it cost, for good."""

    call_id: Identifier
    enterprise_id: Identifier
    app_id: Identifier
    sponsor_e164: str
    caller_e164: str
    callee_e164: str
    recording_id: str | None
    recording_result: str | None
    send_direction: str | None
    begun_at: Instant
    connected_at: Instant | None
    ended_at: Instant
    duration_s: int
    reason: str
    ended_by: str | None
    stage: str | None
    leg_outcome: str | None
    sip_status: int | None
    q850: int | None
    member: str
    department: str | None
    legs_counted: int
    rated_s: _Seconds
    billed_s: _Seconds
    overage_s: _Seconds
    price_micros: _Micros
    charging: Annotated[
        Charging,
        Meta(description="`not-charged`: the enterprise had no pool when the call began."),
    ]
    lots: list[CdrLot]


class CdrList(Strict, frozen=True):
    """A page of CDRs, in the order in which the calls ended."""

    cdrs: list[CdrView]
    next: str | None


class TotalView(Strict, frozen=True):
    """What some calls came to."""

    name: str
    calls: int
    connected: int
    duration_s: int
    billed_s: _Seconds
    overage_s: _Seconds
    price_micros: _Micros


class PackageLineView(Strict, frozen=True):
    """A lot that was granted in the month."""

    name: str
    granted_at: Instant
    seconds: _Seconds
    price_micros: _Micros


class StatementView(Strict, frozen=True):
    """A month of an enterprise."""

    enterprise_id: Identifier
    enterprise_name: str
    month: str
    currency: _Currency
    time_zone: str
    made_at: Instant
    total: TotalView
    by_application: list[TotalView]
    by_department: list[TotalView]
    by_day: list[TotalView]
    packages: list[PackageLineView]
    expired_s: _Seconds
    package_micros: _Micros
    owed_micros: _Micros


class ExportView(Strict, frozen=True):
    """A file of a day's CDRs."""

    export_id: Identifier
    kind: ExportKind
    period: str
    row_count: int
    size_bytes: int
    sha256: str
    created_at: Instant


class ExportList(Strict, frozen=True):
    """The files that are kept, the newest days first."""

    exports: list[ExportView]


def _copy(kind: Any, detail: Any, **changes: Any) -> Any:
    """A struct of the fields of the same names."""
    names = [name for name in kind.__struct_fields__ if name not in changes]
    return kind(**{name: getattr(detail, name) for name in names}, **changes)


def render_pool(detail: PoolDetail) -> MinutePoolView:
    """All of a pool."""
    settings = detail.settings
    view: MinutePoolView = _copy(
        MinutePoolView,
        detail,
        tariff=_copy(TariffBody, settings.tariff),
        currency=settings.currency,
        alert_percents=list(settings.alert_percents),
        alert_emails=list(settings.alert_emails),
        lots=[_render_lot(lot) for lot in detail.lots],
    )
    return view


def _render_lot(lot: LotDetail) -> LotView:
    view: LotView = _copy(LotView, lot)
    return view


def render_package(detail: PackageDetail) -> PackageView:
    """A package."""
    view: PackageView = _copy(PackageView, detail)
    return view


def render_cap(detail: CapDetail) -> CapView:
    """A cap."""
    view: CapView = _copy(CapView, detail)
    return view


def render_cdr(detail: CdrDetail) -> CdrView:
    """A CDR."""
    lots = [CdrLot(lot_id=lot_id, seconds=seconds) for lot_id, seconds in detail.lots]
    values = detail.values | {"charging": Charging(detail.values["charging"])}
    return CdrView(**values, lots=lots)


def render_statement(statement: Statement) -> StatementView:
    """A statement."""
    view: StatementView = _copy(
        StatementView,
        statement,
        total=_render_total(statement.total),
        by_application=[_render_total(each) for each in statement.by_application],
        by_department=[_render_total(each) for each in statement.by_department],
        by_day=[_render_total(each) for each in statement.by_day],
        packages=[_render_line(each) for each in statement.packages],
    )
    return view


def _render_total(total: Total) -> TotalView:
    view: TotalView = _copy(TotalView, total)
    return view


def _render_line(line: PackageLine) -> PackageLineView:
    view: PackageLineView = _copy(PackageLineView, line)
    return view


def render_export(detail: ExportDetail) -> ExportView:
    """An entry of the catalog."""
    view: ExportView = _copy(ExportView, detail)
    return view
