"""Numbers, orders and pools; members, departments, lists, and imports of them."""

from datetime import timedelta

from sqlalchemy import insert, update
from tests.portal.world import ACME, World

from clicktodial.accounts.department import Departments
from clicktodial.accounts.do_not_call import ListPlace, NumberLists
from clicktodial.accounts.member import Members, write_members
from clicktodial.accounts.number import NewNumber, NumberInventory
from clicktodial.accounts.number_order import NumberOrders
from clicktodial.accounts.number_pool import NumberPools
from clicktodial.accounts.table_import import ImportOrder, ImportState, TableImport
from clicktodial.accounts.table_row import MemberRow, TableKind
from clicktodial.accounts.work_order import WorkOrders
from clicktodial.domain.principal import OPERATOR_PRINCIPAL, Principal, Role
from clicktodial.domain.protection import ListKind
from clicktodial.domain.sponsor_number import NumberKind
from clicktodial.domain.work_order import WorkOrderKind
from clicktodial.storage.member_table import import_job, import_problem
from clicktodial.storage.number_key import NumberKeys

_CITIES = (("Beijing", "Beijing"), ("Shenzhen", "Guangdong"), ("Guangzhou", "Guangdong"))
_PREFIXES = ("0105268", "0755123", "0201234")


def seed_numbers(world: World, enterprise_id: str) -> dict[str, str]:
    """Numbers that are its own, ordered, rejected and free; a pool of its application's."""
    inventory = NumberInventory(world.transactions, region="CN")
    orders = NumberOrders(world.transactions, region="CN")
    reviews = WorkOrders(world.transactions, {WorkOrderKind.NUMBER_ORDER: orders})
    owner = Principal(name="owner", roles=frozenset({Role.OWNER}), enterprise_id=enterprise_id)
    first = 1_000 if enterprise_id == ACME else 2_000
    places = [
        (f"{_PREFIXES[place]}{number}", city, region)
        for place, (city, region) in enumerate(_CITIES)
        for number in range(first, first + 20)
    ]
    inventory.add_all(
        [
            NewNumber(number=number, kind=NumberKind.FIXED, city=city, region=region)
            for number, city, region in places
        ],
        world.now,
    )
    written = [number for number, *_ in places]
    for numbers, approved in ((written[:3] + written[20:22], True), (written[3:5], False)):
        order = orders.place(owner, enterprise_id, numbers, world.now)
        reviews.decide(
            OPERATOR_PRINCIPAL,
            order.work_order_id,
            approved=approved,
            reason="" if approved else "Say for which calls you need numbers of this city.",
            now=world.now + timedelta(seconds=1),
        )
    opened = orders.place(owner, enterprise_id, written[5:8], world.now)
    app_id = world.ids[enterprise_id]["app_id"]
    for number in (*written[:3], *written[20:22]):
        inventory.assign(owner, app_id, number)
    NumberPools(world.transactions, region="CN").put(
        owner,
        app_id,
        "default",
        numbers=written[:3],
        fallback=["Shenzhen", "Guangzhou", "Beijing"],
    )
    return {"number": written[0], "order_id": opened.order_id, "pool_name": "default"}


def seed_members(world: World, enterprise_id: str) -> dict[str, str]:
    """Two pages of members in two departments, and an import that went half wrong."""
    rows = [
        MemberRow(
            e164=f"+861391234{number:04}",
            name=f"Member {number} of {enterprise_id}",
            department=("Dispatch", "Support", "")[number % 3],
            employee_id=f"E{number:04}",
            note="",
            calls_per_day=100 if number % 5 == 0 else None,
            calls_per_month=None,
        )
        for number in range(40)
    ]
    with world.transactions.change() as connection:
        write_members(connection, enterprise_id, list(enumerate(rows, 2)), world.now)
    members = Members(world.transactions, region="CN")
    member_id = members.find(enterprise_id, limit=1)[0].member_id
    department_id = Departments(world.transactions).list_all(enterprise_id)[0].department_id
    return {
        "member_id": member_id,
        "department_id": department_id,
        "import_id": _import(world, TableKind.MEMBERS, enterprise_id),
    }


def seed_protection(world: World, enterprise_id: str) -> dict[str, str]:
    """Entries of every list; the platform's, too."""
    lists = NumberLists(world.transactions, NumberKeys(world.vault), region="CN")

    def add(kind: ListKind, scope: str, number: str) -> str:
        return lists.add(
            ListPlace(kind, scope),
            number,
            reason="asked for it",
            source="mail",
            added_by="x",
            now=world.now,
        ).entry_id

    if enterprise_id == ACME:
        lists.blacklist("+882", is_prefix=True, reason="satellites", added_by="x", now=world.now)
    return {
        "entry_id": add(ListKind.DO_NOT_CALL, enterprise_id, "13912345678"),
        "allowed_id": add(ListKind.ALLOWED, enterprise_id, "13912345679"),
        "list_import_id": _import(world, TableKind.DO_NOT_CALL, enterprise_id),
        "platform_entry_id": add(ListKind.DO_NOT_CALL, "", "13912345670"),
        "platform_allowed_id": add(ListKind.ALLOWED, "", "13912345671"),
        "platform_import_id": _import(world, TableKind.DO_NOT_CALL, ""),
        "audio": "notice",
    }


def _import(world: World, kind: TableKind, scope: str) -> str:
    """One that is done, with two rows that were left out; it read no file."""
    keys = NumberKeys(world.vault)
    importing = TableImport(world.transactions, keys, region="CN", node_id="another")
    order = ImportOrder(kind=kind, scope=scope, is_all_or_nothing=False, ordered_by="owner")
    job_id = importing.create(order, now=world.now)
    problem = "the number is not a telephone number"
    with world.engine.begin() as connection:
        connection.execute(
            update(import_job)
            .where(import_job.c.id == job_id)
            .values(
                state=ImportState.DONE,
                rows_read=120,
                added=100,
                changed=18,
                refused=2,
                finished_at=world.now,
            )
        )
        rows = [{"job_id": job_id, "row": row, "problem": problem} for row in (7, 31)]
        connection.execute(insert(import_problem), rows)
    return job_id
