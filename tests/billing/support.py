"""An enterprise with a pool, and calls that draw on it, over the real storage."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta

from sqlalchemy import Engine, insert, select, text
from tests.storage.support import APP_ID, CALLEE, CALLER, NODE_ID, NOW, SPONSOR, at

from clicktodial.billing.package import NewPackage, PackageKind
from clicktodial.billing.pool import Pools, PoolSettings
from clicktodial.domain.application import Application, ApplicationStatus, EnterpriseStatus
from clicktodial.domain.call import Call, CallPlan
from clicktodial.domain.call_effect import Effect, EmitEvent
from clicktodial.domain.call_input import CallInput, CallStarted, LegAnswered, LegEnded
from clicktodial.domain.cause import HANG_UP_CAUSE, Side
from clicktodial.domain.event import StatusEvent
from clicktodial.domain.identifier import create_call_id
from clicktodial.domain.media import PCMA, TELEPHONE_EVENT, MediaAddress, MediaDescription
from clicktodial.domain.minutes import Charge
from clicktodial.domain.principal import OPERATOR_PRINCIPAL
from clicktodial.domain.rating import Tariff
from clicktodial.storage import table
from clicktodial.storage.billing_table import SECOND_ACCOUNTS, package_lot
from clicktodial.storage.call_store import SqlCallStore
from clicktodial.storage.database import Database
from clicktodial.storage.minutes import SqlMinutes, read_pool_terms
from clicktodial.storage.transaction import Transactions

ENTERPRISE = "acme"
OPERATOR = OPERATOR_PRINCIPAL
MEDIA = MediaDescription(MediaAddress("192.0.2.1", 4000), (PCMA,), TELEPHONE_EVENT)
PER_MINUTE = Tariff()
APPLICATION = Application(
    app_id=APP_ID,
    enterprise_id=ENTERPRISE,
    enterprise_status=EnterpriseStatus.ACTIVE,
    status=ApplicationStatus.ACTIVE,
    secret="secret",
    signing_secret=b"secret",
    sponsors=frozenset({SPONSOR.e164}),
    notify_url=None,
    allow_private_addresses=False,
)


def create_enterprise(engine: Engine, enterprise_id: str = ENTERPRISE) -> None:
    with engine.begin() as connection:
        row = {"id": enterprise_id, "name": "Acme", "status": "active"}
        connection.execute(insert(table.enterprise).values(row))


def add_application(
    engine: Engine,
    app_id: str,
    *,
    pool_alerts: bool,
    notify_url: str | None = "http://app.example",
    enterprise_id: str = ENTERPRISE,
) -> None:
    with engine.begin() as connection:
        connection.execute(
            insert(table.application).values(
                app_id=app_id,
                enterprise_id=enterprise_id,
                name=app_id,
                status="active",
                secret_encrypted=b"",
                signing_secret_encrypted=b"",
                notify_url=notify_url,
                allow_private_addresses=False,
                created_at=NOW,
                pool_alerts=pool_alerts,
            )
        )


def create_pool(
    engine: Engine, *, tariff: Tariff = PER_MINUTE, enterprise_id: str = ENTERPRISE
) -> Pools:
    """An enterprise with an empty pool."""
    create_enterprise(engine, enterprise_id)
    pools = Pools(Transactions(engine))
    pools.set_up(OPERATOR, enterprise_id, PoolSettings(tariff), NOW)
    return pools


def top_up(
    pools: Pools,
    seconds: int,
    *,
    kind: PackageKind = PackageKind.ONE_OFF,
    days: int | None = None,
    now: datetime = NOW,
    enterprise_id: str = ENTERPRISE,
    micros_per_minute: int = 0,
    price_micros: int = 0,
    carry_months: int = 0,
) -> str:
    """Sell a package; returns its identifier."""
    new = NewPackage(
        kind=kind,
        name=f"{seconds} s",
        seconds=seconds,
        price_micros=price_micros,
        micros_per_minute=micros_per_minute,
        valid_from=now,
        valid_until=None if days is None else now + timedelta(days=days),
        carry_months=carry_months,
    )
    return pools.add_package(OPERATOR, enterprise_id, new, now).package_id


def read_application(engine: Engine) -> Application:
    """The enterprise's application, as the directory would have it."""
    with engine.connect() as connection:
        return replace(APPLICATION, pool_terms=read_pool_terms(connection, ENTERPRISE))


def balances(engine: Engine) -> dict[str, int]:
    """The sums of all lots."""
    with engine.connect() as connection:
        rows = connection.execute(select(package_lot)).all()
    return {name: sum(getattr(row, name) for row in rows) for name in SECOND_ACCOUNTS}


def execute(engine: Engine, *statements: str) -> None:
    with engine.begin() as connection:
        for statement in statements:
            connection.execute(text(statement))


class Phone:
    """One call, driven by hand over the real store."""

    def __init__(self, charge: Charge | None, *, begun_at: datetime = NOW) -> None:
        self.plan = CallPlan(
            call_id=create_call_id(),
            app_id=APP_ID,
            sponsor=SPONSOR,
            caller=CALLER,
            callee=CALLEE,
            recording_id=None,
            send_direction=None,
            caller_ring_timeout_s=45,
            callee_ring_timeout_s=60,
            max_duration_s=3600,
            covered_s=None if charge is None else charge.covered_s,
        )
        self.call = Call(self.plan, begun_at=begun_at, charge=charge)

    def give(self, call_input: CallInput, seconds: float) -> list[StatusEvent]:
        """The events that follow."""
        return events_of(self.call.handle(call_input, at(seconds)))

    async def begin(self, store: SqlCallStore) -> None:
        await store.create(self.call, self.give(CallStarted(), 0))

    async def answer(self, store: SqlCallStore, seconds: float = 0) -> None:
        for side in (Side.CALLER, Side.CALLEE):
            await store.update(self.call, self.give(LegAnswered(side, MEDIA), seconds))

    async def hang_up(self, store: SqlCallStore, seconds: float) -> None:
        ended = LegEnded(Side.CALLER, HANG_UP_CAUSE)
        await store.update(self.call, self.give(ended, seconds))


def events_of(effects: Iterable[Effect]) -> list[StatusEvent]:
    return [effect.event for effect in effects if isinstance(effect, EmitEvent)]


async def begin_call(database: Database, *, reserve_s: int = 120) -> Phone:
    """A call that is being rung."""
    minutes = SqlMinutes(database, reserve_s=reserve_s)
    charge = await minutes.plan(read_application(database.engine), CALLER.e164, NOW)
    phone = Phone(charge)
    await phone.begin(SqlCallStore(database, node_id=NODE_ID))
    return phone
