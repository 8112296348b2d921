"""Pools of an application's numbers, as people put them together."""

from collections.abc import Sequence

from sqlalchemy import Connection, delete, func, insert, select

from clicktodial.accounts.scope import require_application
from clicktodial.domain.number_pool import NumberPool, PoolNumber
from clicktodial.domain.principal import Principal
from clicktodial.domain.wording import worded
from clicktodial.storage.application_codec import check_city, encode_cities
from clicktodial.storage.application_row import read_numbers, read_pools
from clicktodial.storage.error import NotFound, ValueInvalid
from clicktodial.storage.number_table import number_pool, number_pool_member
from clicktodial.storage.transaction import Transactions
from clicktodial.storage.value import check_identifier, check_sponsor

# They are held in memory with the application; choosing looks at each number of one, 0.1 us each.
POOLS_MAX = 20
POOL_NUMBERS_MAX = 1_000
FALLBACK_MAX = 50


class NumberPools:
    """All methods raise AdministrationError, NotFound also for what is another's."""

    def __init__(self, transactions: Transactions, *, region: str) -> None:
        """`region` is that of numbers without a country."""
        self._transactions = transactions
        self._region = region

    def list_pools(self, principal: Principal, app_id: str) -> tuple[NumberPool, ...]:
        """Those of an application, by name."""
        with self._transactions.read() as connection:
            require_application(connection, principal, app_id)
            return read_pools(connection, app_id, read_numbers(connection, app_id))

    def show(self, principal: Principal, app_id: str, name: str) -> NumberPool:
        """One pool."""
        for pool in self.list_pools(principal, app_id):
            if pool.name == name:
                return pool
        raise NotFound("the application has no pool of that name")

    def put(
        self,
        principal: Principal,
        app_id: str,
        name: str,
        *,
        numbers: Sequence[str],
        fallback: Sequence[str],
    ) -> NumberPool:
        """Make a pool of numbers that the application may show, or make it anew."""
        check_identifier(name, "the name of a pool")
        wanted = sorted({check_sponsor(written, self._region) for written in numbers})
        cities = [check_city(city, "a city") for city in fallback]
        if len(wanted) > POOL_NUMBERS_MAX:
            raise ValueInvalid(worded("a pool has at most %(most)s numbers", most=POOL_NUMBERS_MAX))
        if len(cities) > FALLBACK_MAX or "" in cities:
            raise ValueInvalid(
                worded(
                    "a pool falls back on at most %(most)s cities, each named", most=FALLBACK_MAX
                )
            )
        with self._transactions.change() as connection:
            require_application(connection, principal, app_id)
            known = read_numbers(connection, app_id)
            if not known.keys() >= set(wanted):
                raise ValueInvalid("a pool is of numbers that the application may show")
            _remove(connection, app_id, name)
            _require_room(connection, app_id)
            row = {"app_id": app_id, "name": name, "fallback": encode_cities(cities)}
            connection.execute(insert(number_pool).values(row))
            members = [{"app_id": app_id, "name": name, "e164": e164} for e164 in wanted]
            if members:
                connection.execute(insert(number_pool_member), members)
        return NumberPool(
            name, tuple(PoolNumber(e164, known[e164].place) for e164 in wanted), tuple(cities)
        )

    def remove(self, principal: Principal, app_id: str, name: str) -> None:
        """Take a pool apart; its numbers stay the application's."""
        with self._transactions.change() as connection:
            require_application(connection, principal, app_id)
            if not _remove(connection, app_id, name):
                raise NotFound("the application has no pool of that name")


def _remove(connection: Connection, app_id: str, name: str) -> bool:
    columns = number_pool.c
    removed = connection.execute(
        delete(number_pool).where(columns.app_id == app_id, columns.name == name)
    )
    return bool(removed.rowcount)


def _require_room(connection: Connection, app_id: str) -> None:
    count = select(func.count()).where(number_pool.c.app_id == app_id)
    if (connection.scalar(count) or 0) >= POOLS_MAX:
        raise ValueInvalid(worded("an application has at most %(most)s pools", most=POOLS_MAX))
