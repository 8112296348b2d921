"""The past as a whole, in its order."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime

from clicktodial.config import Settings
from clicktodial.sandbox.demo.history import customer, support, team, trade
from clicktodial.sandbox.demo.history.call import Caller, add_calls
from clicktodial.sandbox.demo.history.cast import SPONSORS
from clicktodial.sandbox.demo.history.desk import Desk, open_desk
from clicktodial.storage.database import Database

DISPATCH, SALES, CLINIC = "20260001", "20260002", "20260003"
_CALLS = {DISPATCH: 260, SALES: 90, CLINIC: 40}
# So many times the calls want as many times the minutes as one.
_CALLS_A_PACKAGE = 4
# Nobody is there: names of this domain lead nowhere (RFC 2606 2).
_SILENT_URL = "https://hooks.silver-lake.example/calls"


async def fill_history(
    settings: Settings,
    *,
    enterprise_id: str,
    base_url: str,
    password: str,
    secret: str,
    now: datetime | None = None,
    times: int = 1,
) -> None:
    """Give the enterprise, and the platform around it, a past. Raises StorageError.

    All people of cast.py get that password, and the application DISPATCH that secret. The past
    ends `now`, and has `times` as many calls as make a console worth clicking through.
    """
    now = now or datetime.now(UTC)
    database = Database(settings.database_url, durability="normal")
    database.open()
    try:
        desk = await asyncio.to_thread(open_desk, settings, database, base_url, now)
        callers = await asyncio.to_thread(_prepare, desk, enterprise_id, password, secret, times)
        callers = [replace(each, calls=each.calls * times) for each in callers]
        made = await add_calls(desk, callers)
        await asyncio.to_thread(_finish, desk, enterprise_id, made)
    finally:
        await database.close()


def _prepare(
    desk: Desk, enterprise_id: str, password: str, secret: str, times: int
) -> list[Caller]:
    """All that must be there before the first call."""
    customer.name_enterprise(desk, enterprise_id)
    team.add_people(desk, enterprise_id, password)
    trade.add_trunks(desk)
    trade.sell_packages(desk, enterprise_id, times=-(-times // _CALLS_A_PACKAGE))
    trade.add_numbers(desk, enterprise_id)
    further = customer.add_customers(desk)
    members = trade.add_members(desk, enterprise_id)
    dispatch = trade.add_application(
        desk, enterprise_id, "调度 Dispatch", DISPATCH, SPONSORS[:4], secret=secret
    )
    sales = trade.add_application(desk, enterprise_id, "销售 Sales", SALES, SPONSORS[4:6])
    clinic_id = further["active"]
    clinic_numbers = [
        each.number.e164
        for each in desk.numbers.inventory.list_of_enterprise(
            desk.who("operator"), clinic_id, desk.now
        )
    ]
    clinic = trade.add_application(desk, clinic_id, "预约 Appointments", CLINIC, clinic_numbers)
    trade.sell_packages(desk, clinic_id)
    trade.add_lists(desk, enterprise_id)
    template_id = trade.add_templates(desk, dispatch)
    return [
        Caller(
            app_id=dispatch,
            enterprise_id=enterprise_id,
            sponsors=[_written(each) for each in SPONSORS[:4]],
            members=members,
            calls=_CALLS[DISPATCH],
            template_id=template_id,
            recorded=True,
        ),
        Caller(
            app_id=sales,
            enterprise_id=enterprise_id,
            sponsors=[_written(each) for each in SPONSORS[4:6]],
            members=members[1::3],
            calls=_CALLS[SALES],
        ),
        Caller(
            app_id=clinic,
            enterprise_id=clinic_id,
            sponsors=clinic_numbers,
            members=["+8613911110001", "+8613911110002"],
            calls=_CALLS[CLINIC],
            notified=False,
        ),
    ]


def _finish(desk: Desk, enterprise_id: str, made: dict[str, list[str]]) -> None:
    """What refers to calls, and what would have kept them from being made as they were."""
    desk.sweep.grant(desk.now)
    trade.set_caps(desk, enterprise_id)
    clinic_id = desk.administration.show_application(CLINIC).enterprise_id
    support.add_tickets(desk, enterprise_id, made[DISPATCH][0], clinic_id)
    support.add_roster(desk)
    support.add_audit(desk, enterprise_id, DISPATCH)
    desk.administration.set_notify_url(CLINIC, _SILENT_URL, allow_private_addresses=False)


def _written(number: str) -> str:
    """In E.164, as the cast's numbers of Beijing are not."""
    return f"+86{number.removeprefix('0')}"
