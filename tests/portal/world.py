"""What the tests of the console look at: two enterprises, people of every role, and their data.

A part of the console adds a Seed: it gives the enterprise some of its things, and returns what
they are called in the paths of pages. Every page is opened with these, and with the other
enterprise's too, where it must not be found.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TypeAlias

from sqlalchemy import insert
from tests.api.support import SECRET

from clicktodial.accounts.enrolment import Enrolments
from clicktodial.accounts.letter import Letters
from clicktodial.accounts.session import Sessions
from clicktodial.config import Settings
from clicktodial.domain.call import CallState
from clicktodial.domain.call_plan import EndedBy, EndStage
from clicktodial.domain.cause import EndReason, Side
from clicktodial.domain.event import CallStatus
from clicktodial.domain.leg import LegRecord, SideQuality
from clicktodial.domain.principal import CUSTOMER_ROLES, OPERATOR_PRINCIPAL, STAFF_ROLES, Role
from clicktodial.storage import table
from clicktodial.storage.administration import Administration, NewApplication
from clicktodial.storage.engine import open_engine
from clicktodial.storage.leg_codec import encode_legs
from clicktodial.storage.secret import SecretVault, load_master_key
from clicktodial.storage.transaction import Transactions

PASSWORD = "correct horse battery staple"
ACME, BRAVO = "acme", "bravo"
LEG = LegRecord(
    trunk="main",
    codec="PCMA",
    quality=SideQuality(packets=1_500, packets_lost=3, jitter_ms=4.2, mos=4.3),
)


@dataclass
class World:
    """The database of the console that runs, and whom and what it has."""

    settings: Settings
    now: datetime = field(default_factory=lambda: datetime.now(UTC))
    # The names of parameters of paths and what they are, by enterprise.
    ids: dict[str, dict[str, str]] = field(default_factory=lambda: {ACME: {}, BRAVO: {}})
    tokens: dict[Role, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.engine = open_engine(self.settings.database_url, "normal")
        self.vault = SecretVault(load_master_key(self.settings))
        self.transactions = Transactions(self.engine)
        self.administration = Administration(self.engine, self.vault, region="CN")
        self.enrolments = Enrolments(
            self.transactions, self.vault, Letters("https://platform.example"), region="CN"
        )
        self.sessions = Sessions(
            self.transactions, self.vault, idle=timedelta(hours=10), life=timedelta(hours=12)
        )

    def add_person(self, account: str, role: Role, enterprise_id: str | None) -> str:
        """Somebody who may do that; returns their identifier."""
        created = self.enrolments.invite(
            OPERATOR_PRINCIPAL,
            email=f"{account}@example.com",
            roles=[role],
            enterprise_id=enterprise_id,
            account=account,
            now=self.now,
        )
        return self.enrolments.activate(created.token, password=PASSWORD, now=self.now).person_id

    def log_in(self, account: str) -> str:
        """A session of theirs; returns its token."""
        return self.sessions.log_in(
            account=account, password=PASSWORD, code=None, address="127.0.0.1", now=self.now
        ).token


Seed: TypeAlias = Callable[[World, str], dict[str, str]]


def seed_people(world: World, enterprise_id: str) -> dict[str, str]:
    """The enterprise, one of each role, and, of acme, sessions for all and for the staff."""
    world.administration.create_enterprise(enterprise_id, name=f"{enterprise_id.title()} Couriers")
    ids = {"enterprise_id": enterprise_id}
    for role in sorted(CUSTOMER_ROLES):
        ids["user_id"] = world.add_person(f"{role}.{enterprise_id}", role, enterprise_id)
        if enterprise_id == ACME:
            world.tokens[role] = world.log_in(f"{role}.{enterprise_id}")
    if enterprise_id == ACME:
        for role in sorted(STAFF_ROLES):
            world.add_person(f"{role}.staff", role, None)
            world.tokens[role] = world.log_in(f"{role}.staff")
    return ids


def seed_calls(world: World, enterprise_id: str) -> dict[str, str]:
    """An application and two pages of its calls, of every outcome, the newest under way."""
    app_id = {ACME: "11111111", BRAVO: "22222222"}[enterprise_id]
    world.administration.create_application(
        NewApplication(
            app_id=app_id,
            secret=SECRET,
            name=f"{enterprise_id.title()} dispatch",
            enterprise_id=enterprise_id,
            sponsors=("01052680000",),
        )
    )
    reasons = list(EndReason)
    for number in range(40):
        add_call(world, f"{app_id}{number:024x}", app_id, number, reasons[number % len(reasons)])
    return {"app_id": app_id, "call_id": f"{app_id}{0:024x}"}


def add_call(world: World, call_id: str, app_id: str, number: int, reason: EndReason) -> None:
    """A call that ended for that reason, so many half hours ago; the first still goes on."""
    begun_at = world.now - timedelta(minutes=30 * number + 5)
    is_live, is_joined = number == 0, reason is EndReason.HANG_UP
    seconds = (number * 37) % 600 + 5 if is_joined and not is_live else 0
    legs = {Side.CALLER: LEG, Side.CALLEE: LEG}
    ended_at = begun_at + timedelta(seconds=20 + seconds)
    row = {
        "id": call_id, "node_id": "another", "app_id": app_id,
        "sponsor_e164": "+861052680000", "sponsor_written": "01052680000",
        "caller_e164": "+8613912345673", "caller_written": "8613912345673",
        "callee_e164": f"+8613810268{number:03}", "callee_written": f"8613810268{number:03}",
        "begun_at": begun_at, "state": CallState.CONNECTED if is_live else CallState.ENDED,
        "connected_at": begun_at + timedelta(seconds=20) if is_joined else None,
        "ended_at": None if is_live else ended_at, "duration_s": seconds,
        "reason": None if is_live else reason,
        "ended_by": None if is_live else EndedBy.CALLEE,
        "stage": None if is_live else EndStage.CONNECTED if is_joined else EndStage.CALLING_CALLEE,
        "sip_text": None if is_live else "Normal call clearing", "event_count": 2,
        "legs": encode_legs(legs),
    }  # fmt: skip
    statuses = [
        CallStatus.CALLING_CALLER,
        CallStatus.CONNECTED if is_live else CallStatus.DISCONNECTED,
    ]
    with world.engine.begin() as connection:
        connection.execute(insert(table.call).values(row))
        for seq, status in enumerate(statuses, 1):
            event = {
                "call_id": call_id, "seq": seq, "app_id": app_id, "status": status,
                "occurred_at": begun_at, "payload": "{}", "attempts": 1,
                "delivery_state": "delivered", "delivered_at": begun_at,
            }  # fmt: skip
            connection.execute(insert(table.call_event).values(event))


# In their order: what comes later may build on what stands before.
SEEDS: Sequence[Seed] = (seed_people, seed_calls)


def seed(world: World) -> World:
    """Give both enterprises everything."""
    for enterprise_id in world.ids:
        for each in SEEDS:
            world.ids[enterprise_id] |= each(world, enterprise_id)
    return world
