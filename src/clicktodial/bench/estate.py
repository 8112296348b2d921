"""A large estate: enterprises, members, numbers, tickets and all else that people look at.

Furnishes a migrated database, with an enterprise that is much larger than the others: `e-0`, where
`person-0` is the owner; of any other enterprise, the person of the same number. The operator's
people are `operator-0`, `support-0`, `reviewer-0`, `manager-0` and some more. All have the password
that is given.

Rows are those that the platform would have left, down to what it seals. Few are made by Python:
what is sealed or hashed, and the tickets of which the others are copies. Their files, like the
pictures of documents, are not made. What is there already may have the same enterprises
(bench.scale).
"""

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from itertools import islice
from typing import Any

from sqlalchemy import Connection, Engine, Table, insert, select, text

from clicktodial.accounts.contact import Contact, encode_contact
from clicktodial.accounts.customer_data import write_customer_data
from clicktodial.accounts.member import MEMBERS_MAX
from clicktodial.accounts.notice import contact_place as intention_place
from clicktodial.accounts.password import hash_password
from clicktodial.accounts.ticket_store import PLATFORM, Entry, SupportPolicy, TicketStore
from clicktodial.bench.estate_rows import (
    COPY_STEPS,
    COPY_TICKETS,
    MAKE_COPIES,
    OPERATIONS,
    SPAN_MS,
    STATEMENTS,
    runner,
)
from clicktodial.config import SupportSettings
from clicktodial.domain.customer import CustomerData
from clicktodial.domain.number import mask_number
from clicktodial.domain.ticket import (
    Step,
    TicketAction,
    TicketCategory,
    TicketChannel,
    TicketClock,
    TicketLevel,
    TicketPriority,
    TicketQueue,
)
from clicktodial.storage import table
from clicktodial.storage.business_table import intention
from clicktodial.storage.instant import to_millis
from clicktodial.storage.member_table import number_list
from clicktodial.storage.number_key import NumberKeys
from clicktodial.storage.secret import SecretVault, secret_place, signing_secret_place

LARGEST = "e-0"
# Their product tells names apart; the numbers of rows do the rest.
_SURNAMES = "Wang Li Zhang Liu Chen Yang Huang Zhao Wu Zhou Xu Sun Ma Zhu Hu Guo He Lin Gao Luo"
_GIVEN = "Wei Fang Na Min Jing Li Qiang Lei Jun Yang Yong Yan Jie Juan Tao Ming Chao Xia Ping Gang"
_ROWS_AT_ONCE = 5_000
_STATES = ("reserved", "assigned", "engaged", "withdrawn", "declined")


@dataclass(frozen=True, slots=True, kw_only=True)
class EstateSize:
    """How many of each. Of people at least one an enterprise: its owner."""

    enterprises: int = 1_000
    members: int = 1_000
    members_of_largest: int = 100_000
    departments: int = 20
    departments_of_largest: int = 1_000
    people: int = 5_000
    # Fewer than the calls of are shown as one list.
    applications_of_largest: int = 20
    audited: int = 200_000
    tickets: int = 20_000
    numbers: int = 20_000
    orders: int = 5_000
    orders_open: int = 200
    intentions: int = 5_000
    calls: int = 50_000
    listed: int = 100_000
    blacklisted: int = 10_000
    imports: int = 5_000

    @classmethod
    def for_enterprises(cls, enterprises: int, members: int) -> "EstateSize":
        """As large as so many enterprises of so many members each would have it."""
        full = cls()
        counts = {
            name: max(count * enterprises // full.enterprises, 20)
            for name, count in asdict(full).items()
        }
        of_largest = members * (full.members_of_largest // full.members)
        return replace(
            cls(**counts),
            enterprises=enterprises,
            members=members,
            members_of_largest=min(of_largest, MEMBERS_MAX),
            departments=full.departments,
            departments_of_largest=min(of_largest, full.departments_of_largest),
            people=5 * enterprises,
            applications_of_largest=max(full.applications_of_largest * enterprises // 1_000, 2),
            # Fewer than are decided, and of each enterprise no more than it may have.
            orders_open=min(counts["orders_open"], counts["orders"] // 2, enterprises),
        )


def furnish(
    engine: Engine, size: EstateSize, vault: SecretVault, *, password: str, now: datetime
) -> None:
    """Put all of it there, in one transaction; so that nothing is there if that fails."""
    with engine.begin() as connection:
        _make_series(connection, size)
        run = runner(connection)
        values: dict[str, Any] = {
            **asdict(size),
            "decided": size.orders - size.orders_open,
            "given": len(_names()),
            "operations": len(OPERATIONS),
            "since": to_millis(now) - SPAN_MS,
            "span": SPAN_MS,
            "now": to_millis(now),
            "password_hash": hash_password(password),
            "line": "\n",
        }
        for name, statement in STATEMENTS.items():
            if name == "application_number":
                # Before what refers to applications.
                known = set(connection.scalars(select(table.application.c.app_id)))
                rows = _applications(size, vault, now)
                missing = (row for row in rows if row["app_id"] not in known)
                _insert(connection, table.application, missing)
            run(statement, values)
        _insert(connection, intention, _intentions(size, vault, now))
        _insert(connection, number_list, _listed(size, NumberKeys(vault), now))
        for number in range(size.enterprises):
            data = CustomerData(legal_name=f"Enterprise {number} Limited", handler_name="Li Lei")
            write_customer_data(
                connection, vault, f"e-{number}", data, by=f"person-{number}", now=now
            )
        templates = _write_tickets(connection, vault, now)
        _insert_into(connection, "template", ["k", "id", "is_open"], templates)
        values["templates"] = len(templates)
        for statement in (MAKE_COPIES, COPY_TICKETS, COPY_STEPS):
            run(statement, values)
        for name in ("series", "given", "operation", "template", "copy"):
            connection.execute(text(f"DROP TABLE {name}"))


def _make_series(connection: Connection, size: EstateSize) -> None:
    length = max(
        size.members_of_largest + (size.enterprises - 1) * size.members,
        size.departments_of_largest + (size.enterprises - 1) * size.departments,
        *(value * 5 for value in (size.enterprises, size.orders)),
        *(value * 2 for value in (size.calls,)),
        *(size.audited, size.tickets, size.numbers, size.people, size.intentions, size.listed),
        *(size.blacklisted, size.imports, 100),
    )
    for name, columns in (
        ("series", "i BIGINT PRIMARY KEY"),
        ("given", "k BIGINT PRIMARY KEY, name TEXT"),
        ("operation", "k BIGINT PRIMARY KEY, name TEXT"),
        ("template", "k BIGINT PRIMARY KEY, id TEXT, is_open INTEGER"),
    ):
        connection.execute(text(f"CREATE TEMPORARY TABLE {name} ({columns})"))
    connection.execute(
        text(
            "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < :length)"
            " INSERT INTO series SELECT i FROM n"
        ),
        {"length": length},
    )
    _insert_into(connection, "given", ["k", "name"], list(enumerate(_names())))
    _insert_into(connection, "operation", ["k", "name"], list(enumerate(OPERATIONS)))


def _names() -> list[str]:
    return [f"{surname} {given}" for surname in _SURNAMES.split() for given in _GIVEN.split()]


def _insert_into(
    connection: Connection, name: str, columns: list[str], rows: list[tuple[Any, ...]]
) -> None:
    marks = ", ".join(f":{column}" for column in columns)
    statement = text(f"INSERT INTO {name} ({', '.join(columns)}) VALUES ({marks})")
    connection.execute(statement, [dict(zip(columns, row, strict=True)) for row in rows])


def _insert(connection: Connection, into: Table, rows: Iterable[dict[str, Any]]) -> None:
    remaining = iter(rows)
    while batch := list(islice(remaining, _ROWS_AT_ONCE)):
        connection.execute(insert(into), batch)


def _applications(size: EstateSize, vault: SecretVault, now: datetime) -> Iterator[dict[str, Any]]:
    known = [(f"app-{number}", f"e-{number}") for number in range(size.enterprises)]
    known += [(f"app-0-{number}", LARGEST) for number in range(size.applications_of_largest)]
    for app_id, enterprise_id in known:
        yield {
            "app_id": app_id,
            "enterprise_id": enterprise_id,
            "name": f"Application {app_id}",
            "status": "active",
            "secret_encrypted": vault.seal(b"secret", secret_place(app_id)),
            "signing_secret_encrypted": vault.seal(bytes(32), signing_secret_place(app_id)),
            "notify_url": None,
            "allow_private_addresses": False,
            "created_at": now,
        }


def _intentions(size: EstateSize, vault: SecretVault, now: datetime) -> Iterator[dict[str, Any]]:
    contact = encode_contact(Contact("Li Lei", "+8613912345673", "lei@example.com"))
    names = _names()
    step = timedelta(milliseconds=SPAN_MS // size.intentions)
    for number in range(size.intentions):
        at = now - step * (size.intentions - number)
        intention_id = f"{to_millis(at):012x}{number:020x}"
        manager, state = f"manager-{number % 8}", _STATES[number % len(_STATES)]
        yield {
            "id": intention_id,
            "enterprise_id": f"p-{number}",
            "enterprise_name": f"{names[(number * 7919 + 5) % len(names)]} {number} Company",
            "region": ("North", "South", "East", "West")[number % 4],
            "channel": "hotline",
            "contact_encrypted": vault.seal(contact, intention_place(intention_id)),
            "note": "Some thousand calls a day.",
            "state": state,
            "account_manager": None if state == "reserved" else manager,
            "submitted_by": "support-0",
            "submitted_at": at,
            "changed_by": manager,
            "changed_at": at + timedelta(hours=1),
            "reason": "No numbers there." if state == "declined" else None,
        }


def _listed(size: EstateSize, keys: NumberKeys, now: datetime) -> Iterator[dict[str, Any]]:
    """Half of them the platform's, half the largest enterprise's; a tenth of each allowed."""
    for number in range(size.listed):
        e164 = f"+86139{number:08}"
        at = now - timedelta(seconds=size.listed - number)
        yield {
            "number_key": keys.key_of(e164),
            "scope": LARGEST if number % 2 else "",
            "kind": "allowed" if number % 20 < 2 else "do-not-call",
            "id": f"{to_millis(at):012x}{number:020x}",
            "shown": mask_number(e164),
            "reason": "Asked not to be called",
            "source": "register",
            "added_by": "person-0" if number % 2 else "operator-0",
            "added_at": at,
            "expires_at": None,
        }


def _write_tickets(
    connection: Connection, vault: SecretVault, now: datetime
) -> list[tuple[int, str, int]]:
    """Tickets as support would have worked on them, by number, identifier and whether open."""
    store = TicketStore(vault, SupportPolicy.from_settings(SupportSettings()))
    templates = []
    # None is a factor of the numbers of enterprises, so that each has some of all sorts.
    for number in range(19):
        is_open = number % 9 == 0
        opened = now - timedelta(minutes=20 + number) - timedelta(days=0 if is_open else 22)
        priority = (TicketPriority.NORMAL, TicketPriority.LOW, TicketPriority.HIGH)[number % 3]
        first = Entry(
            step=Step(action=TicketAction.OPEN, at=opened, priority=priority),
            by="person-0",
            is_staff=False,
            text="We tried twice, from two applications; both times the same.",
        )
        category = list(TicketCategory)[number % len(TicketCategory)]
        ticket_id = store.create(
            connection,
            first,
            enterprise_id=LARGEST,
            subject=f"Question {number} about {category}",
            channel=TicketChannel.PORTAL,
            category=category,
            call_id=None,
            contact=None,
        )
        file = store.read(connection, ticket_id)
        for entry in _work(opened, number, is_open=is_open):
            file = store.append(connection, file, entry)
        templates.append((number, ticket_id, int(is_open)))
    return templates


def _work(at: datetime, number: int, *, is_open: bool) -> Iterator[Entry]:
    """What is done with a ticket that is opened then: those that are over were talked about,
    resolved and closed a week later, a few of them too late."""
    support = f"support-{number % 10}"
    assigned = Step(
        action=TicketAction.ASSIGN,
        at=at + timedelta(minutes=2),
        queue=TicketQueue.SUPPORT,
        assignee=support,
    )
    if number % 2 == 0 or not is_open:
        yield Entry(step=assigned, by=support, is_staff=True)
    if is_open:
        return
    said = Step(action=TicketAction.REPLY, at=at + timedelta(minutes=5))
    yield Entry(step=said, by=support, is_staff=True, text="We look at it.")
    answer = Step(action=TicketAction.WRITE, at=at + timedelta(minutes=9))
    yield Entry(step=answer, by="person-0", is_staff=False, text="Thank you, it is urgent.")
    if number % 6 == 5:
        missed = Step(
            action=TicketAction.MISS,
            at=at + timedelta(days=13),
            level=TicketLevel.SECOND_LINE,
            clock=TicketClock.RESOLUTION,
            percent=100,
        )
        yield Entry(step=missed, by=PLATFORM, is_staff=True)
    resolved = Step(action=TicketAction.RESOLVE, at=at + timedelta(days=14))
    yield Entry(step=resolved, by=support, is_staff=True, text="A route was mended.")
    closed = Step(action=TicketAction.CLOSE, at=at + timedelta(days=21))
    yield Entry(step=closed, by=PLATFORM, is_staff=True)
